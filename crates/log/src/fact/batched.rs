//! `batched`: the next attempt of a lane carries a range of events. Fields: key, destination, from, to.

use sprag_core::fact::Batched;

use super::parts::{read_lane_events, write_lane_events};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Batched) {
    write_lane_events(writer, &fact.key, fact.destination, (fact.from, fact.to));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Batched, DecodeError> {
    let (key, destination, (from, to)) = read_lane_events(reader)?;
    Ok(Batched { key, destination, from, to })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, to) = (Sequence(4), Sequence(7));
        let fact = Batched { key: key(), destination: DestinationId(2), from, to };
        check(Fact::Batched(fact), "1b 08000000 0103612f62020407");
    }
}
