//! The state that a resource is in (contract `states`).
//!
//! Must not know: which states there are, and what may follow which; that is `crate::states`.

use alloc::sync::Arc;

use crate::fields::At;
use crate::id::{Hash, Place};

/// The state of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub state: Arc<str>,
    /// How new it is; none where its source does not say.
    pub at: Option<At>,
    /// The event that brought it.
    pub event: Place,
    /// SHA-256 of that event's body.
    pub digest: Hash,
}
