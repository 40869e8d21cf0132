//! A small filter that says of a hash: surely not there, or perhaps.
//!
//! A Bloom filter whose bits for one hash lie in one block of 64 bytes, so that a lookup in
//! hundreds of segments touches one cache line each.

use crate::limits::FILTER_BITS;

const BLOCK_BYTES: usize = 64;
const PROBES: u32 = 6;

/// A filter over 64-bit hashes; what was inserted is always found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    /// A filter for so many hashes.
    pub(crate) fn for_entries(entries: usize) -> Self {
        let blocks = (entries * FILTER_BITS).div_ceil(BLOCK_BYTES * 8);
        Self { bytes: vec![0; blocks * BLOCK_BYTES] }
    }

    /// A filter as stored; none when it is no whole number of blocks.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.len().is_multiple_of(BLOCK_BYTES).then(|| Self { bytes: bytes.to_vec() })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let Some(start) = self.block(hash) else { return };
        for bit in bits(hash) {
            self.bytes[start + bit / 8] |= 1 << (bit % 8);
        }
    }

    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let Some(start) = self.block(hash) else { return false };
        bits(hash).all(|bit| self.bytes[start + bit / 8] & (1 << (bit % 8)) != 0)
    }

    /// Where the block of a hash begins; an empty filter has none.
    fn block(&self, hash: u64) -> Option<usize> {
        let blocks = self.bytes.len() / BLOCK_BYTES;
        let scaled = u128::from(hash) * (blocks as u128);
        let block = usize::try_from(scaled >> 64).ok()?;
        (blocks > 0).then_some(block * BLOCK_BYTES)
    }
}

/// The bits of a hash within its block: nine bits each of the hash multiplied once more, as its
/// high bits chose the block already.
fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |probe| ((mixed >> (probe * 9 + 10)) & 0x1ff) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::random::Random;

    #[test]
    fn finds_what_is_in_it_and_little_else() {
        let mut random = Random::new(3);
        let mut hash = || random.below(u64::MAX);
        let inserted: Vec<u64> = (0..10_000).map(|_| hash()).collect();
        let mut filter = Filter::for_entries(inserted.len());
        inserted.iter().for_each(|hash| filter.insert(*hash));
        assert!(inserted.iter().all(|hash| filter.may_contain(*hash)));
        let wrong = (0..10_000).filter(|_| filter.may_contain(hash())).count();
        assert!(wrong < 40, "{wrong} of 10,000 absent hashes look present");
        assert_eq!(Filter::from_bytes(filter.as_bytes()), Some(filter));
    }

    #[test]
    fn an_empty_filter_contains_nothing() {
        assert!(!Filter::for_entries(0).may_contain(7));
        assert_eq!(Filter::from_bytes(&[0; 63]), None);
    }
}
