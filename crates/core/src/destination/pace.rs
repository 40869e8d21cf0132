//! How much of its concurrency a destination is given at the moment: after an outage, and after a
//! 429 (DESIGN L2, L3).
//!
//! The allowance is a share of `concurrency`, and the slow pool shrinks with it. After an outage it
//! begins at one and each answer adds one, so it doubles with every round. A 429 halves what is in
//! use, once per rest, and lets the destination rest: for its `Retry-After`, no longer than a
//! minute, or for 1 s, 2 s, 4 s … where it names none. The lane itself waits its `Retry-After` in
//! full. So one key's limit does not stop all others for an hour, and a consumer that is over its
//! limit gets a few requests a minute. Must not know: lanes, the breaker.

use core::time::Duration;

use crate::limits;
use crate::time::ElapsedMicros;

/// The pace of a destination.
#[derive(Debug)]
pub(super) struct Pace {
    concurrency: usize,
    allowance: usize,
    rests_until: ElapsedMicros,
    /// How long it rests after a 429 that does not say.
    rest: Duration,
}

impl Pace {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            allowance: concurrency,
            rests_until: ElapsedMicros::default(),
            rest: limits::REST_FIRST,
        }
    }

    /// Another concurrency: what was given in full stays so, what was a part grows with answers.
    pub(super) fn resize(&mut self, concurrency: usize) {
        let full = self.is_full();
        self.concurrency = concurrency;
        self.allowance = if full { concurrency } else { self.allowance.min(concurrency) };
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    pub(super) fn allowance(&self) -> usize {
        self.allowance
    }

    pub(super) fn is_full(&self) -> bool {
        self.allowance >= self.concurrency
    }

    /// Until when nothing is sent.
    pub(super) fn rests_until(&self) -> ElapsedMicros {
        self.rests_until
    }

    /// The destination is back after an outage.
    pub(super) fn begin_again(&mut self) {
        self.allowance = 1;
    }

    /// An answer that asks for no rest.
    pub(super) fn answered(&mut self) {
        self.allowance = (self.allowance + 1).min(self.concurrency);
        self.rest = limits::REST_FIRST;
    }

    /// The consumer answered 429 when so many attempts were under way in `concurrency`.
    pub(super) fn throttled(
        &mut self,
        now: ElapsedMicros,
        in_use: usize,
        retry_after: Option<Duration>,
    ) {
        // Less than a second is written as 0: it asks for a rest and does not say how long.
        let retry_after = retry_after.filter(|asked| !asked.is_zero());
        if now >= self.rests_until {
            self.allowance = (self.allowance.min(in_use) / 2).max(1);
            if retry_after.is_none() {
                self.rests_until = now.after(self.rest);
                self.rest = (self.rest * 2).min(limits::REST_MOST);
            }
        }
        if let Some(asked) = retry_after {
            self.rests_until = self.rests_until.max(now.after(asked.min(limits::REST_MOST)));
        }
    }
}
