//! What a contract reached of a key, as bytes: the last part of an order, absent where it is nothing.
//!
//! Must not know: what a contract makes of it.

use std::sync::Arc;

use sprag_core::clocks::{KnownNode, Seen};
use sprag_core::fields::KnownField;
use sprag_core::limits::{
    CLOCK_NODES, FIELD_BYTES, FIELDS, LINK_BREAKS, LINK_BYTES, NODE_BYTES, STATE_BYTES,
};
use sprag_core::links::{Break, Tip};
use sprag_core::record::{Machine, Reached};

use crate::codec::{DecodeError, Reader, Writer};
use crate::fact::parts::{
    read_at, read_link, read_place, read_ranges, unknown, write_at, write_link, write_place,
    write_ranges,
};

/// What stands behind all else of an order where its contract came to more than numbers.
const SETTLED: u8 = 1;
const FIELDS_REACHED: u8 = 2;
const STATE_REACHED: u8 = 3;
const CLOCK_REACHED: u8 = 4;
const LINK_REACHED: u8 = 5;

pub(super) fn write_reached(writer: &mut Writer<'_>, reached: &Reached) {
    match reached {
        Reached::Nothing => {}
        Reached::Settled { rank } => {
            writer.byte(SETTLED);
            writer.number(u64::from(*rank));
        }
        Reached::State(machine) => {
            writer.byte(STATE_REACHED);
            writer.text("state", &machine.state, STATE_BYTES);
            writer.option(machine.at.as_ref(), |writer, at| write_at(writer, *at));
            write_place(writer, &machine.event);
            writer.hash(&machine.digest);
        }
        Reached::Fields(fields) => {
            writer.byte(FIELDS_REACHED);
            writer.count("fields", fields.len(), FIELDS);
            for field in fields {
                writer.text("field", &field.name, FIELD_BYTES);
                write_at(writer, field.at);
                write_place(writer, &field.event);
            }
        }
        Reached::Link(tip) => {
            writer.byte(LINK_REACHED);
            write_tip(writer, tip);
        }
        Reached::Clock(seen) => {
            writer.byte(CLOCK_REACHED);
            writer.count("nodes", seen.nodes().len(), CLOCK_NODES);
            for node in seen.nodes() {
                writer.text("node", &node.name, NODE_BYTES);
                writer.number(node.count);
                write_ranges(writer, &node.given_up);
                node.knows.iter().for_each(|known| writer.number(*known));
            }
        }
    }
}

pub(super) fn read_reached(reader: &mut Reader<'_>) -> Result<Reached, DecodeError> {
    if reader.left() == 0 {
        return Ok(Reached::Nothing);
    }
    match reader.byte()? {
        SETTLED => Ok(Reached::Settled { rank: reader.narrow("rank")? }),
        STATE_REACHED => Ok(Reached::State(Box::new(Machine {
            state: reader.text("state", STATE_BYTES)?.into(),
            at: reader.option(read_at)?,
            event: read_place(reader)?,
            digest: reader.hash()?,
        }))),
        FIELDS_REACHED => {
            let fields = reader.list("fields", FIELDS, read_field)?;
            let ascend = fields.windows(2).all(|pair| pair[0].name < pair[1].name);
            if fields.is_empty() || !ascend {
                return Err(reader.error("fields are none, or do not ascend", None));
            }
            Ok(Reached::Fields(fields))
        }
        CLOCK_REACHED => {
            let count = reader.count("nodes", CLOCK_NODES)?;
            let nodes = (0..count).map(|_| read_node(reader, count)).collect::<Result<_, _>>()?;
            let seen = Seen::of(nodes).map(Reached::Clock);
            seen.ok_or_else(|| reader.error("nodes are none, or do not ascend", None))
        }
        LINK_REACHED => Ok(Reached::Link(Box::new(read_tip(reader)?))),
        byte => unknown(reader, "unknown kind of what a contract reached", byte),
    }
}

/// The newest link, the event that told it and its digest, then what never came, the oldest first.
fn write_tip(writer: &mut Writer<'_>, tip: &Tip) {
    write_link(writer, &tip.link);
    write_place(writer, &tip.event);
    writer.hash(&tip.digest);
    writer.count("breaks", tip.breaks.len(), LINK_BREAKS);
    for gap in &tip.breaks {
        writer.option(gap.from.as_ref(), |writer, from| writer.text("hash", from, LINK_BYTES));
        writer.text("hash", &gap.to, LINK_BYTES);
    }
}

fn read_tip(reader: &mut Reader<'_>) -> Result<Tip, DecodeError> {
    Ok(Tip {
        link: read_link(reader)?,
        event: read_place(reader)?,
        digest: reader.hash()?,
        breaks: reader.list("breaks", LINK_BREAKS, |reader| {
            let from = reader.option(|reader| reader.text("hash", LINK_BYTES).map(Arc::from))?;
            Ok(Break { from, to: reader.text("hash", LINK_BYTES)?.into() })
        })?,
    })
}

fn read_field(reader: &mut Reader<'_>) -> Result<KnownField, DecodeError> {
    let name = reader.text("field", FIELD_BYTES)?.into();
    Ok(KnownField { name, at: read_at(reader)?, event: read_place(reader)? })
}

fn read_node(reader: &mut Reader<'_>, nodes: usize) -> Result<KnownNode, DecodeError> {
    let name = reader.text("node", NODE_BYTES)?.into();
    let (count, given_up) = (reader.number()?, read_ranges(reader)?);
    let knows = (0..nodes).map(|_| reader.number()).collect::<Result<_, _>>()?;
    Ok(KnownNode { name, count, given_up, knows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::id::{Hash, Place};
    use sprag_core::links::Link;
    use sprag_core::record::KeyRecord;

    use crate::snapshot::{decode, encode};

    /// The newest link, its event and digest, then what never came: what a key began with has no beginning.
    #[test]
    fn golden_bytes_of_a_key_with_links() {
        let link = Link { before: "c3".into(), after: "d4".into(), forced: true };
        let breaks = vec![
            Break { from: None, to: "a1".into() },
            Break { from: Some("b2".into()), to: "c3".into() },
        ];
        let (event, digest) = (Place::default(), Hash([7; 32]));
        let tip = Tip { link, event, digest, breaks };
        let mut record = KeyRecord::default();
        record.order.reached = Reached::Link(Box::new(tip));
        let mut bytes = Vec::new();
        encode(&record, &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = "07".repeat(32);
        let breaks = "02 00 026131 01 026232 026333";
        let tip = format!("05 026333 026434 01 000000 {digest} {breaks}").replace(' ', "");
        assert!(hex.contains(&tip), "{hex}");
        assert_eq!(decode(&bytes), Ok(record));
    }
}
