//! Events that are looked up in older history, and those behind them: what has come is not missing.

use std::time::Duration;

use sprag_core::fact::RefillOutcome;
use sprag_core::id::{Key, Sequence, SourceId};
use sprag_core::limits::HISTORY_WAIT;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::rate::Rate;
use sprag_core::settings::{Contract, RefillSettings, SourceSettings};

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

const WAIT: Duration = Duration::from_secs(2);

/// A world in which a key's first event is released, and nothing is remembered of it: every event from then on is looked
/// up, and comes back when it is told to.
fn world(change: impl FnOnce(&mut SourceSettings)) -> World {
    let mut settings = settings();
    settings.dedupe_ids = 0;
    let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
    source.hold_wait = WAIT;
    source.hold_events = 2;
    change(source);
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    post(&mut world, 1);
    world.habits.reads = false;
    world
}

fn key() -> Key {
    Post { source: 1, key: "a".to_owned(), ..Post::default() }.key()
}

fn post(world: &mut World, number: u64) {
    let contract = world.settings.sources[&SourceId(1)].contract;
    let has_order = contract != Contract::Unordered;
    let position = if has_order { Position::Sequence(number) } else { Position::None };
    let post = Post {
        source: 1,
        key: "a".to_owned(),
        id: Some(format!("id{number}")),
        position,
        body: "body".to_owned(),
        ..Post::default()
    };
    world.post(&post);
    world.settle();
}

/// Everything that was looked up comes back, the second before the first where there are two.
fn come_back(world: &mut World) {
    while world.read_one(1) {
        world.settle();
    }
}

fn answers<'a>(world: &'a World, word: &str) -> Vec<&'a String> {
    world.trace.iter().filter(|line| line.contains(word)).collect()
}

fn is_in_order(world: &World, last: u64) {
    let record = world.nodes[0].partition.view(&key()).expect("it is in memory").record;
    assert_eq!((record.order.next, record.sequence), (Some(last + 1), Sequence(last)));
    assert!(record.order.abandoned.as_slice().is_empty(), "{:?}", record.order.abandoned);
    assert!(answers(world, "kind=late").is_empty(), "{:#?}", world.trace);
}

#[test]
fn an_event_that_is_looked_up_is_not_missing_to_those_that_overtake_it() {
    let mut world = world(|_| {});
    (2..=6).for_each(|position| post(&mut world, position));
    come_back(&mut world);
    is_in_order(&world, 6);
    world.end_well(false);
}

#[test]
fn the_wait_for_an_event_does_not_end_while_it_is_looked_up() {
    let mut world = world(|_| {});
    post(&mut world, 3);
    come_back(&mut world);
    world.advance(WAIT / 2);
    post(&mut world, 2);
    world.advance(4 * WAIT);
    come_back(&mut world);
    is_in_order(&world, 3);
    // Where it was another, the wait is over behind it.
    post(&mut world, 5);
    come_back(&mut world);
    world.advance(WAIT / 2);
    post(&mut world, 1);
    world.advance(4 * WAIT);
    come_back(&mut world);
    let record = world.nodes[0].partition.view(&key()).expect("it is in memory").record;
    assert_eq!((record.order.next, record.sequence), (Some(6), Sequence(4)));
    world.end_well(false);
}

/// What is looked up may be others, one after another: those that wait for what is lost go on all the same.
#[test]
fn the_wait_for_an_event_ends_although_others_are_looked_up_without_end() {
    let mut world = world(|_| {});
    post(&mut world, 3);
    come_back(&mut world);
    let ends = (WAIT + HISTORY_WAIT).as_millis();
    for _ in 0..ends / 250 {
        post(&mut world, 1);
        post(&mut world, 1);
        assert!(world.read_one(0), "one of the two is judged, and the other is looked up");
        world.settle();
        world.advance(Duration::from_millis(250));
    }
    world.advance(Duration::from_secs(1));
    let record = world.nodes[0].partition.view(&key()).expect("it is in memory").record;
    assert_eq!((record.order.next, record.sequence), (Some(4), Sequence(2)));
    come_back(&mut world);
    world.end_well(false);
}

/// An API that lags says that there is none of what has come.
#[test]
fn what_is_looked_up_is_not_given_up_because_its_source_has_none() {
    let mut world = world(|source| {
        let after = Duration::from_millis(100);
        let rate = Rate { count: 10, period: Duration::from_secs(1) };
        source.refill = Some(RefillSettings { after, attempts: 3, rate, every: None });
    });
    post(&mut world, 3);
    come_back(&mut world);
    world.advance(Duration::from_millis(200));
    post(&mut world, 2);
    world.end_fetch(
        0,
        RefillOutcome::Whole,
        0,
        (None, Ranges::from_ranges([Range { from: 2, to: 2 }])),
    );
    world.settle();
    come_back(&mut world);
    is_in_order(&world, 3);
    world.end_well(false);
}

#[test]
fn where_history_cannot_be_read_those_behind_go_on() {
    let mut world = world(|_| {});
    world.habits.backlogs = false;
    (2..=3).for_each(|position| post(&mut world, position));
    assert!(world.read_one(0));
    world.settle();
    assert_eq!(answers(&world, "unavailable").len(), 1, "{:#?}", world.trace);
    world.habits.backlogs = true;
    come_back(&mut world);
    assert_eq!(answers(&world, "t4 held").len(), 1, "{:#?}", world.trace);
    post(&mut world, 2);
    come_back(&mut world);
    is_in_order(&world, 3);
    world.end_well(false);
}

#[test]
fn those_behind_are_answered_when_the_term_ends() {
    let mut world = world(|_| {});
    (2..=4).for_each(|position| post(&mut world, position));
    world.fail(0, 0);
    world.settle();
    assert_eq!(answers(&world, "unavailable").len(), 2, "{:#?}", world.trace);
    come_back(&mut world);
    is_in_order(&world, 2);
    world.end_well(false);
}

/// Each by itself: none waits for another.
#[test]
fn without_order_none_waits() {
    let mut world = world(|source| source.contract = Contract::Unordered);
    (2..=4).for_each(|position| post(&mut world, position));
    assert!(world.read_one(1) && world.read_one(1) && world.read_one(0));
    assert!(!world.read_one(0));
    world.settle();
    assert_eq!(answers(&world, " released event").len(), 4, "{:#?}", world.trace);
    world.end_well(false);
}

/// What waits for its key to be loaded came first.
#[test]
fn an_event_of_a_key_that_is_loaded_is_looked_up_in_its_turn() {
    let mut settings = settings();
    settings.dedupe_ids = 0;
    settings.sources.get_mut(&SourceId(1)).expect("the source").contract = Contract::Arrival;
    let mut world = World::new(settings, 1, Habits { loads: false, ..Habits::default() });
    world.declare();
    world.settle();
    let come = |world: &mut World, key: &str, id: &str| {
        let (key, id, body) = (key.to_owned(), Some(id.to_owned()), "body".to_owned());
        world.post(&Post { source: 1, key, id, body, ..Post::default() });
        world.settle();
    };
    come(&mut world, "b", "other");
    come(&mut world, "a", "first");
    // With that of another key in history nothing is remembered any more.
    assert!(world.load_one());
    world.settle();
    world.habits.reads = false;
    come(&mut world, "a", "second");
    world.habits.loads = true;
    while world.load_one() {}
    come_back(&mut world);
    let received = |line: &&String| line.contains(" received a ");
    let came: Vec<_> = world.trace.iter().filter(received).collect();
    assert!(came[0].ends_with("id=first") && came[1].ends_with("id=second"), "{came:#?}");
    world.end_well(false);
}
