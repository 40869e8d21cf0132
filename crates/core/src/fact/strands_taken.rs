//! Events that left the backlog of a lane of an unordered source, each into a strand of its own.

use crate::id::{DestinationId, Key, Sequence};

/// See [`Fact::StrandsTaken`](super::Fact::StrandsTaken).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrandsTaken {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first event: the lane stood at it.
    pub from: Sequence,
    /// The last event.
    pub to: Sequence,
}
