//! Keys that are forgotten and come back (DESIGN D8). How it works is `partition`'s `forget`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::chain::Fingerprint;
use crate::id::{Key, Sequence};
use crate::record::KeyRecord;

/// See [`Fact::Forgotten`](super::Fact::Forgotten).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The resource.
    pub key: Key,
    /// Its tombstone; nothing is kept of a key that never released an event.
    pub record: Box<KeyRecord>,
}

/// See [`Fact::Returned`](super::Fact::Returned).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The resource.
    pub key: Key,
    /// What it goes on with: what its tombstone says, or that it begins behind a floor.
    pub record: Box<KeyRecord>,
}

/// See [`Fact::Tombstone`](super::Fact::Tombstone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key by its fingerprint: its name is forgotten.
    pub digest: Fingerprint,
    /// What it goes on with.
    pub record: Box<KeyRecord>,
}

/// See [`Fact::Boundary`](super::Fact::Boundary).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The floors that are at least so high from now on.
    pub floors: Vec<Floor>,
    /// The tombstones that are gone.
    pub dropped: Vec<Fingerprint>,
}

/// The last sequence that a key of a bucket may have given before nothing was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The bucket ([`Fingerprint::bucket`]).
    pub bucket: u16,
    /// The sequence.
    pub sequence: Sequence,
}
