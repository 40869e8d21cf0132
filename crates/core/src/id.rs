//! Names and numbers of things: partitions, frames, places, keys, sources, destinations.
//!
//! Places are logical (DESIGN F1): nothing here knows a file or an offset.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// A fixed hash range of keys (DESIGN K2): 0 … partitions − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartitionId(pub u16);

/// The number of a frame within its partition: 1, 2, 3…; 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FrameNumber(pub u64);

impl FrameNumber {
    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The term of a partition's owner: a stale epoch can write nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// Where a fact stands in history: (partition, frame, index of the fact in the frame).
///
/// The place of an event's `received` fact is the event's permanent id (DESIGN F13). As text:
/// `{partition}-{frame}-{index}` in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// The partition whose history it is.
    pub partition: PartitionId,
    /// The frame within the partition.
    pub frame: FrameNumber,
    /// The fact within the frame, from 0.
    pub index: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.partition.0, self.frame.0, self.index)
    }
}

/// A text that is not a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPlace;

impl fmt::Display for NotAPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event id reads partition-frame-index, such as 3-1042-7")
    }
}

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let partition = part().and_then(|part| part.parse().ok()).ok_or(NotAPlace)?;
        let frame = part().and_then(|part| part.parse().ok()).ok_or(NotAPlace)?;
        let index = part().and_then(|part| part.parse().ok()).ok_or(NotAPlace)?;
        Ok(Self { partition: PartitionId(partition), frame: FrameNumber(frame), index })
    }
}

/// A source as facts name it; its text name is in its `source-declared` fact (DESIGN F6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u32);

/// A destination as facts name it; its text name is in its `destination-declared` fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DestinationId(pub u32);

/// The revision of the configuration a decision was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u32);

/// The contiguous number 1, 2, 3… that an event of a key gets when released; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A lane of a key, or one of its strands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// Where it leads.
    pub destination: DestinationId,
    /// The event of a strand; none is the lane itself.
    pub strand: Option<Sequence>,
}

impl From<DestinationId> for LaneId {
    fn from(destination: DestinationId) -> Self {
        Self { destination, strand: None }
    }
}

/// A resource whose events must stay in order: its source and its encoded name (DESIGN K1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The source within which the name is unique.
    pub source: SourceId,
    /// The encoded name, 1 … [`crate::limits::KEY_BYTES`] bytes; compared as bytes.
    pub name: Arc<str>,
}

impl Key {
    /// A number that tells keys apart, the same for a key in every process (FNV-1a). Two keys may
    /// share one, and somebody can make them do so: no order rests on it.
    #[must_use]
    pub fn number(&self) -> u64 {
        let source = self.source.0.to_be_bytes();
        let bytes = source.iter().chain(self.name.as_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_place_reads_back_what_it_writes() {
        let place = Place { partition: PartitionId(3), frame: FrameNumber(1042), index: 7 };
        assert_eq!(place.to_string(), "3-1042-7");
        assert_eq!("3-1042-7".parse(), Ok(place));
    }

    #[test]
    fn other_texts_are_no_places() {
        for text in ["", "3", "3-4", "3-4-", "-3-4-5", "+3-4-5", "3-4-5-6", "a-b-c", "70000-1-1"] {
            assert_eq!(text.parse::<Place>(), Err(NotAPlace), "{text}");
        }
        let said = "an event id reads partition-frame-index, such as 3-1042-7";
        assert_eq!(NotAPlace.to_string(), said);
    }
}
