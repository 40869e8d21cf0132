//! The pure machine of a destination: who may attempt now (DESIGN F7).
//!
//! Lanes of all partitions ask it for permits; the oldest released event goes first. Must not
//! know: keys, events, retries.

use alloc::collections::BTreeSet;

use crate::id::{DestinationId, PartitionId, Place};
use crate::slab::Slot;
use crate::time::UnixMicros;

/// A lane in memory: its partition, its key's slot and its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneRef {
    /// The partition that owns the key.
    pub partition: PartitionId,
    /// The key's slot in the partition; void once the partition dropped the key.
    pub slot: Slot,
    /// The lane's destination.
    pub destination: DestinationId,
}

/// How long a lane's event waits already: the smaller, the sooner it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    /// When the event was released, by the recorded clock.
    pub recorded: UnixMicros,
    /// Its place, which tells events of the same instant apart.
    pub place: Place,
}

/// Permits for attempts to one destination.
#[derive(Debug)]
pub struct Destination {
    concurrency: usize,
    in_flight: usize,
    paused: bool,
    waiting: BTreeSet<(Urgency, LaneRef)>,
}

impl Destination {
    /// A destination that lets `concurrency` attempts be under way; 0 counts as 1.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self { concurrency, in_flight: 0, paused: false, waiting: BTreeSet::new() }
    }

    /// A lane asks for a permit.
    pub fn request(&mut self, urgency: Urgency, lane: LaneRef) {
        self.waiting.insert((urgency, lane));
    }

    /// A lane leaves memory before it got its permit.
    pub fn withdraw_lane(&mut self, urgency: Urgency, lane: LaneRef) {
        self.waiting.remove(&(urgency, lane));
    }

    /// A partition takes back all it asked for: it lost its keys.
    pub fn withdraw(&mut self, partition: PartitionId) {
        self.waiting.retain(|(_, lane)| lane.partition != partition);
    }

    /// A permit comes back: its attempt ended, or was not made after all.
    pub fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Stops or lets go on the granting of permits; attempts under way end as they will.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The next lane that may attempt: the oldest first.
    pub fn poll_grant(&mut self) -> Option<LaneRef> {
        if self.paused || self.in_flight >= self.concurrency {
            return None;
        }
        let (_, lane) = self.waiting.pop_first()?;
        self.in_flight += 1;
        Some(lane)
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Attempts under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Lanes that wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn lane(slot: Slot, partition: u16) -> LaneRef {
        LaneRef { partition: PartitionId(partition), slot, destination: DestinationId(1) }
    }

    fn at(recorded: u64) -> Urgency {
        Urgency { recorded: UnixMicros(recorded), place: Place::default() }
    }

    #[test]
    fn the_oldest_goes_first_and_never_more_than_allowed() {
        let mut slab = Slab::default();
        let [first, second, third] = [(); 3].map(|()| slab.insert(()));
        let mut destination = Destination::new(2);
        destination.request(at(30), lane(first, 0));
        destination.request(at(10), lane(second, 1));
        destination.request(at(20), lane(third, 0));
        assert_eq!(destination.poll_grant(), Some(lane(second, 1)));
        assert_eq!(destination.poll_grant(), Some(lane(third, 0)));
        assert_eq!(destination.poll_grant(), None);
        destination.give_back();
        assert_eq!(destination.poll_grant(), Some(lane(first, 0)));
    }

    #[test]
    fn a_pause_grants_nothing_and_a_withdrawal_takes_only_its_own() {
        let mut slab = Slab::default();
        let slot = slab.insert(());
        let mut destination = Destination::new(9);
        destination.request(at(1), lane(slot, 0));
        destination.request(at(2), lane(slot, 1));
        destination.set_paused(true);
        assert_eq!(destination.poll_grant(), None);
        destination.set_paused(false);
        destination.withdraw(PartitionId(0));
        assert_eq!(destination.poll_grant(), Some(lane(slot, 1)));
        destination.request(at(3), lane(slot, 0));
        destination.request(at(4), lane(slot, 1));
        destination.withdraw_lane(at(3), lane(slot, 0));
        assert_eq!(destination.poll_grant(), Some(lane(slot, 1)));
    }
}
