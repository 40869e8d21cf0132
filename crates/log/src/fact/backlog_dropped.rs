//! `backlog-dropped`: the oldest of what waited in a lane is given up, for more waited for its
//! destination than may. Fields: key, destination, from, to.

use sprag_core::fact::BacklogDropped;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &BacklogDropped) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.to.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<BacklogDropped, DecodeError> {
    Ok(BacklogDropped {
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
        let fact = BacklogDropped { key: key(), destination: DestinationId(2), from, to };
        check(Fact::BacklogDropped(fact), "1d 08000000 0103612f62020407");
    }
}
