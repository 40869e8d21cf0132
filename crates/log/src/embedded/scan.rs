//! Reads a segment from record to record: heads only, bodies are skipped by their length.

use std::io;

use sprag_core::fact::Fact;
use sprag_core::id::{Epoch, FrameNumber, Hash, PartitionId};

use super::disk::{Disk, read_up_to};
use super::record::{CLAIM_BYTES, ENVELOPE_BYTES, Envelope, MAGIC, RecordKind, Seal, decode_claim};
use crate::chain::frame_hash;
use crate::codec::DecodeError;
use crate::frame::{self, FrameHeader, HEADER_BYTES};
use crate::limits::{HEAD_GUESS_BYTES, SEARCH_BYTES, ZEROS_BYTES};
use crate::log::{Corruption, Damage};

/// A record as read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) offset: u64,
    pub(crate) envelope: Envelope,
    pub(crate) content: Content,
}

/// What a record contains.
#[derive(Debug)]
pub(crate) enum Content {
    Frame(Box<ScannedFrame>),
    Claim(Epoch),
}

/// The head of a frame, verified; its bodies are not.
#[derive(Debug)]
pub(crate) struct ScannedFrame {
    pub(crate) header: FrameHeader,
    pub(crate) hash: Hash,
    pub(crate) facts: Vec<Fact>,
}

/// Why scanning went no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What stands here is no record.
    Bad(Bad),
    /// The disk failed.
    Failed(io::Error),
}

/// A place where no record can be read.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) corruption: Corruption,
    /// Whether its checksums are right: then it is whole, and of a version or kind unknown here.
    pub(crate) is_whole: bool,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads the records of one segment in order.
pub(crate) struct Scanner<'d, D> {
    disk: &'d D,
    name: String,
    seal: Seal,
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    buffered: std::ops::Range<u64>,
}

impl<'d, D: Disk> Scanner<'d, D> {
    /// Reads from `offset`, where a record begins, to `end`.
    pub(crate) fn new(disk: &'d D, seal: Seal, offset: u64, end: u64) -> Self {
        let name = seal.segment_name();
        Self { disk, name, seal, offset, end, buffer: Vec::new(), buffered: 0..0 }
    }

    /// The next record; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Stop> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let offset = self.offset;
        let (seal, end) = (self.seal, self.end);
        let bytes = self.window(offset, ENVELOPE_BYTES + HEADER_BYTES)?;
        let envelope = Envelope::decode(bytes, seal, offset).map_err(|error| {
            let is_whole = Envelope::is_intact(bytes, seal, offset);
            bad(seal, offset, None, error, is_whole)
        })?;
        let content = match envelope.kind {
            RecordKind::Claim => self.claim(offset, &envelope)?,
            RecordKind::Frame => self.frame(offset, &envelope)?,
        };
        self.offset = envelope.next(offset);
        if self.offset > end {
            return Err(bad(seal, offset, frame_of(&content), CUT, false));
        }
        Ok(Some(Record { offset, envelope, content }))
    }

    fn claim(&mut self, offset: u64, envelope: &Envelope) -> Result<Content, Stop> {
        let seal = self.seal;
        let bytes = self.window(offset, ENVELOPE_BYTES + CLAIM_BYTES)?;
        let content = bytes.get(ENVELOPE_BYTES..).unwrap_or_default();
        if envelope.length as usize != content.len() {
            return Err(bad(seal, offset, None, CUT, false));
        }
        let claim = decode_claim(content).map_err(|error| bad(seal, offset, None, error, false))?;
        Ok(Content::Claim(claim.1))
    }

    fn frame(&mut self, offset: u64, envelope: &Envelope) -> Result<Content, Stop> {
        let seal = self.seal;
        let bytes = self.window(offset, ENVELOPE_BYTES + HEADER_BYTES)?;
        let bytes = bytes.get(ENVELOPE_BYTES..).unwrap_or_default();
        let header = FrameHeader::decode(bytes)
            .map_err(|error| bad(seal, offset, None, error, FrameHeader::is_intact(bytes)))?;
        let frame = Some((header.partition, header.number));
        if header.frame_bytes() != envelope.length as usize {
            return Err(bad(seal, offset, frame, LENGTHS, false));
        }
        let head = self.window(offset, ENVELOPE_BYTES + header.head_bytes())?;
        let head = head.get(ENVELOPE_BYTES..).unwrap_or_default();
        let section = head.get(HEADER_BYTES..).unwrap_or_default();
        let is_whole = crc32fast::hash(section) == header.facts_checksum;
        let facts = frame::decode_facts(&header, section)
            .map_err(|error| bad(seal, offset, frame, error, is_whole))?;
        let hash = frame_hash(head);
        Ok(Content::Frame(Box::new(ScannedFrame { header, hash, facts })))
    }

    /// So many bytes from an offset on, fewer at the end.
    fn window(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = self.end.min(offset + length as u64);
        if offset < self.buffered.start || end > self.buffered.end {
            let wanted = (self.end - offset).min(length.max(HEAD_GUESS_BYTES) as u64);
            self.buffer.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
            let read = read_up_to(self.disk, &self.name, offset, &mut self.buffer)?;
            self.buffered = offset..offset + read as u64;
        }
        let start = usize::try_from(offset - self.buffered.start).map_err(io::Error::other)?;
        let available = usize::try_from(self.buffered.end.min(end) - self.buffered.start)
            .map_err(io::Error::other)?;
        Ok(self.buffer.get(start..available).unwrap_or_default())
    }
}

const CUT: DecodeError = DecodeError { at: 0, what: "record ends too early", found: None };
const LENGTHS: DecodeError =
    DecodeError { at: 0, what: "length of the record differs from its frame's", found: None };

fn bad(
    seal: Seal,
    offset: u64,
    frame: Option<(PartitionId, FrameNumber)>,
    error: DecodeError,
    is_whole: bool,
) -> Stop {
    let damage = Damage::Decode(error);
    Stop::Bad(Bad {
        corruption: Corruption { segment: seal.segment, offset, frame, damage },
        is_whole,
    })
}

fn frame_of(content: &Content) -> Option<(PartitionId, FrameNumber)> {
    match content {
        Content::Frame(frame) => Some((frame.header.partition, frame.header.number)),
        Content::Claim(_) => None,
    }
}

/// Where the zeros begin that end a file; its length when it ends with something else.
pub(crate) fn start_of_zeros(disk: &impl Disk, name: &str, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; ZEROS_BYTES];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(ZEROS_BYTES as u64);
        let wanted = usize::try_from(end - start).map_err(io::Error::other)?;
        let read = read_up_to(disk, name, start, &mut buffer[..wanted])?;
        if let Some(at) = buffer[..read].iter().rposition(|byte| *byte != 0) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether a record behind `bad` knows the bytes at `bad` to have been durable.
pub(crate) fn was_durable(disk: &impl Disk, seal: Seal, bad: u64, end: u64) -> io::Result<bool> {
    let name = seal.segment_name();
    let mut buffer = vec![0; SEARCH_BYTES];
    let mut start = bad + 1;
    while start + ENVELOPE_BYTES as u64 <= end {
        let wanted = usize::try_from((end - start).min(SEARCH_BYTES as u64));
        let wanted = wanted.map_err(io::Error::other)?;
        let read = read_up_to(disk, &name, start, &mut buffer[..wanted])?;
        for (at, window) in buffer[..read].windows(ENVELOPE_BYTES).enumerate() {
            if window.starts_with(&MAGIC) && knows(window, seal, start + at as u64, bad) {
                return Ok(true);
            }
        }
        if read < ENVELOPE_BYTES {
            break;
        }
        // The last bytes may begin an envelope that ends in the next window.
        start += (read - ENVELOPE_BYTES + 1) as u64;
    }
    Ok(false)
}

fn knows(bytes: &[u8], seal: Seal, offset: u64, bad: u64) -> bool {
    Envelope::decode(bytes, seal, offset).is_ok_and(|envelope| envelope.synced > bad)
}
