//! The store against real files, and against a model.

use std::collections::BTreeMap;
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
use sprag_core::record::{Essence, HeldEvent, KeyRecord, Lane, LaneMode, Queue};
use sprag_core::time::{OpenMicros, UnixMicros};
use sprag_core::totals::Totals;
use sprag_driver::state::{
    Batch, Letter, LetterChange, LetterReason, StateCompletion, StateRequest, Stop,
};
use sprag_log::digest::Sha256;
use tempfile::TempDir;

use super::{
    HeldCounts, KeyFilter, KeyQuery, Opened, Rebuilt, Selection, SqliteState, StateReader,
    StoppedCounts, StoppedLane, limits, open,
};
use crate::node::StateStep;

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
    };
    let (event, deadline) = (record.newest, OpenMicros(5));
    let held = HeldEvent { event, reason: HoldReason::Gap, deadline, essence };
    record.order.held.insert(position, held);
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

#[test]
fn a_letter_is_listed_once_the_newest_first_until_it_is_removed() {
    let (directory, mut store) = fresh();
    let event = Place { partition: P, frame: FrameNumber(1), index: 0 };
    let conflict = Letter {
        letter: DeadLetter::AtIngress { event },
        reason: LetterReason::Conflict,
        ..given_up("c", 9)
    };
    let added = [given_up("a", 1), given_up("b", 2), conflict.clone(), given_up("a", 1)];
    write(&mut store, batch(1, vec![], added.map(LetterChange::Added).to_vec()));
    let reader = StateReader::open(directory.path()).unwrap();
    let first = reader.letters(&Selection::default(), None, 2).unwrap();
    assert_eq!(first.letters, [given_up("a", 1), conflict.clone()]);
    let rest = reader.letters(&Selection::default(), first.next, 2).unwrap();
    assert_eq!((rest.letters, rest.next), (vec![given_up("b", 2)], None));
    assert_eq!(reader.letters(&of(APP), None, 9).unwrap().letters.len(), 2);
    assert_eq!(reader.dead_letters().unwrap(), [(None, 1), (Some(APP), 2)]);
    let found = reader.letter(P, &key("c"), &conflict.letter).unwrap();
    assert_eq!(found, Some(conflict.clone()));
    let removed = LetterChange::Removed(key("c"), conflict.letter);
    write(&mut store, batch(2, vec![], vec![removed]));
    assert_eq!(reader.letter(P, &key("c"), &conflict.letter).unwrap(), None);
}

#[test]
fn beyond_the_limit_the_oldest_letters_leave_the_list_and_are_counted() {
    let (directory, mut store) = fresh();
    let many = u64::try_from(limits::LETTERS).unwrap() + 3;
    let letters = (1..=many).map(|sequence| LetterChange::Added(given_up("a", sequence)));
    write(&mut store, batch(1, vec![], letters.collect()));
    let reader = StateReader::open(directory.path()).unwrap();
    assert_eq!(reader.dead_letters().unwrap(), [(Some(APP), many - 3)]);
    assert_eq!(reader.letters_left().unwrap(), 3);
    let oldest = |sequence| reader.letter(P, &key("a"), &given_up("a", sequence).letter).unwrap();
    assert_eq!((oldest(3), oldest(4)), (None, Some(given_up("a", 4))));
}

#[test]
fn stopped_lanes_come_and_go_with_the_records() {
    let (directory, mut store) = fresh();
    let records = ["a", "b", "c"].map(|name| (key(name), with_lane(LaneMode::Halted, 2, 5, 0)));
    write(&mut store, batch(1, records.to_vec(), vec![]));
    let reader = StateReader::open(directory.path()).unwrap();
    let lane = |name: &str| StoppedLane {
        partition: P,
        key: key(name),
        destination: APP,
        strand: None,
        mode: LaneMode::Halted,
        head: Sequence(2),
        tail: Sequence(5),
        since: None,
        outcome: None,
    };
    let first = reader.stopped_lanes(&of(APP), None, 2).unwrap();
    assert_eq!(first.lanes, [lane("a"), lane("b")]);
    let rest = reader.stopped_lanes(&of(APP), first.next.as_ref(), 2).unwrap();
    assert_eq!((rest.lanes, rest.next), (vec![lane("c")], None));
    assert!(reader.stopped_lanes(&of(DestinationId(2)), None, 2).unwrap().lanes.is_empty());
    let draining = LaneMode::DrainingHalted { until: Sequence(5) };
    write(&mut store, batch(2, vec![(key("b"), with_lane(draining, 2, 5, 0))], vec![]));
    let all = reader.stopped_lanes(&Selection::default(), None, 9).unwrap().lanes;
    assert_eq!(all, [lane("a"), lane("c")]);
}

/// Strands of one lane stop each by itself: each has its row, its time and its page.
#[test]
fn stopped_strands_are_listed_each_by_itself() {
    let (directory, mut store) = fresh();
    let strand = |event| {
        let strand = Lane::strand(APP, Sequence(event), 10);
        Lane { mode: LaneMode::Halted, ..strand }
    };
    let record = |strands: &[u64]| {
        let lanes = [Lane::new(APP, Sequence(9))].into_iter();
        let lanes = lanes.chain(strands.iter().map(|event| strand(*event))).collect();
        KeyRecord { unordered: true, sequence: Sequence(8), lanes, ..KeyRecord::default() }
    };
    let (outcome, key) = (Outcome::Answered { status: 503 }, key("a"));
    let stop = |event: u64| {
        let (recorded, sequence) = (UnixMicros(event * 10), Sequence(event));
        let (key, destination) = (key.clone(), APP);
        LetterChange::Stopped(Stop { recorded, key, destination, sequence, outcome })
    };
    let written = vec![(key.clone(), record(&[2, 5]))];
    write(&mut store, batch(1, written, vec![stop(2), stop(5)]));
    let reader = StateReader::open(directory.path()).unwrap();
    let first = reader.stopped_lanes(&of(APP), None, 1).unwrap();
    let rest = reader.stopped_lanes(&of(APP), first.next.as_ref(), 9).unwrap();
    let shown = |lanes: &[StoppedLane]| -> Vec<_> {
        lanes.iter().map(|lane| (lane.strand.unwrap().0, lane.since.unwrap().0)).collect()
    };
    assert_eq!((shown(&first.lanes), shown(&rest.lanes)), (vec![(2, 20)], vec![(5, 50)]));
    write(&mut store, batch(2, vec![(key.clone(), record(&[5]))], vec![]));
    let left = reader.stopped_lanes(&of(APP), None, 9).unwrap();
    assert_eq!(shown(&left.lanes), [(5, 50)]);
    // What waits is due once, with the first of the strands.
    let waiting = Lane { due: UnixMicros(7), ..Lane::strand(APP, Sequence(6), 10) };
    let mut later = record(&[5]);
    later.lanes.push(waiting);
    write(&mut store, batch(3, vec![(key, later)], vec![]));
    let page = reader.waiting_lanes(&Selection::default(), None, 9).unwrap();
    let heads: Vec<_> = page.lanes.iter().map(|waiting| waiting.lane.head.0).collect();
    assert_eq!(heads, [6]);
}

#[test]
fn when_and_why_a_lane_stopped_stays_while_it_is_stopped() {
    let (directory, mut store) = fresh();
    let stop = |name: &str, at: u64, outcome| {
        let (recorded, key, destination, sequence) = (UnixMicros(at), key(name), APP, Sequence(2));
        LetterChange::Stopped(Stop { recorded, key, destination, sequence, outcome })
    };
    let halted = |tail| with_lane(LaneMode::Halted, 2, tail, 0);
    let stops = vec![
        stop("a", 7, Outcome::Answered { status: 503 }),
        stop("b", 9, Outcome::Unreachable),
        stop("gone", 9, Outcome::Unknown),
    ];
    write(&mut store, batch(1, vec![(key("a"), halted(5)), (key("b"), halted(5))], stops));
    write(&mut store, batch(2, vec![(key("a"), halted(6))], vec![]));
    let reader = StateReader::open(directory.path()).unwrap();
    let listed = |wanted: &Selection| {
        let page = reader.stopped_lanes(wanted, None, 9).unwrap();
        assert_eq!(page.next, None);
        page.lanes.iter().map(|lane| (lane.since.unwrap().0, lane.tail.0)).collect::<Vec<_>>()
    };
    let reason = |reason: &str| Selection { reason: Some(reason.into()), ..Selection::default() };
    assert_eq!(listed(&Selection::default()), [(7, 6), (9, 5)]);
    assert_eq!(listed(&reason("5xx")), [(7, 6)]);
    assert_eq!(listed(&reason("unreachable")), [(9, 5)]);
    let since = Selection { since: Some(UnixMicros(8)), ..of(APP) };
    assert_eq!(listed(&since), [(9, 5)]);
    let counts = reader.stopped().unwrap();
    let expected = StoppedCounts { lanes: 2, events: 9, since: Some(UnixMicros(7)) };
    assert_eq!(counts[&(APP, P)], expected);
    // One that goes on and stops again has stopped then.
    let draining = with_lane(LaneMode::DrainingHalted { until: Sequence(6) }, 2, 6, 0);
    write(&mut store, batch(3, vec![(key("a"), draining)], vec![]));
    assert_eq!(listed(&Selection::default()), [(9, 5)]);
    let again = vec![stop("a", 20, Outcome::Answered { status: 404 })];
    write(&mut store, batch(4, vec![(key("a"), halted(6))], again));
    assert_eq!(listed(&reason("404")), [(20, 6)]);
}

#[test]
fn what_is_held_is_counted_over_all_keys() {
    let (directory, mut store) = fresh();
    let reader = StateReader::open(directory.path()).unwrap();
    let mut two = holding(9);
    let held = two.order.held[&9].clone();
    two.order.held.insert(12, held);
    write(&mut store, batch(1, vec![(key("a"), two), (key("b"), holding(9))], vec![]));
    let counts = |keys, events, drift| HeldCounts { keys, events, drift };
    // Positions 9 and 12, and 9, where the next is unknown.
    assert_eq!(reader.held().unwrap()[&(SourceId(1), P)], counts(2, 3, 5));
    write(&mut store, batch(2, vec![(key("a"), holding(9)), (key("b"), record(1))], vec![]));
    assert_eq!(reader.held().unwrap()[&(SourceId(1), P)], counts(1, 1, 1));
    store.step(StateRequest::Clear(P));
    assert!(reader.held().unwrap().is_empty());
}

#[test]
fn lanes_with_events_are_listed_page_by_page() {
    let (directory, mut store) = fresh();
    let records = ["a", "b", "c"].map(|name| (key(name), with_lane(LaneMode::Active, 2, 5, 7)));
    write(&mut store, batch(1, records.to_vec(), vec![]));
    write(&mut store, batch(2, vec![(key("d"), with_lane(LaneMode::Active, 6, 5, 0))], vec![]));
    let reader = StateReader::open(directory.path()).unwrap();
    let first = reader.waiting_lanes(&of(APP), None, 2).unwrap();
    let names = |page: &super::WaitingPage| {
        page.lanes.iter().map(|lane| lane.key.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), first.lanes[0].lane.head),
        (vec!["a".into(), "b".into()], Sequence(2))
    );
    let rest = reader.waiting_lanes(&of(APP), first.next.as_ref(), 2).unwrap();
    assert_eq!((names(&rest), rest.next), (vec!["c".to_owned()], None));
    assert!(reader.waiting_lanes(&of(OTHER), None, 2).unwrap().lanes.is_empty());
}

#[test]
fn a_forgotten_key_is_found_by_its_fingerprint_until_its_tombstone_goes() {
    let (directory, mut store) = fresh();
    let of = |name: &str| Fingerprint::of_key(&Sha256, &key(name));
    let active = |sequence, at| KeyRecord { active: UnixMicros(at), ..record(sequence) };
    let records =
        vec![(key("a"), active(4, 10)), (key("b"), active(5, 20)), (key("c"), holding(9))];
    write(&mut store, batch(1, records, vec![]));
    let idle = |store: &mut SqliteState, from: Option<Key>, until, tombstones| {
        let until = UnixMicros(until);
        let request = IdleRequest { source: SourceId(1), from, until, tombstones };
        match store.step(StateRequest::Idle(P, request)) {
            Some(StateCompletion::Idle { keys, next, beyond, .. }) => {
                let names: Vec<_> = keys.iter().map(|(key, _)| key.name.to_string()).collect();
                (names, next, beyond)
            }
            other => panic!("{other:?}"),
        }
    };
    let found = idle(&mut store, None, 10, 0);
    assert_eq!(found, (vec!["a".to_owned(), "c".to_owned()], None, vec![]));
    assert_eq!(idle(&mut store, Some(key("b")), 10, 0).0, ["c"]);
    // Two are forgotten: their rows go, their tombstones come.
    let tombstone = |record: &KeyRecord| KeyRecord { forgotten: true, ..record.clone() };
    let (a, b) = (tombstone(&active(4, 10)), tombstone(&active(5, 20)));
    let mut forgotten = batch(2, vec![(key("a"), a.clone()), (key("b"), b.clone())], vec![]);
    forgotten.tombstones = vec![(of("a"), Some(a.clone())), (of("b"), Some(b.clone()))];
    write(&mut store, forgotten);
    assert_eq!(load(&mut store, &["a", "b"]), [Some(a.clone()), Some(b)]);
    let reader = StateReader::open(directory.path()).unwrap();
    assert_eq!(reader.forgotten().unwrap(), [(P, 2)].into());
    assert_eq!(reader.record(P, &key("a")).unwrap(), Some(a.clone()));
    let beyond = idle(&mut store, None, 0, 1).2;
    assert_eq!(beyond, [(of("a"), Sequence(4))], "the oldest first");
    match store.step(StateRequest::Survey(P, 7, vec![key("a")], vec![of("a"), of("z")])) {
        Some(StateCompletion::Surveyed(_, 7, keys, tombstones)) => {
            assert_eq!(keys[0].record, Some(a.clone()));
            assert_eq!(tombstones, [(of("a"), a)].into());
        }
        other => panic!("{other:?}"),
    }
    // One is dropped, the other comes back.
    let mut gone = batch(3, vec![(key("b"), active(6, 30))], vec![]);
    gone.tombstones = vec![(of("a"), None), (of("b"), None)];
    write(&mut store, gone);
    assert_eq!(load(&mut store, &["a", "b"]), [None, Some(active(6, 30))]);
    assert_eq!(reader.forgotten().unwrap(), [(P, 0)].into());
}

#[test]
fn keys_are_listed_by_prefix_and_condition_page_by_page() {
    let (directory, mut store) = fresh();
    let paused = KeyRecord { paused: true, ..record(1) };
    let mut records = vec![
        (key("a/1"), record(1)),
        (key("a/2"), holding(9)),
        (key("a/3"), paused),
        (key("b"), with_lane(LaneMode::Parked, 1, 1, 0)),
    ];
    records.push((Key { source: SourceId(2), name: Arc::from("a/9") }, record(1)));
    write(&mut store, batch(1, records, vec![]));
    let elsewhere = batch(1, vec![(key("a/4"), record(1))], vec![]);
    store.step(StateRequest::Write(PartitionId(9), elsewhere));
    let reader = StateReader::open(directory.path()).unwrap();
    let list = |prefix: &str, filter, most| {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let prefix = prefix.to_owned();
            let query = KeyQuery { source: SourceId(1), prefix, filter, after, most };
            let page = reader.keys(&query).unwrap();
            assert!(page.keys.len() <= most);
            names.extend(page.keys.iter().map(|row| row.key.name.to_string()));
            after = page.next;
            if after.is_none() {
                return names;
            }
        }
    };
    for most in 1..6 {
        assert_eq!(list("", KeyFilter::All, most), ["a/1", "a/2", "a/3", "b", "a/4"]);
        assert_eq!(list("a/", KeyFilter::All, most), ["a/1", "a/2", "a/3", "a/4"]);
        assert_eq!(list("", KeyFilter::Held, most), ["a/2"]);
        assert_eq!(list("a", KeyFilter::Paused, most), ["a/3"]);
        assert_eq!(list("", KeyFilter::Stopped, most), ["b"]);
        assert!(list("c", KeyFilter::All, most).is_empty());
    }
    assert_eq!(reader.record(P, &key("a/2")).unwrap(), Some(holding(9)));
    assert_eq!(reader.head(P).unwrap().open, OpenMicros(7));
}

fn any_record() -> impl Strategy<Value = KeyRecord> {
    let due = || prop_oneof![0..4_u64, Just(u64::MAX), Just(1 << 63)];
    let mode = || prop_oneof![Just(LaneMode::Active), Just(LaneMode::Parked)];
    let lane = move || (mode(), 1..3_u64, 0..3_u64, due());
    (lane(), lane(), any::<bool>(), any::<bool>()).prop_map(|(one, other, paused, held)| {
        let mut record = with_lane(one.0, one.1, one.2, one.3);
        let more = with_lane(other.0, other.1, other.2, other.3).lanes;
        record.lanes.extend(more.into_iter().map(|lane| Lane { destination: OTHER, ..lane }));
        record.paused = paused;
        if held {
            record.order = holding(9).order;
        }
        record
    })
}

/// What the trait promises, as a map: the places in a queue up to a due time, and the first behind.
fn model_places(
    model: &BTreeMap<Key, KeyRecord>,
    queue: Queue,
    until: u64,
) -> (Vec<(Key, KeyRecord)>, Option<PageCursor>) {
    let places = model.iter().flat_map(|(key, record)| {
        let dues = record.dues().filter(|due| due.queue == queue);
        // SQLite's largest number is 2⁶³ − 1: due times beyond are one and never.
        dues.map(|due| PageCursor { due: due.at.min(i64::MAX as u64), key: Some(key.clone()) })
    });
    let mut places: Vec<_> = places.collect();
    places.sort();
    let later = places.split_off(places.iter().filter(|place| place.due <= until).count());
    let keys = places.into_iter().filter_map(|place| place.key);
    let keys = keys.map(|key| (key.clone(), model[&key].clone())).collect();
    (keys, later.into_iter().next())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_reopens_and_pages_agree_with_a_model(
        batches in prop::collection::vec(
            (prop::collection::btree_map("[a-d]{1,2}", any_record(), 0..8), any::<bool>()), 1..6
        ),
        most in 1..5_usize,
        until in prop_oneof![0..5_u64, Just(u64::MAX)],
    ) {
        let (directory, mut store) = fresh();
        let mut model = BTreeMap::new();
        for (frame, (records, reopen)) in (1..).zip(batches) {
            let records: Vec<_> = records.into_iter().map(|(n, r)| (key(&n), r)).collect();
            model.extend(records.clone());
            write(&mut store, batch(frame, records, vec![]));
            if reopen {
                drop(store);
                store = opened(directory.path()).store;
            }
            prop_assert_eq!(head(&mut store).frame, FrameNumber(frame));
            for queue in [Queue::Holds, Queue::Lanes(APP), Queue::Lanes(OTHER)] {
                let (mut paged, mut from) = (Vec::new(), PageCursor::default());
                let next = loop {
                    let request = PageRequest { queue, from, until, keys: most };
                    let (keys, next) = page(&mut store, request);
                    prop_assert!(keys.len() <= most);
                    paged.extend(keys);
                    match next {
                        Some(next) if next.due <= until => from = next,
                        next => break next,
                    }
                };
                prop_assert_eq!((paged, next), model_places(&model, queue, until));
            }
        }
        for (key, record) in &model {
            prop_assert_eq!(load(&mut store, &[&key.name]), vec![Some(record.clone())]);
        }
        let stopped = model.values().flat_map(|record| &record.lanes);
        let stopped = stopped.filter(|lane| lane.is_stopped()).count();
        let reader = StateReader::open(directory.path()).unwrap();
        prop_assert_eq!(reader.stopped_lanes(&Selection::default(), None, 99).unwrap().lanes.len(), stopped);
    }
}

#[test]
fn a_survey_brings_records_and_dead_letters_in_lanes() {
    let (_directory, mut store) = fresh();
    let place = |frame| Place { partition: P, frame: FrameNumber(frame), index: 0 };
    let letter = |name: &str, frame, letter| {
        let (place, recorded, key) = (place(frame), UnixMicros(frame * 10), key(name));
        LetterChange::Added(Letter { place, recorded, key, letter, reason: LetterReason::GivenUp })
    };
    let in_lane = |sequence| DeadLetter::InLane { destination: APP, sequence: Sequence(sequence) };
    let letters = vec![
        letter("a", 2, in_lane(4)),
        letter("a", 3, DeadLetter::AtIngress { event: place(3) }),
        letter("a", 5, in_lane(6)),
        letter("b", 5, in_lane(1)),
    ];
    write(&mut store, batch(5, vec![(key("a"), record(7))], letters));
    let survey = |store: &mut SqliteState| {
        let keys = vec![key("a"), key("none")];
        match store.step(StateRequest::Survey(P, 9, keys, Vec::new())) {
            Some(StateCompletion::Surveyed(P, 9, surveyed, _)) => surveyed,
            other => panic!("{other:?}"),
        }
    };
    let surveyed = survey(&mut store);
    assert_eq!((&surveyed[0].key, &surveyed[0].record), (&key("a"), &Some(record(7))));
    let mut letters = surveyed[0].letters.clone();
    letters.sort();
    assert_eq!(letters, [(Sequence(4), UnixMicros(20)), (Sequence(6), UnixMicros(50))]);
    assert_eq!((&surveyed[1].record, surveyed[1].letters.len()), (&None, 0));
    // Those of deleted history leave the list, the others stay.
    let trimmed = vec![LetterChange::Trimmed(FrameNumber(5))];
    write(&mut store, batch(6, Vec::new(), trimmed));
    assert_eq!(survey(&mut store)[0].letters, [(Sequence(6), UnixMicros(50))]);
}
