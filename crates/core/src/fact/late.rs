//! What was decided of a late event, and how a lane comes past one that nobody is to get.

use crate::id::{DestinationId, Key, Sequence};

/// What its source wanted done with a late event when it was released (rule G4). History keeps it: a lane that is
/// opened or set back over the event later treats it as the lanes of that time did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Late {
    /// It goes where any event goes; so does all that is not late.
    #[default]
    Delivered,
    /// It is a dead letter in each lane it entered, when its turn there comes.
    Dead,
    /// It goes to the lanes it entered and to no other.
    Aside,
    /// It stands where it belongs: what was released after its place is undone before it and repeated behind it.
    InPlace,
}

/// See [`Fact::LateDead`](super::Fact::LateDead). That it is late, its release says; what lay before it in the lane is
/// settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateDead {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The event; the lane stood at it.
    pub sequence: Sequence,
}
