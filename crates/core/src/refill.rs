//! How often a source may be asked for what is missing: in [`crate::turns`], of which every key has its own.
//!
//! What waits for its turn is no more than there are keys in memory, for a key that leaves takes back what it wanted.
//! Must not know: positions, gaps, events, what an ask is made of.

use crate::id::{PartitionId, SourceId};
use crate::rate::Rate;
use crate::settings::SourceSettings;
use crate::slab::Slot;
use crate::turns::{Turns, Waiter};

/// A key that wants to ask its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Whether nothing is known to be missing: it is let behind those of which something is.
    pub tail: bool,
    /// The source.
    pub source: SourceId,
    /// The partition of the key.
    pub partition: PartitionId,
    /// The key's place in its partition's memory.
    pub slot: Slot,
}

/// The asks of all sources.
pub type Refills = Turns<Wanted>;

impl Waiter for Wanted {
    const KEEPS_ITS_PLACE: bool = false;

    fn rate(source: &SourceSettings) -> Option<Rate> {
        source.refill.map(|refill| refill.rate)
    }

    fn source(&self) -> SourceId {
        self.source
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }

    fn may_be_in_vain(&self) -> bool {
        self.tail
    }
}
