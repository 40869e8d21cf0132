//! The filters of all sealed segments: which of them a hash may be in.
//!
//! Each event that comes is looked for in all of history, so what one filter costs is paid for every segment
//! there is. Therefore filters of one size stand side by side: where one has a bit, a group of 64 has a word
//! of 64 bits, one of each segment, and a look into all of them reads six words. Groups are joined as a
//! counter counts: eight filters to a group of 8, two groups of 8 to one of 16, and so on.
//!
//! It must not know what is looked for, nor what segments there are besides the numbers it was given.

use std::sync::Arc;

use super::filter::{BLOCK_BITS, BLOCK_BYTES, Filter, bits, block};
use crate::limits::{FILTER_GROUP, FILTER_SHARE_BLOCKS};

/// How many filters become the smallest group: a byte for each bit.
const FEWEST: usize = 8;

/// Filters by the numbers of their segments.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    shelves: Vec<Shelf>,
}

/// The filters of one size.
#[derive(Debug)]
struct Shelf {
    /// Blocks of each.
    blocks: usize,
    /// A few blocks of all of them, and the next few: groups are joined share by share, which holds up
    /// whoever looks for the time and takes the memory of one.
    shares: Vec<Share>,
}

/// The same blocks of all filters of a size, oldest first, in groups that become smaller.
#[derive(Debug, Default, Clone)]
struct Share {
    groups: Vec<Group>,
}

/// Blocks of one filter, or of several side by side.
#[derive(Debug, Clone)]
struct Group {
    /// The numbers of the segments, ascending: 1, 8, 16, 32 or 64.
    segments: Arc<[u64]>,
    /// For each bit of a filter a bit of each segment.
    rows: Vec<u8>,
}

impl Filters {
    /// In how many steps a filter is added.
    pub(crate) fn shares(filter: &Filter) -> usize {
        filter.blocks().div_ceil(FILTER_SHARE_BLOCKS)
    }

    /// Adds a share of the filter of a segment: each once, in their order. Until the last of them is added, what
    /// is said of the segment may be wrong.
    pub(crate) fn add(&mut self, segment: u64, filter: &Filter, share: usize) {
        let shelf = self.shelf(filter.blocks());
        let Some(share_bytes) =
            filter.as_bytes().chunks(FILTER_SHARE_BLOCKS * BLOCK_BYTES).nth(share)
        else {
            return;
        };
        shelf.shares[share].add(Group { segments: [segment].into(), rows: share_bytes.to_vec() });
    }

    /// Adds the filter of a segment.
    pub(crate) fn add_all(&mut self, segment: u64, filter: &Filter) {
        (0..Self::shares(filter)).for_each(|share| self.add(segment, filter, share));
    }

    /// Whether the filter of a segment was added, all of it.
    pub(crate) fn knows(&self, segment: u64) -> bool {
        let last = self.shelves.iter().filter_map(|shelf| shelf.shares.last());
        let mut groups = last.flat_map(|share| &share.groups);
        groups.any(|group| group.segments.binary_search(&segment).is_ok())
    }

    /// The segments that may have a hash, by their numbers, in no order.
    pub(crate) fn holders(&self, hash: u64) -> impl Iterator<Item = u64> {
        self.shelves.iter().flat_map(move |shelf| shelf.holders(hash))
    }

    /// Segments before this one are gone.
    pub(crate) fn forget_before(&mut self, oldest: u64) {
        let is_kept = |group: &Group| group.segments.last().is_some_and(|last| *last >= oldest);
        for share in self.shelves.iter_mut().flat_map(|shelf| &mut shelf.shares) {
            share.groups.retain(is_kept);
        }
        self.shelves.retain(|shelf| shelf.shares.iter().any(|share| !share.groups.is_empty()));
    }

    /// The shelf of a size.
    fn shelf(&mut self, blocks: usize) -> &mut Shelf {
        let known = self.shelves.iter().position(|shelf| shelf.blocks == blocks);
        let at = known.unwrap_or_else(|| {
            let shares = vec![Share::default(); blocks.div_ceil(FILTER_SHARE_BLOCKS)];
            self.shelves.push(Shelf { blocks, shares });
            self.shelves.len() - 1
        });
        &mut self.shelves[at]
    }
}

impl Shelf {
    fn holders(&self, hash: u64) -> impl Iterator<Item = u64> {
        let block = block(hash, self.blocks).unwrap_or(0);
        let groups = self.shares.get(block / FILTER_SHARE_BLOCKS).into_iter();
        let row = block % FILTER_SHARE_BLOCKS * BLOCK_BITS;
        groups.flat_map(|share| &share.groups).flat_map(move |group| group.holders(row, hash))
    }
}

impl Share {
    fn add(&mut self, group: Group) {
        self.groups.push(group);
        let single = |group: &Group| group.segments.len() == 1;
        while let Some(from) = self.groups.len().checked_sub(FEWEST)
            && self.groups[from..].iter().all(single)
        {
            let joined = Group::of_filters(&self.groups[from..]);
            self.groups.truncate(from);
            self.groups.push(joined);
        }
        while let [.., first, second] = &self.groups[..]
            && (FEWEST..FILTER_GROUP).contains(&second.segments.len())
            && first.segments.len() == second.segments.len()
        {
            let joined = Group::of_two(first, second);
            self.groups.truncate(self.groups.len() - 2);
            self.groups.push(joined);
        }
    }
}

impl Group {
    /// Eight filters side by side.
    fn of_filters(filters: &[Self]) -> Self {
        let segments = filters.iter().flat_map(|filter| filter.segments.iter().copied()).collect();
        let bytes = filters[0].rows.len();
        let eight = |at: usize| {
            let mut eight = [0; FEWEST];
            eight.iter_mut().zip(filters).for_each(|(byte, filter)| *byte = filter.rows[at]);
            transposed(eight)
        };
        Self { segments, rows: (0..bytes).flat_map(eight).collect() }
    }

    /// Two groups of one size side by side.
    fn of_two(first: &Self, second: &Self) -> Self {
        let width = first.segments.len() / 8;
        let mut rows = Vec::with_capacity(first.rows.len() + second.rows.len());
        for (first, second) in first.rows.chunks(width).zip(second.rows.chunks(width)) {
            rows.extend_from_slice(first);
            rows.extend_from_slice(second);
        }
        Self { segments: first.segments.iter().chain(&*second.segments).copied().collect(), rows }
    }

    /// The segments whose filters have all bits of a hash, with the first row of its block.
    fn holders(&self, first_row: usize, hash: u64) -> impl Iterator<Item = u64> {
        let rows = bits(hash).map(|bit| self.row(first_row + bit));
        let mut holders = rows.fold(u64::MAX, |holders, row| holders & row);
        std::iter::from_fn(move || {
            let at = holders.trailing_zeros();
            holders &= holders.checked_sub(1)?;
            Some(at)
        })
        .filter_map(|at| self.segments.get(at as usize).copied())
    }

    /// A bit of each segment.
    fn row(&self, row: usize) -> u64 {
        match self.segments.len() {
            1 => u64::from(self.rows[row / 8] >> (row % 8) & 1),
            8 => u64::from(self.rows[row]),
            16 => u64::from(u16::from_le_bytes(self.word(row))),
            32 => u64::from(u32::from_le_bytes(self.word(row))),
            _ => u64::from_le_bytes(self.word(row)),
        }
    }

    fn word<const BYTES: usize>(&self, row: usize) -> [u8; BYTES] {
        self.rows.as_chunks().0[row]
    }
}

/// Of eight bytes the lowest bits, then the next: a matrix of eight by eight bits on its other side, its
/// quarters first, then theirs.
fn transposed(eight: [u8; FEWEST]) -> [u8; FEWEST] {
    let mut word = u64::from_le_bytes(eight);
    for (shift, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0_u64)]
    {
        let swapped = (word ^ word >> shift) & mask;
        word ^= swapped ^ swapped << shift;
    }
    word.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::random::Random;

    fn filter(random: &mut Random, entries: usize) -> (Filter, Vec<u64>) {
        let hashes: Vec<u64> = (0..entries).map(|_| random.below(u64::MAX)).collect();
        let mut filter = Filter::for_entries(entries);
        hashes.iter().for_each(|hash| filter.insert(*hash));
        (filter, hashes)
    }

    fn below(random: &mut Random, limit: usize) -> usize {
        usize::try_from(random.below(limit as u64)).unwrap()
    }

    fn holders(filters: &Filters, hash: u64) -> Vec<u64> {
        let mut holders: Vec<u64> = filters.holders(hash).collect();
        holders.sort_unstable();
        holders
    }

    /// Beside each filter by itself, whatever was joined: 150 segments of three sizes, one of several shares.
    #[test]
    fn they_say_together_what_each_says() {
        let mut random = Random::new(11);
        let (mut filters, mut each) = (Filters::default(), Vec::new());
        for segment in 1..=150 {
            let entries = [40, 700, 9_000][below(&mut random, 3)];
            let (filter, hashes) = filter(&mut random, entries);
            assert!(!filters.knows(segment));
            filters.add_all(segment, &filter);
            assert!(filters.knows(segment));
            each.push((segment, filter, hashes));
            let (_, _, some) = &each[below(&mut random, each.len())];
            let absent = (0..50).map(|_| random.below(u64::MAX));
            let asked: Vec<u64> = some.iter().take(50).copied().chain(absent).collect();
            for hash in asked {
                let own = each.iter().filter(|(_, filter, _)| filter.may_contain(hash));
                let own: Vec<u64> = own.map(|(segment, _, _)| *segment).collect();
                assert_eq!(holders(&filters, hash), own, "{hash} after {segment}");
            }
        }
    }

    #[test]
    fn a_hundred_of_a_size_are_six_groups() {
        let (mut filters, mut random) = (Filters::default(), Random::new(2));
        let (filter, _) = filter(&mut random, 5_000);
        (1..=100).for_each(|segment| filters.add_all(segment, &filter));
        let sizes = |share: &Share| -> Vec<usize> {
            share.groups.iter().map(|group| group.segments.len()).collect()
        };
        let shares = &filters.shelves[0].shares;
        assert!(
            shares.len() > 1 && shares.iter().all(|share| sizes(share) == [64, 32, 1, 1, 1, 1])
        );
    }

    #[test]
    fn what_is_gone_is_forgotten_with_the_last_of_its_group() {
        let (mut filters, mut random) = (Filters::default(), Random::new(3));
        let (first, hashes) = filter(&mut random, 600);
        (1..=9).for_each(|segment| filters.add_all(segment, &first));
        filters.forget_before(8);
        assert!(holders(&filters, hashes[0]).contains(&8));
        filters.forget_before(9);
        assert_eq!(holders(&filters, hashes[0]), [9]);
        filters.forget_before(10);
        assert!(filters.shelves.is_empty() && !filters.knows(9));
    }

    #[test]
    fn nothing_is_in_a_segment_without_entries() {
        let mut filters = Filters::default();
        filters.add_all(1, &Filter::for_entries(0));
        assert_eq!(holders(&filters, 7), []);
    }
}
