//! A received event by its facts: what the rules demand for it, and what became of it.

use std::sync::Arc;

use sprag_core::fact::{Kind, Recognised};
use sprag_core::id::{Hash, Place};
use sprag_core::position::Position;

use super::newest::Described;

/// The highest position there can be.
pub(crate) const HIGHEST: u64 = u64::MAX / 2;

/// What became of a received event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IngressFate {
    /// The next fact says it.
    Open,
    Held,
    Released(u64, Kind),
    Conflict,
    Invalid,
    Stale,
}

/// A received event.
#[derive(Debug, Clone)]
pub(crate) struct EventHistory {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) position: Position,
    pub(crate) digest: Hash,
    pub(crate) content_type: Arc<str>,
    pub(crate) fate: IngressFate,
    /// The uptime when the provider first sent it.
    pub(crate) sent: u64,
    /// The recorded time of its receipt.
    pub(crate) recorded: u64,
}

/// What the rules demand of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Duplicate(Option<Place>, Recognised),
    Conflict(Place),
    Invalid,
    Stale,
    Hold,
    Release(Kind),
}

impl EventHistory {
    pub(crate) fn described(&self) -> Described<'_> {
        let Self { id, position, digest, recorded, .. } = self;
        Described { id: id.as_ref(), position, digest: *digest, recorded: *recorded }
    }
}

/// The number of a position that no two events of a key have under `latest`.
pub(crate) fn version(position: &Position) -> Option<u64> {
    match *position {
        Position::Version(number) | Position::Sequence(number) => Some(number),
        Position::None
        | Position::Timestamp(_)
        | Position::Fields(_)
        | Position::Clock(_)
        | Position::State { .. }
        | Position::Link(_) => None,
    }
}
