//! `refill-ended`: an ask for missing positions is over. Fields: key, asked range, attempt, outcome (a
//! byte, for an answer also its status), events.

use sprag_core::fact::{RefillEnded, RefillOutcome};

use super::parts::{read_key, read_range, unknown, write_key, write_range};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &RefillEnded) {
    write_key(writer, &fact.key);
    write_range(writer, fact.asked);
    writer.number(u64::from(fact.attempt));
    writer.byte(match fact.outcome {
        RefillOutcome::Whole => 0,
        RefillOutcome::Cut => 1,
        RefillOutcome::Answered { .. } => 2,
        RefillOutcome::Unreachable => 3,
        RefillOutcome::Refused => 4,
        RefillOutcome::Unreadable => 5,
        RefillOutcome::Unfinished => 6,
    });
    if let RefillOutcome::Answered { status } = fact.outcome {
        writer.number(u64::from(status));
    }
    writer.number(u64::from(fact.events));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<RefillEnded, DecodeError> {
    Ok(RefillEnded {
        key: read_key(reader)?,
        asked: read_range(reader)?,
        attempt: reader.narrow("attempt")?,
        outcome: outcome(reader)?,
        events: reader.narrow("events")?,
    })
}

fn outcome(reader: &mut Reader<'_>) -> Result<RefillOutcome, DecodeError> {
    match reader.byte()? {
        0 => Ok(RefillOutcome::Whole),
        1 => Ok(RefillOutcome::Cut),
        2 => Ok(RefillOutcome::Answered { status: reader.narrow("status")? }),
        3 => Ok(RefillOutcome::Unreachable),
        4 => Ok(RefillOutcome::Refused),
        5 => Ok(RefillOutcome::Unreadable),
        6 => Ok(RefillOutcome::Unfinished),
        byte => unknown(reader, "unknown outcome of a refill", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    fn fact(outcome: RefillOutcome) -> Fact {
        let asked = Range { from: 3, to: 5 };
        Fact::RefillEnded(RefillEnded { key: key(), asked, attempt: 2, outcome, events: 9 })
    }

    #[test]
    fn golden_bytes() {
        check(
            fact(RefillOutcome::Whole),
            "32 0a000000 \
             0103612f62 0302 02 00 09",
        );
        check(
            fact(RefillOutcome::Answered { status: 429 }),
            "32 0c000000 \
             0103612f62 0302 02 02ad03 09",
        );
    }
}
