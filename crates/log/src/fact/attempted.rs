//! `attempted`: a try to deliver and what came of it. Fields: key, destination, sequence, number,
//! out of order, started, took, outcome, consequence.

use sprag_core::fact::{Attempted, Consequence, Outcome};

use super::parts::{
    read_destination, read_key, read_sequence, read_unix, unknown, write_destination, write_key,
};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Attempted) {
    write_key(writer, &fact.key);
    write_destination(writer, fact.destination);
    writer.number(fact.sequence.0);
    writer.number(u64::from(fact.number));
    writer.flag(fact.out_of_order);
    writer.number(fact.started.0);
    writer.number(fact.took);
    write_outcome(writer, fact.outcome);
    write_consequence(writer, fact.consequence);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Attempted, DecodeError> {
    Ok(Attempted {
        key: read_key(reader)?,
        destination: read_destination(reader)?,
        sequence: read_sequence(reader)?,
        number: reader.narrow("attempt number")?,
        out_of_order: reader.flag()?,
        started: read_unix(reader)?,
        took: reader.number()?,
        outcome: read_outcome(reader)?,
        consequence: read_consequence(reader)?,
    })
}

fn write_outcome(writer: &mut Writer<'_>, outcome: Outcome) {
    match outcome {
        Outcome::Answered { status } => {
            writer.byte(0);
            writer.u16(status);
        }
        Outcome::Unreachable => writer.byte(1),
        Outcome::Refused => writer.byte(2),
        Outcome::Unknown => writer.byte(3),
        Outcome::Unreadable => writer.byte(4),
    }
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Outcome, DecodeError> {
    match reader.byte()? {
        0 => Ok(Outcome::Answered { status: reader.u16()? }),
        1 => Ok(Outcome::Unreachable),
        2 => Ok(Outcome::Refused),
        3 => Ok(Outcome::Unknown),
        4 => Ok(Outcome::Unreadable),
        byte => unknown(reader, "unknown outcome", byte),
    }
}

fn write_consequence(writer: &mut Writer<'_>, consequence: Consequence) {
    match consequence {
        Consequence::Delivered => writer.byte(0),
        Consequence::Retry { due } => {
            writer.byte(1);
            writer.number(due.0);
        }
        Consequence::Halted => writer.byte(2),
        Consequence::Parked => writer.byte(3),
        Consequence::Dead => writer.byte(4),
    }
}

fn read_consequence(reader: &mut Reader<'_>) -> Result<Consequence, DecodeError> {
    match reader.byte()? {
        0 => Ok(Consequence::Delivered),
        1 => Ok(Consequence::Retry { due: read_unix(reader)? }),
        2 => Ok(Consequence::Halted),
        3 => Ok(Consequence::Parked),
        4 => Ok(Consequence::Dead),
        byte => unknown(reader, "unknown consequence", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Attempted {
            key: key(),
            destination: DestinationId(2),
            sequence: Sequence(4),
            number: 2,
            out_of_order: false,
            started: UnixMicros(1_700_000_000_000_000),
            took: 1500,
            outcome: Outcome::Answered { status: 503 },
            consequence: Consequence::Retry { due: UnixMicros(1_700_000_001_000_000) },
        };
        check(
            Fact::Attempted(fact),
            "10 1f000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203",
        );
    }
}
