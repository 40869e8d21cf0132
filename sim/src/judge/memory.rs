//! How long what came before can be recognised (rules D3, F4, D6), in microseconds.

use std::time::Duration;

use sprag_core::plan::Plan;

/// What the judges allow between two clocks: a frame may have been begun this much before it is
/// written, and a request is told its answer later.
const SLACK: u64 = 3_000_000;

/// How long things are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    /// An id, from the receipt of its event.
    pub(crate) dedupe: u64,
    /// A fact: what was deleted tells a repeat from a contradiction no more.
    pub(crate) facts: u64,
}

impl Memory {
    /// As configured for every source alike.
    pub(crate) fn of(plan: &Plan) -> Self {
        let dedupe = plan.sources.iter().map(|source| source.settings.dedupe).min();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self { dedupe: dedupe.map_or(u64::MAX, micros), facts: micros(plan.retention.facts) }
    }

    /// Whether an id that came at one recorded time is known at another.
    pub(crate) fn knows_id(self, then: u64, now: u64) -> bool {
        now.saturating_sub(then) <= self.dedupe
    }

    /// Whether a fact of one recorded time may be gone at another.
    pub(crate) fn may_be_gone(self, then: u64, now: u64) -> bool {
        then.saturating_add(self.facts) <= now
    }

    /// Whether an id is known for sure: told by others' clocks than the log's.
    pub(crate) fn surely_knows_id(self, then: u64, now: u64) -> bool {
        self.knows_id(then, now.saturating_add(SLACK))
    }

    /// Whether a fact is there for sure, told by others' clocks than the log's.
    pub(crate) fn surely_knows(self, then: u64, now: u64) -> bool {
        !self.may_be_gone(then, now.saturating_add(SLACK))
    }
}
