//! What an event waits for that is not of its own key (`depends_on`, decision 042).

use crate::id::{DestinationId, Key, Sequence};
use crate::time::OpenMicros;

/// Another resource that a released event refers to: no lane sends the event before that resource's first event is
/// settled in the same destination, or the wait ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependsOn {
    /// The other resource.
    pub of: Key,
    /// The open time of the event's partition at which waiting ends.
    pub until: OpenMicros,
}

/// See [`Fact::Unmet`](super::Fact::Unmet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The event that waited; the lane stood at it.
    pub sequence: Sequence,
    /// The resource that it waited for.
    pub of: Key,
}
