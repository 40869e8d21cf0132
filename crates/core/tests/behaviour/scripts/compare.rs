//! What stories say of comparing with the authority.

use sprag_core::fact::RefillOutcome;
use sprag_core::id::SourceId;
use sprag_core::position::Position;
use sprag_core::rate::Rate;
use sprag_core::settings::{ReconcileSettings, Then};

use super::{Words, duration, key, position};
use crate::harness::world::World;

/// `compare=60s grace=10s sample=500 compare_rate=1/1s then=refill`
pub(super) fn settings(words: &Words<'_>) -> Option<ReconcileSettings> {
    let every = words.duration("compare")?;
    let sample = words.number("sample").unwrap_or(1_000);
    Some(ReconcileSettings {
        every,
        grace: words.duration("grace").unwrap_or(duration("10s")),
        sample: u16::try_from(sample).expect("thousandths"),
        rate: words.rate("compare_rate").unwrap_or(Rate { count: 10, period: duration("1s") }),
        then: match words.get("then") {
            Some("refill") => Then::Refill,
            Some("event") => Then::Event,
            _ => Then::Note,
        },
    })
}

/// `compared a position=3`, `compared a 429 retry-after=5s`
pub(super) fn compared(world: &mut World, words: &Words<'_>) {
    let key = key(words.word(1));
    let which = world.comparing.under_way.iter().position(|compare| compare.key == key);
    let which = which.unwrap_or_else(|| panic!("nothing is compared: {}", words.line));
    let theirs = Some(position(words)).filter(|theirs| *theirs != Position::None);
    let outcome = match words.plain.get(2) {
        None => RefillOutcome::Whole,
        Some(&"unreadable") => RefillOutcome::Unreadable,
        Some(&"unreachable") => RefillOutcome::Unreachable,
        Some(status) => RefillOutcome::Answered { status: status.parse().expect("an HTTP status") },
    };
    world.end_compare(which, outcome, theirs, words.duration("retry-after"));
}

/// What comparing came to.
pub(super) fn tallied(world: &mut World) {
    for node in &world.nodes {
        let tally = node.partition.reconciling(SourceId(1));
        let (same, behind, ahead, last) = (tally.same, tally.behind, tally.ahead, tally.last);
        let told = format!("  same={same} behind={behind} ahead={ahead} last={last}");
        world.trace.push(told);
    }
}
