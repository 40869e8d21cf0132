//! What the released events of a key come to under its contract, besides numbers.
//!
//! Must not know: what waits, lanes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::clocks::Seen;
use crate::fields::{At, KnownField};
use crate::id::{Hash, Place};

/// What a contract needs to know of the events it released besides their highest number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reached {
    /// Nothing.
    #[default]
    Nothing,
    /// Events of the newest instant up to this rank are released (contract `settle`).
    Settled {
        /// The highest of their ranks.
        rank: u32,
    },
    /// How new each field is, ascending by name (contract `merge`).
    Fields(Vec<KnownField>),
    /// How many events of each node came, and what the last of each knew (contract `causal`).
    Clock(Seen),
    /// The state it is in (contract `states`).
    State(Machine),
}

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
