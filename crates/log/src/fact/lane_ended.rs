//! `lane-ended`: the lane to a retired destination ended. Fields: key, destination, from, to;
//! then, only where there are any: its strands.

use sprag_core::fact::LaneEnded;

use super::parts::{read_destination, read_key, read_sequence, write_destination, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::LANE_LIST;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &LaneEnded) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.from.0);
    writer.number(fact.to.0);
    if !fact.strands.is_empty() {
        writer.count("strands", fact.strands.len(), LANE_LIST);
        fact.strands.iter().for_each(|event| writer.number(event.0));
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<LaneEnded, DecodeError> {
    let mut fact = LaneEnded {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        from: read_sequence(reader)?,
        to: read_sequence(reader)?,
        strands: Vec::new(),
    };
    if reader.left() > 0 {
        fact.strands = reader.list("strands", LANE_LIST, read_sequence)?;
        if fact.strands.is_empty() {
            return Err(reader.error("a lane's strands are none", None));
        }
    }
    Ok(fact)
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, to) = (Sequence(4), Sequence(7));
        let (key, destination, strands) = (key(), DestinationId(2), Vec::new());
        let fact = LaneEnded { key, destination, from, to, strands };
        check(Fact::LaneEnded(fact.clone()), "22 08000000 0103612f62020407");
        let fact = LaneEnded { strands: vec![Sequence(1), Sequence(3)], ..fact };
        check(Fact::LaneEnded(fact), "22 0b000000 0103612f62020407020103");
    }
}
