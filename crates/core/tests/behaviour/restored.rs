//! A log that was restored stays one, whatever a start takes in of it (DESIGN D10, F10).

use std::sync::Arc;

use sprag_core::settings::{Restore, Settings};

use crate::bounds::settings;
use crate::harness::world::{Habits, World};

#[test]
fn a_start_from_the_state_store_knows_that_the_log_was_restored() {
    let restore = Some(Restore { id: 9, jump: 5 });
    let mut world = World::new(Settings { restore, ..settings() }, 1, Habits::default());
    world.settle();
    let restored = world.nodes[0].partition.directory().restored;
    assert!(restored.is_some(), "history says so");
    world.settings = Arc::new(settings());
    world.crash(0, true);
    assert_eq!(world.nodes[0].partition.directory().restored, restored);
    world.memory_equals_history();
}
