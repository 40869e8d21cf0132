//! What stands in a segment: records, each an envelope and its content.
//!
//! The envelope says how much of the segment was durable when the record was written. That tells
//! a torn tail from corruption: a damaged record that a later one knows to have been durable was
//! damaged afterwards.

use sprag_core::id::{Epoch, PartitionId};

use crate::codec::{DecodeError, Reader};

/// The first bytes of every envelope.
pub(crate) const MAGIC: [u8; 4] = *b"SPRE";
/// Bytes of an envelope.
pub(crate) const ENVELOPE_BYTES: usize = 21;
/// Bytes of a claim's content.
pub(crate) const CLAIM_BYTES: usize = 14;

/// What makes envelopes of one segment different from those of every other, and from bytes that
/// look like one: an event's body may contain anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    /// A random number of the process that wrote the segment.
    pub(crate) salt: u64,
    /// The segment's number.
    pub(crate) segment: u64,
    /// How often it was written anew without bodies that had expired; part of its file's name.
    pub(crate) rewrites: u32,
}

/// What a record contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// A frame.
    Frame,
    /// A claim: partition and epoch. It makes the epoch durable before the owner acts on it.
    Claim,
}

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// What the record contains.
    pub(crate) kind: RecordKind,
    /// Bytes of the content.
    pub(crate) length: u32,
    /// How many bytes of the segment were durable when this was written.
    pub(crate) synced: u64,
}

impl Envelope {
    pub(crate) fn encode(&self, seal: Seal, offset: u64) -> [u8; ENVELOPE_BYTES] {
        let mut bytes = [0; ENVELOPE_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = match self.kind {
            RecordKind::Frame => 1,
            RecordKind::Claim => 2,
        };
        bytes[5..9].copy_from_slice(&self.length.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.synced.to_le_bytes());
        let checksum = checksum_of(&bytes[..17], seal, offset);
        bytes[17..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], seal: Seal, offset: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.raw(MAGIC.len())? != MAGIC {
            return Err(reader.error("not the magic of a record", None));
        }
        let (kind, length, synced) = (reader.byte()?, reader.u32()?, reader.u64()?);
        if reader.u32()? != checksum_of(&bytes[..17], seal, offset) {
            return Err(reader.error("checksum of the record differs", None));
        }
        let kind = match kind {
            1 => RecordKind::Frame,
            2 => RecordKind::Claim,
            kind => return Err(reader.error("unknown kind of record", Some(u64::from(kind)))),
        };
        Ok(Self { kind, length, synced })
    }

    /// Whether these bytes are an envelope of this place, of whatever version.
    pub(crate) fn is_intact(bytes: &[u8], seal: Seal, offset: u64) -> bool {
        let Some((head, checksum)) = bytes.get(..ENVELOPE_BYTES).map(|head| head.split_at(17))
        else {
            return false;
        };
        head.starts_with(&MAGIC) && checksum == checksum_of(head, seal, offset).to_le_bytes()
    }

    /// Where the next record begins.
    pub(crate) fn next(&self, offset: u64) -> u64 {
        offset + ENVELOPE_BYTES as u64 + u64::from(self.length)
    }
}

/// Bound to its segment and its place in it, so that a copy of a record is none.
fn checksum_of(head: &[u8], seal: Seal, offset: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seal.salt.to_le_bytes());
    hasher.update(&seal.segment.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(head);
    hasher.finalize()
}

pub(crate) fn encode_claim(partition: PartitionId, epoch: Epoch) -> [u8; CLAIM_BYTES] {
    let mut bytes = [0; CLAIM_BYTES];
    bytes[..2].copy_from_slice(&partition.0.to_le_bytes());
    bytes[2..10].copy_from_slice(&epoch.0.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..10]);
    bytes[10..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

pub(crate) fn decode_claim(bytes: &[u8]) -> Result<(PartitionId, Epoch), DecodeError> {
    let mut reader = Reader::new(bytes);
    let claim = (PartitionId(reader.u16()?), Epoch(reader.u64()?));
    if reader.u32()? != crc32fast::hash(&bytes[..10]) {
        return Err(reader.error("checksum of the claim differs", None));
    }
    reader.end().map(|()| claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAL: Seal = Seal { salt: 7, segment: 2, rewrites: 0 };

    #[test]
    fn an_envelope_reads_back_only_where_it_was_written() {
        let envelope = Envelope { kind: RecordKind::Frame, length: 300, synced: 1000 };
        let bytes = envelope.encode(SEAL, 1100);
        assert_eq!(Envelope::decode(&bytes, SEAL, 1100), Ok(envelope));
        assert_eq!(envelope.next(1100), 1421);
        assert!(Envelope::decode(&bytes, SEAL, 1101).is_err());
        assert!(Envelope::decode(&bytes, Seal { segment: 3, ..SEAL }, 1100).is_err());
        assert!(Envelope::decode(&bytes, Seal { salt: 8, ..SEAL }, 1100).is_err());
    }

    #[test]
    fn a_claim_reads_back_and_its_damage_is_noticed() {
        let bytes = encode_claim(PartitionId(3), Epoch(9));
        assert_eq!(decode_claim(&bytes), Ok((PartitionId(3), Epoch(9))));
        for at in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[at] ^= 0x10;
            assert!(decode_claim(&damaged).is_err(), "{at}");
        }
    }
}
