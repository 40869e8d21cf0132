//! The index of a segment in memory: of the open one, and of a sealed one until its index file
//! is written.

use sprag_core::id::{FrameNumber, PartitionId, Place};

use crate::limits::FOUND_FACTS;

/// A place within one segment: partition (16 bits), frame counted from the partition's first in
/// the segment (32 bits), index of the fact (16 bits). On disk in index files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedPlace(pub(crate) u64);

/// Where the frames of each partition lie in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FrameTable {
    /// By partition.
    pub(crate) partitions: Vec<PartitionFrames>,
}

/// Where the frames of one partition lie in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionFrames {
    /// The number of the first frame, also when there is none yet.
    pub(crate) first: FrameNumber,
    /// The offsets of the frames' records, in bytes.
    pub(crate) offsets: Vec<u32>,
}

impl PartitionFrames {
    /// The number the next frame will have.
    pub(crate) fn end(&self) -> FrameNumber {
        FrameNumber(self.first.0 + self.offsets.len() as u64)
    }
}

impl FrameTable {
    /// A table without frames, of a segment whose partitions go on with these numbers.
    pub(crate) fn starting_at(firsts: impl Iterator<Item = FrameNumber>) -> Self {
        let frames = |first| PartitionFrames { first, offsets: Vec::new() };
        Self { partitions: firsts.map(frames).collect() }
    }

    pub(crate) fn of(&self, partition: PartitionId) -> Option<&PartitionFrames> {
        self.partitions.get(usize::from(partition.0))
    }

    /// Where a frame's record begins; none when the frame is not in the segment.
    pub(crate) fn offset(&self, partition: PartitionId, number: FrameNumber) -> Option<u64> {
        let frames = self.of(partition)?;
        let nth = usize::try_from(number.0.checked_sub(frames.first.0)?).ok()?;
        frames.offsets.get(nth).map(|offset| u64::from(*offset))
    }

    /// Where the record behind the one at an offset begins, of whatever partition it is; none
    /// behind the last.
    pub(crate) fn behind(&self, offset: u64) -> Option<u64> {
        let next = |frames: &PartitionFrames| {
            let at = frames.offsets.partition_point(|begins| u64::from(*begins) <= offset);
            frames.offsets.get(at).copied()
        };
        self.partitions.iter().filter_map(next).min().map(u64::from)
    }

    /// A place as the segment's index stores it; none when it has too large a number.
    pub(crate) fn pack(&self, place: Place) -> Option<PackedPlace> {
        let first = self.of(place.partition)?.first.0;
        let nth = u32::try_from(place.frame.0.checked_sub(first)?).ok()?;
        let index = u16::try_from(place.index).ok()?;
        let partition = u64::from(place.partition.0);
        Some(PackedPlace(partition << 48 | u64::from(nth) << 16 | u64::from(index)))
    }

    /// The place that was packed; none when it is none of this segment.
    pub(crate) fn unpack(&self, packed: PackedPlace) -> Option<Place> {
        let partition = PartitionId(u16::try_from(packed.0 >> 48).ok()?);
        let frames = self.of(partition)?;
        let frame = FrameNumber(frames.first.0 + (packed.0 >> 16 & 0xffff_ffff));
        let index = u32::try_from(packed.0 & 0xffff).ok()?;
        (frame < frames.end()).then_some(Place { partition, frame, index })
    }
}

/// Buckets of an index, by the topmost bits of a hash: with a million entries each has a thousand.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;
/// Entries at the end of a bucket that are in the order they came, at the least: so many are looked through one by
/// one. Of a large bucket it is the root of its entries: whoever may choose ids can fill one bucket with them, and
/// each time these are put in order all of it moves.
const UNSORTED: usize = 32;
/// What part of a bucket it has room for beyond its entries when it grows: all grow at the same time,
/// for hashes are spread evenly, and doubled they would take as much again for nothing.
const GROWS_BY: usize = 8;

/// An entry: a hash, and the place that has it.
pub(crate) type Entry = (u64, PackedPlace);

/// Places by hash, for which a table of hashes would need twice the memory. Hashes are SHA-256 already:
/// their topmost bits spread them evenly.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenIndex {
    /// None before the first entry.
    buckets: Vec<Bucket>,
    entries: usize,
}

/// The entries of some hashes.
#[derive(Debug, Clone, Default)]
struct Bucket {
    entries: Vec<Entry>,
    /// So many of the first are in order.
    sorted: usize,
}

impl Bucket {
    fn insert(&mut self, entry: Entry) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / GROWS_BY).max(4));
        }
        self.entries.push(entry);
        if self.entries.len() - self.sorted >= UNSORTED.max(self.sorted.isqrt()) {
            // One that finds what is in order and merges, which the unstable one does not.
            self.entries.sort();
            self.sorted = self.entries.len();
        }
    }

    /// The entries of a hash: of one key, and so of one partition, whose places ascend as they are inserted.
    fn get(&self, hash: u64) -> impl Iterator<Item = PackedPlace> {
        let (sorted, unsorted) = self.entries.split_at(self.sorted);
        let from = sorted.partition_point(|(of, _)| *of < hash);
        let in_order = sorted[from..].iter().take_while(move |(of, _)| *of == hash);
        let others = unsorted.iter().filter(move |(of, _)| *of == hash);
        in_order.chain(others).map(|(_, place)| *place)
    }

    fn in_order(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.sort();
        entries
    }
}

impl OpenIndex {
    pub(crate) fn insert(&mut self, hash: u64, place: PackedPlace) {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        self.entries += 1;
        self.buckets[bucket(hash)].insert((hash, place));
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.get(hash).next().is_some()
    }

    /// The places of a hash, ascending, at most as many as a lookup returns.
    pub(crate) fn get(&self, hash: u64) -> impl Iterator<Item = PackedPlace> {
        let bucket = self.buckets.get(bucket(hash)).into_iter();
        bucket.flat_map(move |bucket| bucket.get(hash)).take(FOUND_FACTS)
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// All entries, by hash and place: a bucket at a time, for a copy of all would be as large as it is.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = Entry> {
        self.buckets.iter().flat_map(Bucket::in_order)
    }
}

/// The bucket of a hash.
fn bucket(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - BUCKET_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_record_the_next_begins_of_whatever_partition() {
        let mut table = FrameTable::starting_at([FrameNumber(1), FrameNumber(500)].into_iter());
        table.partitions[0].offsets = vec![100, 400];
        table.partitions[1].offsets = vec![250, 300, 900];
        let behind = [100, 250, 300, 400, 900].map(|offset| table.behind(offset));
        assert_eq!(behind, [Some(250), Some(300), Some(400), Some(900), None]);
    }

    #[test]
    fn places_pack_and_unpack_within_their_segment() {
        let mut table = FrameTable::starting_at([FrameNumber(1), FrameNumber(500)].into_iter());
        table.partitions[1].offsets = vec![0; 10];
        let place = Place { partition: PartitionId(1), frame: FrameNumber(509), index: 65_535 };
        assert_eq!(table.pack(place).and_then(|packed| table.unpack(packed)), Some(place));
        assert_eq!(table.pack(Place { frame: FrameNumber(499), ..place }), None);
        assert_eq!(table.pack(Place { index: 65_536, ..place }), None);
        let beyond = table.pack(Place { frame: FrameNumber(510), ..place }).unwrap();
        assert_eq!(table.unpack(beyond), None, "there is no such frame");
        assert_eq!(table.unpack(PackedPlace(2 << 48)), None, "there is no such partition");
    }

    #[test]
    fn a_hash_with_several_places_keeps_them_in_order() {
        let mut index = OpenIndex::default();
        for (hash, place) in [(7, 1), (1, 9), (7, 2), (7, 3)] {
            index.insert(hash, PackedPlace(place));
        }
        let found: Vec<u64> = index.get(7).map(|place| place.0).collect();
        assert_eq!(found, [1, 2, 3]);
        let sorted: Vec<(u64, u64)> = index.in_order().map(|(h, p)| (h, p.0)).collect();
        assert_eq!((index.len(), sorted), (4, vec![(1, 9), (7, 1), (7, 2), (7, 3)]));
        assert!(index.contains(1) && !index.contains(2));
    }

    /// Beside a list of all: whatever was inserted is found, at any moment, and nothing else.
    #[test]
    fn everything_is_found_however_many_there_are() {
        let mut random = sprag_core::random::Random::new(5);
        let (mut index, mut all) = (OpenIndex::default(), Vec::new());
        assert_eq!((index.contains(0), index.in_order().count()), (false, 0));
        for place in 0..20_000_u64 {
            // A few buckets, so that they are merged often, and hashes that come again.
            let hash = random.below(4) << 62 | random.below(2_000);
            index.insert(hash, PackedPlace(place));
            all.push((hash, PackedPlace(place)));
            let of = if place % 2 == 0 { hash } else { hash + 1 };
            let expected = all.iter().filter(|(known, _)| *known == of).map(|(_, place)| *place);
            assert!(index.get(of).eq(expected.take(FOUND_FACTS)), "{of} after {place}");
        }
        all.sort_unstable();
        assert!(index.in_order().eq(all) && index.len() == 20_000);
    }
}
