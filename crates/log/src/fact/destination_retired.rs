//! `destination-retired`: a destination takes nothing any more. Fields: destination.

use sprag_core::fact::DestinationRetired;

use super::parts::{read_destination, write_destination};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationRetired) {
    write_destination(writer, fact.destination);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationRetired, DecodeError> {
    Ok(DestinationRetired { destination: read_destination(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = DestinationRetired { destination: DestinationId(200) };
        check(Fact::DestinationRetired(fact), "24 02000000 c801");
    }
}
