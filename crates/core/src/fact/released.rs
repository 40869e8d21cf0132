//! An event got its sequence and entered its lanes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{DependsOn, Kind, Late};
use crate::clocks::Causes;
use crate::id::{DestinationId, Hash, Key, Place, Revision, Sequence};
use crate::position::Position;
use crate::ranges::Ranges;

/// See [`Fact::Released`](super::Fact::Released).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The resource.
    pub key: Key,
    /// The event's `received` fact.
    pub event: Place,
    /// The event's position, so that evolving needs no other fact.
    pub position: Position,
    /// The number it got.
    pub sequence: Sequence,
    /// In its place, late, or undone.
    pub kind: Kind,
    /// Hₙ₋₁ of the chain (DESIGN C1).
    pub previous_hash: Hash,
    /// Hₙ of the chain.
    pub hash: Hash,
    /// The destinations whose lanes it entered.
    pub lanes: Vec<DestinationId>,
    /// The destinations that take this source but not this event.
    pub filtered: Vec<DestinationId>,
    /// The configuration this was decided under.
    pub revision: Revision,
    /// The abandoned positions just before it: `sprag-missing` (DESIGN G3).
    pub missing: Ranges,
    /// The salt of erasable sources (DESIGN C1). Reserved.
    pub salt: Option<Hash>,
    /// Reserved.
    pub refers_to: Option<Place>,
    /// Whether its key's events have no order: in each lane in which nothing waits it got a strand,
    /// if one was free.
    pub unordered: bool,
    /// The names of its fields that are newer than all before, ascending: `sprag-fresh` (contract `merge`).
    pub fresh: Vec<Arc<str>>,
    /// Whether it is concurrent with one that was released before it: `sprag-concurrent` (contract `causal`).
    pub concurrent: bool,
    /// What its clock knows and had not come when waiting for it ended: `sprag-missing` (contract `causal`).
    pub causes: Vec<Causes>,
    /// The states between that never came: `sprag-passed` (contract `states`).
    pub passed: Vec<Arc<str>>,
    /// What its source wanted done with it, where it came late.
    pub late: Late,
    /// The release that this one undoes or repeats; none where it is the event's first (decision 040).
    pub earlier: Option<Sequence>,
    /// The hash its key stood at where what leads from there to it never came: `sprag-missing` (hash links).
    pub broken_from: Option<Arc<str>>,
    /// What its lanes wait for that is not of its key, and how long; none where it refers to nothing.
    pub depends_on: Option<Arc<DependsOn>>,
}
