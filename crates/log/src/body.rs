//! One body in the bodies section of a frame: how it is stored, where it lies, whether its bytes are
//! what was written (DESIGN F2).
//!
//! All entries stand before all bodies, so that one body is found, read, dropped or left out without
//! the others. Must not know how bodies are packed.

use std::sync::Arc;

use crate::codec::{DecodeError, Reader};
use crate::frame::FrameHeader;

/// Bytes of a body's entry before the bodies: length, codec, CRC-32.
pub const BODY_ENTRY_BYTES: usize = 9;

/// How a body is stored. The byte is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyCodec {
    /// As received. Byte 0.
    #[default]
    None,
    /// One zstd frame that says how long the body is. Byte 2.
    Zstd,
    /// The same, packed with the dictionary its segment has of its source. Byte 3.
    ZstdDictionary,
    /// Not kept any more: there are no bytes (DESIGN D6). Byte 255.
    Dropped,
}

impl BodyCodec {
    fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Zstd => 2,
            Self::ZstdDictionary => 3,
            Self::Dropped => 255,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, &'static str> {
        match byte {
            0 => Ok(Self::None),
            1 => Err("the body is stored as lz4, which this version does not read: codec"),
            2 => Ok(Self::Zstd),
            3 => Ok(Self::ZstdDictionary),
            255 => Ok(Self::Dropped),
            _ => Err("unknown body codec"),
        }
    }
}

/// The body of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How `bytes` are to be understood.
    pub codec: BodyCodec,
    /// The stored bytes.
    pub bytes: Arc<[u8]>,
}

impl Body {
    /// A body as it was received.
    #[must_use]
    pub fn received(bytes: Arc<[u8]>) -> Self {
        Self { codec: BodyCodec::None, bytes }
    }
}

/// Where one body lies within the bodies section of its frame, and how to verify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyEntry {
    /// From the start of the bodies section, in bytes.
    pub offset: usize,
    /// Its stored length in bytes.
    pub length: usize,
    pub(crate) codec: BodyCodec,
    checksum: u32,
}

/// The entry of a body that is stored as these bytes.
pub(crate) fn encode_entry(codec: BodyCodec, bytes: &[u8]) -> [u8; BODY_ENTRY_BYTES] {
    let length = u32::try_from(bytes.len()).expect("the bodies of a frame are limited to 256 MiB");
    let mut entry = [0; BODY_ENTRY_BYTES];
    entry[..4].copy_from_slice(&length.to_le_bytes());
    entry[4] = codec.byte();
    entry[5..].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    entry
}

impl BodyEntry {
    /// Whether there is a body.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.codec != BodyCodec::Dropped
    }

    /// Finds a body by the entries at the start of a bodies section.
    ///
    /// # Errors
    /// When the frame has no such body or the entries do not fit the section.
    pub fn find(header: &FrameHeader, entries: &[u8], index: u32) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(entries);
        if index >= header.bodies {
            return Err(reader.error("the frame has no such body", Some(u64::from(index))));
        }
        let mut offset = header.bodies as usize * BODY_ENTRY_BYTES;
        for _ in 0..index {
            offset = offset.saturating_add(reader.u32()? as usize);
            reader.raw(BODY_ENTRY_BYTES - 4)?;
        }
        let length = reader.u32()? as usize;
        let byte = reader.byte()?;
        let codec =
            BodyCodec::from_byte(byte).map_err(|what| reader.error(what, Some(u64::from(byte))))?;
        let checksum = reader.u32()?;
        if codec == BodyCodec::Dropped && length > 0 {
            return Err(reader.error("a body that is not kept has bytes", Some(length as u64)));
        }
        if offset.saturating_add(length) > header.bodies_bytes as usize {
            return Err(reader.error("body lies beyond its frame", Some(length as u64)));
        }
        Ok(Self { offset, length, codec, checksum })
    }

    /// The body as stored, when its bytes are what was written.
    ///
    /// # Errors
    /// When length or checksum differ.
    pub fn verify(&self, bytes: &[u8]) -> Result<Body, DecodeError> {
        let what = if bytes.len() != self.length {
            "length of the body differs"
        } else if crc32fast::hash(bytes) != self.checksum {
            "checksum of the body differs"
        } else {
            return Ok(Body { codec: self.codec, bytes: bytes.into() });
        };
        Err(DecodeError { at: 0, what, found: None })
    }
}

/// Verifies every body of a whole bodies section, as stored.
///
/// # Errors
/// When one of them is not what was written.
pub fn verify_bodies(header: &FrameHeader, section: &[u8]) -> Result<(), DecodeError> {
    let end =
        (0..header.bodies).try_fold(header.bodies as usize * BODY_ENTRY_BYTES, |_, index| {
            let entry = BodyEntry::find(header, section, index)?;
            let end = entry.offset + entry.length;
            let bytes = section.get(entry.offset..end).unwrap_or_default();
            entry.verify(bytes).map(|_| end)
        })?;
    match end == section.len() {
        true => Ok(()),
        false => Err(DecodeError { at: end, what: "bytes beyond the bodies", found: None }),
    }
}
