//! What the keys of a partition add up to, durably: how much waits for each destination, and for
//! which destinations every key has been visited ([`partition`](crate::partition)'s `visit`), and where keys
//! begin that were forgotten for good (its `forget`).
//!
//! Facts change it beside the records, so it counts keys that are not in memory, and no start has to
//! look at any key to know it. It is stored with the frame that the state store reflects.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::fact::{Fact, Floor, Visit};
use crate::id::{DestinationId, Sequence};
use crate::record::Lane;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Lanes in which something waits, those that are stopped included.
    pub lanes: u64,
    /// Events that wait in them.
    pub events: u64,
    /// Bytes of their bodies, as [`Lane::bytes`] counts them.
    pub bytes: u64,
}

impl Backlog {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lanes: self.lanes.saturating_add(other.lanes),
            events: self.events.saturating_add(other.events),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn without(self, other: Self) -> Self {
        Self {
            lanes: self.lanes.saturating_sub(other.lanes),
            events: self.events.saturating_sub(other.events),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// What waits in a lane and its strands.
    fn of(lanes: &[Lane]) -> Self {
        let waits = lanes.iter().any(Lane::has_backlog);
        let events = lanes.iter().map(|lane| lane.waiting).sum();
        let bytes = lanes.iter().fold(0_u64, |sum, lane| sum.saturating_add(lane.bytes));
        Self { lanes: u64::from(waits), events, bytes }
    }
}

/// What the keys of a partition add up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// What waits, by destination; only where something does.
    pub backlog: BTreeMap<DestinationId, Backlog>,
    /// What every key has been visited for.
    pub visited: BTreeSet<(DestinationId, Visit)>,
    /// Behind which sequence keys begin that nothing is known of, by hash bucket (DESIGN D8).
    pub floors: BTreeMap<u16, Sequence>,
}

impl Totals {
    /// What waits for a destination.
    #[must_use]
    pub fn backlog_of(&self, destination: DestinationId) -> Backlog {
        self.backlog.get(&destination).copied().unwrap_or_default()
    }

    pub(crate) fn evolve(&mut self, fact: &Fact) {
        if let Fact::KeysVisited(visited) = fact {
            self.visited.insert((visited.destination, visited.visit));
        }
        if let Fact::Boundary(boundary) = fact {
            for Floor { bucket, sequence } in &boundary.floors {
                let floor = self.floors.entry(*bucket).or_default();
                *floor = (*floor).max(*sequence);
            }
        }
    }

    /// A lane, which comes with its strands, is about to change.
    pub(crate) fn without(&mut self, to: DestinationId, lanes: &[Lane]) {
        self.set(to, self.backlog_of(to).without(Backlog::of(lanes)));
    }

    /// A lane has changed.
    pub(crate) fn with(&mut self, to: DestinationId, lanes: &[Lane]) {
        self.set(to, self.backlog_of(to).and(Backlog::of(lanes)));
    }

    fn set(&mut self, destination: DestinationId, backlog: Backlog) {
        if backlog == Backlog::default() {
            self.backlog.remove(&destination);
        } else {
            self.backlog.insert(destination, backlog);
        }
    }
}
