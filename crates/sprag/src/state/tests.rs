//! The store against real files, and against a model.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use sprag_core::chain::Fingerprint;
use sprag_core::fact::{DeadLetter, DestinationDeclared, Fact, HoldReason, Outcome, Start, Visit};
use sprag_core::id::{
    DestinationId, FrameNumber, Hash, Key, PartitionId, Place, Sequence, SourceId,
};
use sprag_core::input::PageCursor;
use sprag_core::output::{IdleRequest, PageRequest};
use sprag_core::partition::Head;
use sprag_core::position::Position;
use sprag_core::record::{Essence, HeldAt, HeldEvent, KeyRecord, Lane, LaneMode, Queue};
use sprag_core::time::{OpenMicros, UnixMicros};
use sprag_core::totals::Totals;
use sprag_driver::state::{
    Batch, Letter, LetterChange, LetterReason, StateCompletion, StateRequest, Stop,
};
use sprag_log::digest::Sha256;
use tempfile::TempDir;

mod displaced;
mod full_disk;
mod lists;
mod model;
mod pages;

use super::{
    Fault, HeldCounts, KeyFilter, KeyQuery, Opened, Rebuilt, Selection, SqliteState, StateReader,
    StoppedCounts, StoppedLane, limits, open, write,
};
use crate::node::{Loads, StateStep};

const P: PartitionId = PartitionId(3);
const APP: DestinationId = DestinationId(1);
const OTHER: DestinationId = DestinationId(2);

fn opened(directory: &Path) -> Opened {
    SqliteState::open(directory, "log one").unwrap()
}

fn fresh() -> (TempDir, SqliteState) {
    let directory = TempDir::new().unwrap();
    let Opened { store, rebuilt } = opened(directory.path());
    assert_eq!(rebuilt, None);
    (directory, store)
}

fn key(name: &str) -> Key {
    Key { source: SourceId(1), name: Arc::from(name) }
}

fn record(sequence: u64) -> KeyRecord {
    let newest = Place { partition: P, frame: FrameNumber(sequence + 1), index: 0 };
    KeyRecord { sequence: Sequence(sequence), newest, ..KeyRecord::default() }
}

fn with_lane(mode: LaneMode, head: u64, tail: u64, due: u64) -> KeyRecord {
    let mut lane = Lane::new(APP, Sequence(head));
    (lane.tail, lane.mode, lane.due) = (Sequence(tail), mode, UnixMicros(due));
    KeyRecord { lanes: vec![lane], ..record(tail) }
}

fn of(destination: DestinationId) -> Selection {
    Selection { destination: Some(destination), ..Selection::default() }
}

fn holding(position: u64) -> KeyRecord {
    let mut record = record(0);
    let essence = Essence {
        id: None,
        position: Position::Sequence(position),
        event_type: Arc::from("t"),
        content_type: Arc::from(""),
        digest: Hash::default(),
        size: 3,
        depends_on: None,
    };
    let (event, deadline) = (record.newest, OpenMicros(5));
    let held = HeldEvent { event, reason: HoldReason::Gap, deadline, essence };
    record.order.held.insert(HeldAt::numbered(position), held);
    record
}

fn batch(frame: u64, records: Vec<(Key, KeyRecord)>, letters: Vec<LetterChange>) -> Box<Batch> {
    let declared =
        DestinationDeclared { destination: APP, name: Arc::from("app"), start: Start::Now };
    let head = Head {
        frame: FrameNumber(frame),
        recorded: UnixMicros(frame * 10),
        open: OpenMicros(frame * 7),
        directory: vec![Fact::DestinationDeclared(declared)],
        totals: Totals { visited: [(APP, Visit::Opens)].into(), ..Totals::default() },
    };
    Box::new(Batch { head, records, tombstones: Vec::new(), letters })
}

fn write(store: &mut SqliteState, batch: Box<Batch>) {
    let frame = batch.head.frame;
    let completion = store.step(StateRequest::Write(P, batch));
    assert_eq!(completion, Some(StateCompletion::Written(P, frame)));
}

fn head(store: &mut SqliteState) -> Head {
    match store.step(StateRequest::Open(P)) {
        Some(StateCompletion::Opened(P, head)) => head,
        other => panic!("{other:?}"),
    }
}

fn load(store: &mut SqliteState, names: &[&str]) -> Vec<Option<KeyRecord>> {
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    match store.step(StateRequest::Load(P, keys.clone())) {
        Some(StateCompletion::Loaded(P, records)) => {
            assert!(records.iter().map(|(key, _)| key).eq(&keys));
            records.into_iter().map(|(_, record)| record).collect()
        }
        other => panic!("{other:?}"),
    }
}

type Page = (Vec<(Key, KeyRecord)>, Option<PageCursor>);

fn page(store: &mut SqliteState, request: PageRequest) -> Page {
    let queue = request.queue;
    match store.step(StateRequest::Page(P, request)) {
        Some(StateCompletion::Paged { partition: P, queue: of, keys, next }) if of == queue => {
            (keys, next)
        }
        other => panic!("{other:?}"),
    }
}

fn given_up(name: &str, sequence: u64) -> Letter {
    Letter {
        place: Place { partition: P, frame: FrameNumber(sequence), index: 1 },
        recorded: UnixMicros(sequence),
        key: key(name),
        letter: DeadLetter::InLane { destination: APP, sequence: Sequence(sequence) },
        reason: LetterReason::GivenUp,
    }
}

#[test]
fn what_was_written_is_there_after_a_restart_with_its_head() {
    let (directory, mut store) = fresh();
    assert_eq!(head(&mut store), Head::default());
    let written = batch(4, vec![(key("a"), record(2)), (key("b"), holding(9))], vec![]);
    write(&mut store, written.clone());
    drop(store);
    let Opened { mut store, rebuilt } = opened(directory.path());
    assert_eq!(rebuilt, None);
    assert_eq!(head(&mut store), written.head);
    assert_eq!(load(&mut store, &["a", "x", "b"]), [Some(record(2)), None, Some(holding(9))]);
    // Other partitions know nothing of it.
    let other = store.step(StateRequest::Open(PartitionId(0)));
    assert_eq!(other, Some(StateCompletion::Opened(PartitionId(0), Head::default())));
}

/// A statement in the middle of a batch fails: neither its records nor its head are there.
#[test]
fn a_batch_that_fails_leaves_the_one_before() {
    let (directory, mut store) = fresh();
    let before = batch(4, vec![(key("a"), record(2))], vec![]);
    write(&mut store, before.clone());
    let other = rusqlite::Connection::open(open::path(directory.path())).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON letters BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let records = vec![(key("a"), record(3)), (key("b"), with_lane(LaneMode::Parked, 1, 2, 0))];
    let letters = vec![LetterChange::Added(given_up("a", 1))];
    let refused = batch(5, records, letters);
    let completion = store.step(StateRequest::Write(P, refused.clone()));
    assert_eq!(completion, Some(StateCompletion::NotWritten(P, refused.clone())));
    assert!(store.health().fault().unwrap().contains("no"));
    assert_eq!(head(&mut store), before.head);
    assert_eq!(load(&mut store, &["a", "b"]), [Some(record(2)), None]);
    // The same batch is taken once nothing is in its way.
    other.execute_batch("DROP TRIGGER no").unwrap();
    write(&mut store, refused);
    assert_eq!(store.health().fault(), None);
    assert_eq!(load(&mut store, &["a"]), [Some(record(3))]);
    let reader = StateReader::open(directory.path()).unwrap();
    assert_eq!(reader.stopped_lanes(&Selection::default(), None, 10).unwrap().lanes.len(), 1);
    assert_eq!(reader.dead_letters().unwrap(), [(Some(APP), 3)]);
}

#[test]
fn a_deleted_file_is_a_fresh_one() {
    let (directory, mut store) = fresh();
    write(&mut store, batch(4, vec![(key("a"), record(2))], vec![]));
    drop(store);
    open::delete(&open::path(directory.path())).unwrap();
    let Opened { mut store, rebuilt } = opened(directory.path());
    assert_eq!((rebuilt, head(&mut store)), (None, Head::default()));
}

type Harm = fn(&Path);
type Expected = fn(&Rebuilt) -> bool;

#[test]
fn garbage_a_cut_file_another_version_and_another_log_are_begun_anew() {
    let damaged = |rebuilt: &Rebuilt| matches!(rebuilt, Rebuilt::Damaged(_));
    let cases: [(&str, Harm, Expected); 4] = [
        ("garbage", |path| fs::write(path, vec![7; 20_000]).unwrap(), damaged),
        (
            "cut",
            |path| fs::File::options().write(true).open(path).unwrap().set_len(9_000).unwrap(),
            damaged,
        ),
        (
            "version",
            |path| {
                let other = rusqlite::Connection::open(path).unwrap();
                other.pragma_update(None, "user_version", 7).unwrap();
            },
            |rebuilt| *rebuilt == Rebuilt::OtherVersion,
        ),
        (
            "log",
            |path| {
                let other = rusqlite::Connection::open(path).unwrap();
                let change = "UPDATE facts_of_file SET value = 'log two' WHERE name = 'log'";
                assert_eq!(other.execute(change, []).unwrap(), 1);
            },
            |rebuilt| *rebuilt == Rebuilt::OtherLog,
        ),
    ];
    for (name, harm, expected) in cases {
        let (directory, mut store) = fresh();
        write(&mut store, batch(4, vec![(key("a"), record(2))], vec![]));
        drop(store);
        harm(&open::path(directory.path()));
        let Opened { mut store, rebuilt } = opened(directory.path());
        let rebuilt = rebuilt.unwrap_or_else(|| panic!("{name} was taken as it is"));
        assert!(expected(&rebuilt), "{name}: {rebuilt}");
        assert_eq!(head(&mut store), Head::default(), "{name}");
        write(&mut store, batch(1, vec![(key("a"), record(1))], vec![]));
    }
}

/// A flipped bit in a record is never read as data: no answer, and a fresh file at the next start.
#[test]
fn a_damaged_record_is_no_answer_and_costs_a_rebuild() {
    let (directory, mut store) = fresh();
    write(&mut store, batch(4, vec![(key("a"), record(2)), (key("b"), record(2))], vec![]));
    let other = rusqlite::Connection::open(open::path(directory.path())).unwrap();
    let mut bytes: Vec<u8> =
        other.query_row("SELECT record FROM keys WHERE key = 'b'", [], |row| row.get(0)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    other.execute("UPDATE keys SET record = ?1 WHERE key = 'b'", [bytes]).unwrap();
    drop(other);
    assert_eq!(load(&mut store, &["a"]), [Some(record(2))]);
    assert_eq!(store.step(StateRequest::Load(P, vec![key("a"), key("b")])), None);
    assert!(store.health().fault().unwrap().contains("checksum"));
    // From then on nothing is answered and nothing taken.
    assert_eq!(store.step(StateRequest::Open(P)), None);
    let next = batch(5, vec![], vec![]);
    let completion = store.step(StateRequest::Write(P, next.clone()));
    assert_eq!(completion, Some(StateCompletion::NotWritten(P, next)));
    drop(store);
    assert_eq!(head(&mut opened(directory.path()).store), Head::default());
}

/// Loads that wait, and what was answered.
#[derive(Default)]
struct Waiting {
    loads: VecDeque<Vec<Key>>,
    loaded: Vec<(Key, Option<KeyRecord>)>,
}

impl Loads for Waiting {
    fn next(&mut self) -> Option<(PartitionId, Vec<Key>)> {
        self.loads.pop_front().map(|keys| (P, keys))
    }

    fn loaded(&mut self, partition: PartitionId, records: Vec<(Key, Option<KeyRecord>)>) {
        assert_eq!(partition, P);
        self.loaded.extend(records);
    }
}

#[test]
fn loads_are_answered_in_the_middle_of_a_batch_and_with_each_other() {
    let (_directory, mut store) = fresh();
    write(&mut store, batch(4, vec![(key("a"), record(2)), (key("b"), record(3))], vec![]));
    let expected =
        || vec![(key("a"), Some(record(2))), (key("new"), None), (key("b"), Some(record(3)))];
    let others = || VecDeque::from([vec![key("new")], vec![key("b")]]);
    let mut waiting = Waiting { loads: others(), loaded: Vec::new() };
    let completion = store.step_among(StateRequest::Load(P, vec![key("a")]), &mut waiting);
    assert_eq!((completion, waiting.loaded), (None, expected()));
    let many: Vec<_> = (10..60).map(|number| (key(&format!("k{number}")), record(5))).collect();
    let mut loads = others();
    loads.push_front(vec![key("a")]);
    let mut waiting = Waiting { loads, loaded: Vec::new() };
    let request = StateRequest::Write(P, batch(5, many, vec![]));
    let completion = store.step_among(request, &mut waiting);
    assert_eq!(completion, Some(StateCompletion::Written(P, FrameNumber(5))));
    assert_eq!(waiting.loaded, expected());
    assert_eq!(load(&mut store, &["k10", "k59"]), [Some(record(5)), Some(record(5))]);
}

/// As a load by itself: nobody may take it for a key that is not known.
#[test]
fn a_damaged_record_is_no_answer_in_the_middle_of_a_batch_either() {
    let (directory, mut store) = fresh();
    write(&mut store, batch(4, vec![(key("b"), record(2))], vec![]));
    let other = rusqlite::Connection::open(open::path(directory.path())).unwrap();
    other.execute("UPDATE keys SET record = x'00' WHERE key = 'b'", []).unwrap();
    drop(other);
    let loads = VecDeque::from([vec![key("b")], vec![key("a")]]);
    let mut waiting = Waiting { loads, loaded: Vec::new() };
    let many = (10..60).map(|number| (key(&format!("k{number}")), record(5))).collect();
    let next = batch(5, many, vec![]);
    let completion = store.step_among(StateRequest::Write(P, next.clone()), &mut waiting);
    assert_eq!(completion, Some(StateCompletion::NotWritten(P, next)));
    assert_eq!((waiting.loaded, waiting.loads.len()), (Vec::new(), 1));
    assert!(store.health().is_broken());
}

/// SQLite may have rolled back what there was of it, and would take the rest in row by row.
#[test]
fn of_a_batch_in_which_a_load_failed_nothing_is_taken_in() {
    let (directory, store) = fresh();
    drop(store);
    let (mut connection, _) = open::writing(&open::path(directory.path()), "log").unwrap();
    let counts = write::Counts::of(&connection).unwrap();
    let many = (10..60).map(|number| (key(&format!("k{number}")), record(5))).collect();
    let (batch, mut pauses) = (batch(5, many, vec![]), 0);
    let between = |_: &rusqlite::Connection| {
        pauses += 1;
        if pauses < 3 { Ok(()) } else { Err(Fault::Value("record")) }
    };
    let written = write::write(&mut connection, P, &batch, counts, &mut Vec::new(), between);
    assert!((written.is_err(), pauses) == (true, 3) && connection.is_autocommit());
    drop(connection);
    let Opened { mut store, .. } = opened(directory.path());
    assert_eq!((head(&mut store), load(&mut store, &["k10"])), (Head::default(), vec![None]));
}

#[test]
fn a_cleared_partition_is_empty_and_the_others_stay() {
    let (_directory, mut store) = fresh();
    write(&mut store, batch(4, vec![(key("a"), record(2))], vec![]));
    let other = batch(6, vec![(key("o"), record(2))], vec![]);
    let (elsewhere, kept) = (PartitionId(1), other.head.clone());
    store.step(StateRequest::Write(elsewhere, other));
    assert_eq!(store.step(StateRequest::Clear(P)), None);
    assert_eq!((head(&mut store), load(&mut store, &["a"])), (Head::default(), vec![None]));
    let opened = store.step(StateRequest::Open(elsewhere));
    assert_eq!(opened, Some(StateCompletion::Opened(elsewhere, kept)));
}
