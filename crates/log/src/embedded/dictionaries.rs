//! The dictionaries of a segment, right behind its header, twice: one for each source whose bodies
//! are packed with one there.
//!
//! A segment is read by itself: whatever bodies of it need stands in front of them, in the same file.
//! So a dictionary lives as long as bodies that need it, is copied by a backup with them, and is
//! deleted with them. Many bodies need one dictionary; so that one damaged place takes no more than
//! the bodies in that place, there are two copies, with a gap between them that no page spans:
//!
//! ```text
//! header (bytes of a copy) │ copy │ gap: zeros │ the same copy │ records …
//! copy: table: source, length, CRC-32 of each │ CRC-32 of the table │ dictionaries
//! ```
//!
//! Records are found without them, so opening, indexing and rewriting go on whatever they hold. Either
//! table serves for both copies, and each dictionary is read from the copy in which it is whole; what
//! is not is told to the catalog. Only what is damaged in both is lost, and with it the bodies that
//! need it. Writing a segment anew makes both copies of what is whole in one.
//!
//! | the process ends … | what is there |
//! |---|---|
//! | before a segment begins with a new dictionary | no body that needs it |
//! | while that segment is begun | a file nothing was appended to: void, as any such |
//! | later | the dictionaries, synced before the first frame was written |
//! | with frames that recovery takes over into the next segment | that begins with the dictionaries of the one they were in |
//! | while the segment is written anew | the old file, or the new with the dictionaries its bodies need |
//!
//! Must not know how dictionaries are made.

use std::io;

use sprag_core::id::SourceId;

use super::catalog::Catalog;
use super::disk::{Disk, read_exact_at};
use super::record::Seal;
use super::segment::SegmentHeader;
use crate::codec::{DecodeError, Reader};
use crate::limits::{DICTIONARIES, DICTIONARY_BYTES, DICTIONARY_GAP_BYTES};
use crate::log::{Corruption, Damage};

/// Bytes of a table beside its entries: count, CRC-32.
const TABLE_BYTES: usize = 6;
/// Bytes of an entry: source, length, CRC-32.
const ENTRY_BYTES: usize = 12;
/// Bytes of a copy at the most.
const COPY_BYTES: usize = TABLE_BYTES + DICTIONARIES * (ENTRY_BYTES + DICTIONARY_BYTES);

/// A dictionary as it is to be stored.
#[derive(Debug)]
pub(super) struct Twice<'a> {
    source: SourceId,
    checksum: u32,
    /// The same, unless both were damaged when they were read.
    copies: [&'a [u8]; 2],
}

impl<'a> Twice<'a> {
    pub(super) fn new(source: SourceId, dictionary: &'a [u8]) -> Self {
        let checksum = crc32fast::hash(dictionary);
        Self { source, checksum, copies: [dictionary; 2] }
    }
}

/// Bytes between a segment's header and its records, of so many bytes a copy.
pub(super) fn bytes(copy: u32) -> u64 {
    if copy == 0 { 0 } else { 2 * u64::from(copy) + DICTIONARY_GAP_BYTES as u64 }
}

/// What stands between header and records, and the bytes of a copy; nothing without a dictionary.
pub(super) fn encode(seal: Seal, dictionaries: &[Twice<'_>]) -> (Vec<u8>, u32) {
    if dictionaries.is_empty() {
        return (Vec::new(), 0);
    }
    let mut table = Vec::with_capacity(TABLE_BYTES + dictionaries.len() * ENTRY_BYTES);
    let count = u16::try_from(dictionaries.len()).expect("there are 16 at the most");
    table.extend_from_slice(&count.to_le_bytes());
    for Twice { source, checksum, copies } in dictionaries {
        let length = u32::try_from(copies[0].len()).expect("one has 64 KiB at the most");
        for field in [source.0, length, *checksum] {
            table.extend_from_slice(&field.to_le_bytes());
        }
    }
    let checksum = table_checksum(seal, &table);
    table.extend_from_slice(&checksum.to_le_bytes());
    let copy = |number: usize| {
        let all = dictionaries.iter().map(|dictionary| dictionary.copies[number]);
        [&*table].into_iter().chain(all).collect::<Vec<_>>().concat()
    };
    let mut region = copy(0);
    let bytes = u32::try_from(region.len()).expect("16 dictionaries have 1 MiB");
    region.resize(region.len() + DICTIONARY_GAP_BYTES, 0);
    region.extend_from_slice(&copy(1));
    (region, bytes)
}

/// A table of another segment is none.
fn table_checksum(seal: Seal, table: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seal.salt.to_le_bytes());
    hasher.update(&seal.segment.to_le_bytes());
    hasher.update(table);
    hasher.finalize()
}

/// Which dictionaries a segment has.
#[derive(Debug)]
pub(super) struct Stored {
    seal: Seal,
    /// Where each copy begins in the file.
    copies: [u64; 2],
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    source: SourceId,
    length: usize,
    checksum: u32,
    /// Where it begins in a copy.
    offset: u64,
}

impl Stored {
    /// Reads the table of a segment; the inner error says that both are damaged. Damage to the first
    /// is told.
    pub(super) fn open(
        disk: &impl Disk,
        header: &SegmentHeader,
        catalog: &Catalog,
    ) -> io::Result<Result<Self, DecodeError>> {
        let (seal, start, copy) = (header.seal, header.bytes(), header.dictionaries);
        let second = start + u64::from(copy) + DICTIONARY_GAP_BYTES as u64;
        let mut stored = Self { seal, copies: [start, second], entries: Vec::new() };
        if copy == 0 {
            return Ok(Ok(stored));
        }
        let mut table = vec![0; (copy as usize).min(TABLE_BYTES + DICTIONARIES * ENTRY_BYTES)];
        for at in stored.copies {
            read_exact_at(disk, &seal.segment_name(), at, &mut table)?;
            match decode_table(seal, &table, copy) {
                Ok(entries) => {
                    stored.entries = entries;
                    return Ok(Ok(stored));
                }
                Err(error) => catalog.tell(damaged(seal, at, error)),
            }
        }
        Ok(Err(BOTH))
    }

    /// The sources that have one.
    pub(super) fn sources(&self) -> impl Iterator<Item = SourceId> {
        self.entries.iter().map(|entry| entry.source)
    }

    /// The dictionary of a source, from the copy in which it is whole; the inner error says that there
    /// is none. Damage is told.
    pub(super) fn read(
        &self,
        disk: &impl Disk,
        source: SourceId,
        catalog: &Catalog,
    ) -> io::Result<Result<Vec<u8>, DecodeError>> {
        let entry = self.entries.iter().find(|entry| entry.source == source);
        let Some(entry) = entry else { return Ok(Err(ABSENT)) };
        for number in 0..self.copies.len() {
            let (bytes, at) = self.copy(disk, entry, number)?;
            if crc32fast::hash(&bytes) == entry.checksum {
                return Ok(Ok(bytes));
            }
            catalog.tell(damaged(self.seal, at, CHECKSUM));
        }
        Ok(Err(BOTH))
    }

    /// The dictionary of a source as it is to be stored elsewhere: whole, or damaged as it is here.
    pub(super) fn take_over(
        &self,
        disk: &impl Disk,
        source: SourceId,
        catalog: &Catalog,
    ) -> io::Result<Option<TakenOver>> {
        let entry = self.entries.iter().find(|entry| entry.source == source);
        let Some(entry) = entry else { return Ok(None) };
        let copies = match self.read(disk, source, catalog)? {
            Ok(whole) => [whole.clone(), whole],
            Err(_) => [self.copy(disk, entry, 0)?.0, self.copy(disk, entry, 1)?.0],
        };
        Ok(Some(TakenOver { source, checksum: entry.checksum, copies }))
    }

    /// The bytes of a dictionary in one of the copies, and where they stand.
    fn copy(&self, disk: &impl Disk, entry: &Entry, number: usize) -> io::Result<(Vec<u8>, u64)> {
        let at = self.copies[number] + entry.offset;
        let mut bytes = vec![0; entry.length];
        read_exact_at(disk, &self.seal.segment_name(), at, &mut bytes)?;
        Ok((bytes, at))
    }
}

/// A dictionary of another segment, to be stored in a new one.
#[derive(Debug)]
pub(super) struct TakenOver {
    source: SourceId,
    checksum: u32,
    copies: [Vec<u8>; 2],
}

impl TakenOver {
    pub(super) fn twice(&self) -> Twice<'_> {
        let [first, second] = &self.copies;
        Twice { source: self.source, checksum: self.checksum, copies: [first, second] }
    }
}

/// The dictionary a segment has of a source; the inner error says what is wrong with it. Damage to one
/// of its copies is told.
pub(super) fn find(
    disk: &impl Disk,
    seal: Seal,
    source: SourceId,
    catalog: &Catalog,
) -> io::Result<Result<Vec<u8>, DecodeError>> {
    let header = match SegmentHeader::read(disk, seal.segment, seal.rewrites)? {
        Ok(header) => header,
        Err(error) => return Ok(Err(error)),
    };
    match Stored::open(disk, &header, catalog)? {
        Ok(stored) => stored.read(disk, source, catalog),
        Err(error) => Ok(Err(error)),
    }
}

/// Every dictionary of a segment that can be read. Damage is told.
pub(super) fn all(
    disk: &impl Disk,
    header: &SegmentHeader,
    catalog: &Catalog,
) -> io::Result<Vec<(SourceId, Vec<u8>)>> {
    let Ok(stored) = Stored::open(disk, header, catalog)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for source in stored.sources() {
        if let Ok(dictionary) = stored.read(disk, source, catalog)? {
            all.push((source, dictionary));
        }
    }
    Ok(all)
}

fn decode_table(seal: Seal, bytes: &[u8], copy: u32) -> Result<Vec<Entry>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let count = usize::from(reader.u16()?);
    if count > DICTIONARIES || copy as usize > COPY_BYTES {
        return Err(reader.error("more dictionaries than a segment has", Some(count as u64)));
    }
    let mut entries = Vec::with_capacity(count);
    let mut offset = (TABLE_BYTES + count * ENTRY_BYTES) as u64;
    for _ in 0..count {
        let (source, length) = (SourceId(reader.u32()?), reader.u32()?);
        entries.push(Entry { source, length: length as usize, checksum: reader.u32()?, offset });
        offset += u64::from(length);
    }
    let expected = table_checksum(seal, &bytes[..reader.position()]);
    if reader.u32()? != expected {
        return Err(reader.error("checksum of the table of dictionaries differs", None));
    }
    let is_long = |entry: &Entry| entry.length > DICTIONARY_BYTES;
    if offset != u64::from(copy) || entries.iter().any(is_long) {
        return Err(reader.error("lengths of the dictionaries differ from the segment's", None));
    }
    Ok(entries)
}

fn damaged(seal: Seal, offset: u64, error: DecodeError) -> Corruption {
    let damage = Damage::Decode(error);
    Corruption { segment: seal.segment, offset, frame: None, damage }
}

const CHECKSUM: DecodeError =
    DecodeError { at: 0, what: "checksum of a copy of a dictionary differs", found: None };
const BOTH: DecodeError =
    DecodeError { at: 0, what: "both copies of the body's dictionary are damaged", found: None };
const ABSENT: DecodeError =
    DecodeError { at: 0, what: "the segment has no dictionary for the body", found: None };
