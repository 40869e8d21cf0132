//! `held`: the event that was just received waits. Fields: key, event, reason (that it settles: with the
//! rank of its type), deadline.

use sprag_core::fact::{Held, HoldReason};

use super::parts::{read_key, read_open, read_place, unknown, write_key, write_place};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Held) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_reason(writer, fact.reason);
    writer.number(fact.deadline.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Held, DecodeError> {
    Ok(Held {
        key: read_key(reader)?,
        event: read_place(reader)?,
        reason: read_reason(reader)?,
        deadline: read_open(reader)?,
    })
}

pub(crate) fn write_reason(writer: &mut Writer<'_>, reason: HoldReason) {
    match reason {
        HoldReason::Gap => writer.byte(0),
        HoldReason::Start => writer.byte(1),
        HoldReason::Settle { rank } => {
            writer.byte(2);
            writer.number(u64::from(rank));
        }
    }
}

pub(crate) fn read_reason(reader: &mut Reader<'_>) -> Result<HoldReason, DecodeError> {
    match reader.byte()? {
        0 => Ok(HoldReason::Gap),
        1 => Ok(HoldReason::Start),
        2 => Ok(HoldReason::Settle { rank: reader.narrow("rank")? }),
        byte => unknown(reader, "unknown hold reason", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Held {
            key: key(),
            event: place(),
            reason: HoldReason::Start,
            deadline: OpenMicros(5_000_000),
        };
        check(
            Fact::Held(fact),
            "07 0e000000 \
             0103612f620392080701c096b102",
        );
    }

    #[test]
    fn golden_bytes_of_one_that_settles() {
        let fact = Held {
            key: key(),
            event: place(),
            reason: HoldReason::Settle { rank: 300 },
            deadline: OpenMicros(5_000_000),
        };
        check(
            Fact::Held(fact),
            "07 10000000 \
             0103612f6203920807 02ac02 c096b102",
        );
    }
}
