//! `late-dead`: a late event is a dead letter of a lane that came to it. Fields: key, destination, sequence.

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::LateDead;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &LateDead) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.sequence.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<LateDead, DecodeError> {
    Ok(LateDead {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        sequence: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (destination, sequence) = (DestinationId(2), Sequence(7));
        let fact = LateDead { key: key(), destination, sequence };
        check(Fact::LateDead(fact), "35 07000000 0103612f620207");
    }
}
