//! History of versions before is read as it was meant (DESIGN F6).

use std::time::Duration;

use sprag_core::chain::Digest;
use sprag_core::fact::{Fact, Outcome};
use sprag_core::partition::{Frame, Head, Partition};
use sprag_core::position::Position;
use sprag_core::record::KeyRecord;

use crate::bounds::settings;
use crate::harness::Sha;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

/// The record of the only key, after its history was taken in.
fn record<D: Digest>(partition: &Partition<D>) -> KeyRecord {
    partition.records().next().expect("a key").1.clone()
}

/// Before there were breakers, every failure counted, and all time since the first.
#[test]
fn failures_that_say_nothing_of_what_counts_all_do() {
    let mut world = World::new(settings(), 1, Habits::default());
    world.declare();
    let (key, position) = ("a".to_owned(), Position::Sequence(1));
    world.post(&Post { source: 1, key, position, ..Post::default() });
    world.settle();
    for status in [500, 500, 429] {
        world.end(0, Outcome::Answered { status }, None);
        world.advance(Duration::from_secs(3));
    }
    let mut frames = world.nodes[0].log.frames.clone();
    for fact in frames.iter_mut().flat_map(|frame| &mut frame.facts) {
        if let Fact::Attempted(attempted) = fact {
            attempted.toll = None;
        }
    }
    let mut again = Partition::new(world.nodes[0].log.partition, world.settings.clone(), 7, Sha);
    again.begin(&Head::default());
    for draft in &frames {
        let (recorded, open) = (draft.recorded, draft.open);
        draft.facts.iter().filter_map(Fact::key).for_each(|key| {
            again.insert_record(key.clone(), None);
        });
        again.evolve_frame(&Frame { number: draft.number, recorded, open, facts: &draft.facts });
    }
    let (now, before) = (record(&world.nodes[0].partition), record(&again));
    assert_eq!((now.lanes[0].failures, before.lanes[0].failures), (3, 3));
    assert_eq!(now.lanes[0].toll.failures, 2, "a 429 asks for time and counts no failure");
    assert_eq!(before.lanes[0].toll.failures, 3);
    assert!(before.lanes[0].toll.time > now.lanes[0].toll.time, "{before:?} {now:?}");
}
