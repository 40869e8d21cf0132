//! The range of events that an attempt carries, written down before it is sent (rule L9).

use crate::id::{DestinationId, Key, Sequence};

/// See [`Fact::Batched`](super::Fact::Batched).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batched {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first event: the lane stands at it.
    pub from: Sequence,
    /// The last event.
    pub to: Sequence,
}
