//! `invalid`: an event's position is impossible. Fields: key, event, position, reason.

use sprag_core::fact::{Invalid, InvalidReason};

use super::parts::{
    read_key, read_place, read_position, unknown, write_key, write_place, write_position,
};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Invalid) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_position(writer, &fact.position);
    writer.byte(match fact.reason {
        InvalidReason::BeyondSpan => 0,
        InvalidReason::BeforeFirst => 1,
        InvalidReason::AheadOfTime => 2,
        InvalidReason::Unreadable => 3,
        InvalidReason::TooManyFields => 4,
        InvalidReason::ShrinkingClock => 6,
        InvalidReason::TooManyNodes => 7,
        InvalidReason::UnknownState => 5,
    });
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Invalid, DecodeError> {
    Ok(Invalid {
        key: read_key(reader)?,
        event: read_place(reader)?,
        position: read_position(reader)?,
        reason: reason(reader)?,
    })
}

fn reason(reader: &mut Reader<'_>) -> Result<InvalidReason, DecodeError> {
    match reader.byte()? {
        0 => Ok(InvalidReason::BeyondSpan),
        1 => Ok(InvalidReason::BeforeFirst),
        2 => Ok(InvalidReason::AheadOfTime),
        3 => Ok(InvalidReason::Unreadable),
        4 => Ok(InvalidReason::TooManyFields),
        6 => Ok(InvalidReason::ShrinkingClock),
        7 => Ok(InvalidReason::TooManyNodes),
        5 => Ok(InvalidReason::UnknownState),
        byte => unknown(reader, "unknown reason of an invalid position", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Invalid {
            key: key(),
            event: place(),
            position: Position::Sequence(20_000),
            reason: InvalidReason::BeforeFirst,
        };
        check(
            Fact::Invalid(fact),
            "0b 14000000 \
             0103612f620392080701080000000000004e2001",
        );
    }
}
