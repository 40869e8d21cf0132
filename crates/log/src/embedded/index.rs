//! The index file of a sealed segment (DESIGN F3): a head that is kept in memory (where frames
//! lie, where pages begin, and a filter, by itself: see [`super::filters`]) and pages of sorted entries that
//! are read one by one.
//!
//! It is only a faster way to find what the segment holds: damaged or missing, it is built again.

use std::io;

use sprag_core::id::FrameNumber;

use super::disk::{Disk, DiskFile, read_exact_at};
use super::filter::Filter;
use super::open_index::{Entry, FrameTable, OpenIndex, PackedPlace, PartitionFrames};
use super::record::Seal;
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{FOUND_FACTS, INDEX_HEAD_BYTES, INDEX_PAGE_ENTRIES};

const MAGIC: [u8; 8] = *b"sprag-ix";
const VERSION: u8 = 1;
const ENTRY_BYTES: usize = 16;
const PAGE_BYTES: usize = INDEX_PAGE_ENTRIES * ENTRY_BYTES;
/// Bytes of pages that are written at a time.
const WRITTEN_BYTES: usize = 1 << 20;
/// Magic, version and the length of the head: what is read first.
const START_BYTES: usize = 13;

/// Why an index file cannot be used.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// It is missing, of another version, of another segment or damaged: build it again.
    Unusable,
    /// The disk failed.
    Failed(io::Error),
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::Unusable,
            _ => Self::Failed(error),
        }
    }
}

impl From<DecodeError> for IndexError {
    fn from(_: DecodeError) -> Self {
        Self::Unusable
    }
}

/// An index file, its head in memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredIndex {
    name: String,
    pages: Vec<Page>,
    /// Where the first page begins in the file.
    pages_start: u64,
    entries: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    /// The hash of its first entry.
    first: u64,
    checksum: u32,
}

/// What an index file is made of.
struct Content {
    seal: Seal,
    length: u64,
    frames: FrameTable,
    filter: Filter,
    pages: Vec<Page>,
    entries: usize,
}

/// Writes the index of a segment of this length, durably; it and its filter.
pub(crate) fn write(
    disk: &impl Disk,
    seal: Seal,
    length: u64,
    frames: &FrameTable,
    index: &OpenIndex,
) -> io::Result<(StoredIndex, Filter)> {
    let entries = index.len();
    let mut filter = Filter::for_entries(entries);
    let mut pages = Vec::with_capacity(entries.div_ceil(INDEX_PAGE_ENTRIES));
    each_page(index, |page, bytes| {
        page.iter().for_each(|(hash, _)| filter.insert(*hash));
        let first = page.first().map_or(0, |(hash, _)| *hash);
        pages.push(Page { first, checksum: crc32fast::hash(bytes) });
        Ok(())
    })?;
    let content = Content { seal, length, frames: frames.clone(), filter, pages, entries };
    let head = encode_head(&content)?;
    let name = seal.index_name();
    let mut file = disk.create(&name)?;
    file.append(&head)?;
    let mut pending = Vec::with_capacity(WRITTEN_BYTES + PAGE_BYTES);
    each_page(index, |_, bytes| {
        pending.extend_from_slice(bytes);
        if pending.len() >= WRITTEN_BYTES {
            file.append(&pending)?;
            pending.clear();
        }
        Ok(())
    })?;
    file.append(&pending)?;
    file.sync_data()?;
    disk.sync_directory()?;
    let Content { filter, pages, .. } = content;
    Ok((StoredIndex { name, pages, pages_start: head.len() as u64, entries }, filter))
}

/// The pages of an index one after another, each with the bytes that stand for it. They are made twice, for
/// what is known of all of them stands before the first; kept, they would be as large as the index.
fn each_page(
    index: &OpenIndex,
    mut each: impl FnMut(&[Entry], &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut entries = index.in_order();
    let (mut page, mut bytes) = (Vec::with_capacity(INDEX_PAGE_ENTRIES), Vec::new());
    loop {
        page.clear();
        page.extend(entries.by_ref().take(INDEX_PAGE_ENTRIES));
        if page.is_empty() {
            return Ok(());
        }
        bytes.clear();
        for (hash, place) in &page {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&place.0.to_le_bytes());
        }
        each(&page, &bytes)?;
    }
}

fn encode_head(content: &Content) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.raw(&MAGIC);
    writer.byte(VERSION);
    let opened = writer.open_length();
    writer.u64(content.seal.segment);
    writer.u64(content.seal.salt);
    writer.u64(content.length);
    writer.u32(small(content.entries)?);
    writer.u32(small(content.frames.partitions.len())?);
    for frames in &content.frames.partitions {
        writer.u64(frames.first.0);
        writer.u32(small(frames.offsets.len())?);
        frames.offsets.iter().for_each(|offset| writer.u32(*offset));
    }
    writer.u32(small(content.filter.as_bytes().len())?);
    writer.raw(content.filter.as_bytes());
    for page in &content.pages {
        writer.u64(page.first);
        writer.u32(page.checksum);
    }
    writer.close_length("index head", opened);
    writer.finish().map_err(io::Error::other)?;
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

fn small(size: usize) -> io::Result<u32> {
    u32::try_from(size).map_err(io::Error::other)
}

/// Opens the index of a segment of this length, if it is usable: where frames lie, it and its filter.
pub(crate) fn open(
    disk: &impl Disk,
    seal: Seal,
    length: u64,
) -> Result<(FrameTable, StoredIndex, Filter), IndexError> {
    let name = seal.index_name();
    let mut start = [0; START_BYTES];
    read_exact_at(disk, &name, 0, &mut start)?;
    let mut reader = Reader::new(&start);
    let known = reader.raw(MAGIC.len())? == MAGIC && reader.byte()? == VERSION;
    let head_bytes = reader.u32()? as usize;
    if !known || head_bytes > INDEX_HEAD_BYTES {
        return Err(IndexError::Unusable);
    }
    if disk.length(&name)? < (START_BYTES + head_bytes) as u64 {
        return Err(IndexError::Unusable);
    }
    let mut head = vec![0; START_BYTES + head_bytes + 4];
    read_exact_at(disk, &name, 0, &mut head)?;
    let content = decode_head(&head, seal.rewrites)?;
    let pages_start = head.len() as u64;
    let complete = pages_start + (content.entries * ENTRY_BYTES) as u64;
    if content.seal != seal || content.length != length || disk.length(&name)? != complete {
        return Err(IndexError::Unusable);
    }
    let Content { frames, filter, pages, entries, .. } = content;
    Ok((frames, StoredIndex { name, pages, pages_start, entries }, filter))
}

fn decode_head(head: &[u8], rewrites: u32) -> Result<Content, IndexError> {
    let (content, checksum) = head.split_at(head.len() - 4);
    if crc32fast::hash(content).to_le_bytes() != checksum {
        return Err(IndexError::Unusable);
    }
    let mut reader = Reader::new(content);
    reader.raw(START_BYTES)?;
    let (segment, salt, length) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let entries = reader.u32()? as usize;
    let partitions = reader.u32()?;
    let partitions = (0..partitions).map(|_| read_frames(&mut reader)).collect::<Result<_, _>>()?;
    let filter_bytes = reader.u32()? as usize;
    let filter = Filter::from_bytes(reader.raw(filter_bytes)?).ok_or(IndexError::Unusable)?;
    let mut pages = Vec::new();
    while reader.left() > 0 {
        pages.push(Page { first: reader.u64()?, checksum: reader.u32()? });
    }
    if pages.len() != entries.div_ceil(INDEX_PAGE_ENTRIES) {
        return Err(IndexError::Unusable);
    }
    let frames = FrameTable { partitions };
    let seal = Seal { salt, segment, rewrites };
    Ok(Content { seal, length, frames, filter, pages, entries })
}

fn read_frames(reader: &mut Reader<'_>) -> Result<PartitionFrames, DecodeError> {
    let first = FrameNumber(reader.u64()?);
    let count = reader.u32()? as usize;
    let bytes = reader.raw(count.saturating_mul(4))?;
    let offsets = bytes.as_chunks().0.iter().map(|offset| u32::from_le_bytes(*offset)).collect();
    Ok(PartitionFrames { first, offsets })
}

impl StoredIndex {
    /// The name of its file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The places of a hash, at most as many as a lookup returns.
    pub(crate) fn get(&self, disk: &impl Disk, hash: u64) -> Result<Vec<PackedPlace>, IndexError> {
        let mut places = Vec::new();
        // An entry equal to a page's first may already stand at the end of the page before.
        let start = self.pages.partition_point(|page| page.first < hash).saturating_sub(1);
        let mut buffer = [0; PAGE_BYTES];
        for (number, page) in self.pages.iter().enumerate().skip(start) {
            if page.first > hash || places.len() >= FOUND_FACTS {
                break;
            }
            let entries = (self.entries - number * INDEX_PAGE_ENTRIES).min(INDEX_PAGE_ENTRIES);
            let bytes = &mut buffer[..entries * ENTRY_BYTES];
            let offset = self.pages_start + (number * PAGE_BYTES) as u64;
            read_exact_at(disk, &self.name, offset, bytes)?;
            if crc32fast::hash(bytes) != page.checksum {
                return Err(IndexError::Unusable);
            }
            places.extend(matching(bytes, hash));
        }
        places.truncate(FOUND_FACTS);
        Ok(places)
    }
}

/// The places of a hash in one page.
fn matching(page: &[u8], hash: u64) -> impl Iterator<Item = PackedPlace> {
    let entries: &[[u8; ENTRY_BYTES]] = page.as_chunks().0;
    let half = |entry: &[u8; ENTRY_BYTES], at: usize| {
        let mut half = [0; 8];
        half.copy_from_slice(&entry[at..at + 8]);
        u64::from_le_bytes(half)
    };
    let start = entries.partition_point(|entry| half(entry, 0) < hash);
    let same = entries[start..].iter().take_while(move |entry| half(entry, 0) == hash);
    same.map(move |entry| PackedPlace(half(entry, 8)))
}
