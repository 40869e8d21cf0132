//! What the store lists: dead letters, stopped lanes, keys, what is held.

use super::*;

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
    let held = two.order.held[&HeldAt::numbered(9)].clone();
    two.order.held.insert(HeldAt::numbered(12), held);
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
    let names = |page: &crate::state::WaitingPage| {
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

#[test]
fn a_key_that_waits_for_nothing_is_listed_as_paused_while_it_is() {
    let (directory, mut store) = fresh();
    let reader = StateReader::open(directory.path()).unwrap();
    for (frame, is_paused) in [(1, false), (2, true), (3, true), (4, false)] {
        let paused = KeyRecord { paused: is_paused, ..record(frame) };
        write(&mut store, batch(frame, vec![(key("a"), paused.clone())], vec![]));
        let (source, prefix, filter) = (SourceId(1), String::new(), KeyFilter::Paused);
        let query = KeyQuery { source, prefix, filter, after: None, most: 9 };
        assert_eq!(reader.keys(&query).unwrap().keys.len(), usize::from(is_paused));
        assert_eq!(reader.record(P, &key("a")).unwrap(), Some(paused));
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
