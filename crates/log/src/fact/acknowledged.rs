//! `acknowledged`: a consumer acknowledged what it has, with a request of its own. Fields: key,
//! destination, from, to, out of order.

use sprag_core::fact::Acknowledged;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Acknowledged) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.to.0);
    writer.flag(fact.out_of_order);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Acknowledged, DecodeError> {
    Ok(Acknowledged {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        from: read_sequence(reader)?,
        to: read_sequence(reader)?,
        out_of_order: reader.flag()?,
    })
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
