//! `keys-visited`: every key of the partition was visited for a destination. Fields: destination,
//! visit.

use sprag_core::fact::{KeysVisited, Visit};

use super::parts::{read_destination, unknown, write_destination};
use crate::codec::{DecodeError, Reader, Writer};

/// The byte of a visit.
pub(crate) fn write_visit(writer: &mut Writer<'_>, visit: Visit) {
    writer.byte(match visit {
        Visit::Opens => 0,
        Visit::Ends => 1,
    });
}

pub(crate) fn read_visit(reader: &mut Reader<'_>) -> Result<Visit, DecodeError> {
    match reader.byte()? {
        0 => Ok(Visit::Opens),
        1 => Ok(Visit::Ends),
        byte => unknown(reader, "unknown visit", byte),
    }
}

pub(super) fn encode(writer: &mut Writer<'_>, fact: &KeysVisited) {
    write_destination(writer, fact.destination);
    write_visit(writer, fact.visit);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<KeysVisited, DecodeError> {
    Ok(KeysVisited { destination: read_destination(reader)?, visit: read_visit(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let destination = DestinationId(2);
        let fact = KeysVisited { destination, visit: Visit::Opens };
        check(Fact::KeysVisited(fact), "23 02000000 0200");
        let fact = KeysVisited { destination, visit: Visit::Ends };
        check(Fact::KeysVisited(fact), "23 02000000 0201");
    }
}
