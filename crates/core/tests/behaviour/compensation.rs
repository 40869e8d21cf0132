//! How much is undone for a late event (decision 040); what is undone, and in which order, stories and the judge say.

use std::time::Duration;

use sprag_core::id::SourceId;
use sprag_core::limits;
use sprag_core::position::Position;
use sprag_core::settings::OnLate;

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

/// A world whose source wants late events in their place.
fn world() -> World {
    let mut settings = settings();
    if let Some(source) = settings.sources.get_mut(&SourceId(1)) {
        source.on_late = OnLate::Compensate;
        source.hold_wait = Duration::from_secs(1);
        (source.hold_events, source.hold_span) = (1_000, 1_000);
    }
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    world
}

fn post(world: &mut World, position: u64) {
    let (key, body) = ("a".to_owned(), position.to_string());
    let position = Position::Sequence(position);
    world.post(&Post { source: 1, key, position, body, ..Post::default() });
    world.settle();
}

/// Behind a late event that many were released; how many releases there are in the end.
fn released_with(behind: u64) -> u64 {
    let mut world = world();
    post(&mut world, 1);
    (3..3 + behind).for_each(|position| post(&mut world, position));
    world.advance(Duration::from_secs(2));
    world.settle();
    post(&mut world, 2);
    let released = world.judge.facts.get("released").copied().unwrap_or_default();
    world.end_well(false);
    released
}

#[test]
fn a_hundred_events_are_undone_and_no_more() {
    assert_eq!(released_with(100), 1 + 100 + 100 + 1 + 100);
    assert_eq!(released_with(101), 1 + 101 + 1);
}

/// A world in which the late event 2 is put in its place, for longer than 5 may wait for 4; others come behind it.
fn while_it_is_put_in_its_place(others: &[u64]) -> World {
    let mut world = world();
    [1, 3].into_iter().for_each(|position| post(&mut world, position));
    world.advance(Duration::from_secs(2));
    post(&mut world, 5);
    world.advance(Duration::from_millis(500));
    world.habits.reads = false;
    [2].iter().chain(others).for_each(|position| post(&mut world, *position));
    world.advance(Duration::from_secs(2));
    world.habits.reads = true;
    while world.read_one(0) {
        world.settle();
    }
    world
}

/// What waits behind a late event has come: a gap that it closes is not given up meanwhile.
#[test]
fn the_wait_of_a_key_does_not_end_while_a_late_event_is_put_in_its_place() {
    let mut world = while_it_is_put_in_its_place(&[4]);
    let late = world.trace.iter().filter(|line| line.contains("kind=late"));
    assert_eq!(late.count(), 1, "{:#?}", world.trace);
    world.end_well(false);
}

/// Nor does it go on for ever: where what waited was another, it ends behind that.
#[test]
fn the_wait_of_a_key_ends_behind_a_late_event() {
    let mut world = while_it_is_put_in_its_place(&[]);
    world.advance(Duration::from_secs(1));
    let abandoned = world.judge.facts.get("gap-abandoned").copied();
    assert_eq!(abandoned, Some(2), "{:#?}", world.trace);
    world.end_well(false);
}

/// More may wait for history than may come while a place is looked for: none of them is sent away.
#[test]
fn what_waited_for_history_waits_behind_a_late_event_too() {
    let mut settings = settings();
    settings.dedupe_ids = 0;
    let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
    source.on_late = OnLate::Compensate;
    source.hold_wait = Duration::from_secs(1);
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    [1, 3].into_iter().for_each(|position| post(&mut world, position));
    world.advance(Duration::from_secs(2));
    world.habits.reads = false;
    let last = 3 + 2 * limits::RECALL_WAITING as u64;
    (2..=2).chain(4..=last).for_each(|position| post(&mut world, position));
    while world.read_one(0) {
        world.settle();
    }
    let busy: Vec<_> = world.trace.iter().filter(|line| line.contains("busy")).collect();
    assert!(busy.is_empty(), "{busy:#?}");
    let late = world.trace.iter().filter(|line| line.contains("kind=late"));
    assert_eq!(late.count(), 1, "{:#?}", world.trace);
    world.end_well(false);
}
