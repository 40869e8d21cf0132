//! `superseded`: a newer event took the place of older ones in a lane. Fields: key, destination,
//! from, by.

use sprag_core::fact::Superseded;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Superseded) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.by.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Superseded, DecodeError> {
    Ok(Superseded {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        from: read_sequence(reader)?,
        by: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, by) = (Sequence(4), Sequence(7));
        let fact = Superseded { key: key(), destination: DestinationId(2), from, by };
        check(Fact::Superseded(fact), "16 08000000 0103612f62020407");
    }
}
