//! A partition that takes in history makes no promise, and forgets none (DESIGN F10).

use std::sync::Arc;
use std::time::Duration;

use sprag_core::destination::End;
use sprag_core::fact::{DestinationPaused, Fact, Outcome, PauseReason};
use sprag_core::id::{DestinationId, Hash, PartitionId, Place, SourceId};
use sprag_core::input::{Arrival, AttemptId, Command, Ended, Input, Ticket};
use sprag_core::output::{Answer, Output};
use sprag_core::partition::{Head, Left, Page, Partition, WaitsFor};
use sprag_core::position::Position;
use sprag_core::recent::Seen;
use sprag_core::settings::Settings;
use sprag_core::time::UnixMicros;

use crate::bounds::settings;
use crate::harness::Sha;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

const APP: DestinationId = DestinationId(1);

fn event() -> Post {
    let (key, position) = ("a".to_owned(), Position::Sequence(1));
    Post { source: 1, key, position, body: "body".to_owned(), ..Post::default() }
}

/// A world in which one event is under way.
fn world() -> World {
    let mut world = World::new(settings(), 1, Habits::default());
    world.declare();
    world.post(&event());
    world.settle();
    assert_eq!(world.under_way.len(), 1);
    world
}

fn arrival(ticket: Ticket) -> Box<Arrival> {
    Box::new(Arrival {
        ticket,
        key: event().key(),
        id: None,
        position: Position::Sequence(2),
        event_type: Arc::from(""),
        content_type: Arc::from(""),
        headers: Vec::new(),
        digest: Hash::default(),
        size: 0,
        in_time: true,
        origin: sprag_core::fact::Origin::Posted,
        depends_on: None,
    })
}

fn two_at_once() -> Settings {
    let mut settings = settings();
    settings.destinations.get_mut(&APP).expect("the destination").concurrency = 2;
    settings
}

fn ended(attempt: AttemptId) -> Ended {
    Ended {
        attempt,
        outcome: Outcome::Answered { status: 200 },
        retry_after: None,
        dropped: None,
        acknowledged: None,
        took: Duration::ZERO,
    }
}

fn outputs(partition: &mut Partition<Sha>) -> Vec<Output> {
    std::iter::from_fn(|| partition.poll_output()).collect()
}

#[test]
fn whoever_asks_while_it_recovers_is_told_that_it_is_unavailable() {
    let mut world = world();
    let now = world.now;
    let attempt = world.under_way[0].clone();
    let partition = &mut world.nodes[0].partition;
    partition.fail();
    let aborted = outputs(partition);
    assert!(matches!(&*aborted, [Output::Abort(id)] if *id == attempt.id), "{aborted:?}");
    assert_eq!((partition.deadline(), partition.is_serving()), (None, false));
    // What waits for an answer gets one; what time or others bring does nothing.
    partition.handle(now, Input::Receive { arrival: arrival(Ticket(70)), seen: Seen::default() });
    let command = Command::PauseKey(event().key());
    partition.handle(now, Input::Command { ticket: Ticket(71), command });
    let (source, event_type, digest) = (SourceId(1), Arc::from("x"), Hash::default());
    let ignore = Input::Ignore { ticket: Ticket(72), source, id: None, event_type, digest };
    partition.handle(now, ignore);
    partition.handle(now, Input::Tick);
    let answers = outputs(partition);
    let tickets = answers.iter().map(|output| match output {
        Output::Answer { ticket, answer: Answer::Unavailable } => ticket.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(tickets.collect::<Vec<_>>(), [70, 71, 72]);
    assert_eq!(partition.poll_frame(), None, "nothing is written");
    let page = Page {
        frames: &[],
        known: &Default::default(),
        tombstones: &Default::default(),
        expired: UnixMicros(0),
        deletes_through: None,
    };
    assert_eq!(partition.look_at(now, &page), None, "it cannot judge what it does not know");
}

#[test]
fn what_ends_and_what_others_say_while_it_recovers_is_not_lost() {
    let mut world = World::new(two_at_once(), 2, Habits::default());
    world.declare();
    let [first, second] = ["a@1", "b@1"].map(|key| Post { key: key.to_owned(), ..event() });
    world.post(&first);
    world.settle();
    let attempt = world.under_way[0].clone();
    // The second has asked, and its permit comes while the partition recovers.
    world.post(&second);
    world.load_one();
    world.commit_one(1);
    let (now, app) = (world.now, world.destinations.get_mut(&APP).expect("the destination"));
    let grant = app.poll_grant(now.elapsed).expect("a permit is free");
    let partition = &mut world.nodes[1].partition;
    partition.fail();
    outputs(partition);
    assert_eq!(partition.ending().collect::<Vec<_>>(), [attempt.id]);
    partition.handle(now, Input::Granted(grant));
    let output = partition.poll_output();
    let unused =
        matches!(output, Some(Output::Return { lane, end: End::Unused }) if lane == grant.lane);
    assert!(unused, "{output:?}");
    partition.handle(now, Input::Ended(ended(attempt.id)));
    let output = partition.poll_output();
    assert!(matches!(output, Some(Output::Return { end: End::BrokenOff, .. })), "{output:?}");
    assert_eq!(partition.ending().count(), 0);
    let paused = DestinationPaused { destination: APP, reason: PauseReason::Operator };
    let fact = Box::new(Fact::DestinationPaused(paused));
    partition.handle(now, Input::Foreign { place: Place::default(), fact });
    assert!(partition.directory().paused.contains(&APP));
    // Taking in history says nothing of that: partition 0 alone writes it down.
    partition.begin(&Head::default());
    assert!(partition.directory().paused.contains(&APP), "a commit that failed lets nothing go on");
}

#[test]
fn a_breaker_that_opens_while_it_recovers_is_known_when_it_goes_on() {
    let mut world = world();
    let now = world.now;
    world.nodes[0].partition.fail();
    outputs(&mut world.nodes[0].partition);
    let is_open = true;
    world.nodes[0].partition.handle(now, Input::Breaker { destination: APP, is_open });
    world.destinations.get_mut(&APP).expect("the destination").withdraw(PartitionId(0));
    world.recover(0);
    world.commit_one(0);
    world.under_way.clear();
    let attempts: Vec<_> = world.nodes[0].partition.ending().collect();
    assert_eq!(attempts.len(), 1, "that of the term before");
    world.handle(0, Input::Ended(ended(attempts[0])));
    let view = world.nodes[0].partition.view(&event().key()).expect("it waits");
    assert_eq!(view.lanes[0].waits_for, WaitsFor::Breaker);
}

/// What nobody takes soon need not be at hand: what entered no lane, and what only destinations get that are down.
#[test]
fn what_only_goes_where_it_is_down_is_not_wanted_soon() {
    let mut world = world();
    let (now, other) = (world.now, DestinationId(9));
    let facts = world.nodes[0].log.frames.iter().flat_map(|frame| &frame.facts);
    let mut all = facts.filter_map(|fact| match fact {
        Fact::Released(released) => Some(released.clone()),
        _ => None,
    });
    let mut released = all.next_back().expect("an event is under way");
    let partition = &mut world.nodes[0].partition;
    assert_eq!((&released.lanes[..], partition.wanted_soon(&released)), (&[APP][..], 1));
    partition.handle(now, Input::Breaker { destination: APP, is_open: true });
    assert_eq!(partition.wanted_soon(&released), 0);
    released.lanes.push(other);
    assert_eq!(partition.wanted_soon(&released), 1);
    partition.handle(now, Input::Breaker { destination: other, is_open: true });
    assert_eq!(partition.wanted_soon(&released), 0);
    partition.handle(now, Input::Breaker { destination: APP, is_open: false });
    assert_eq!(partition.wanted_soon(&released), 1);
    released.lanes.clear();
    assert_eq!(partition.wanted_soon(&released), 0);
}

/// A destination may go once nothing is left for it, durably.
#[test]
fn what_is_left_for_a_destination_is_certain_once_it_is_committed() {
    let mut world = world();
    let left = |world: &World| world.nodes[0].partition.left_for(APP);
    assert_eq!(left(&world), Left::Something);
    world.habits.commits = false;
    world.end(0, Outcome::Answered { status: 200 }, None);
    world.settle();
    assert_eq!(left(&world), Left::Unsure);
    world.habits.commits = true;
    world.settle();
    assert_eq!(left(&world), Left::Nothing);
    assert_eq!(world.nodes[0].partition.left_for(DestinationId(9)), Left::Nothing);
}
