//! `destination-declared`: a destination as first started with. Fields: destination, name; then,
//! unless it begins now as in all history before there was a choice, where it begins: 1 at the
//! earliest event, 2 at a time, and that time.

use super::parts::{read_destination, read_unix, unknown, write_destination};
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::NAME_BYTES;
use sprag_core::fact::{DestinationDeclared, Start};
use std::sync::Arc;

/// The byte of [`Start::Earliest`].
const EARLIEST: u8 = 1;
/// The byte of [`Start::At`].
const AT: u8 = 2;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationDeclared) {
    write_destination(writer, fact.destination);
    writer.text("destination name", &fact.name, NAME_BYTES);
    match fact.start {
        Start::Now => {}
        Start::Earliest => writer.byte(EARLIEST),
        Start::At(at) => {
            writer.byte(AT);
            writer.number(at.0);
        }
    }
}

fn read_start(reader: &mut Reader<'_>) -> Result<Start, DecodeError> {
    if reader.left() == 0 {
        return Ok(Start::Now);
    }
    match reader.byte()? {
        EARLIEST => Ok(Start::Earliest),
        AT => Ok(Start::At(read_unix(reader)?)),
        byte => unknown(reader, "unknown start of a destination", byte),
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationDeclared, DecodeError> {
    Ok(DestinationDeclared {
        destination: read_destination(reader)?,
        name: Arc::from(reader.text("destination name", NAME_BYTES)?),
        start: read_start(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (destination, name) = (DestinationId(2), "app".into());
        let fact = DestinationDeclared { destination, name, start: Start::Now };
        let earliest = DestinationDeclared { start: Start::Earliest, ..fact.clone() };
        let at = DestinationDeclared { start: Start::At(UnixMicros(300)), ..fact.clone() };
        check(Fact::DestinationDeclared(earliest), "03 06000000 020361707001");
        check(Fact::DestinationDeclared(at), "03 08000000 020361707002ac02");
        check(
            Fact::DestinationDeclared(fact),
            "03 05000000 \
             0203617070",
        );
    }
}
