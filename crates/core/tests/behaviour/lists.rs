//! Lists that a record keeps are bounded: what happens at each bound (promise 7).

use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Key, Sequence, SourceId};
use sprag_core::input::Command;
use sprag_core::limits;
use sprag_core::output::{Answer, Rejection};
use sprag_core::partition::WaitsFor;
use sprag_core::pattern::Pattern;
use sprag_core::position::Position;
use sprag_core::record::OmitReason;
use sprag_core::settings::{Contract, First, OnGiveUp, Settings};

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World, partition_of};

const APP: DestinationId = DestinationId(1);

/// Settings of one source and one destination, as they are changed.
fn world(change: impl FnOnce(&mut Settings)) -> World {
    let mut settings = settings();
    change(&mut settings);
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    world
}

fn post(world: &mut World, position: Position, id: u64, event_type: &str) -> Key {
    let post = Post {
        source: 1,
        key: "a".to_owned(),
        id: Some(format!("id{id}")),
        position,
        event_type: event_type.to_owned(),
        body: "body".to_owned(),
        ..Post::default()
    };
    world.post(&post);
    world.settle();
    post.key()
}

fn answer(world: &mut World, status: u16) {
    world.end(0, Outcome::Answered { status }, None);
    world.settle();
}

/// Events that are not for a destination and events that it refuses, in turn: each makes a range.
#[test]
fn beyond_so_many_ranges_a_delivery_names_the_oldest_as_one() {
    let mut world = world(|settings| {
        let app = settings.destinations.get_mut(&APP).expect("the destination");
        app.types = vec![Pattern::parse("mine").expect("a pattern")];
        (app.on_give_up, app.retry.attempts) = (OnGiveUp::Skip, Some(1));
    });
    let ranges = limits::HEADER_RANGES as u64;
    // One pair more than there is room for: the two oldest ranges are one with the third.
    for pair in 0..ranges / 2 + 1 {
        post(&mut world, Position::Sequence(2 * pair + 1), 2 * pair + 1, "other");
        post(&mut world, Position::Sequence(2 * pair + 2), 2 * pair + 2, "mine");
        answer(&mut world, 500);
    }
    post(&mut world, Position::Sequence(ranges + 3), ranges + 3, "mine");
    let attempt = &world.under_way[0];
    assert_eq!((attempt.sequence, attempt.previous), (Sequence(ranges + 3), Sequence(0)));
    assert_eq!(attempt.omitted.len(), limits::HEADER_RANGES);
    let first = attempt.omitted[0];
    assert!(first.merged && !attempt.omitted[1].merged, "{first:?}");
    assert_eq!((first.range.from, first.range.to), (1, 3));
    let named: u64 = attempt.omitted.iter().map(|omitted| omitted.range.len()).sum();
    assert_eq!(named, ranges + 2, "all that was passed");
    let last = attempt.omitted.last().expect("the newest");
    assert_eq!((last.range.from, last.reason), (ranges + 2, OmitReason::Dead));
    answer(&mut world, 200);
    world.end_well(false);
}

/// What an operator was told.
fn said(world: &World) -> &str {
    world.trace.last().expect("something was said")
}

#[test]
fn so_many_passed_events_are_sent_again_at_once_and_no_more() {
    let mut world = world(|settings| {
        let app = settings.destinations.get_mut(&APP).expect("the destination");
        (app.on_give_up, app.retry.attempts) = (OnGiveUp::Skip, Some(1));
    });
    let most = limits::LANE_EXCEPTIONS as u64;
    let mut key = None;
    for position in 1..=most + 1 {
        key = Some(post(&mut world, Position::Sequence(position), position, "mine"));
        answer(&mut world, 500);
    }
    let key = key.expect("events were posted");
    world.order(0, Command::PauseKey(key.clone()));
    world.settle();
    let redrive = |world: &mut World, passed: u64| {
        let (key, passed) = (key.clone(), Some(Sequence(passed)));
        world.order(0, Command::Redrive { key, destination: APP, passed });
        world.settle();
        said(world).to_owned()
    };
    for passed in 1..=most {
        assert!(redrive(&mut world, passed).ends_with("done"), "{passed}");
    }
    assert!(redrive(&mut world, most).ends_with("rejected(alreadyredriven)"));
    let full = format!("{:?}", Answer::Rejected(Rejection::TooManyRedriven)).to_lowercase();
    assert!(redrive(&mut world, most + 1).ends_with(&full), "{}", said(&world));
    world.order(0, Command::ResumeKey(key.clone()));
    world.settle();
    for passed in 1..=most {
        assert_eq!(world.under_way[0].sequence, Sequence(passed), "as they were asked for");
        answer(&mut world, 200);
    }
    assert_eq!(usize::from(partition_of(&key).0), 0);
    world.end_well(false);
}

/// One instant has more events than are remembered: the newest are known again, the oldest are not.
#[test]
fn so_many_events_of_one_instant_are_known_without_their_ids() {
    let mut world = world(|settings| {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.contract = Contract::Latest { coalesce: false };
        // No id is remembered but by the instant.
        source.dedupe = Duration::from_secs(1);
        settings.dedupe_ids = 0;
    });
    let instant = Position::Timestamp(1_000_000_000_000_000);
    let most = limits::INSTANT_EVENTS as u64;
    let mut key = None;
    for id in 0..=most {
        key = Some(post(&mut world, instant.clone(), id, "mine"));
        answer(&mut world, 200);
    }
    let key = key.expect("events were posted");
    let released = |world: &World| {
        world.nodes[0].partition.view(&key).expect("it is in memory").record.sequence.0
    };
    assert_eq!(released(&world), most + 1);
    world.advance(Duration::from_secs(2));
    // The log would still find it by its id: what the record says decides.
    world.nodes[0].log.forgets_ids = true;
    post(&mut world, instant.clone(), most, "mine");
    post(&mut world, instant.clone(), 1, "mine");
    assert_eq!(released(&world), most + 1, "both are remembered");
    post(&mut world, instant.clone(), 0, "mine");
    assert_eq!(released(&world), most + 2, "the oldest is not");
    answer(&mut world, 200);
    let instant = world.nodes[0].partition.view(&key).expect("in memory").record.order.instant;
    assert_eq!(instant.len(), limits::INSTANT_EVENTS);
}

/// A first that is asked for and never comes, with `first = any`: any begins it.
#[test]
fn positions_without_a_beginning_give_up_from_zero() {
    let mut world = world(|settings| {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.contract = Contract::Fifo { first: First::Any };
    });
    let key = post(&mut world, Position::Sequence(7), 7, "mine");
    world.advance(Duration::from_secs(2));
    let record = world.nodes[0].partition.view(&key).expect("it is in memory").record;
    assert_eq!((record.order.next, record.sequence), (Some(8), Sequence(1)));
    let abandoned: Vec<_> = record.order.abandoned.as_slice().to_vec();
    assert_eq!(abandoned.iter().map(|range| (range.from, range.to)).collect::<Vec<_>>(), [(0, 6)]);
}

/// Of an unordered key so many events are under way at once; what comes then waits for one of them.
#[test]
fn so_many_events_without_order_go_at_once_and_the_next_waits_for_one() {
    let mut world = world(|settings| {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.contract = Contract::Unordered;
        let app = settings.destinations.get_mut(&APP).expect("the destination");
        app.concurrency = 2 * limits::STRANDS;
    });
    let most = limits::STRANDS as u64;
    let mut key = None;
    for id in 0..most + 2 {
        key = Some(post(&mut world, Position::None, id, "mine"));
    }
    let key = key.expect("events were posted");
    let lane = |world: &World| {
        world.nodes[0].partition.view(&key).expect("it is in memory").lanes[0].waits_for
    };
    assert_eq!((world.under_way.len(), lane(&world)), (limits::STRANDS, WaitsFor::Strand));
    let waits: Vec<_> = world.nodes[0].partition.waits().collect();
    assert_eq!(waits, [(APP, WaitsFor::Answer)], "one line for the lane and its strands");
    answer(&mut world, 200);
    assert_eq!(world.under_way.last().map(|attempt| attempt.sequence), Some(Sequence(most + 1)));
    answer(&mut world, 200);
    assert_eq!((world.under_way.len(), lane(&world)), (limits::STRANDS, WaitsFor::Nothing));
    world.end_well(false);
}

/// More wait outside memory than may be under way: the lane reads on once one of them is settled, and is
/// told as unreadable where that is damaged.
#[test]
fn a_lane_without_order_reads_on_once_there_is_room() {
    let mut world = world(|settings| {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.contract = Contract::Unordered;
        let app = settings.destinations.get_mut(&APP).expect("the destination");
        app.concurrency = 2 * limits::STRANDS;
    });
    for id in 0..limits::STRANDS as u64 + 2 {
        post(&mut world, Position::None, id, "mine");
    }
    world.habits.reads = false;
    world.crash(0, true);
    while world.under_way.len() < limits::STRANDS {
        assert!(world.read_one(0), "all that is asked for was read: {}", world.under_way.len());
        world.settle();
    }
    let key = world.under_way[0].key.clone();
    let lane = |world: &World| {
        world.nodes[0].partition.view(&key).expect("it is in memory").lanes[0].waits_for
    };
    assert_eq!(lane(&world), WaitsFor::Strand);
    answer(&mut world, 200);
    assert_eq!(lane(&world), WaitsFor::Backlog);
    (world.habits.backlogs, world.habits.damage) = (false, true);
    assert!(world.read_one(0));
    world.settle();
    assert_eq!(lane(&world), WaitsFor::Unreadable);
    (world.habits.backlogs, world.habits.damage) = (true, false);
    world.end_well(false);
}
