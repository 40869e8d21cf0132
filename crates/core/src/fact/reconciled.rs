//! The authority has another position of a key than the key's last released one.

use crate::id::Key;
use crate::position::Position;

/// See [`Fact::Reconciled`](super::Fact::Reconciled). It changes nothing of its key, and is no sign of life of
/// it: the key would never be quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The resource.
    pub key: Key,
    /// The newest position that was released.
    pub ours: Position,
    /// The position that the authority has.
    pub theirs: Position,
}
