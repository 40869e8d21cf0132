//! How much is undone for a late event (decision 040); what is undone, and in which order, stories and the judge say.

use std::time::Duration;

use sprag_core::id::SourceId;
use sprag_core::position::Position;
use sprag_core::settings::OnLate;

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

/// Behind a late event that many were released; how many releases there are in the end.
fn released_with(behind: u64) -> u64 {
    let mut settings = settings();
    if let Some(source) = settings.sources.get_mut(&SourceId(1)) {
        source.on_late = OnLate::Compensate;
        source.hold_wait = Duration::from_secs(1);
        (source.hold_events, source.hold_span) = (1_000, 1_000);
    }
    let mut world = World::new(settings, 1, Habits::default());
    world.declare();
    world.settle();
    let post = |world: &mut World, position: u64| {
        let (key, body) = ("a".to_owned(), position.to_string());
        let position = Position::Sequence(position);
        world.post(&Post { source: 1, key, position, body, ..Post::default() });
        world.settle();
    };
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
