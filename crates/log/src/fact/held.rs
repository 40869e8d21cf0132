//! `held`: the event that was just received waits. Fields: key, event, reason, deadline.

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
    writer.byte(match reason {
        HoldReason::Gap => 0,
        HoldReason::Start => 1,
    });
}

pub(crate) fn read_reason(reader: &mut Reader<'_>) -> Result<HoldReason, DecodeError> {
    match reader.byte()? {
        0 => Ok(HoldReason::Gap),
        1 => Ok(HoldReason::Start),
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
}
