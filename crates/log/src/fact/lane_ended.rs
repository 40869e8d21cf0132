//! `lane-ended`: the lane to a retired destination ended. Fields: key, destination, from, to.

use sprag_core::fact::LaneEnded;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &LaneEnded) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.to.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<LaneEnded, DecodeError> {
    Ok(LaneEnded {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        from: read_sequence(reader)?,
        to: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, to) = (Sequence(4), Sequence(7));
        let fact = LaneEnded { key: key(), destination: DestinationId(2), from, to };
        check(Fact::LaneEnded(fact), "22 08000000 0103612f62020407");
    }
}
