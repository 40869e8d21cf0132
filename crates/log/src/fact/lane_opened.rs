//! `lane-opened`: a lane was opened over what its key had released before. Fields: key, destination,
//! through.

use sprag_core::fact::LaneOpened;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &LaneOpened) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.through.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<LaneOpened, DecodeError> {
    Ok(LaneOpened {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        through: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (destination, through) = (DestinationId(2), Sequence(7));
        let fact = LaneOpened { key: key(), destination, through };
        check(Fact::LaneOpened(fact), "21 07000000 0103612f620207");
    }
}
