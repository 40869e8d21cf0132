//! Events that wait for another resource where memory has room for one key (decision 042); what they wait for and what they are
//! told, stories say.

use std::time::Duration;

use sprag_core::id::{DestinationId, SourceId};
use sprag_core::input::Command;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, DependsOnSettings, Settings};

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

/// Customers, and cards that wait for theirs.
fn few_keys() -> Settings {
    let mut settings = settings();
    settings.hot_keys = 1;
    let mut cards = settings.sources[&SourceId(1)].clone();
    cards.name = "cards".into();
    cards.contract = Contract::Arrival;
    cards.depends_on =
        Some(DependsOnSettings { source: SourceId(1), wait: Duration::from_secs(1) });
    settings.sources.insert(SourceId(2), cards);
    settings
}

fn post(world: &mut World, source: u32, key: &str, of: Option<&str>) {
    let position = if source == 1 { Position::Sequence(1) } else { Position::None };
    let (key, id, depends_on) = (key.to_owned(), Some(key.to_owned()), of.map(str::to_owned));
    world.post(&Post { source, key, id, position, depends_on, ..Post::default() });
    world.settle();
}

/// While one card asks about its customer the other comes in. Told that the customer is there, it has its turn before it
/// leaves memory: else the two would ask in turn, each time in vain.
#[test]
fn two_that_wait_for_one_do_not_take_each_others_place() {
    let mut world = World::new(few_keys(), 1, Habits::default());
    world.declare();
    world.settle();
    post(&mut world, 1, "customer", None);
    world.answer_everybody();
    world.settle();
    world.order(0, Command::PauseDestination(DestinationId(1)));
    post(&mut world, 2, "x", Some("customer"));
    post(&mut world, 2, "y", Some("customer"));
    world.crash(0, true);
    world.settle();
    (world.habits.reads, world.habits.loads) = (false, false);
    world.order(0, Command::ResumeDestination(DestinationId(1)));
    world.read_one(0);
    // One comes in and asks, the other comes in, and only then the customer is loaded and answers.
    for _ in 0..10 {
        for _ in 0..2 {
            world.advance(Duration::from_millis(20));
            world.read_one(0);
        }
        world.settle();
        world.load_one();
        world.settle();
    }
    let attempts = world.trace.iter().filter(|line| line.starts_with("  attempt"));
    // The customer's, and that of the card which was first.
    assert_eq!(attempts.count(), 2, "{:#?}", world.trace);
    world.end_well(false);
}

/// While its destination is paused a lane asks nobody, however much goes on beside it: that is no silence of others.
#[test]
fn a_pause_is_no_silence() {
    let mut world = World::new(Settings { hot_keys: 100, ..few_keys() }, 1, Habits::default());
    world.declare();
    world.settle();
    world.habits.asks = false;
    post(&mut world, 2, "card", Some("customer"));
    // The bound ends, and behind it the lane has asked.
    (0..3).for_each(|_| world.advance(Duration::from_secs(1)));
    world.order(0, Command::PauseDestination(DestinationId(1)));
    for other in 0..40 {
        world.advance(Duration::from_secs(1));
        post(&mut world, 1, &format!("other/{other}"), None);
    }
    world.order(0, Command::ResumeDestination(DestinationId(1)));
    world.settle();
    let unmet = world.trace.iter().find(|line| line.contains(" unmet card"));
    assert_eq!(unmet, None, "{:#?}", world.trace);
    world.habits.asks = true;
    world.end_well(false);
}
