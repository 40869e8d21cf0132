//! Acknowledgements that are requests of their own, where a consumer first accepted with 202.

use crate::id::{DestinationId, Key, Sequence};

/// See [`Fact::Acknowledged`](super::Fact::Acknowledged).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The first event.
    pub from: Sequence,
    /// The last event.
    pub to: Sequence,
    /// Whether the lane had gone past it, and an operator sent it again (DESIGN L4).
    pub out_of_order: bool,
}
