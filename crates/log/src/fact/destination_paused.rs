//! `destination-paused`: all attempts to a destination stop. Fields: destination; then, unless an
//! operator asked for it as in all history before there were other reasons, reason.

use sprag_core::fact::{DestinationPaused, PauseReason};

use super::parts::{read_destination, unknown, write_destination};
use crate::codec::{DecodeError, Reader, Writer};

/// The byte of [`PauseReason::Gone`].
const GONE: u8 = 1;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &DestinationPaused) {
    write_destination(writer, fact.destination);
    match fact.reason {
        PauseReason::Operator => {}
        PauseReason::Gone => writer.byte(GONE),
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<DestinationPaused, DecodeError> {
    let destination = read_destination(reader)?;
    if reader.left() == 0 {
        return Ok(DestinationPaused { destination, reason: PauseReason::Operator });
    }
    match reader.byte()? {
        GONE => Ok(DestinationPaused { destination, reason: PauseReason::Gone }),
        byte => unknown(reader, "unknown reason of a pause", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (destination, reason) = (DestinationId(200), PauseReason::Operator);
        let fact = DestinationPaused { destination, reason };
        check(Fact::DestinationPaused(fact), "04 02000000 c801");
        let fact = DestinationPaused { destination, reason: PauseReason::Gone };
        check(Fact::DestinationPaused(fact), "04 03000000 c801 01");
    }
}
