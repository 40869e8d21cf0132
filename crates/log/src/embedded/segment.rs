//! The head of a segment file: which it is, what it continues, and where every partition's chain
//! stood when it was begun.
//!
//! A segment names its predecessor and how much of that is history; bytes beyond are void. The
//! tips it carries are what is left of a predecessor that was trimmed away.

use std::io;

use sprag_core::id::{Epoch, FrameNumber};
use sprag_core::time::{OpenMicros, UnixMicros};

use super::dictionaries;
use super::disk::{Disk, read_up_to};
use super::record::Seal;
use crate::chain::Tip;
use crate::codec::{DecodeError, Reader, Writer};

const MAGIC: [u8; 8] = *b"sprag-sg";
const VERSION: u8 = 1;
/// The version of a segment that was rewritten: its header says what it was before.
const REWRITTEN: u8 = 2;
/// What is added to the version of a segment with dictionaries: its header says how long they are.
const WITH_DICTIONARIES: u8 = 2;
/// Bytes of the header before the tips.
const FIXED_BYTES: usize = 59;
/// Bytes of what a rewritten segment says more, before the tips.
const REWRITTEN_BYTES: usize = 28;
/// Bytes of what a segment with dictionaries says more, before the tips.
const DICTIONARIES_BYTES: usize = 4;
/// Bytes of one tip.
const TIP_BYTES: usize = 64;
/// Bytes of the checksum behind the tips.
const CHECKSUM_BYTES: usize = 4;
/// Digits of the highest number there is, and those that every name has.
const DIGITS: usize = 20;
const LEAST_DIGITS: usize = 10;
/// Room for most names of files.
const NAME_BYTES: usize = 32;

/// The head of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Number and salt.
    pub(crate) seal: Seal,
    /// The segment it continues; none for the first.
    pub(crate) predecessor: Option<Predecessor>,
    /// Bytes of the first records, that recovery took over from the predecessor.
    pub(crate) carried: u64,
    /// Bytes of each copy of its dictionaries, which stand before its records; 0 without any.
    pub(crate) dictionaries: u32,
    /// The newest epoch claimed before.
    pub(crate) epoch: Epoch,
    /// What it was before bodies were left out of it; none while it is as it was written.
    pub(crate) rewritten: Option<Rewritten>,
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

/// What a rewritten segment was, and what is left of it. All of its file was durable before its
/// predecessor in name was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// How long it was as first written: what its successor calls its length.
    pub(crate) original: u64,
    /// How long it is.
    pub(crate) length: u64,
    /// Bytes of the bodies that are left, as received.
    pub(crate) kept: u64,
}

/// Bytes of the header of a segment of so many partitions, as first written.
pub(crate) fn header_bytes(partitions: usize) -> usize {
    FIXED_BYTES + partitions * TIP_BYTES + CHECKSUM_BYTES
}

/// Bytes of the header of a segment of so many partitions at the most, before it was rewritten. One
/// that is shorter has at least as many bytes behind it as it is shorter, once it was used.
pub(crate) fn longest_header_bytes(partitions: usize) -> usize {
    header_bytes(partitions) + DICTIONARIES_BYTES
}

/// How long a header says to be, from its first bytes; not verified.
fn length_of(bytes: &[u8]) -> usize {
    let partitions = match bytes.get(9..11) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
        _ => 0,
    };
    let (rewritten, dictionaries) = parts_of(bytes.get(8).copied().unwrap_or_default());
    header_bytes(partitions) + more_bytes(rewritten, dictionaries)
}

/// Whether a segment of this version was rewritten, and whether it has dictionaries.
fn parts_of(version: u8) -> (bool, bool) {
    let rewritten = version == REWRITTEN || version == REWRITTEN + WITH_DICTIONARIES;
    (rewritten, version == VERSION + WITH_DICTIONARIES || version == REWRITTEN + WITH_DICTIONARIES)
}

/// Bytes of what only some headers say.
fn more_bytes(rewritten: bool, dictionaries: bool) -> usize {
    let rewritten = if rewritten { REWRITTEN_BYTES } else { 0 };
    rewritten + if dictionaries { DICTIONARIES_BYTES } else { 0 }
}

/// The name of a segment's file, which says how often it was rewritten.
pub(crate) fn segment_name(segment: u64, rewrites: u32) -> String {
    name(segment, rewrites, ".segment")
}

/// The name of the file of a segment's index.
pub(crate) fn index_name(segment: u64, rewrites: u32) -> String {
    name(segment, rewrites, ".index")
}

/// Ten digits at least. Every read names a file: made by hand, for `format!` takes longer than a small read from memory.
fn name(segment: u64, rewrites: u32, ending: &str) -> String {
    let (mut digits, mut left) = ([0; DIGITS], segment);
    for digit in digits.iter_mut().rev() {
        (*digit, left) = (left % 10, left / 10);
    }
    let zeros = digits[..DIGITS - LEAST_DIGITS].iter().take_while(|digit| **digit == 0).count();
    let digits = digits[zeros..]
        .iter()
        .filter_map(|digit| char::from_digit(u32::try_from(*digit).ok()?, 10));
    let mut name = String::with_capacity(NAME_BYTES);
    name.extend(digits);
    if rewrites > 0 {
        name.push_str(&format!("-{rewrites}"));
    }
    name.push_str(ending);
    name
}

/// The numbers in the name of a file with this ending: the segment's, and how often it was
/// rewritten.
pub(crate) fn numbers_of(name: &str, ending: &str) -> Option<(u64, u32)> {
    let stem = name.strip_suffix(ending)?;
    let (digits, rewrites) = match stem.split_once('-') {
        None => (stem, 0),
        Some((digits, rewrites)) => (digits, rewrites.parse().ok()?),
    };
    let segment = digits.parse().ok()?;
    (self::name(segment, rewrites, ending) == name).then_some((segment, rewrites))
}

impl Seal {
    /// The name of the segment's file.
    pub(crate) fn segment_name(self) -> String {
        segment_name(self.segment, self.rewrites)
    }

    /// The name of the file of its index.
    pub(crate) fn index_name(self) -> String {
        index_name(self.segment, self.rewrites)
    }
}

impl SegmentHeader {
    /// Its own length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let more = more_bytes(self.rewritten.is_some(), self.dictionaries > 0);
        (header_bytes(self.tips.len()) + more) as u64
    }

    /// Where its first record begins.
    pub(crate) fn records(&self) -> u64 {
        self.bytes() + dictionaries::bytes(self.dictionaries)
    }

    /// Up to where its file was durable before anything else rested on it.
    pub(crate) fn begun(&self) -> u64 {
        self.rewritten.map_or_else(|| self.records() + self.carried, |rewritten| rewritten.length)
    }

    /// How long it is, by what its successor calls its length; none when that is another's.
    pub(crate) fn length(&self, named: u64) -> Option<u64> {
        match self.rewritten {
            None => Some(named),
            Some(rewritten) => (rewritten.original == named).then_some(rewritten.length),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(header_bytes(self.tips.len()));
        let mut writer = Writer::new(&mut bytes);
        let before = self.predecessor.unwrap_or(Predecessor { segment: 0, length: 0 });
        writer.raw(&MAGIC);
        let version = if self.rewritten.is_some() { REWRITTEN } else { VERSION };
        writer.byte(version + if self.dictionaries > 0 { WITH_DICTIONARIES } else { 0 });
        writer.u16(u16::try_from(self.tips.len()).expect("partitions are counted by a u16"));
        writer.u64(self.seal.segment);
        writer.u64(self.seal.salt);
        writer.u64(before.segment);
        writer.u64(before.length);
        writer.u64(self.carried);
        writer.u64(self.epoch.0);
        if let Some(rewritten) = self.rewritten {
            writer.u64(rewritten.original);
            writer.u64(rewritten.length);
            writer.u64(rewritten.kept);
            writer.u32(self.seal.rewrites);
        }
        if self.dictionaries > 0 {
            writer.u32(self.dictionaries);
        }
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
    pub(crate) fn read(
        disk: &impl Disk,
        segment: u64,
        rewrites: u32,
    ) -> io::Result<Result<Self, DecodeError>> {
        let name = segment_name(segment, rewrites);
        let mut bytes = vec![0; header_bytes(0)];
        let read = read_up_to(disk, &name, 0, &mut bytes)?;
        bytes.resize(length_of(&bytes[..read]), 0);
        let read = read_up_to(disk, &name, 0, &mut bytes)?;
        Ok(Self::decode(&bytes[..read]).and_then(|header| {
            let is_own = (header.seal.segment, header.seal.rewrites) == (segment, rewrites);
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
        let (is_rewritten, has_dictionaries) = parts_of(version);
        let (rewritten, rewrites) = if is_rewritten {
            let (original, length) = (reader.u64()?, reader.u64()?);
            (Some(Rewritten { original, length, kept: reader.u64()? }), reader.u32()?)
        } else {
            (None, 0)
        };
        let dictionaries = if has_dictionaries { reader.u32()? } else { 0 };
        let tips = (0..partitions).map(|_| tip(&mut reader)).collect::<Result<_, _>>()?;
        let expected = crc32fast::hash(&bytes[..reader.position()]);
        if reader.u32()? != expected {
            return Err(reader.error("checksum of the segment header differs", None));
        }
        if !(VERSION..=REWRITTEN + WITH_DICTIONARIES).contains(&version) {
            return Err(reader.error("unknown segment version", Some(u64::from(version))));
        }
        let predecessor = (before > 0).then_some(Predecessor { segment: before, length });
        let seal = Seal { salt, segment, rewrites };
        Ok(Self { seal, predecessor, carried, dictionaries, epoch, rewritten, tips })
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
            seal: Seal { salt: 77, segment: 12, rewrites: 0 },
            predecessor: Some(Predecessor { segment: 11, length: 4096 }),
            carried: 0,
            dictionaries: 0,
            epoch: Epoch(8),
            rewritten: None,
            tips: vec![tip, Tip::default()],
        }
    }

    #[test]
    fn a_header_reads_back_and_every_damaged_byte_is_noticed() {
        let mut rewritten = header();
        rewritten.seal.rewrites = 3;
        rewritten.rewritten = Some(Rewritten { original: 4000, length: 900, kept: 77 });
        let with = |header: &SegmentHeader| SegmentHeader { dictionaries: 9, ..header.clone() };
        let both = with(&rewritten);
        for header in [header(), with(&header()), rewritten, both] {
            let bytes = header.encode();
            assert_eq!((bytes.len() as u64, length_of(&bytes)), (header.bytes(), bytes.len()));
            assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert!(SegmentHeader::decode(&damaged).is_err(), "{at}");
                assert!(SegmentHeader::decode(&bytes[..at]).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn names_sort_as_numbers_and_other_names_are_none_of_ours() {
        assert_eq!(numbers_of(&segment_name(42, 0), ".segment"), Some((42, 0)));
        assert_eq!(numbers_of(&segment_name(42, 7), ".segment"), Some((42, 7)));
        assert!(segment_name(9, 0) < segment_name(10, 0));
        for number in [0, 7, 1_234_567_890, 9_999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(segment_name(number, 0), format!("{number:010}.segment"));
            assert_eq!(segment_name(number, 12), format!("{number:010}-12.segment"));
        }
        let others = ["LOCK", "1.segment", "00000000x1.segment", "0000000001.segment.old"];
        for name in others.into_iter().chain(["0000000001-0.segment", "0000000001-01.segment"]) {
            assert_eq!(numbers_of(name, ".segment"), None, "{name}");
        }
    }
}
