//! `unmet`: a lane waited in vain for another resource. Fields: key, destination, sequence, the other's key.

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::Unmet;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Unmet) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.sequence.0);
    write_key(writer, &fact.of);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Unmet, DecodeError> {
    Ok(Unmet {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        sequence: read_sequence(reader)?,
        of: read_key(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (destination, sequence) = (DestinationId(2), Sequence(7));
        let of = Key { source: SourceId(3), name: "c".into() };
        let fact = Unmet { key: key(), destination, sequence, of };
        check(Fact::Unmet(fact), "39 0a000000 0103612f620207 030163");
    }
}
