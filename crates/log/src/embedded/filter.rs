//! A small filter that says of a hash: surely not there, or perhaps.
//!
//! A Bloom filter whose bits for one hash lie in one block of 512. It is made once, with all hashes of a
//! segment, and stored in its index file; what looks into it is [`super::filters`].

use crate::limits::{FILTER_BITS, FILTER_SHARE_BLOCKS};

/// Bits of a block, all of one hash among them.
pub(crate) const BLOCK_BITS: usize = 512;
const BLOCK_BYTES: usize = BLOCK_BITS / 8;
const PROBES: u32 = 6;

/// A filter over 64-bit hashes; what was inserted is always found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    /// A filter for so many hashes.
    pub(crate) fn for_entries(entries: usize) -> Self {
        let blocks = size((entries * FILTER_BITS).div_ceil(BLOCK_BITS));
        Self { bytes: vec![0; blocks * BLOCK_BYTES] }
    }

    /// A filter as stored; none when it is no whole number of blocks.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.len().is_multiple_of(BLOCK_BYTES).then(|| Self { bytes: bytes.to_vec() })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A few of its blocks, and the next few.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(FILTER_SHARE_BLOCKS * BLOCK_BYTES)
    }

    /// How many blocks it has; none where it is of no hashes.
    pub(crate) fn blocks(&self) -> usize {
        self.bytes.len() / BLOCK_BYTES
    }

    pub(crate) fn insert(&mut self, hash: u64) {
        let Some(block) = block(hash, self.blocks()) else { return };
        for bit in bits(hash) {
            self.bytes[block * BLOCK_BYTES + bit / 8] |= 1 << (bit % 8);
        }
    }
}

/// Sizes are few, so that the filters of several segments have the same: of each power of two four, which is
/// at most a quarter too much.
fn size(blocks: usize) -> usize {
    let step = blocks.checked_ilog2().map_or(1, |bits| 1 << bits.saturating_sub(2));
    blocks.next_multiple_of(step)
}

/// The block of a hash among so many; among none it has none.
pub(crate) fn block(hash: u64, blocks: usize) -> Option<usize> {
    let scaled = u128::from(hash) * (blocks as u128);
    let block = usize::try_from(scaled >> 64).ok()?;
    (blocks > 0).then_some(block)
}

/// The bits of a hash within its block: nine bits each of the hash multiplied once more, as its
/// high bits chose the block already.
pub(crate) fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |probe| ((mixed >> (probe * 9 + 10)) & 0x1ff) as usize)
}

#[cfg(test)]
impl Filter {
    /// What [`super::filters::Filters`] has to say of it.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let is_set = |block: usize, bit: usize| {
            self.bytes[block * BLOCK_BYTES + bit / 8] & (1 << (bit % 8)) != 0
        };
        block(hash, self.blocks()).is_some_and(|block| bits(hash).all(|bit| is_set(block, bit)))
    }
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

    #[test]
    fn there_are_four_sizes_between_a_number_and_its_double() {
        assert_eq!([0, 1, 5, 9, 1_025, 11_719].map(size), [0, 1, 5, 10, 1_280, 12_288]);
        let sizes: std::collections::BTreeSet<usize> = (1_025..=2_048).map(size).collect();
        assert!(sizes.into_iter().eq([1_280, 1_536, 1_792, 2_048]));
    }
}
