//! Which segments there are, and where in them a frame or the facts of a hash lie.
//!
//! Shared by the writer, which changes it when a batch is durable, and by readers on other
//! threads, which look and let go: nothing is read from disk while it is locked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sprag_core::id::{FrameNumber, PartitionId, Place};
use sprag_core::retention;
use sprag_core::time::UnixMicros;

use super::filter::Filter;
use super::filters::Filters;
use super::index::StoredIndex;
use super::open_index::{FrameTable, OpenIndex, PartitionFrames};
use super::record::Seal;
use crate::limits::DAMAGES;
use crate::log::{Corruption, LogSize, ReadError};

/// The segments of a log. Clones are the same catalog.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    segments: Arc<RwLock<Segments>>,
    /// Whoever adds a filter: one at a time, since what is added to is put back later.
    adding: Arc<Mutex<()>>,
    /// Damage that took nothing yet, or not from whoever came upon it.
    damages: Arc<Mutex<Damages>>,
    /// Damage that kept somebody from reading what was asked for.
    unreadable: Arc<Mutex<Damages>>,
}

/// Damaged places.
#[derive(Debug, Default)]
struct Damages {
    /// What was found, each place once.
    found: Vec<Corruption>,
    /// How many of them were taken.
    taken: usize,
}

impl Damages {
    fn note(&mut self, damage: Corruption) {
        let place = |damage: &Corruption| (damage.segment, damage.offset);
        let is_known = self.found.iter().any(|known| place(known) == place(&damage));
        if self.found.len() < DAMAGES && !is_known {
            self.found.push(damage);
        }
    }

    fn take(&mut self) -> Vec<Corruption> {
        let taken = std::mem::replace(&mut self.taken, self.found.len());
        self.found[taken..].to_vec()
    }
}

fn lock(damages: &Mutex<Damages>) -> MutexGuard<'_, Damages> {
    damages.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Segments {
    /// Oldest first; copied when it changes, so that readers keep what they looked at.
    sealed: Arc<Vec<Arc<Segment>>>,
    /// Those of them whose index is in memory, where a hash is looked for itself.
    in_memory: Vec<Arc<Segment>>,
    /// Has the filter of each of the others, and perhaps more.
    filters: Filters,
    /// The one being written; none only while the log is opened.
    open: Option<Segment>,
    /// The segment that is being rewritten.
    rewriting: Option<u64>,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) seal: Seal,
    /// How many bytes of it are history.
    pub(crate) length: u64,
    /// How many of them were durable before anything was appended.
    pub(crate) begun: u64,
    /// When the newest of it was recorded, once it is sealed.
    pub(crate) newest: UnixMicros,
    /// Bytes of bodies that were left when it was rewritten, as received; none where it never was.
    pub(crate) kept: Option<u64>,
    pub(crate) frames: FrameTable,
    pub(crate) lookups: Lookups,
}

/// How a segment's facts are found by hash.
#[derive(Debug)]
pub(crate) enum Lookups {
    Memory(OpenIndex),
    Stored(StoredIndex),
}

/// History as it stood at one moment: what a backup copies. Files are only appended to or put in the
/// place of others under another name; so as many bytes of these are the same history for as long as
/// they are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// The files, oldest first.
    pub files: Vec<CutFile>,
    /// The last durable frame of each partition; 0 before the first.
    pub last: Vec<FrameNumber>,
}

/// A file of a [`Cut`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutFile {
    /// Its name in the directory of the log.
    pub name: String,
    /// How many bytes from its start are history, all of them durable.
    pub bytes: u64,
}

/// Where a frame lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub(crate) seal: Seal,
    pub(crate) offset: u64,
}

/// A frame that became durable.
pub(crate) struct Committed<'a> {
    pub(crate) partition: PartitionId,
    pub(crate) offset: u64,
    pub(crate) entries: &'a [(u64, Place)],
}

impl Segment {
    /// Whether anything was appended to it.
    fn is_used(&self) -> bool {
        self.kept.is_some() || self.length > self.begun
    }

    fn summary(&self) -> retention::Segment {
        let frames = |frames: &PartitionFrames| (frames.first, frames.end());
        retention::Segment {
            number: self.seal.segment,
            bytes: self.length,
            newest: self.newest,
            kept: self.kept,
            frames: self.frames.partitions.iter().map(frames).collect(),
        }
    }

    /// Whether its index is in memory and has a hash.
    fn has_at_hand(&self, hash: u64) -> bool {
        matches!(&self.lookups, Lookups::Memory(index) if index.contains(hash))
    }

    /// Adds a frame that follows the last of its partition.
    pub(crate) fn add(&mut self, frame: &Committed<'_>) {
        let Some(frames) = self.frames.partitions.get_mut(usize::from(frame.partition.0)) else {
            return;
        };
        let offset = u32::try_from(frame.offset).expect("a segment and one batch stay below 4 GiB");
        frames.offsets.push(offset);
        let Lookups::Memory(index) = &mut self.lookups else { return };
        for (hash, place) in frame.entries {
            // Every place in a segment packs: its frames are counted from the segment's first
            // and the format limits its index to 16 bits.
            if let Some(packed) = self.frames.pack(*place) {
                index.insert(*hash, packed);
            }
        }
    }
}

impl Catalog {
    /// A catalog of sealed segments, oldest first, and the filters of those that have one.
    pub(crate) fn of_sealed(sealed: Vec<Arc<Segment>>, filters: Filters) -> Self {
        let mut segments = Segments { filters, ..Segments::default() };
        segments.set_sealed(sealed);
        Self {
            segments: Arc::new(RwLock::new(segments)),
            adding: Arc::default(),
            damages: Arc::default(),
            unreadable: Arc::default(),
        }
    }

    /// Whether facts of a hash ([`crate::lookup::Wanted::hash`]) may be in the log: no IO, never
    /// wrong when it says no.
    #[must_use]
    pub fn may_contain(&self, hash: u64) -> bool {
        let segments = self.read();
        segments.open.as_ref().is_some_and(|open| open.has_at_hand(hash))
            || segments.in_memory.iter().any(|segment| segment.has_at_hand(hash))
            || segments.filters.holders(hash).any(|number| segments.sealed(number).is_some())
    }

    /// The last durable frame of a partition; 0 before the first.
    #[must_use]
    pub fn last(&self, partition: PartitionId) -> FrameNumber {
        self.read().end(partition).map_or(FrameNumber(0), |end| FrameNumber(end.0 - 1))
    }

    /// The last frame of a partition that lies in a sealed segment; one less than its oldest when
    /// none does.
    #[must_use]
    pub fn sealed_through(&self, partition: PartitionId) -> FrameNumber {
        let segments = self.read();
        let open = segments.open.as_ref().and_then(|open| open.frames.of(partition));
        open.map_or(FrameNumber(0), |frames| FrameNumber(frames.first.0 - 1))
    }

    /// The oldest frame of a partition that is kept; one more than the last when none is.
    pub(crate) fn oldest(&self, partition: PartitionId) -> Option<FrameNumber> {
        self.read().oldest(partition)
    }

    /// How many segments there are.
    #[must_use]
    pub fn segments(&self) -> usize {
        let segments = self.read();
        segments.sealed.len() + usize::from(segments.open.is_some())
    }

    /// History as it stands now. Call it once every partition was claimed: before that, frames that
    /// opening took over may be in no file of their own.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let segments = self.read();
        let all = || segments.sealed.iter().map(AsRef::as_ref).chain(&segments.open);
        let file = |segment: &Segment| CutFile {
            name: segment.seal.segment_name(),
            bytes: segment.length,
        };
        let newest = all().last().map_or(&[][..], |segment| &segment.frames.partitions);
        let last = |frames: &PartitionFrames| FrameNumber(frames.end().0.saturating_sub(1));
        Cut { files: all().map(file).collect(), last: newest.iter().map(last).collect() }
    }

    /// Where a frame lies.
    pub(crate) fn locate(
        &self,
        partition: PartitionId,
        number: FrameNumber,
    ) -> Result<Location, ReadError> {
        let segments = self.read();
        let oldest = segments.oldest(partition).ok_or(ReadError::NoSuchPartition)?;
        if number < oldest {
            return Err(ReadError::Trimmed { oldest });
        }
        let begins = |segment: &Segment| segment.frames.of(partition).map(|frames| frames.first);
        let open = segments.open.as_ref().filter(|open| begins(open) <= Some(number));
        let segment = open.or_else(|| {
            let after = segments.sealed.partition_point(|segment| begins(segment) <= Some(number));
            after.checked_sub(1).and_then(|at| segments.sealed.get(at)).map(AsRef::as_ref)
        });
        let location = segment.and_then(|segment| {
            let offset = segment.frames.offset(partition, number)?;
            Some(Location { seal: segment.seal, offset })
        });
        location.ok_or(ReadError::Missing)
    }

    /// How many bytes a frame's record has, by where the next one begins, of whatever partition; or as
    /// far as the segment is history. None where the segment is gone or another.
    pub(crate) fn length(&self, Location { seal, offset }: Location) -> Option<u64> {
        let segments = self.read();
        let open = segments.open.as_ref().filter(|open| open.seal == seal);
        let segment = open.or_else(|| {
            let sealed = segments.sealed(seal.segment).map(AsRef::as_ref);
            sealed.filter(|sealed| sealed.seal == seal)
        })?;
        segment.frames.behind(offset).unwrap_or(segment.length).checked_sub(offset)
    }

    /// The sealed segments that may have a hash, oldest first, and what the open one has under it.
    pub(crate) fn candidates(&self, hash: u64) -> (Vec<Arc<Segment>>, Vec<Place>) {
        let segments = self.read();
        let in_memory = segments.in_memory.iter().filter(|segment| segment.has_at_hand(hash));
        let holders = segments.filters.holders(hash);
        let holders = holders.filter_map(|number| segments.sealed(number));
        let mut sealed: Vec<Arc<Segment>> = holders.chain(in_memory).cloned().collect();
        sealed.sort_by_key(|segment| segment.seal.segment);
        sealed.dedup_by_key(|segment| segment.seal.segment);
        let mut places = Vec::new();
        if let Some(Segment { frames, lookups: Lookups::Memory(index), .. }) = &segments.open {
            places.extend(index.get(hash).filter_map(|packed| frames.unpack(packed)));
        }
        (sealed, places)
    }

    /// Adds frames of the open segment, which is now durable up to `length`.
    pub(crate) fn commit<'a>(&self, length: u64, frames: impl Iterator<Item = Committed<'a>>) {
        let mut segments = self.write();
        if let Some(open) = &mut segments.open {
            open.length = length;
            frames.for_each(|frame| open.add(&frame));
        }
    }

    /// Seals the open segment, if any, and goes on with another; returns the sealed one.
    pub(crate) fn begin(&self, next: Segment, newest: UnixMicros) -> Option<Arc<Segment>> {
        let mut segments = self.write();
        let sealed = Arc::new(Segment { newest, ..segments.open.replace(next)? });
        let mut all = segments.sealed.to_vec();
        all.push(Arc::clone(&sealed));
        segments.set_sealed(all);
        Some(sealed)
    }

    /// Puts a segment whose index is in memory in the place of the one that it is; false when that is gone.
    pub(crate) fn replace_in_memory(&self, segment: Segment) -> bool {
        self.replace(segment)
    }

    /// Puts a segment with an index file in the place of the one that it is; false when that is gone.
    pub(crate) fn install(&self, segment: Segment, filter: &Filter) -> bool {
        self.add_filter(segment.seal.segment, filter);
        self.replace(segment)
    }

    fn replace(&self, segment: Segment) -> bool {
        let mut segments = self.write();
        let mut all = segments.sealed.to_vec();
        let Some(slot) = all.iter_mut().find(|other| other.seal == segment.seal) else {
            return false;
        };
        *slot = Arc::new(segment);
        segments.set_sealed(all);
        true
    }

    /// Adds the filter of a segment that is looked into by itself as yet. Nothing is locked for others while shares
    /// are joined; those of gone segments that come back meanwhile go at the next trimming.
    fn add_filter(&self, segment: u64, filter: &Filter) {
        let _alone = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.read().filters.knows(segment) {
            return;
        }
        for (at, blocks) in filter.shares().enumerate() {
            let mut share = self.read().filters.share(filter.blocks(), at);
            share.add(segment, blocks);
            let mut segments = self.write();
            if segments.sealed(segment).is_none() {
                return;
            }
            let before = segments.filters.put(filter.blocks(), at, share);
            drop(segments);
            drop(before);
        }
    }

    /// Takes a sealed segment for rewriting: until [`Self::release`] it is not deleted. None when it
    /// is not there, when another is being rewritten, or when nothing behind it was used yet: then
    /// recovery would go back to it, and to the tail of its file, which it took over.
    pub(crate) fn reserve(&self, number: u64) -> Option<Arc<Segment>> {
        let mut segments = self.write();
        let sealed = Arc::clone(&segments.sealed);
        let at = sealed.iter().position(|segment| segment.seal.segment == number)?;
        let mut behind = sealed[at + 1..].iter().map(AsRef::as_ref).chain(&segments.open);
        if segments.rewriting.is_some() || !behind.any(Segment::is_used) {
            return None;
        }
        let found = Arc::clone(&sealed[at]);
        segments.rewriting = Some(number);
        Some(found)
    }

    /// The rewriting of a segment has ended, and nothing came of it.
    pub(crate) fn release(&self) {
        self.write().rewriting = None;
    }

    /// The rewriting of a segment has ended; what came of it takes its place. It has no fact that was not in
    /// the segment before, so a filter of that stands for it as well.
    pub(crate) fn release_rewritten(&self, segment: Segment, filter: &Filter) {
        self.add_filter(segment.seal.segment, filter);
        let mut segments = self.write();
        segments.rewriting = None;
        let mut all = segments.sealed.to_vec();
        if let Some(slot) = all.iter_mut().find(|s| s.seal.segment == segment.seal.segment) {
            *slot = Arc::new(segment);
            segments.set_sealed(all);
        }
    }

    /// The segment that took the place of one; none when it was deleted, or is still itself.
    pub(crate) fn rewritten(&self, seal: Seal) -> Option<Arc<Segment>> {
        let segments = self.read();
        let mut same = segments.sealed.iter().filter(|other| other.seal.segment == seal.segment);
        same.find(|other| other.seal != seal).cloned()
    }

    /// Whether a segment is being rewritten.
    pub(crate) fn is_rewriting(&self, number: u64) -> bool {
        self.read().rewriting == Some(number)
    }

    /// The sealed segments behind one, oldest first, at most so many.
    pub(crate) fn summaries(&self, after: u64, most: usize) -> Vec<retention::Segment> {
        let sealed = Arc::clone(&self.read().sealed);
        let behind = sealed.iter().filter(|segment| segment.seal.segment > after);
        behind.take(most).map(|segment| segment.summary()).collect()
    }

    /// What the log takes on disk, for whoever watches it.
    #[must_use]
    pub fn size(&self) -> LogSize {
        let segments = self.read();
        let all = segments.sealed.iter().map(AsRef::as_ref).chain(&segments.open);
        LogSize {
            segments: segments.sealed.len() + usize::from(segments.open.is_some()),
            rewritten: segments.sealed.iter().filter(|segment| segment.kept.is_some()).count(),
            bytes: all.map(|segment| segment.length).sum(),
            oldest: segments.sealed.first().map(|segment| segment.newest),
            damaged: lock(&self.unreadable).found.len(),
        }
    }

    /// Notes damage that fails nothing, for whoever looks after the log.
    pub(crate) fn tell(&self, damage: Corruption) {
        lock(&self.damages).note(damage);
    }

    /// Damage that was come upon since this was last asked and failed nothing by itself: one of two
    /// copies. Each place once, and no more than the first places of a process.
    #[must_use]
    pub fn damages(&self) -> Vec<Corruption> {
        lock(&self.damages).take()
    }

    /// Notes damage for which something that was asked for cannot be read.
    pub(crate) fn tell_unreadable(&self, damage: Corruption) {
        lock(&self.unreadable).note(damage);
    }

    /// Damage that was come upon since this was last asked and for which something could not be read.
    /// Each place once, and no more than the first places of a process.
    #[must_use]
    pub fn newly_unreadable(&self) -> Vec<Corruption> {
        lock(&self.unreadable).take()
    }

    /// All such places of this process.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Corruption> {
        lock(&self.unreadable).found.clone()
    }

    /// The oldest sealed segment.
    pub(crate) fn first_sealed(&self) -> Option<Arc<Segment>> {
        self.read().sealed.first().cloned()
    }

    /// Forgets the oldest sealed segment.
    pub(crate) fn forget_first_sealed(&self) {
        let mut segments = self.write();
        let kept = segments.sealed.iter().skip(1).cloned().collect();
        segments.set_sealed(kept);
        let oldest = segments.sealed.first().map(AsRef::as_ref).or(segments.open.as_ref());
        let oldest = oldest.map(|segment| segment.seal.segment);
        let gone = oldest.map(|oldest| segments.filters.forget_before(oldest));
        // Many pages may go with it, for which nobody needs to wait.
        drop(segments);
        drop(gone);
    }

    fn read(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Segments> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments {
    fn set_sealed(&mut self, sealed: Vec<Arc<Segment>>) {
        let is_in_memory = |segment: &&Arc<Segment>| matches!(segment.lookups, Lookups::Memory(_));
        self.in_memory = sealed.iter().filter(is_in_memory).cloned().collect();
        self.sealed = Arc::new(sealed);
    }

    /// A sealed segment by its number.
    fn sealed(&self, number: u64) -> Option<&Arc<Segment>> {
        let at = self.sealed.binary_search_by_key(&number, |segment| segment.seal.segment).ok()?;
        self.sealed.get(at)
    }

    fn oldest(&self, partition: PartitionId) -> Option<FrameNumber> {
        let first = self.sealed.first().map(AsRef::as_ref).or(self.open.as_ref());
        first.and_then(|segment| segment.frames.of(partition)).map(|frames| frames.first)
    }

    fn end(&self, partition: PartitionId) -> Option<FrameNumber> {
        let last = self.open.as_ref().or(self.sealed.last().map(AsRef::as_ref));
        last.and_then(|segment| segment.frames.of(partition)).map(|frames| frames.end())
    }
}
