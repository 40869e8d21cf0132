//! From the files of a directory to a log that goes on: which segments are history, where the
//! newest one ends, and whether anything in them is not what was written.
//!
//! Only what was synced was promised. The tail of the newest segment may hold less (torn) or more
//! (written, never synced, perhaps only in the system's cache): whole frames of it are taken over
//! into the next segment, which is synced before anyone hears of them; the rest is dropped and
//! reported. Everything else that does not read is corruption: opening refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use sprag_core::id::{Epoch, PartitionId, Place};

use super::Options;
use super::catalog::{Catalog, Lookups, Segment};
use super::dictionaries;
use super::disk::Disk;
use super::filter::Filter;
use super::filters::Filters;
use super::index::{self, IndexError};
use super::replay::{Replay, replay_sealed, replay_tail};
use super::scan::start_of_zeros;
use super::seal::{SealJob, SealedIndex};
use super::segment::{
    Predecessor, SegmentHeader, index_name, longest_header_bytes, numbers_of, segment_name,
};
use super::writer::{Start, Writer};
use crate::chain::Tip;
use crate::codec::DecodeError;
use crate::log::{Corruption, Damage};

/// What opening a log found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Segments that hold history.
    pub segments: usize,
    /// What stood behind the last whole frame of the newest segment, none when nothing did.
    pub dropped: Option<Dropped>,
    /// Whole frames at the end of the newest segment that may not have been durable; they are now.
    pub carried: usize,
    /// Segments that no history goes through: begun, never used. Removed.
    pub void: Vec<u64>,
    /// Segments whose index was missing or damaged and was built again.
    pub rebuilt: Vec<u64>,
}

/// A torn tail: bytes that were never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The segment.
    pub segment: u64,
    /// Where in it the tail begins, in bytes.
    pub offset: u64,
    /// How many bytes were dropped.
    pub bytes: u64,
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process uses the directory.
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The log was made with another number of partitions (DESIGN K2).
    Partitions {
        /// How many the log has.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// What is on disk is not what was written.
    Corrupt(Corruption),
    /// The disk failed.
    Failed(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { directory } => write!(
                formatter,
                "{} is in use by another process: stop it, or choose another data directory",
                directory.display()
            ),
            Self::Partitions { found, wanted } => write!(
                formatter,
                "the log has {found} partitions, not {wanted}: their number is fixed for a data \
                 directory"
            ),
            Self::Corrupt(corruption) => write!(
                formatter,
                "{corruption}; nothing was changed: restore this file from a backup"
            ),
            Self::Failed(error) => write!(formatter, "the log cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Corruption> for OpenError {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

/// A whole frame of the newest segment that may not have been durable.
pub(crate) struct Carried {
    pub(crate) partition: PartitionId,
    /// The chain's end with it.
    pub(crate) tip: Tip,
    pub(crate) entries: Vec<(u64, Place)>,
    pub(crate) bytes: Vec<u8>,
}

/// A segment file as found.
struct Found {
    /// How often it was rewritten.
    rewrites: u32,
    header: Result<SegmentHeader, DecodeError>,
    /// Bytes of the file.
    length: u64,
    /// Where the zeros that end it begin: kept ahead of what is appended, or the last of it.
    zeros: u64,
}

/// Opens the log of a disk, or begins one.
pub(crate) fn open<D: Disk>(disk: &D, options: Options) -> Result<(Writer<D>, Report), OpenError> {
    let names = disk.list()?;
    let found = survey(disk, &names, options)?;
    let path = path(&found, options)?;
    let mut report = Report { segments: path.len(), ..Report::default() };
    report.void = found.keys().copied().filter(|number| !path.contains(number)).collect();
    let headers = path.iter().map(|number| header_of(&found, *number));
    let headers = headers.collect::<Result<Vec<_>, _>>()?;

    let (mut sealed, mut filters) = (Vec::new(), Filters::default());
    for pair in headers.windows(2) {
        let (segment, filter) = sealed_segment(disk, pair[0], pair[1], &mut report)?;
        filters.add(segment.seal.segment, &filter);
        sealed.push(Arc::new(segment));
    }
    let next_segment = found.keys().next_back().map_or(1, |newest| newest + 1);
    let mut start = Start {
        tips: vec![Tip::default(); usize::from(options.partitions)],
        epoch: Epoch::default(),
        predecessor: None,
        next_segment,
        seals: Vec::new(),
        dictionaries: Vec::new(),
    };
    let mut carried = Vec::new();
    let mut tail = None;
    if let (Some(header), Some(newest)) = (headers.last(), path.last()) {
        let (length, zeros) = found.get(newest).map_or((0, 0), |file| (file.length, file.zeros));
        let replayed = replay_tail(disk, header, length, zeros)?;
        report.dropped = replayed.dropped;
        report.carried = replayed.carried.len();
        let Replay { segment, tips, epoch } = replayed.durable;
        // A rewritten one has nothing behind what it was rewritten from.
        let length = header.rewritten.map_or(segment.length, |rewritten| rewritten.original);
        start.predecessor = Some(Predecessor { segment: *newest, length });
        (start.tips, start.epoch) = (tips, epoch);
        carried = replayed.carried;
        let newest = start.tips.iter().map(|tip| tip.recorded).max().unwrap_or_default();
        let segment = Arc::new(Segment { newest, ..segment });
        sealed.push(Arc::clone(&segment));
        tail = Some(segment);
    }
    start.epoch = start.epoch.max(options.after);
    let catalog = Catalog::of_sealed(sealed, filters);
    if let Some(header) = headers.last() {
        start.dictionaries = dictionaries::all(disk, header, &catalog)?;
    }
    start.seals = tail.map(|segment| SealJob::new(segment, catalog.clone())).into_iter().collect();
    let writer = Writer::new(disk.clone(), options, catalog, start, &carried)?;
    remove_void(disk, &names, &path, &found);
    Ok((writer, report))
}

/// How many partitions the log of a disk has; none where no segment's head can be read.
///
/// # Errors
/// When the disk fails.
pub fn partitions<D: Disk>(disk: &D) -> Result<Option<u16>, OpenError> {
    for (number, rewrites) in files(&disk.list()?) {
        if let Ok(header) = SegmentHeader::read(disk, number, rewrites)? {
            return Ok(u16::try_from(header.tips.len()).ok());
        }
    }
    Ok(None)
}

/// The file that counts of each segment. A segment's file is removed only when the one that takes
/// its place is durable: as long as the older is there, the newer may not be whole.
fn files(names: &[String]) -> BTreeMap<u64, u32> {
    let mut files = BTreeMap::new();
    for (number, rewrites) in names.iter().filter_map(|name| numbers_of(name, ".segment")) {
        let oldest = files.entry(number).or_insert(rewrites);
        *oldest = rewrites.min(*oldest);
    }
    files
}

/// Reads the header of every segment file that counts.
fn survey(
    disk: &impl Disk,
    names: &[String],
    options: Options,
) -> Result<BTreeMap<u64, Found>, OpenError> {
    let mut found = BTreeMap::new();
    for (number, rewrites) in files(names) {
        let name = segment_name(number, rewrites);
        let header = SegmentHeader::read(disk, number, rewrites)?;
        if let Ok(header) = &header {
            let (found, wanted) = (header.tips.len(), usize::from(options.partitions));
            if found != wanted {
                return Err(OpenError::Partitions { found, wanted });
            }
        }
        let length = disk.length(&name)?;
        let zeros = start_of_zeros(disk, &name, length)?;
        found.insert(number, Found { rewrites, header, length, zeros });
    }
    Ok(found)
}

/// The segments that are history, oldest first: from the newest one that was used back along the
/// predecessors they name.
fn path(found: &BTreeMap<u64, Found>, options: Options) -> Result<Vec<u64>, OpenError> {
    let mut path = Vec::new();
    let mut next = newest(found, options)?;
    while let Some(number) = next {
        path.push(number);
        let before = header_of(found, number)?.predecessor;
        let Some(before) = before.map(|before| before.segment) else { break };
        // Trimming deletes from the old end: a segment that is gone has none before it.
        let is_kept = found.contains_key(&before);
        let has_older = found.range(..before).any(|(_, file)| file.is_used(options));
        next = (is_kept || has_older).then_some(before);
    }
    path.reverse();
    let astray =
        found.iter().find(|(number, file)| file.is_used(options) && !path.contains(number));
    match astray {
        Some((number, _)) => Err(absent(*number, "no other segment continues it")),
        None => Ok(path),
    }
}

fn absent(segment: u64, what: &'static str) -> OpenError {
    Corruption { segment, offset: 0, frame: None, damage: Damage::Absent(what) }.into()
}

impl Found {
    /// Whether records were appended to it. Header and carried records were synced, and the
    /// directory, before the first record was written behind them: a file that does not go on
    /// behind them was not used, and may be missing after the next power cut.
    fn is_used(&self, options: Options) -> bool {
        let begun = match &self.header {
            Ok(header) if header.rewritten.is_some() => return true,
            Ok(header) => header.begun(),
            Err(_) => longest_header_bytes(usize::from(options.partitions)) as u64,
        };
        self.zeros > begun
    }
}

fn header_of(found: &BTreeMap<u64, Found>, number: u64) -> Result<&SegmentHeader, OpenError> {
    match found.get(&number).map(|file| &file.header) {
        Some(Ok(header)) => Ok(header),
        Some(Err(error)) => {
            let damage = Damage::Decode(*error);
            Err(Corruption { segment: number, offset: 0, frame: None, damage }.into())
        }
        None => Err(absent(number, "it is missing, though an older segment is there")),
    }
}

/// The newest segment that was used, or that has lost what it continues to trimming.
fn newest(found: &BTreeMap<u64, Found>, options: Options) -> Result<Option<u64>, OpenError> {
    let mut before = u64::MAX;
    while let Some((&number, file)) = found.range(..=before).next_back() {
        if file.is_used(options) {
            return header_of(found, number).map(|_| Some(number));
        }
        let older = number.saturating_sub(1);
        before = match &file.header {
            Err(_) => older,
            Ok(header) => match header.predecessor.map(|predecessor| predecessor.segment) {
                None => older,
                Some(predecessor) if found.contains_key(&predecessor) => predecessor,
                Some(_) if file.length >= header.begun() => {
                    return Ok(Some(number));
                }
                Some(_) => return Err(absent(number, "records it began with are missing")),
            },
        };
        if before == 0 {
            break;
        }
    }
    Ok(None)
}

/// A segment that another continues, and its filter: by its index, or read as a whole when that is unusable.
fn sealed_segment(
    disk: &impl Disk,
    header: &SegmentHeader,
    next: &SegmentHeader,
    report: &mut Report,
) -> Result<(Segment, Filter), OpenError> {
    let named = next.predecessor.map_or(0, |predecessor| predecessor.length);
    let Some(length) = header.length(named) else {
        return Err(absent(header.seal.segment, "it was rewritten from another segment"));
    };
    let newest = next.tips.iter().map(|tip| tip.recorded).max().unwrap_or_default();
    match index::open(disk, header.seal, length) {
        Ok((frames, stored, filter)) => {
            let mut partitions = frames.partitions.iter().zip(&header.tips).zip(&next.tips);
            let fits = frames.partitions.len() == header.tips.len()
                && partitions.all(|((frames, from), to)| {
                    frames.first == from.number.next() && frames.end() == to.number.next()
                });
            if fits {
                let lookups = Lookups::Stored(stored);
                let kept = header.rewritten.map(|rewritten| rewritten.kept);
                let (seal, begun) = (header.seal, header.begun());
                let segment = Segment { seal, length, begun, newest, kept, frames, lookups };
                return Ok((segment, filter));
            }
        }
        Err(IndexError::Unusable) => {}
        Err(IndexError::Failed(error)) => return Err(error.into()),
    }
    report.rebuilt.push(header.seal.segment);
    let replay = replay_sealed(disk, header, length)?;
    if replay.tips != next.tips {
        let what = "its last frames are not those the next segment continues";
        let (segment, damage) = (header.seal.segment, Damage::Absent(what));
        return Err(Corruption { segment, offset: length, frame: None, damage }.into());
    }
    let segment = Arc::new(Segment { newest, ..replay.segment });
    let job = SealJob::new(Arc::clone(&segment), Catalog::default());
    // A disk that takes no index takes no history either; until then memory serves.
    let written = job.run(disk).map(SealedIndex::into_parts);
    drop(job);
    Ok(written.unwrap_or_else(|_| {
        let segment = Arc::into_inner(segment).expect("the job held the only other reference");
        (segment, Filter::default())
    }))
}

/// Removes segments that are no history, files of rewritings that did not end, and indexes without
/// a segment. Best effort: they are void whether they are there or not.
fn remove_void(disk: &impl Disk, names: &[String], path: &[u64], found: &BTreeMap<u64, Found>) {
    let path: BTreeSet<u64> = path.iter().copied().collect();
    let counts = |(number, rewrites): (u64, u32)| {
        path.contains(&number) && found.get(&number).is_some_and(|file| file.rewrites == rewrites)
    };
    let segments = names.iter().filter_map(|name| numbers_of(name, ".segment"));
    for (number, rewrites) in segments.filter(|file| !counts(*file)) {
        let _ = disk.remove(&segment_name(number, rewrites));
    }
    let indexes = names.iter().filter_map(|name| numbers_of(name, ".index"));
    for (number, rewrites) in indexes.filter(|file| !counts(*file)) {
        let _ = disk.remove(&index_name(number, rewrites));
    }
    let _ = disk.sync_directory();
}
