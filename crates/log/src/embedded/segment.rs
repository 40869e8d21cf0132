//! The head of a segment file: which it is, what it continues, and where every partition's chain
//! stood when it was begun.
//!
//! A segment names its predecessor and how much of that is history; bytes beyond are void. The
//! tips it carries are what is left of a predecessor that was trimmed away.

use std::io;

use sprag_core::id::{Epoch, FrameNumber};
use sprag_core::time::{OpenMicros, UnixMicros};

use super::disk::{Disk, read_up_to};
use super::record::Seal;
use crate::chain::Tip;
use crate::codec::{DecodeError, Reader, Writer};

const MAGIC: [u8; 8] = *b"sprag-sg";
const VERSION: u8 = 1;
/// Bytes of the header before the tips.
const FIXED_BYTES: usize = 59;
/// Bytes of one tip.
const TIP_BYTES: usize = 64;
/// Bytes of the checksum behind the tips.
const CHECKSUM_BYTES: usize = 4;

/// The head of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Number and salt.
    pub(crate) seal: Seal,
    /// The segment it continues; none for the first.
    pub(crate) predecessor: Option<Predecessor>,
    /// Bytes of records right behind the header that recovery took over from the predecessor.
    pub(crate) carried: u64,
    /// The newest epoch claimed before.
    pub(crate) epoch: Epoch,
    /// Where each partition's chain stood.
    pub(crate) tips: Vec<Tip>,
}

/// The segment before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Predecessor {
    /// Its number.
    pub(crate) segment: u64,
    /// How many bytes of it are history.
    pub(crate) length: u64,
}

/// Bytes of the header of a segment of so many partitions.
pub(crate) fn header_bytes(partitions: usize) -> usize {
    FIXED_BYTES + partitions * TIP_BYTES + CHECKSUM_BYTES
}

/// How many partitions a header says to have, from its first bytes; not verified.
fn partitions_of(bytes: &[u8]) -> usize {
    match bytes.get(9..11) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
        _ => 0,
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(segment: u64) -> String {
    format!("{segment:010}.segment")
}

/// The name of the file of a segment's index.
pub(crate) fn index_name(segment: u64) -> String {
    format!("{segment:010}.index")
}

/// The number in the name of a file with this ending.
pub(crate) fn number_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let canonical = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| digits.parse().ok())?
}

impl SegmentHeader {
    /// Its own length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        header_bytes(self.tips.len()) as u64
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(header_bytes(self.tips.len()));
        let mut writer = Writer::new(&mut bytes);
        let before = self.predecessor.unwrap_or(Predecessor { segment: 0, length: 0 });
        writer.raw(&MAGIC);
        writer.byte(VERSION);
        writer.u16(u16::try_from(self.tips.len()).expect("partitions are counted by a u16"));
        writer.u64(self.seal.segment);
        writer.u64(self.seal.salt);
        writer.u64(before.segment);
        writer.u64(before.length);
        writer.u64(self.carried);
        writer.u64(self.epoch.0);
        for tip in &self.tips {
            writer.u64(tip.number.0);
            writer.u64(tip.epoch.0);
            writer.u64(tip.recorded.0);
            writer.u64(tip.open.0);
            writer.hash(&tip.hash);
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of a segment's file; the inner error says that it is none.
    pub(crate) fn read(disk: &impl Disk, segment: u64) -> io::Result<Result<Self, DecodeError>> {
        let name = segment_name(segment);
        let mut bytes = vec![0; header_bytes(0)];
        let read = read_up_to(disk, &name, 0, &mut bytes)?;
        bytes.resize(header_bytes(partitions_of(&bytes[..read])), 0);
        let read = read_up_to(disk, &name, 0, &mut bytes)?;
        Ok(Self::decode(&bytes[..read]).and_then(|header| {
            let is_own = header.seal.segment == segment;
            let error = DecodeError { at: 0, what: "header of another segment", found: None };
            is_own.then_some(header).ok_or(error)
        }))
    }

    /// Reads a header from the start of a file, which may go on behind it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.raw(MAGIC.len())? != MAGIC {
            return Err(reader.error("not the magic of a segment", None));
        }
        let version = reader.byte()?;
        let partitions = usize::from(reader.u16()?);
        let (segment, salt) = (reader.u64()?, reader.u64()?);
        let (before, length) = (reader.u64()?, reader.u64()?);
        let (carried, epoch) = (reader.u64()?, Epoch(reader.u64()?));
        let tips = (0..partitions).map(|_| tip(&mut reader)).collect::<Result<_, _>>()?;
        let expected = crc32fast::hash(&bytes[..reader.position()]);
        if reader.u32()? != expected {
            return Err(reader.error("checksum of the segment header differs", None));
        }
        if version != VERSION {
            return Err(reader.error("unknown segment version", Some(u64::from(version))));
        }
        let predecessor = (before > 0).then_some(Predecessor { segment: before, length });
        Ok(Self { seal: Seal { salt, segment }, predecessor, carried, epoch, tips })
    }
}

fn tip(reader: &mut Reader<'_>) -> Result<Tip, DecodeError> {
    Ok(Tip {
        number: FrameNumber(reader.u64()?),
        epoch: Epoch(reader.u64()?),
        recorded: UnixMicros(reader.u64()?),
        open: OpenMicros(reader.u64()?),
        hash: reader.hash()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::id::Hash;

    fn header() -> SegmentHeader {
        let tip = Tip {
            number: FrameNumber(9),
            epoch: Epoch(3),
            hash: Hash([4; 32]),
            recorded: UnixMicros(5),
            open: OpenMicros(6),
        };
        SegmentHeader {
            seal: Seal { salt: 77, segment: 12 },
            predecessor: Some(Predecessor { segment: 11, length: 4096 }),
            carried: 0,
            epoch: Epoch(8),
            tips: vec![tip, Tip::default()],
        }
    }

    #[test]
    fn a_header_reads_back_and_every_damaged_byte_is_noticed() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), header_bytes(2));
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(SegmentHeader::decode(&damaged).is_err(), "{at}");
            assert!(SegmentHeader::decode(&bytes[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn names_sort_as_numbers_and_other_names_are_none_of_ours() {
        assert_eq!(number_of(&segment_name(42), ".segment"), Some(42));
        assert!(segment_name(9) < segment_name(10));
        for name in ["LOCK", "1.segment", "00000000x1.segment", "0000000001.segment.old"] {
            assert_eq!(number_of(name, ".segment"), None, "{name}");
        }
    }
}
