//! How long a source that says it is asked too often is left alone.
//!
//! It rests for its `Retry-After`, or 1 s, 2 s, 4 s … up to a minute; answers that were under way when it began to
//! rest make that no longer. Must not know: what it was asked for.

use core::time::Duration;

use crate::fact::RefillOutcome;
use crate::limits;
use crate::time::ElapsedMicros;

/// The rest of one source.
#[derive(Debug)]
pub(crate) struct Rest {
    until: ElapsedMicros,
    /// How long it rests after a 429 that does not say.
    next: Duration,
}

impl Default for Rest {
    fn default() -> Self {
        Self { until: ElapsedMicros::default(), next: limits::REST_FIRST }
    }
}

impl Rest {
    /// Until when it is not asked.
    pub(crate) fn until(&self) -> ElapsedMicros {
        self.until
    }

    /// It answered, or did not.
    pub(crate) fn ended(
        &mut self,
        now: ElapsedMicros,
        outcome: RefillOutcome,
        retry_after: Option<Duration>,
    ) {
        let is_new = now >= self.until;
        if let Some(asked) = retry_after {
            let until = now.after(asked.min(limits::REFILL_REST_MOST));
            self.until = self.until.max(until);
        }
        // Also one that asks for less: it may say no for ever, and a 429 is no ask in vain.
        if outcome.is_throttled() && is_new {
            self.until = self.until.max(now.after(self.next));
            self.next = (self.next * 2).min(limits::REST_MOST);
        }
        if matches!(outcome, RefillOutcome::Whole | RefillOutcome::Cut) {
            self.next = limits::REST_FIRST;
        }
    }
}
