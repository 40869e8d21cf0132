//! What is bounded, and what a partition does at the bound (promise 7).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sprag_core::destination::{End, Grant};
use sprag_core::fact::{Fact, Outcome, StoredHeader};
use sprag_core::id::{DestinationId, Epoch, Key, PartitionId, Revision, Sequence, SourceId};
use sprag_core::input::{Arrival, Input, Ticket};
use sprag_core::limits;
use sprag_core::output::{Answer, Busy, Output, Status};
use sprag_core::partition::{Head, Partition};
use sprag_core::position::Position;
use sprag_core::recent::Seen;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, OnGap, OnGiveUp, OnLate, Retry, Settings,
    SourceSettings,
};
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};

use crate::harness::Sha;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

pub(crate) fn settings() -> Settings {
    let source = SourceSettings {
        name: Arc::from("billing"),
        contract: Contract::Fifo { first: First::Strictly(1) },
        hold_wait: Duration::from_secs(1),
        hold_events: 10,
        hold_span: 10,
        facts: Duration::from_secs(34_560_000),
        max_ahead: Duration::from_secs(300),
        states: Arc::default(),
        ranks: Vec::new(),
        on_gap: OnGap::Skip,
        on_late: OnLate::Deliver,
        dedupe: Duration::from_secs(60),
        forget_after: None,
        destinations: vec![DestinationId(1)],
        rate: None,
        refill: None,
        list: None,
        reconcile: None,
        depends_on: None,
    };
    let destination = DestinationSettings {
        name: Arc::from("app"),
        start: sprag_core::settings::Start::Now,
        types: vec![sprag_core::pattern::Pattern::any()],
        concurrency: 1,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
        rate: None,
        key_rate: None,
        retry: Retry {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
            give_up_after: Duration::from_secs(60),
            attempts: None,
        },
        on_give_up: OnGiveUp::Halt,
        ack: Ack::Answer,
        batch: None,
    };
    Settings {
        revision: Revision(1),
        sources: BTreeMap::from([(SourceId(1), source)]),
        destinations: BTreeMap::from([(DestinationId(1), destination)]),
        retired: std::collections::BTreeSet::new(),
        hot_keys: 10_000,
        key_backlog: 10,
        dedupe_ids: 100,
        forgotten: usize::MAX,
        partition_rate: None,
        restore: None,
    }
}

pub(crate) fn at(millis: u64) -> Now {
    let micros = millis * 1_000;
    Now { elapsed: ElapsedMicros(micros), clock: UnixMicros(1_000_000_000_000 + micros) }
}

fn serving() -> Partition<Sha> {
    let settings = Arc::new(settings());
    let mut partition = Partition::new(PartitionId(0), settings.clone(), 7, Sha);
    partition.begin(&Head::default());
    partition.resume(at(0), Epoch(1), settings);
    partition
}

fn arrival(ticket: u64, name: &str, position: u64) -> Arrival {
    Arrival {
        ticket: Ticket(ticket),
        key: Key { source: SourceId(1), name: Arc::from(name) },
        id: None,
        position: Position::Sequence(position),
        event_type: Arc::from(""),
        content_type: Arc::from(""),
        headers: Vec::new(),
        digest: sprag_core::id::Hash::default(),
        size: 0,
        in_time: true,
        origin: sprag_core::fact::Origin::Posted,
        depends_on: None,
    }
}

pub(crate) fn receive(
    partition: &mut Partition<Sha>,
    now: Now,
    ticket: u64,
    name: &str,
    position: u64,
) {
    let arrival = Box::new(arrival(ticket, name, position));
    let seen = Seen { through: partition.taken(), ..Seen::default() };
    partition.handle(now, Input::Receive { arrival, seen });
}

/// Commits what there is, loads empty keys, and gives back how many facts each frame held and
/// every other output.
pub(crate) fn carry_out(partition: &mut Partition<Sha>, now: Now) -> (Vec<usize>, Vec<Output>) {
    let (mut frames, mut outputs) = (Vec::new(), Vec::new());
    loop {
        let draft = partition.poll_frame();
        if let Some(draft) = &draft {
            frames.push(draft.facts.iter().filter(|fact| fact.key().is_some()).count());
            partition.handle(now, Input::Committed(draft.number));
        }
        let output = partition.poll_output();
        match output {
            Some(Output::Load(key)) => partition.handle(now, Input::Loaded { key, record: None }),
            Some(output) => outputs.push(output),
            None if draft.is_none() => return (frames, outputs),
            None => {}
        }
    }
}

#[test]
fn waits_that_end_at_once_fill_no_frame_beyond_its_bound() {
    let keys = 3_000;
    let mut partition = serving();
    for ticket in 0..keys {
        receive(&mut partition, at(0), ticket, &format!("k{ticket}"), 2);
        carry_out(&mut partition, at(0));
    }
    partition.handle(at(1_000), Input::Tick);
    let (frames, _) = carry_out(&mut partition, at(1_000));
    // What one key does in a step is not torn apart: one wait may end beyond the bound.
    assert!(frames.iter().all(|facts| *facts <= limits::FRAME_FACTS + 4), "{frames:?}");
    let written: usize = frames.iter().sum();
    assert_eq!(written as u64, 2 * keys, "every key gave its gap up and released its event");
}

/// They are written with every event, so a frame of small ones may be large.
#[test]
fn headers_that_are_kept_fill_a_frame_too() {
    let mut partition = serving();
    receive(&mut partition, at(0), 1, "a", 1);
    carry_out(&mut partition, at(0));
    let header = StoredHeader { name: Arc::from("x-long"), value: vec![0; 1 << 20].into() };
    let (headers, mut taken) = (vec![header; 2], 0);
    while !partition.is_full(at(10)) && taken < 100 {
        let arrival = arrival(2 + taken, "a", 2 + taken);
        let arrival = Box::new(Arrival { headers: headers.clone(), ..arrival });
        let seen = Seen { through: partition.taken(), ..Seen::default() };
        partition.handle(at(10), Input::Receive { arrival, seen });
        taken += 1;
    }
    assert_eq!(taken * (2 << 20), limits::FRAME_BODY_BYTES);
}

#[test]
fn an_old_frame_takes_nothing_that_came_later() {
    let mut partition = serving();
    carry_out(&mut partition, at(0));
    receive(&mut partition, at(10), 1, "a", 1);
    while let Some(output) = partition.poll_output() {
        if let Output::Load(key) = output {
            partition.handle(at(10), Input::Loaded { key, record: None });
        }
    }
    let age = u64::try_from(limits::FRAME_AGE.as_millis()).expect("a short time");
    assert!(!partition.is_full(at(10 + age)));
    assert!(partition.is_full(at(11 + age)), "its events would be told to have come earlier");
    partition.poll_frame().expect("the frame with the event");
    assert!(!partition.is_full(at(11 + age)), "the next frame has a time of its own");
}

/// The log takes nothing for a while: what comes waits for the next frame, and has come.
#[test]
fn what_waits_for_the_next_frame_is_not_missing() {
    let mut partition = serving();
    receive(&mut partition, at(0), 1, "a", 1);
    receive(&mut partition, at(0), 2, "a", 3);
    receive(&mut partition, at(0), 3, "b", 1);
    carry_out(&mut partition, at(0));
    receive(&mut partition, at(10), 4, "b", 2);
    let in_flight = partition.poll_frame().expect("a frame of b");
    receive(&mut partition, at(20), 5, "b", 3);
    let mut waiting = VecDeque::new();
    // The wait for position 2 of `a` is over while that frame is written; position 2 came before.
    for millis in [1_100, 1_200] {
        assert!(partition.is_full(at(millis)));
        partition.handle(at(millis), Input::Tick);
        let is_later = partition.deadline().is_none_or(|due| due > at(millis).elapsed);
        assert!(is_later, "nothing is to be done before the log goes on");
    }
    for (ticket, name, position) in [(6, "b", 4), (7, "a", 2)] {
        let arrival = Box::new(arrival(ticket, name, position));
        waiting.push_back(Input::Receive { arrival, seen: Seen::default() });
    }
    partition.handle(at(1_300), Input::Committed(in_flight.number));
    let next = partition.poll_frame().expect("the frame that was being filled");
    partition.catch_up(at(1_300), &mut waiting);
    partition.handle(at(1_300), Input::Committed(next.number));
    let (_, outputs) = carry_out(&mut partition, at(1_300));
    let late = outputs.iter().any(|output| {
        matches!(output, Output::Answer { answer: Answer::Event { status: Status::Late, .. }, .. })
    });
    assert!(!late && waiting.is_empty(), "{outputs:?}");
    let key = Key { source: SourceId(1), name: Arc::from("a") };
    let record = partition.view(&key).expect("it is in memory").record;
    assert_eq!((record.order.next, record.sequence), (Some(4), Sequence(3)));
}

#[test]
fn a_cold_key_takes_only_so_many_inputs() {
    let mut partition = serving();
    let most = limits::COLD_KEY_INPUTS as u64;
    (1..=most + 1).for_each(|ticket| receive(&mut partition, at(0), ticket, "a", ticket));
    let (_, outputs) = carry_out(&mut partition, at(0));
    let answers = outputs.iter().filter_map(|output| match output {
        Output::Answer { ticket, answer } => Some((*ticket, *answer)),
        _ => None,
    });
    let answers: BTreeMap<_, _> = answers.collect();
    assert_eq!(answers.len() as u64, most + 1, "everybody is answered");
    assert_eq!(answers[&Ticket(most + 1)], Answer::Busy(Busy::Loading));
    assert!(matches!(answers[&Ticket(most)], Answer::Event { .. }));
}

#[test]
fn what_was_not_polled_when_a_term_is_lost_does_not_leave() {
    let mut partition = serving();
    receive(&mut partition, at(0), 1, "a", 1);
    let (_, outputs) = carry_out(&mut partition, at(0));
    let lane = outputs.iter().find_map(|output| match output {
        Output::Request(request) => Some(request.lane),
        _ => None,
    });
    let lane = lane.expect("the released event asks for a permit");
    let grant = Grant { lane, slow_at: ElapsedMicros(1_000_000), probe: false };
    partition.handle(at(0), Input::Granted(grant));
    receive(&mut partition, at(0), 2, "b", 1);
    partition.fail();
    let left: Vec<_> = std::iter::from_fn(|| partition.poll_output()).collect();
    let answer = Output::Answer { ticket: Ticket(2), answer: Answer::Unavailable };
    assert_eq!(left, [Output::Return { lane, end: End::Unused }, answer]);
    assert_eq!(partition.ending().count(), 0, "nothing is to be awaited");
}

#[test]
fn frames_without_keys_move_the_state_store_forward() {
    let mut partition = serving();
    let (_, _) = carry_out(&mut partition, at(0));
    let first = partition.checkpoint().expect("the claim was taken");
    assert_eq!((first.through, first.records.len()), (partition.taken(), 0));
    assert_eq!(partition.checkpoint(), None, "nothing is new");
    let (id, event_type) = (None, Arc::from("other"));
    let digest = sprag_core::id::Hash::default();
    let (ticket, source) = (Ticket(1), SourceId(1));
    partition.handle(at(1), Input::Ignore { ticket, source, id, event_type, digest });
    let ignored = partition.poll_frame().expect("a line of history");
    assert!(matches!(ignored.facts[..], [Fact::Ignored(_)]));
    assert_eq!(partition.checkpoint().map(|next| next.through), Some(ignored.number));
}

/// Far more keys wait for a destination that never answers than fit memory: every event is taken,
/// the other destination gets each at once, and memory stays within its bound (promises 3 and 7).
#[test]
fn waiting_keys_fill_no_memory_and_turn_nothing_away() {
    let (hot_keys, keys) = (10, 400);
    let (dead, healthy) = (DestinationId(1), DestinationId(2));
    let mut settings = Settings { hot_keys, ..settings() };
    let destination = settings.destinations[&dead].clone();
    settings.destinations.insert(healthy, destination);
    let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
    source.destinations = vec![dead, healthy];
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    for number in 0..keys {
        let (key, body) = (format!("k{number}"), "body".to_owned());
        let post =
            Post { source: 1, key, position: Position::Sequence(1), body, ..Post::default() };
        world.post(&post);
        world.settle();
        let attempt = world.attempt_of(&post.key(), healthy).expect("it is delivered at once");
        world.end(attempt, Outcome::Answered { status: 200 }, None);
        world.settle();
        let hot = world.nodes[0].partition.hot_keys();
        assert!(hot <= 2 * hot_keys, "{hot} keys in memory");
    }
    let moves = world.nodes[0].partition.moves();
    assert!(moves.left_waiting >= keys - 2 * hot_keys as u64, "{moves:?}");
    world.end_well(false);
}

/// With memory for one key, each of several destinations keeps one where it is for as long as it hangs:
/// that leaves room for what goes to others (promises 3 and 7).
#[test]
fn what_hangs_to_several_destinations_leaves_room_beside_it() {
    let mut settings = Settings { hot_keys: 1, ..settings() };
    let (source, destination) =
        (settings.sources[&SourceId(1)].clone(), settings.destinations[&DestinationId(1)].clone());
    for number in 1..=5 {
        let destinations = vec![DestinationId(number)];
        let source = SourceSettings { destinations, ..source.clone() };
        settings.sources.insert(SourceId(number), source);
        settings.destinations.insert(DestinationId(number), destination.clone());
    }
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    let post = |world: &mut World, source: u32, key: &str| {
        let (key, body) = (key.to_owned(), "body".to_owned());
        let position = Position::Sequence(1);
        let post = Post { source, key, position, body, ..Post::default() };
        world.post(&post);
        world.settle();
        post.key()
    };
    for hung in 1..=4 {
        for key in ["a", "b", "c"] {
            post(&mut world, hung, key);
        }
    }
    for key in ["d", "e", "f"] {
        let key = post(&mut world, 5, key);
        let attempt = world.attempt_of(&key, DestinationId(5)).expect("it is delivered at once");
        world.end(attempt, Outcome::Answered { status: 200 }, None);
        world.settle();
    }
    world.end_well(false);
}

/// Events that a configuration lets a key hold at the most, and facts that a frame of the log has room for.
const HELD_MOST: usize = 30_000;
const FRAME_MOST: usize = 65_536;

/// All that a key may hold goes in one frame when what is missing comes, for more facts than a frame has room
/// for could never be written: seen with fewer, so each held event is no more facts than there is room for.
#[test]
fn what_a_key_holds_is_released_in_one_frame_that_has_room_for_the_most_it_may_hold() {
    let held = 1_500;
    let mut settings = settings();
    settings.key_backlog = HELD_MOST;
    if let Some(source) = settings.sources.get_mut(&SourceId(1)) {
        (source.hold_events, source.hold_span) = (HELD_MOST, 2 * HELD_MOST as u64);
        source.hold_wait = Duration::from_secs(3_600);
    }
    let settings = Arc::new(settings);
    let mut partition = Partition::new(PartitionId(0), settings.clone(), 7, Sha);
    partition.begin(&Head::default());
    partition.resume(at(0), Epoch(1), settings);
    for position in 2..held + 2 {
        receive(&mut partition, at(0), position, "a", position);
        carry_out(&mut partition, at(0));
    }
    receive(&mut partition, at(0), 1, "a", 1);
    let (frames, _) = carry_out(&mut partition, at(0));
    let most = frames.iter().max().copied().unwrap_or_default();
    assert!(most as u64 > held, "{frames:?}: all at once");
    let room = usize::try_from(held).expect("few") * FRAME_MOST / HELD_MOST;
    assert!(most <= room, "{most} facts for {held} events, there is room for {room}");
}

/// What was given up comes after all, in any order: each event splits a range, and more ranges than a record
/// may have could never be stored.
#[test]
fn late_events_split_what_was_given_up_no_further_than_is_kept() {
    let most = limits::ABANDONED_RANGES as u64;
    let mut settings = settings();
    if let Some(source) = settings.sources.get_mut(&SourceId(1)) {
        source.hold_span = 1_000_000;
    }
    let settings = Arc::new(settings);
    let mut partition = Partition::new(PartitionId(0), settings.clone(), 7, Sha);
    partition.begin(&Head::default());
    partition.resume(at(0), Epoch(1), settings);
    receive(&mut partition, at(0), 0, "a", 1);
    receive(&mut partition, at(0), 1, "a", 4 * most);
    carry_out(&mut partition, at(0));
    for seconds in [1, 2] {
        partition.handle(at(seconds * 1_000), Input::Tick);
        carry_out(&mut partition, at(seconds * 1_000));
    }
    for number in 1..=most + 100 {
        let ticket = 1 + number;
        receive(&mut partition, at(2_000), ticket, "a", 2 * number + 1);
        let (_, outputs) = carry_out(&mut partition, at(2_000));
        let late = outputs.iter().any(|output| match output {
            Output::Answer { answer: Answer::Event { status, .. }, .. } => *status == Status::Late,
            _ => false,
        });
        assert!(late, "{number}: {outputs:?}");
    }
}
