//! The dictionaries of a segment: records right behind its header, one for each source whose bodies
//! are packed with one there.
//!
//! A segment is read by itself: whatever bodies of it need stands in front of them, in the same file.
//! So a dictionary lives as long as bodies that need it, is copied by a backup with them, and is
//! deleted with them.
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

use sprag_core::id::SourceId;

use super::disk::{Disk, read_exact_at};
use super::record::{ENVELOPE_BYTES, Envelope, RecordKind, Seal};
use super::segment::SegmentHeader;
use crate::codec::{DecodeError, Reader};
use crate::limits::DICTIONARY_BYTES;

/// Bytes of a record's content before the dictionary: source, CRC-32.
const HEAD_BYTES: usize = 8;

/// The content of a record.
pub(super) fn encode(source: SourceId, dictionary: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(HEAD_BYTES + dictionary.len());
    content.extend_from_slice(&source.0.to_le_bytes());
    content.extend_from_slice(&checksum(source, dictionary).to_le_bytes());
    content.extend_from_slice(dictionary);
    content
}

/// The dictionary in a record's content.
pub(super) fn decode(content: &[u8]) -> Result<(SourceId, &[u8]), DecodeError> {
    let mut reader = Reader::new(content);
    let (source, expected) = (SourceId(reader.u32()?), reader.u32()?);
    let dictionary = &content[HEAD_BYTES..];
    match checksum(source, dictionary) == expected {
        true => Ok((source, dictionary)),
        false => Err(reader.error("checksum of the dictionary differs", None)),
    }
}

/// That a record is not longer than one of a dictionary can be.
pub(super) fn check_length(length: u32) -> Result<(), DecodeError> {
    let what = "a dictionary is longer than any";
    let error = DecodeError { at: 0, what, found: Some(u64::from(length)) };
    if length as usize > HEAD_BYTES + DICTIONARY_BYTES { Err(error) } else { Ok(()) }
}

fn checksum(source: SourceId, dictionary: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&source.0.to_le_bytes());
    hasher.update(dictionary);
    hasher.finalize()
}

/// The dictionary a segment has of a source; the inner error says what is wrong with it.
pub(super) fn find(
    disk: &impl Disk,
    seal: Seal,
    source: SourceId,
) -> std::io::Result<Result<Vec<u8>, DecodeError>> {
    let header = match SegmentHeader::read(disk, seal.segment, seal.rewrites)? {
        Ok(header) => header,
        Err(error) => return Ok(Err(error)),
    };
    let (name, mut at) = (seal.segment_name(), header.bytes());
    loop {
        let mut bytes = [0; ENVELOPE_BYTES];
        read_exact_at(disk, &name, at, &mut bytes)?;
        let envelope = match Envelope::decode(&bytes, seal, at) {
            Ok(envelope) if envelope.kind == RecordKind::Dictionary => envelope,
            Ok(_) => return Ok(Err(ABSENT)),
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = check_length(envelope.length) {
            return Ok(Err(error));
        }
        let mut content = vec![0; envelope.length as usize];
        read_exact_at(disk, &name, at + ENVELOPE_BYTES as u64, &mut content)?;
        match decode(&content) {
            Ok((of, dictionary)) if of == source => return Ok(Ok(dictionary.to_vec())),
            Ok(_) => at = envelope.next(at),
            Err(error) => return Ok(Err(error)),
        }
    }
}

const ABSENT: DecodeError =
    DecodeError { at: 0, what: "the segment has no dictionary for the body", found: None };
