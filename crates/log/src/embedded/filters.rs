//! The filters of all sealed segments: which of them a hash may be in.
//!
//! Each event that comes is looked for in all of history, so what one filter costs is paid for every segment
//! there is. Therefore filters of one size stand side by side: where one has a bit, a group of 64 has a word
//! of 64 bits, one of each segment, and a look into all of them reads six words. Groups are joined as a
//! counter counts: eight filters to a group of 8, two groups of 8 to one of 16, and so on.
//!
//! It must not know what is looked for, nor what segments there are besides the numbers it was given.

use std::sync::Arc;

use super::filter::{BLOCK_BITS, Filter, bits, block};
use crate::limits::FILTER_SHARE_BLOCKS;

/// How many filters become the smallest group: a byte for each bit.
const FEWEST: usize = 8;
/// How many the largest has: a word for each bit.
const MOST: usize = u64::BITS as usize;

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
    /// A few blocks of all of them, and the next few: joining takes the memory of one share.
    shares: Vec<Share>,
}

/// The same blocks of all filters of a size, in groups that become smaller. Clones share the blocks.
#[derive(Debug, Default, Clone)]
pub(crate) struct Share {
    groups: Vec<Group>,
}

/// Blocks of one filter, or of several side by side.
#[derive(Debug, Clone)]
struct Group {
    /// The numbers of the segments, in the order they were added: 1, 8, 16, 32 or 64.
    segments: Arc<[u64]>,
    /// For each bit of a filter a bit of each segment.
    rows: Arc<[u8]>,
}

impl Filters {
    /// Adds the filter of a segment.
    pub(crate) fn add(&mut self, segment: u64, filter: &Filter) {
        let shelf = self.shelf(filter.blocks());
        let shares = shelf.shares.iter_mut().zip(filter.shares());
        shares.for_each(|(share, blocks)| share.add(segment, blocks));
    }

    /// A share of the filters that have so many blocks, to be added to and put back.
    pub(crate) fn share(&self, blocks: usize, at: usize) -> Share {
        let shelf = self.shelves.iter().find(|shelf| shelf.blocks == blocks);
        shelf.and_then(|shelf| shelf.shares.get(at)).cloned().unwrap_or_default()
    }

    /// Puts a share back; what was in its place is given back, to be let go.
    pub(crate) fn put(&mut self, blocks: usize, at: usize, share: Share) -> Option<Share> {
        let place = self.shelf(blocks).shares.get_mut(at)?;
        Some(std::mem::replace(place, share))
    }

    /// Whether the filter of a segment was added, all of it.
    pub(crate) fn knows(&self, segment: u64) -> bool {
        let last = self.shelves.iter().filter_map(|shelf| shelf.shares.last());
        last.flat_map(|share| &share.groups).any(|group| group.segments.contains(&segment))
    }

    /// The segments that may have a hash, by their numbers, in no order.
    pub(crate) fn holders(&self, hash: u64) -> impl Iterator<Item = u64> {
        self.shelves.iter().flat_map(move |shelf| shelf.holders(hash))
    }

    /// Segments before this one are gone; whatever stands for no other is given back, to be let go.
    pub(crate) fn forget_before(&mut self, oldest: u64) -> Vec<Share> {
        let is_gone = |group: &mut Group| group.segments.iter().all(|number| *number < oldest);
        let shares = self.shelves.iter_mut().flat_map(|shelf| &mut shelf.shares);
        let gone = shares.map(|share| share.groups.extract_if(.., is_gone).collect());
        let gone = gone.map(|groups| Share { groups }).collect();
        self.shelves.retain(|shelf| shelf.shares.iter().any(|share| !share.groups.is_empty()));
        gone
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
        let share = self.shares.get(block / FILTER_SHARE_BLOCKS).into_iter();
        let row = block % FILTER_SHARE_BLOCKS * BLOCK_BITS;
        share.flat_map(|share| &share.groups).flat_map(move |group| group.holders(row, hash))
    }
}

impl Share {
    /// Adds blocks of the filter of a segment, and joins what can be joined.
    pub(crate) fn add(&mut self, segment: u64, blocks: &[u8]) {
        self.groups.push(Group { segments: [segment].into(), rows: blocks.into() });
        let is_single = |group: &Group| group.segments.len() == 1;
        if let Some(from) = self.groups.len().checked_sub(FEWEST)
            && self.groups[from..].iter().all(is_single)
        {
            let joined = Group::of_filters(&self.groups[from..]);
            self.groups.truncate(from);
            self.groups.push(joined);
        }
        while let [.., first, second] = &self.groups[..]
            && (FEWEST..MOST).contains(&second.segments.len())
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
        let mut rows = Vec::with_capacity(filters.iter().map(|filter| filter.rows.len()).sum());
        for at in 0..filters[0].rows.len() {
            let mut eight = [0; FEWEST];
            eight.iter_mut().zip(filters).for_each(|(byte, filter)| *byte = filter.rows[at]);
            rows.extend_from_slice(&transposed(eight));
        }
        Self::new(filters, rows)
    }

    /// Two groups of one size side by side.
    fn of_two(first: &Self, second: &Self) -> Self {
        let rows = match first.segments.len() {
            8 => alternating::<1>(&first.rows, &second.rows),
            16 => alternating::<2>(&first.rows, &second.rows),
            _ => alternating::<4>(&first.rows, &second.rows),
        };
        Self::new(&[first.clone(), second.clone()], rows)
    }

    fn new(groups: &[Self], rows: Vec<u8>) -> Self {
        let segments = groups.iter().flat_map(|group| group.segments.iter().copied()).collect();
        Self { segments, rows: rows.into() }
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

/// A row of the one, a row of the other.
fn alternating<const WIDTH: usize>(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut rows = Vec::with_capacity(first.len() + second.len());
    for (first, second) in first.as_chunks::<WIDTH>().0.iter().zip(second.as_chunks::<WIDTH>().0) {
        rows.extend_from_slice(first);
        rows.extend_from_slice(second);
    }
    rows
}

/// Of eight bytes the lowest bits, then the next: a matrix of eight by eight bits on its other side,
/// squares of two by two first, its quarters last.
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

    /// How many segments the groups have, the same in each share.
    fn sizes(shelf: &Shelf) -> Vec<usize> {
        let sizes = |share: &Share| -> Vec<usize> {
            share.groups.iter().map(|group| group.segments.len()).collect()
        };
        let first = sizes(&shelf.shares[0]);
        assert!(shelf.shares.iter().all(|share| sizes(share) == first));
        first
    }

    /// Beside each filter by itself, whatever was joined: sizes of less than a share, of some and of many, the segments
    /// in no order.
    #[test]
    fn they_say_together_what_each_says() {
        let mut random = Random::new(11);
        let (mut filters, mut each) = (Filters::default(), Vec::new());
        for number in 1..=300_u64 {
            let segment = number * 101 % 301;
            let entries = [40, 40, 700, 9_000][below(&mut random, 4)];
            let (filter, hashes) = filter(&mut random, entries);
            assert!(!filters.knows(segment));
            filters.add(segment, &filter);
            assert!(filters.knows(segment));
            each.push((segment, filter, hashes));
            let (_, _, some) = &each[below(&mut random, each.len())];
            let absent = (0..20).map(|_| random.below(u64::MAX));
            let asked: Vec<u64> = some.iter().take(20).copied().chain(absent).collect();
            for hash in asked {
                let own = each.iter().filter(|(_, filter, _)| filter.may_contain(hash));
                let mut own: Vec<u64> = own.map(|(segment, _, _)| *segment).collect();
                own.sort_unstable();
                assert_eq!(holders(&filters, hash), own, "{hash} after {segment}");
            }
        }
        let sizes: Vec<Vec<usize>> = filters.shelves.iter().map(sizes).collect();
        assert!(sizes.iter().filter(|sizes| sizes.contains(&64)).count() > 1, "{sizes:?}");
    }

    #[test]
    fn a_hundred_of_a_size_are_six_groups() {
        let (mut filters, mut random) = (Filters::default(), Random::new(2));
        let (filter, _) = filter(&mut random, 5_000);
        (1..=100).for_each(|segment| filters.add(segment, &filter));
        assert!(filters.shelves.len() == 1 && filters.shelves[0].shares.len() > 1);
        assert_eq!(sizes(&filters.shelves[0]), [64, 32, 1, 1, 1, 1]);
    }

    /// However they came: an older one may be the last of its group.
    #[test]
    fn what_is_gone_is_forgotten_with_all_of_its_group_and_nothing_else_is() {
        let (mut filters, mut random) = (Filters::default(), Random::new(3));
        let (filter, hashes) = filter(&mut random, 600);
        [4, 5, 6, 7, 8, 9, 10, 3, 12, 11].into_iter().for_each(|one| filters.add(one, &filter));
        for oldest in 1..=12 {
            filters.forget_before(oldest);
            let kept: Vec<u64> =
                holders(&filters, hashes[0]).into_iter().filter(|one| *one >= oldest).collect();
            assert!(kept.into_iter().eq(oldest.max(3)..=12), "{oldest}");
        }
        assert_eq!(holders(&filters, hashes[0]), [12]);
        filters.forget_before(13);
        assert!(filters.shelves.is_empty() && !filters.knows(12));
    }

    /// The oldest go while a filter is added: they may come back, and nothing else is lost.
    #[test]
    fn what_is_added_while_others_are_forgotten_is_there() {
        let (mut filters, mut random) = (Filters::default(), Random::new(5));
        let (filter, hashes) = filter(&mut random, 9_000);
        (1..=9).for_each(|segment| filters.add(segment, &filter));
        for (at, blocks) in filter.shares().enumerate() {
            let mut share = filters.share(filter.blocks(), at);
            filters.forget_before(if at == 0 { 9 } else { 10 });
            share.add(10, blocks);
            filters.put(filter.blocks(), at, share);
        }
        assert!(hashes.iter().all(|hash| holders(&filters, *hash).contains(&10)));
        filters.forget_before(10);
        assert!(hashes.iter().all(|hash| holders(&filters, *hash) == [10]));
        filters.forget_before(11);
        assert!(filters.shelves.is_empty());
    }

    #[test]
    fn nothing_is_in_a_segment_without_entries() {
        let mut filters = Filters::default();
        filters.add(1, &Filter::for_entries(0));
        assert_eq!(holders(&filters, 7), []);
    }
}
