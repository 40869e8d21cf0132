//! What passes between a partition and a destination: requests, grants, ends (DESIGN F7).

use core::time::Duration;

use crate::fact::Outcome;
use crate::id::{DestinationId, LaneId, PartitionId, Place, Sequence};
use crate::slab::Slot;
use crate::time::{ElapsedMicros, UnixMicros};

/// A lane in memory: its partition, its key's slot and its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneRef {
    /// The partition that owns the key.
    pub partition: PartitionId,
    /// The key's slot in the partition; void once the partition dropped the key.
    pub slot: Slot,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The event of a strand, which asks for permits as a lane does; none is the lane itself.
    pub strand: Option<Sequence>,
}

impl LaneRef {
    /// Which of its key's lanes and strands it is.
    #[must_use]
    pub fn id(&self) -> LaneId {
        LaneId { destination: self.destination, strand: self.strand }
    }
}

/// How long a lane's event waits already: the smaller, the sooner it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    /// When the event was released, by the recorded clock.
    pub recorded: UnixMicros,
    /// Its place, which tells events of the same instant apart.
    pub place: Place,
}

/// What is known of a lane when it asks (DESIGN D4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It got a 2xx within [`PROVEN_FOR`](crate::limits::PROVEN_FOR).
    Proven,
    /// It got none lately, and nothing speaks against it.
    Unproven,
    /// Its last attempt failed or was slow. The one that asked first goes first.
    Struggling {
        /// How often what it would send was tried, or how often its lane failed one event after another,
        /// whichever is more.
        tries: u32,
        /// When it asked.
        since: ElapsedMicros,
    },
}

/// A lane asks for a permit. Taken back, it is named as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How urgent it is.
    pub urgency: Urgency,
    /// Which lane.
    pub lane: LaneRef,
    /// What is known of it.
    pub standing: Standing,
}

/// A permit for one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// For which lane.
    pub lane: LaneRef,
    /// From when on the attempt is slow.
    pub slow_at: ElapsedMicros,
    /// Whether it only finds out if the destination works again: its failure does not count
    /// towards giving up (DESIGN L2).
    pub probe: bool,
}

/// How a permit comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// No attempt was made with it.
    Unused,
    /// The attempt was broken off by this side: it says nothing about the destination.
    BrokenOff,
    /// The attempt ended.
    Ended {
        /// Tells keys apart: the same for the same key, whatever its slot.
        key: u64,
        /// How.
        outcome: Outcome,
        /// What the consumer asked for with `Retry-After`.
        retry_after: Option<Duration>,
    },
}
