//! What counts towards giving a lane's head up (DESIGN L2; decision record 008).
//!
//! A failure counts unless it was a probe, came while the breaker was open, or was one of those
//! that opened it: of a lane, its last within [`limits::BREAKER_WINDOW`] before. Time counts from
//! the failure before, or from when the breaker closed if it was open in between; what passed
//! before this process watched the breaker counts for nothing. So an outage gives nothing up, and
//! giving up may come later than configured, never earlier. What counts stands in each `attempted`
//! fact; the breaker's state does not (DESIGN F6, F7).

use alloc::collections::BTreeMap;

use super::Partition;
use super::hot::Tried;
use crate::chain::Digest;
use crate::fact::{Outcome, Toll};
use crate::id::DestinationId;
use crate::limits;
use crate::record::Lane;
use crate::time::{OpenMicros, micros};

/// The breakers of destinations, as far as this process has seen them open.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// The open time since which breakers are watched.
    since: Option<OpenMicros>,
    breakers: BTreeMap<DestinationId, Outage>,
}

/// When a breaker was open, in open time.
#[derive(Debug, Clone, Copy)]
struct Outage {
    is_open: bool,
    /// Since when it was closed before it opened.
    closed_before: OpenMicros,
    /// Never 0, as no failure is at 0.
    opened: OpenMicros,
    /// When it closed again.
    closed: OpenMicros,
}

impl Outages {
    /// The process decides from here on.
    pub(super) fn watch(&mut self, open: OpenMicros) {
        self.since.get_or_insert(open);
    }

    pub(super) fn is_open(&self, destination: DestinationId) -> bool {
        self.breakers.get(&destination).is_some_and(|outage| outage.is_open)
    }

    fn note(&mut self, destination: DestinationId, is_open: bool, now: OpenMicros) {
        let since = self.since.unwrap_or(now);
        let never = Outage { is_open: false, closed_before: since, opened: since, closed: since };
        let outage = self.breakers.entry(destination).or_insert(never);
        if is_open && !outage.is_open {
            (outage.closed_before, outage.opened) = (outage.closed, now.max(OpenMicros(1)));
        } else if !is_open && outage.is_open {
            outage.closed = now;
        }
        outage.is_open = is_open;
    }

    /// Whether a failure at this time was one of those that opened the breaker last.
    fn opened_by(&self, destination: DestinationId, failed_at: OpenMicros) -> bool {
        self.breakers.get(&destination).is_some_and(|outage| {
            (outage.closed_before..=outage.opened).contains(&failed_at)
                && outage.opened.since(failed_at) <= limits::BREAKER_WINDOW
        })
    }

    fn closed_since(&self, destination: DestinationId) -> OpenMicros {
        let outage = self.breakers.get(&destination);
        outage.map_or(self.since.unwrap_or_default(), |outage| outage.closed)
    }
}

impl<D: Digest> Partition<D> {
    /// The breaker of a destination opened or closed. Taken in at any time, also while recovering.
    pub(super) fn note_breaker(&mut self, destination: DestinationId, is_open: bool) {
        self.outages.note(destination, is_open, self.open);
    }

    pub(super) fn is_down(&self, destination: DestinationId) -> bool {
        self.outages.is_open(destination)
    }

    /// What counts of a lane's failures after one more, and whether that one does.
    pub(super) fn toll(&self, lane: &Lane, tried: Tried, outcome: Outcome) -> (Toll, bool) {
        let (known, to) = (lane.toll, lane.destination);
        if outcome.is_throttled() {
            return (known, false);
        }
        let forgiven = known.failures > 0 && self.outages.opened_by(to, lane.failed_at);
        let failures = known.failures - u32::from(forgiven);
        if tried.probe || self.is_down(to) {
            return (Toll { failures, time: known.time }, false);
        }
        let since = lane.failed_at.max(self.outages.closed_since(to));
        let is_first = lane.failed_at == OpenMicros::default();
        let passed = if is_first { 0 } else { micros(self.open.since(since)) };
        let time = known.time.saturating_add(passed);
        (Toll { failures: failures.saturating_add(1), time }, true)
    }
}
