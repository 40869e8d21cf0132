//! `acknowledged`: a consumer acknowledged what it has, with a request of its own. Fields: key,
//! destination, from, to, out of order.

use sprag_core::fact::Acknowledged;

use super::parts::{read_lane_events, write_lane_events};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Acknowledged) {
    write_lane_events(writer, &fact.key, fact.destination, (fact.from, fact.to));
    writer.flag(fact.out_of_order);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Acknowledged, DecodeError> {
    let (key, destination, (from, to)) = read_lane_events(reader)?;
    Ok(Acknowledged { key, destination, from, to, out_of_order: reader.flag()? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, to) = (Sequence(4), Sequence(7));
        let (key, destination) = (key(), DestinationId(2));
        let fact = Acknowledged { key, destination, from, to, out_of_order: false };
        check(Fact::Acknowledged(fact), "1a 09000000 0103612f6202040700");
    }
}
