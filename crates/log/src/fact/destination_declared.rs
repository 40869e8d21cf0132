//! `destination-declared`: a destination as first started with. Fields: destination, name.

use super::parts::{read_destination, write_destination};
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::NAME_BYTES;
use sprag_core::fact::DestinationDeclared;
use std::sync::Arc;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationDeclared) {
    write_destination(writer, fact.destination);
    writer.text("destination name", &fact.name, NAME_BYTES);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationDeclared, DecodeError> {
    Ok(DestinationDeclared {
        destination: read_destination(reader)?,
        name: Arc::from(reader.text("destination name", NAME_BYTES)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = DestinationDeclared { destination: DestinationId(2), name: "app".into() };
        check(
            Fact::DestinationDeclared(fact),
            "03 05000000 \
             0203617070",
        );
    }
}
