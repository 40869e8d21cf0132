//! `sequence-reset`: a source seems to count anew. Fields: key, position.

use sprag_core::fact::SequenceReset;

use super::parts::{read_key, read_position, write_key, write_position};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &SequenceReset) {
    write_key(writer, &fact.key);
    write_position(writer, &fact.position);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<SequenceReset, DecodeError> {
    Ok(SequenceReset { key: read_key(reader)?, position: read_position(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = SequenceReset { key: key(), position: Position::Sequence(2) };
        check(Fact::SequenceReset(fact), "18 0f000000 0103612f62 01080000000000000002");
    }
}
