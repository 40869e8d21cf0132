//! Events of a key that wait to be released, and the order they stand in meanwhile.
//!
//! Each contract has an order of its own for them, and all of them share one map, so that leaving memory,
//! retention and counts need not know which contract it is. Must not know: settings, time.

use alloc::sync::Arc;

use crate::fact::HoldReason;
use crate::id::Place;
use crate::position::Position;
use crate::record::Essence;
use crate::time::OpenMicros;

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEvent {
    /// Its `received` fact.
    pub event: Place,
    /// Why it waits.
    pub reason: HoldReason,
    /// The open time at which waiting for what lies before it ends.
    pub deadline: OpenMicros,
    /// What its release needs of it.
    pub essence: Essence,
}

/// Where an event stands among those of its key that wait: the lowest is released first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldAt {
    /// The number of its position.
    pub number: u64,
    /// The rank of its type; 0 where types have none.
    pub rank: u32,
    /// What tells it from others of the same number and rank.
    pub tie: Tie,
}

/// What tells events of the same number and rank apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// Nothing: only one can wait.
    Only,
    /// Its id, the node that wrote it or the hash it begins at, then its place.
    Of(Arc<str>, Place),
}

impl HeldAt {
    /// Where a position stands that only one event can have.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        Self { number, rank: 0, tie: Tie::Only }
    }

    /// Where an event stands that begins at this hash (contract `fifo` by links).
    #[must_use]
    pub fn linked(before: &Arc<str>, event: Place) -> Self {
        Self { number: 0, rank: 0, tie: Tie::Of(before.clone(), event) }
    }

    /// Where this event stands.
    #[must_use]
    pub fn of(held: &HeldEvent) -> Self {
        let number = held.essence.position.standing();
        if let Position::Clock(clock) = &held.essence.position {
            return Self { number, rank: 0, tie: Tie::Of(clock.node().clone(), held.event) };
        }
        if let Position::State { .. } = held.essence.position {
            return Self { number, rank: 0, tie: Tie::Of(Arc::from(""), held.event) };
        }
        if let Position::Link(link) = &held.essence.position {
            return Self::linked(&link.before, held.event);
        }
        match held.reason {
            HoldReason::Gap | HoldReason::Start => Self::numbered(number),
            HoldReason::Settle { rank } => {
                let id = held.essence.id.clone().unwrap_or_else(|| Arc::from(""));
                Self { number, rank, tie: Tie::Of(id, held.event) }
            }
        }
    }
}
