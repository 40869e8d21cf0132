//! `destination-paused`: all attempts to a destination stop. Fields: destination.

use sprag_core::fact::DestinationPaused;

use super::parts::{read_destination, write_destination};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationPaused) {
    write_destination(writer, fact.destination);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationPaused, DecodeError> {
    Ok(DestinationPaused { destination: read_destination(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = DestinationPaused { destination: DestinationId(200) };
        check(
            Fact::DestinationPaused(fact),
            "04 02000000 \
             c801",
        );
    }
}
