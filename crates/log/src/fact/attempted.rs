//! `attempted`: a try to deliver and what came of it. Fields: key, destination, sequence, number,
//! out of order, started, took, outcome, consequence; then, both or neither: toll (failures, time),
//! dropped. Neither is written when neither is known, as in history before they were, unless a range
//! follows: its last event, and how many were acknowledged; both 0 where there is none and the turn
//! follows.

use std::sync::Arc;

use sprag_core::fact::{Attempted, Batch, Consequence, Outcome, Toll};
use sprag_core::id::Sequence;

use super::parts::{
    read_destination, read_key, read_open, read_sequence, read_text, read_unix, unknown,
    write_destination, write_key, write_text,
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
    let has_range = fact.batch.is_some() || fact.turn.is_some();
    if fact.toll.is_some() || fact.dropped.is_some() || has_range {
        writer.option(fact.toll.as_ref(), |writer, toll| {
            writer.number(u64::from(toll.failures));
            writer.number(toll.time);
        });
        writer.option(fact.dropped.as_ref(), |writer, reason| write_text(writer, DROPPED, reason));
    }
    if has_range {
        let batch = fact.batch.unwrap_or(NO_RANGE);
        writer.number(batch.last.0);
        writer.number(batch.acknowledged);
    }
    if let Some(turn) = fact.turn {
        writer.number(turn.0);
    }
}

const DROPPED: &str = "reason of a drop";
/// No event has the sequence 0.
const NO_RANGE: Batch = Batch { last: Sequence(0), acknowledged: 0 };

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Attempted, DecodeError> {
    let mut fact = decode_first(reader)?;
    if reader.left() > 0 {
        (fact.toll, fact.dropped) = decode_rest(reader)?;
        if reader.left() > 0 {
            let (last, acknowledged) = (read_sequence(reader)?, reader.number()?);
            fact.batch = Some(Batch { last, acknowledged });
        }
        if reader.left() > 0 {
            fact.turn = Some(read_unix(reader)?);
            fact.batch.take_if(|batch| *batch == NO_RANGE);
        }
        let has_range = fact.batch.is_some() || fact.turn.is_some();
        if fact.toll.is_none() && fact.dropped.is_none() && !has_range {
            return Err(reader.error("an attempt's toll, reason and range are all empty", None));
        }
    }
    Ok(fact)
}

fn decode_rest(reader: &mut Reader<'_>) -> Result<(Option<Toll>, Option<Arc<str>>), DecodeError> {
    let toll = reader.option(|reader| {
        Ok(Toll { failures: reader.narrow("failures that count")?, time: reader.number()? })
    })?;
    let dropped = reader.option(|reader| read_text(reader, DROPPED))?;
    Ok((toll, dropped))
}

fn decode_first(reader: &mut Reader<'_>) -> Result<Attempted, DecodeError> {
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
        toll: None,
        dropped: None,
        batch: None,
        turn: None,
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
        Outcome::Unacknowledged => writer.byte(5),
    }
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Outcome, DecodeError> {
    match reader.byte()? {
        0 => Ok(Outcome::Answered { status: reader.u16()? }),
        1 => Ok(Outcome::Unreachable),
        2 => Ok(Outcome::Refused),
        3 => Ok(Outcome::Unknown),
        4 => Ok(Outcome::Unreadable),
        5 => Ok(Outcome::Unacknowledged),
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
        Consequence::Accepted { until } => {
            writer.byte(5);
            writer.number(until.0);
        }
    }
}

fn read_consequence(reader: &mut Reader<'_>) -> Result<Consequence, DecodeError> {
    match reader.byte()? {
        0 => Ok(Consequence::Delivered),
        1 => Ok(Consequence::Retry { due: read_unix(reader)? }),
        2 => Ok(Consequence::Halted),
        3 => Ok(Consequence::Parked),
        4 => Ok(Consequence::Dead),
        5 => Ok(Consequence::Accepted { until: read_open(reader)? }),
        byte => unknown(reader, "unknown consequence", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    fn fact() -> Attempted {
        Attempted {
            key: key(),
            destination: DestinationId(2),
            sequence: Sequence(4),
            number: 2,
            out_of_order: false,
            started: UnixMicros(1_700_000_000_000_000),
            took: 1500,
            outcome: Outcome::Answered { status: 503 },
            consequence: Consequence::Retry { due: UnixMicros(1_700_000_001_000_000) },
            toll: None,
            dropped: None,
            batch: None,
            turn: None,
        }
    }

    #[test]
    fn golden_bytes_of_before_there_were_breakers() {
        check(
            Fact::Attempted(fact()),
            "10 1f000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203",
        );
    }

    #[test]
    fn golden_bytes() {
        let toll = Some(Toll { failures: 2, time: 1_000 });
        check(
            Fact::Attempted(Attempted { toll, ..fact() }),
            "10 24000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203 01 02 e807 00",
        );
        let (outcome, consequence) = (Outcome::Answered { status: 200 }, Consequence::Dead);
        let dropped = Some("no such user".into());
        check(
            Fact::Attempted(Attempted { outcome, consequence, dropped, ..fact() }),
            "10 26000000 0103612f62020402008080f9c0c1c48203dc0b00c80004 00 01 0c \
             6e6f20737563682075736572",
        );
    }

    #[test]
    fn golden_bytes_of_a_range() {
        let batch = Some(Batch { last: Sequence(9), acknowledged: 3 });
        check(
            Fact::Attempted(Attempted { batch, ..fact() }),
            "10 23000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203 00 00 09 03",
        );
    }

    #[test]
    fn golden_bytes_of_a_strand() {
        let turn = Some(UnixMicros(1_700_000_000_001_500));
        check(
            Fact::Attempted(Attempted { turn, ..fact() }),
            "10 2b000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203 00 00 00 00 \
             dc8bf9c0c1c48203",
        );
        let batch = Some(Batch { last: Sequence(9), acknowledged: 3 });
        check(
            Fact::Attempted(Attempted { batch, turn, ..fact() }),
            "10 2b000000 \
             0103612f62020402008080f9c0c1c48203dc0b00f70101c084b6c1c1c48203 00 00 09 03 \
             dc8bf9c0c1c48203",
        );
    }

    #[test]
    fn golden_bytes_of_what_is_acknowledged_later() {
        let accepted = Attempted {
            outcome: Outcome::Answered { status: 202 },
            consequence: Consequence::Accepted { until: OpenMicros(300) },
            ..fact()
        };
        check(
            Fact::Attempted(accepted),
            "10 19000000 0103612f62020402008080f9c0c1c48203dc0b 00ca00 05ac02",
        );
        let late = Attempted { outcome: Outcome::Unacknowledged, ..fact() };
        check(
            Fact::Attempted(late),
            "10 1d000000 0103612f62020402008080f9c0c1c48203dc0b 05 01c084b6c1c1c48203",
        );
    }
}
