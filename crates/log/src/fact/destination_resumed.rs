//! `destination-resumed`: attempts to a destination go on. Fields: destination.

use sprag_core::fact::DestinationResumed;

use super::parts::{read_destination, write_destination};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationResumed) {
    write_destination(writer, fact.destination);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationResumed, DecodeError> {
    Ok(DestinationResumed { destination: read_destination(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = DestinationResumed { destination: DestinationId(200) };
        check(
            Fact::DestinationResumed(fact),
            "05 02000000 \
             c801",
        );
    }
}
