//! `strands-taken`: events that waited in a lane got strands. Fields: key, destination, from, to.

use sprag_core::fact::StrandsTaken;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &StrandsTaken) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.to.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<StrandsTaken, DecodeError> {
    Ok(StrandsTaken {
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
        let fact = StrandsTaken { key: key(), destination: DestinationId(2), from, to };
        check(Fact::StrandsTaken(fact), "1c 08000000 0103612f62020407");
    }
}
