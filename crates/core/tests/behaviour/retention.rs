//! What of history is live while destinations come that take it (DESIGN D6, L7).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, SourceId};
use sprag_core::partition::{Frame, Known, Page};
use sprag_core::position::Position;
use sprag_core::settings::{Settings, Start};
use sprag_core::time::UnixMicros;

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

const OLD: DestinationId = DestinationId(1);
const NEW: DestinationId = DestinationId(2);

/// With a destination that takes everything from the earliest event on.
fn with_new() -> Settings {
    let mut settings = settings();
    let mut new = settings.destinations[&OLD].clone();
    new.start = Start::Earliest;
    settings.destinations.insert(NEW, new);
    let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
    source.destinations = vec![OLD, NEW];
    settings
}

/// The bodies that are dead when all of history is older than it need be.
fn dead_bodies(world: &mut World) -> usize {
    let node = &mut world.nodes[0];
    let frames = node.log.frames.iter().map(|draft| Frame {
        number: draft.number,
        recorded: draft.recorded,
        open: draft.open,
        facts: &draft.facts,
    });
    let frames: Vec<_> = frames.collect();
    let known = node.state.records.iter().map(|(key, record)| {
        (key.clone(), Known { record: Some(record.clone()), letters: Vec::new() })
    });
    let page = Page {
        frames: &frames,
        known: &known.collect(),
        tombstones: &BTreeMap::new(),
        expired: UnixMicros(u64::MAX),
        deletes_through: None,
    };
    let looked = node.partition.look_at(world.now, &page).expect("it serves");
    looked.dead.len()
}

fn deliver(world: &mut World, post: &Post, to: DestinationId) {
    let attempt = world.attempt_of(&post.key(), to).expect("it is under way");
    world.end(attempt, Outcome::Answered { status: 200 }, None);
    world.settle();
}

#[test]
fn a_body_is_live_while_lanes_are_opened_that_may_take_it() {
    let mut world = World::new(settings(), 1, Habits::default());
    world.declare();
    let (key, body) = ("a".to_owned(), "body".to_owned());
    let post = Post { source: 1, key, position: Position::Sequence(1), body, ..Post::default() };
    world.post(&post);
    world.settle();
    deliver(&mut world, &post, OLD);
    assert_eq!(dead_bodies(&mut world), 1, "everybody has it");
    world.habits.reads = false;
    world.settings = Arc::new(with_new());
    world.declare();
    world.reload();
    world.settle();
    assert_eq!(dead_bodies(&mut world), 0, "the keys have not been looked through");
    world.habits.reads = true;
    world.settle();
    assert_eq!(dead_bodies(&mut world), 0, "it waits for the new destination");
    deliver(&mut world, &post, NEW);
    assert_eq!(dead_bodies(&mut world), 1, "everybody has it");
}

/// Visits go through the keys that the state store has: one that is forgotten meanwhile would be missed.
#[test]
fn no_key_is_forgotten_while_keys_are_visited_for_a_destination() {
    let hour = Duration::from_secs(3_600);
    let forgetful = |mut settings: Settings| {
        let source = settings.sources.get_mut(&SourceId(1)).expect("the source");
        source.forget_after = Some(hour);
        settings
    };
    let mut world = World::new(forgetful(settings()), 1, Habits::default());
    world.declare();
    let (key, body) = ("a".to_owned(), "body".to_owned());
    let post = Post { source: 1, key, position: Position::Sequence(1), body, ..Post::default() };
    world.post(&post);
    world.settle();
    deliver(&mut world, &post, OLD);
    world.habits.reads = false;
    world.settings = Arc::new(forgetful(with_new()));
    world.declare();
    world.reload();
    world.advance(3 * hour);
    let forgotten = |world: &World| world.nodes[0].partition.forgetting().forgotten;
    assert_eq!(forgotten(&world), 0, "keys are being visited");
    world.habits.reads = true;
    world.settle();
    deliver(&mut world, &post, NEW);
    world.advance(3 * hour);
    assert_eq!(forgotten(&world), 1);
    world.memory_equals_history();
}
