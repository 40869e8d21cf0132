//! `redriven`: dead letters of a lane go on their way again. Fields: key, destination, passed.

use sprag_core::fact::Redriven;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Redriven) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.option(fact.passed.as_ref(), |writer, passed| writer.number(passed.0));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Redriven, DecodeError> {
    Ok(Redriven {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        passed: reader.option(read_sequence)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact =
            Redriven { key: key(), destination: DestinationId(2), passed: Some(Sequence(4)) };
        check(
            Fact::Redriven(fact),
            "11 08000000 \
             0103612f62020104",
        );
    }
}
