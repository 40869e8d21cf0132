//! The bytes of a fact as written by the first version that had it, and values to build one.

pub(super) use sprag_core::fact::Fact;
pub(super) use sprag_core::id::{
    DestinationId, FrameNumber, Hash, Key, PartitionId, Place, Sequence, SourceId,
};
pub(super) use sprag_core::position::Position;
pub(super) use sprag_core::ranges::{Range, Ranges};
pub(super) use sprag_core::time::{OpenMicros, UnixMicros};

use crate::codec::{Reader, Writer};

/// That the fact is written as these bytes (hexadecimal; blanks for the eye) and read from them.
pub(super) fn check(fact: Fact, golden: &str) {
    let mut bytes = Vec::new();
    super::encode(&mut Writer::new(&mut bytes), &fact);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden.replace(char::is_whitespace, ""));
    assert_eq!(super::decode(&mut Reader::new(&bytes)), Ok(fact));
}

pub(super) fn key() -> Key {
    Key { source: SourceId(1), name: "a/b".into() }
}

pub(super) fn place() -> Place {
    Place { partition: PartitionId(3), frame: FrameNumber(1042), index: 7 }
}
