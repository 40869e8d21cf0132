//! A frame as bytes (DESIGN F2): header, all facts, all bodies, so that a rebuild never reads
//! bodies and one body can be read, dropped or recompressed alone.
//!
//! The hash of a frame covers the header up to the facts' length and the facts; bodies are
//! covered by the digests inside `received` facts, so retention may drop them without changing
//! history. Must not know segments, offsets or disks.

use sprag_core::fact::Fact;
use sprag_core::id::{Epoch, FrameNumber, Hash, PartitionId, SourceId};
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::body::{BODY_ENTRY_BYTES, Body, BodyCodec, BodyEntry, encode_entry};
use crate::codec::{DecodeError, Reader, TooLarge, Writer};
use crate::limits::{FRAME_BODIES, FRAME_BODIES_BYTES, FRAME_FACTS, FRAME_FACTS_BYTES};
use crate::pack::Packer;
use crate::{chain, fact};

/// The first bytes of every frame.
pub const MAGIC: [u8; 4] = *b"SPFR";
/// The version of the frame format.
pub const VERSION: u8 = 1;
/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 95;
/// Bytes of the header that the frame's hash covers.
pub const HASHED_BYTES: usize = 79;
/// Bytes of the header that its checksum covers.
const CHECKED_BYTES: usize = 87;
/// A frame to be appended. Without facts it only persists open time (DESIGN F9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameDraft {
    /// Whose history it continues.
    pub partition: PartitionId,
    /// Its number: one more than the partition's last.
    pub number: FrameNumber,
    /// The term it is written in.
    pub epoch: Epoch,
    /// When it was decided; never before the frame it follows.
    pub recorded: UnixMicros,
    /// How long the partition's ingress was open so far.
    pub open: OpenMicros,
    /// What happened.
    pub facts: Vec<Fact>,
    /// The bodies that `received` facts name by index.
    pub bodies: Vec<Body>,
}

/// A frame's header as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whose history it continues.
    pub partition: PartitionId,
    /// Its number.
    pub number: FrameNumber,
    /// The term it was written in.
    pub epoch: Epoch,
    /// When it was decided.
    pub recorded: UnixMicros,
    /// How long the partition's ingress had been open.
    pub open: OpenMicros,
    /// The hash of the frame it follows; zeros for frame 1.
    pub predecessor: Hash,
    /// How many facts it has.
    pub facts: u32,
    /// Bytes of the facts section.
    pub facts_bytes: u32,
    /// How many bodies it has.
    pub bodies: u32,
    /// Bytes of the bodies section.
    pub bodies_bytes: u32,
    /// CRC-32 of the facts section.
    pub facts_checksum: u32,
}

impl FrameHeader {
    /// Whether the bytes begin with a header whose checksum is right, of whatever version: what
    /// is wrong with it then was written so and is no damage.
    pub(crate) fn is_intact(bytes: &[u8]) -> bool {
        let head = bytes.get(..HEADER_BYTES).map(|head| head.split_at(CHECKED_BYTES));
        head.is_some_and(|(head, checksums)| {
            head.starts_with(&MAGIC) && checksums[..4] == crc32fast::hash(head).to_le_bytes()
        })
    }

    /// Reads a header and verifies its checksum.
    ///
    /// # Errors
    /// When the bytes are no header, or not one this version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.raw(MAGIC.len())? != MAGIC {
            return Err(reader.error("not the magic of a frame", None));
        }
        let version = reader.byte()?;
        let header = Self {
            partition: PartitionId(reader.u16()?),
            number: FrameNumber(reader.u64()?),
            epoch: Epoch(reader.u64()?),
            recorded: UnixMicros(reader.u64()?),
            open: OpenMicros(reader.u64()?),
            predecessor: reader.hash()?,
            facts: reader.u32()?,
            facts_bytes: reader.u32()?,
            bodies: reader.u32()?,
            bodies_bytes: reader.u32()?,
            facts_checksum: {
                let expected = crc32fast::hash(&bytes[..CHECKED_BYTES]);
                if reader.u32()? != expected {
                    return Err(reader.error("checksum of the frame header differs", None));
                }
                reader.u32()?
            },
        };
        if version != VERSION {
            return Err(reader.error("unknown frame version", Some(u64::from(version))));
        }
        header.check_sizes(&reader).map(|()| header)
    }

    fn check_sizes(&self, reader: &Reader<'_>) -> Result<(), DecodeError> {
        let sizes = [
            ("facts of a frame", self.facts, FRAME_FACTS),
            ("bytes of a frame's facts", self.facts_bytes, FRAME_FACTS_BYTES),
            ("bodies of a frame", self.bodies, FRAME_BODIES),
            ("bytes of a frame's bodies", self.bodies_bytes, FRAME_BODIES_BYTES),
        ];
        match sizes.iter().find(|(_, size, most)| *size as usize > *most) {
            Some((what, size, _)) => Err(reader.error(what, Some(u64::from(*size)))),
            None => Ok(()),
        }
    }

    /// Bytes of header and facts.
    #[must_use]
    pub fn head_bytes(&self) -> usize {
        HEADER_BYTES + self.facts_bytes as usize
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.head_bytes() + self.bodies_bytes as usize
    }
}

/// Appends the bytes of a frame, its bodies as the packer leaves them, and returns its hash, which
/// is the same however bodies are packed.
///
/// # Errors
/// When something in it is larger than the format allows; `out` is then as before.
pub fn encode(
    draft: &FrameDraft,
    predecessor: &Hash,
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<Hash, TooLarge> {
    let start = out.len();
    let written = write(draft, predecessor, packer, out, start);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write(
    draft: &FrameDraft,
    predecessor: &Hash,
    packer: &mut Packer,
    out: &mut Vec<u8>,
    start: usize,
) -> Result<Hash, TooLarge> {
    write_header(draft, predecessor, out);
    let facts_start = out.len();
    let mut writer = Writer::new(out);
    draft.facts.iter().for_each(|fact| fact::encode(&mut writer, fact));
    writer.finish()?;
    let bodies_start = out.len();
    let facts = size("facts of a frame", draft.facts.len(), FRAME_FACTS)?;
    let facts_bytes =
        size("bytes of a frame's facts", bodies_start - facts_start, FRAME_FACTS_BYTES)?;
    let bodies = size("bodies of a frame", draft.bodies.len(), FRAME_BODIES)?;
    write_bodies(draft, packer, out)?;
    let bodies_bytes =
        size("bytes of a frame's bodies", out.len() - bodies_start, FRAME_BODIES_BYTES)?;

    let header = &mut out[start..facts_start];
    header[71..75].copy_from_slice(&facts.to_le_bytes());
    header[75..79].copy_from_slice(&facts_bytes.to_le_bytes());
    header[79..83].copy_from_slice(&bodies.to_le_bytes());
    header[83..87].copy_from_slice(&bodies_bytes.to_le_bytes());
    let header_checksum = crc32fast::hash(&header[..CHECKED_BYTES]);
    let facts_checksum = crc32fast::hash(&out[facts_start..bodies_start]);
    out[start + 87..start + 91].copy_from_slice(&header_checksum.to_le_bytes());
    out[start + 91..start + 95].copy_from_slice(&facts_checksum.to_le_bytes());
    Ok(chain::frame_hash(&out[start..bodies_start]))
}

/// The header with its sizes and checksums still zero.
fn write_header(draft: &FrameDraft, predecessor: &Hash, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.raw(&MAGIC);
    writer.byte(VERSION);
    writer.u16(draft.partition.0);
    writer.u64(draft.number.0);
    writer.u64(draft.epoch.0);
    writer.u64(draft.recorded.0);
    writer.u64(draft.open.0);
    writer.hash(predecessor);
    writer.raw(&[0; HEADER_BYTES - 71]);
}

fn size(what: &'static str, size: usize, most: usize) -> Result<u32, TooLarge> {
    u32::try_from(size).ok().filter(|_| size <= most).ok_or(TooLarge { what })
}

/// All entries, then all bodies: one read finds any of them.
fn write_bodies(
    draft: &FrameDraft,
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let mut entry = out.len();
    out.resize(entry + draft.bodies.len() * BODY_ENTRY_BYTES, 0);
    for (body, source) in draft.bodies.iter().zip(sources(draft)) {
        size("body", body.bytes.len(), FRAME_BODIES_BYTES)?;
        let (codec, bytes) = packer.pack(body, source);
        out[entry..entry + BODY_ENTRY_BYTES].copy_from_slice(&encode_entry(codec, bytes));
        entry += BODY_ENTRY_BYTES;
        out.extend_from_slice(bytes);
    }
    Ok(())
}

/// Where each body comes from, as far as a fact says so.
fn sources(draft: &FrameDraft) -> Vec<Option<SourceId>> {
    let mut sources = vec![None; draft.bodies.len()];
    for fact in &draft.facts {
        if let Fact::Received(received) = fact
            && let Some(source) = sources.get_mut(received.body as usize)
        {
            *source = Some(received.key.source);
        }
    }
    sources
}

/// Verifies and reads the facts section of a frame.
///
/// # Errors
/// When the checksum differs or the facts are not those the header counts.
pub fn decode_facts(header: &FrameHeader, section: &[u8]) -> Result<Vec<Fact>, DecodeError> {
    let mut reader = checked_facts(header, section)?;
    let mut facts = Vec::with_capacity((header.facts as usize).min(section.len()));
    for _ in 0..header.facts {
        facts.push(fact::decode(&mut reader)?);
    }
    reader.end()?;
    Ok(facts)
}

/// Verifies the facts section of a frame and reads one fact; none when there is no such fact.
///
/// # Errors
/// When the checksum differs or the fact cannot be read.
pub fn decode_fact(
    header: &FrameHeader,
    section: &[u8],
    index: u32,
) -> Result<Option<Fact>, DecodeError> {
    let mut reader = checked_facts(header, section)?;
    if index >= header.facts {
        return Ok(None);
    }
    for _ in 0..index {
        fact::skip(&mut reader)?;
    }
    fact::decode(&mut reader).map(Some)
}

fn checked_facts<'a>(header: &FrameHeader, section: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
    let reader = Reader::new(section);
    if section.len() != header.facts_bytes as usize {
        return Err(reader.error("length of the facts differs", Some(section.len() as u64)));
    }
    match crc32fast::hash(section) == header.facts_checksum {
        true => Ok(reader),
        false => Err(reader.error("checksum of the facts differs", None)),
    }
}

/// A frame without some of its bodies: what stands before those that are left, and where they are.
#[derive(Debug)]
pub(crate) struct Thinned {
    /// Header, facts and the entries of all bodies.
    pub(crate) head: Vec<u8>,
    /// By body, where it lies in the bodies section as it was; none where it is not kept.
    pub(crate) left: Vec<Option<BodyEntry>>,
}

impl Thinned {
    /// Leaves bodies out of a frame, given header, facts and entries: hash and places stay.
    pub(crate) fn of(
        header: &FrameHeader,
        mut head: Vec<u8>,
        is_dead: impl Fn(u32) -> bool,
    ) -> Result<Self, DecodeError> {
        let entries = head.split_off(header.head_bytes());
        let mut section = entries.len() as u64;
        let mut left = Vec::new();
        for (index, bytes) in (0..header.bodies).zip(entries.chunks_exact(BODY_ENTRY_BYTES)) {
            let entry = BodyEntry::find(header, &entries, index)?;
            let kept = (entry.is_kept() && !is_dead(index)).then_some(entry);
            match kept {
                Some(_) => head.extend_from_slice(bytes),
                None => head.extend_from_slice(&encode_entry(BodyCodec::Dropped, &[])),
            }
            section += kept.map_or(0, |entry| entry.length as u64);
            left.push(kept);
        }
        let section = u32::try_from(section).unwrap_or(u32::MAX);
        head[83..87].copy_from_slice(&section.to_le_bytes());
        let checksum = crc32fast::hash(&head[..CHECKED_BYTES]);
        head[87..91].copy_from_slice(&checksum.to_le_bytes());
        Ok(Self { head, left })
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.head.len() + self.left.iter().flatten().map(|entry| entry.length).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::verify_bodies;
    use crate::digest::sha256;
    use crate::fact::arbitrary;
    use crate::pack::Packing;
    use proptest::prelude::*;
    use sprag_core::fact::Claimed;

    fn draft(facts: Vec<Fact>, bodies: &[&[u8]]) -> FrameDraft {
        let bodies =
            bodies.iter().map(|bytes| Body { codec: BodyCodec::None, bytes: (*bytes).into() });
        FrameDraft {
            partition: PartitionId(3),
            number: FrameNumber(2),
            epoch: Epoch(5),
            recorded: UnixMicros(1_700_000_000_000_000),
            open: OpenMicros(77),
            facts,
            bodies: bodies.collect(),
        }
    }

    #[test]
    fn golden_bytes() {
        let mut bytes = Vec::new();
        let draft = draft(vec![Fact::Claimed(Claimed { epoch: Epoch(5) })], &[b"ab", b"c"]);
        let hash = encode(&draft, &Hash([7; 32]), &mut Packer::default(), &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = [
            "53504652 01 0300 0200000000000000 0500000000000000 00401e18240a0600 4d00000000000000",
            "0707070707070707070707070707070707070707070707070707070707070707",
            "01000000 06000000 02000000 15000000 acf5848a 39af9437",
            "01 01000000 05",
            "02000000 00 6d48839e 01000000 00 6fdfb906 6162 63",
        ];
        assert_eq!(hex, golden.concat().replace(' ', ""));
        // The hash by its definition, not by our function.
        let expected = sha256(&[b"sprag-frame-1", &bytes[..79], &bytes[95..101]]);
        assert_eq!(hash, expected);
    }

    #[test]
    fn golden_bytes_of_bodies_that_are_packed() {
        let mut bytes = Vec::new();
        let mut packer = Packer::new(Packing::Zstd, 0);
        encode(&draft(Vec::new(), &[&[7; 1000], b"c"]), &Hash::default(), &mut packer, &mut bytes)
            .unwrap();
        let hex: String = bytes[95..].iter().map(|byte| format!("{byte:02x}")).collect();
        // The first zstd frame says its length, 1000: 60 e802.
        let golden = [
            "13000000 02 3069350d 01000000 00 6fdfb906",
            "28b52ffd 60 e802 4d0000 1007 070100 e32b800563",
        ];
        assert_eq!(hex, golden.concat().replace(' ', ""));
    }

    #[test]
    fn a_frame_without_facts_reads_back() {
        let mut bytes = Vec::new();
        encode(&draft(Vec::new(), &[]), &Hash::default(), &mut Packer::default(), &mut bytes)
            .unwrap();
        let header = FrameHeader::decode(&bytes).unwrap();
        assert_eq!((header.frame_bytes(), header.open), (HEADER_BYTES, OpenMicros(77)));
        assert_eq!(decode_facts(&header, &[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_too_large_leaves_the_buffer_alone() {
        let name = "n".repeat(201);
        let key = sprag_core::id::Key { source: Default::default(), name: name.into() };
        let fact = Fact::KeyPaused(sprag_core::fact::KeyPaused { key });
        let mut bytes = vec![1];
        let refused =
            encode(&draft(vec![fact], &[]), &Hash::default(), &mut Packer::default(), &mut bytes);
        assert_eq!((refused, bytes), (Err(TooLarge { what: "key" }), vec![1]));
    }

    /// Reads the whole frame as the engines do; none when anything is wrong.
    fn read(bytes: &[u8]) -> Option<(FrameHeader, Vec<Fact>, Vec<Body>)> {
        let header = FrameHeader::decode(bytes).ok()?;
        let facts = decode_facts(&header, bytes.get(HEADER_BYTES..header.head_bytes())?).ok()?;
        let section = bytes.get(header.head_bytes()..header.frame_bytes())?;
        verify_bodies(&header, section).ok()?;
        let bodies = (0..header.bodies).map(|index| {
            let entry = BodyEntry::find(&header, section, index).unwrap();
            entry.verify(&section[entry.offset..entry.offset + entry.length]).unwrap()
        });
        Some((header, facts, bodies.collect()))
    }

    /// Whether no body is read that was not written. One that says to be packed must still unpack to
    /// its event's digest, which whoever reads it looks at (`pack`).
    fn is_noticed(bytes: &[u8]) -> bool {
        let packed =
            |body: &Body| matches!(body.codec, BodyCodec::Zstd | BodyCodec::ZstdDictionary);
        read(bytes).is_none_or(|(_, _, bodies)| bodies.iter().all(packed))
    }

    #[test]
    fn no_damage_to_its_codec_takes_a_body_away() {
        let mut bytes = Vec::new();
        let draft = draft(Vec::new(), &[b"a body"]);
        encode(&draft, &Hash::default(), &mut Packer::default(), &mut bytes).unwrap();
        let codec = bytes.len() - b"a body".len() - 5;
        assert!(!is_noticed(&bytes));
        for damaged in 1..=u8::MAX {
            bytes[codec] = damaged;
            assert!(is_noticed(&bytes), "codec byte {damaged}");
        }
    }

    proptest! {
        #[test]
        fn frames_read_back(
            facts in prop::collection::vec(arbitrary::fact(), 0..6),
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4),
        ) {
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            let draft = draft(facts, &bodies);
            let mut bytes = Vec::new();
            encode(&draft, &Hash([1; 32]), &mut Packer::default(), &mut bytes).unwrap();
            let (header, facts, bodies) = read(&bytes).unwrap();
            prop_assert_eq!(header.frame_bytes(), bytes.len());
            prop_assert_eq!((&facts, &bodies), (&draft.facts, &draft.bodies));
            let section = &bytes[HEADER_BYTES..header.head_bytes()];
            for (index, fact) in (0_u32..).zip(&facts) {
                let one = decode_fact(&header, section, index).unwrap();
                prop_assert_eq!(one.as_ref(), Some(fact));
            }
            prop_assert_eq!(decode_fact(&header, section, header.facts), Ok(None));
        }

        #[test]
        fn any_damaged_byte_is_noticed(
            facts in prop::collection::vec(arbitrary::fact(), 1..3), at: prop::sample::Index,
            flip in 1_u8..
        ) {
            let mut bytes = Vec::new();
            encode(&draft(facts, &[b"a body"]), &Hash([1; 32]), &mut Packer::default(), &mut bytes).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(is_noticed(&bytes));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
