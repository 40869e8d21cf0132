//! The index of a segment in memory: of the open one, and of a sealed one until its index file
//! is written.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

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

/// Places by hash. Hashes are SHA-256 already, so the map takes them as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenIndex {
    first: HashMap<u64, PackedPlace, BuildHasherDefault<AsIs>>,
    /// The further places of a hash that has several.
    further: HashMap<u64, Vec<PackedPlace>, BuildHasherDefault<AsIs>>,
    entries: usize,
}

impl OpenIndex {
    pub(crate) fn insert(&mut self, hash: u64, place: PackedPlace) {
        self.entries += 1;
        match self.first.entry(hash) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                self.further.entry(hash).or_default().push(place);
            }
        }
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.first.contains_key(&hash)
    }

    /// The places of a hash, as inserted, at most as many as a lookup returns.
    pub(crate) fn get(&self, hash: u64) -> impl Iterator<Item = PackedPlace> {
        let first = self.first.get(&hash).copied();
        let further = self.further.get(&hash).into_iter().flatten().copied();
        first.into_iter().chain(further).take(FOUND_FACTS)
    }

    /// All entries, sorted by hash and place.
    pub(crate) fn sorted(&self) -> Vec<(u64, PackedPlace)> {
        let mut entries = Vec::with_capacity(self.entries);
        entries.extend(self.first.iter().map(|(hash, place)| (*hash, *place)));
        for (hash, places) in &self.further {
            entries.extend(places.iter().map(|place| (*hash, *place)));
        }
        entries.sort_unstable();
        entries
    }
}

/// A hasher for what is a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
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
        for (hash, place) in [(7, 3), (1, 9), (7, 1), (7, 2)] {
            index.insert(hash, PackedPlace(place));
        }
        let found: Vec<u64> = index.get(7).map(|place| place.0).collect();
        assert_eq!(found, [3, 1, 2]);
        let sorted: Vec<(u64, u64)> = index.sorted().iter().map(|(h, p)| (*h, p.0)).collect();
        assert_eq!(sorted, [(1, 9), (7, 1), (7, 2), (7, 3)]);
        assert!(index.contains(1) && !index.contains(2));
    }
}
