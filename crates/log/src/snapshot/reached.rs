//! What a contract reached of a key, as bytes: the last part of an order, absent where it is nothing.
//!
//! Must not know: what a contract makes of it.

use sprag_core::clocks::{KnownNode, Seen};
use sprag_core::fields::KnownField;
use sprag_core::limits::{CLOCK_NODES, FIELD_BYTES, FIELDS, NODE_BYTES, STATE_BYTES};
use sprag_core::record::{Machine, Reached};

use crate::codec::{DecodeError, Reader, Writer};
use crate::fact::parts::{
    read_at, read_place, read_ranges, unknown, write_at, write_place, write_ranges,
};

/// What stands behind all else of an order where its contract came to more than numbers.
const SETTLED: u8 = 1;
const FIELDS_REACHED: u8 = 2;
const STATE_REACHED: u8 = 3;
const CLOCK_REACHED: u8 = 4;

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
        STATE_REACHED => Ok(Reached::State(Machine {
            state: reader.text("state", STATE_BYTES)?.into(),
            at: reader.option(read_at)?,
            event: read_place(reader)?,
            digest: reader.hash()?,
        })),
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
        byte => unknown(reader, "unknown kind of what a contract reached", byte),
    }
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
