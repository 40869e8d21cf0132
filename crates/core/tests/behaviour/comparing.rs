//! Comparing with the authority where a term ends: no turn is lost, and none is used twice.

use std::time::Duration;

use sprag_core::fact::{Outcome, RefillOutcome};
use sprag_core::id::SourceId;
use sprag_core::input::Input;
use sprag_core::output::Output;
use sprag_core::position::Position;
use sprag_core::rate::Rate;
use sprag_core::settings::{Contract, ReconcileSettings, Settings, Then};

use crate::bounds::settings;
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};

const SOURCE: SourceId = SourceId(1);

fn compared() -> Settings {
    let mut settings = settings();
    let source = settings.sources.get_mut(&SOURCE).expect("the source");
    source.contract = Contract::Latest { coalesce: false };
    let second = Duration::from_secs(1);
    source.reconcile = Some(ReconcileSettings {
        every: second * 60,
        grace: second * 10,
        sample: 1_000,
        rate: Rate { count: 1, period: second * 3_600 },
        then: Then::Note,
    });
    settings
}

/// A world in which one of two keys was compared, and the other waits for its turn.
fn world() -> World {
    let mut world = World::new(compared(), 1, Habits::default());
    world.declare();
    for key in ["a", "b"] {
        let position = Position::Version(1);
        world.post(&Post { source: 1, key: key.to_owned(), position, ..Post::default() });
        world.settle();
        world.end(0, Outcome::Answered { status: 200 }, None);
    }
    world.advance(Duration::from_secs(70));
    world.end_compare(0, RefillOutcome::Whole, Some(Position::Version(1)), None);
    world.settle();
    assert_eq!(world.comparing.under_way, []);
    world
}

#[test]
fn a_question_that_did_not_leave_gives_its_turn_back() {
    let mut world = world();
    let now = world.now;
    let partition = &mut world.nodes[0].partition;
    partition.handle(now, Input::MayCompare(SOURCE));
    partition.fail();
    let outputs: Vec<_> = std::iter::from_fn(|| partition.poll_output()).collect();
    assert_eq!(outputs, [Output::SpareCompare(SOURCE)]);
}

#[test]
fn a_turn_that_nobody_wants_any_more_is_given_back() {
    let mut world = world();
    let now = world.now;
    let partition = &mut world.nodes[0].partition;
    partition.handle(now, Input::MayCompare(SOURCE));
    assert!(matches!(partition.poll_output(), Some(Output::Compare(_))));
    for source in [SOURCE, SourceId(7)] {
        partition.handle(now, Input::MayCompare(source));
        assert_eq!(partition.poll_output(), Some(Output::SpareCompare(source)));
    }
}
