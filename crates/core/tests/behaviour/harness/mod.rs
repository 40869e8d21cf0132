//! The outside of the core, on virtual time: log, state store, destinations, consumers, crashes.
//!
//! Must not know what the core should decide: that is `judge`'s and the stories'.

pub(crate) mod asking;
mod comparing;
pub(crate) mod describe;
pub(crate) mod ending;
mod history;
pub(crate) mod judge;
pub(crate) mod outside;
pub(crate) mod retaining;
pub(crate) mod store;
pub(crate) mod world;

use sha2::Digest as _;
use sprag_core::chain::Digest;
use sprag_core::id::Hash;

/// SHA-256 by the `sha2` crate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sha;

impl Digest for Sha {
    fn sha256(&self, parts: &[&[u8]]) -> Hash {
        let mut hasher = sha2::Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Hash(hasher.finalize().into())
    }
}
