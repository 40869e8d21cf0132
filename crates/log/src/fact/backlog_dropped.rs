//! `backlog-dropped`: the oldest of what waited in a lane is given up, for more waited for its
//! destination than may. Fields: key, destination, from, to.

use sprag_core::fact::BacklogDropped;

use super::parts::{read_lane_events, write_lane_events};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &BacklogDropped) {
    write_lane_events(writer, &fact.key, fact.destination, (fact.from, fact.to));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<BacklogDropped, DecodeError> {
    let (key, destination, (from, to)) = read_lane_events(reader)?;
    Ok(BacklogDropped { key, destination, from, to })
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
