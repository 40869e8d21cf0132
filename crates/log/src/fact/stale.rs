//! `stale`: an event is older than what its key released. Fields: key, event, position, newest.

use sprag_core::fact::Stale;

use super::parts::{
    read_key, read_place, read_position, read_sequence, write_key, write_place, write_position,
};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Stale) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_position(writer, &fact.position);
    writer.number(fact.newest.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Stale, DecodeError> {
    Ok(Stale {
        key: read_key(reader)?,
        event: read_place(reader)?,
        position: read_position(reader)?,
        newest: read_sequence(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let position = Position::Timestamp(1_700_000_000_000_000_000);
        let fact = Stale { key: key(), event: place(), position, newest: Sequence(9) };
        check(Fact::Stale(fact), "15 14000000 0103612f62 03920807 030817979cfe362a0000 09");
        let position = Position::Version(3);
        let fact = Stale { key: key(), event: place(), position, newest: Sequence(9) };
        check(Fact::Stale(fact), "15 14000000 0103612f62 03920807 02080000000000000003 09");
    }
}
