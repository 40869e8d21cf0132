//! `gap-abandoned`: the missing positions were given up. Fields: key, missing, reason.

use sprag_core::fact::{AbandonReason, GapAbandoned};

use super::parts::{read_key, read_range, unknown, write_key, write_range};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &GapAbandoned) {
    write_key(writer, &fact.key);
    write_range(writer, fact.missing);
    writer.byte(match fact.reason {
        AbandonReason::Waited => 0,
        AbandonReason::Full => 1,
        AbandonReason::Start => 2,
        AbandonReason::Rebased => 3,
        AbandonReason::Gone => 4,
        AbandonReason::Operator => 5,
    });
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<GapAbandoned, DecodeError> {
    Ok(GapAbandoned {
        key: read_key(reader)?,
        missing: read_range(reader)?,
        reason: reason(reader)?,
    })
}

fn reason(reader: &mut Reader<'_>) -> Result<AbandonReason, DecodeError> {
    match reader.byte()? {
        0 => Ok(AbandonReason::Waited),
        1 => Ok(AbandonReason::Full),
        2 => Ok(AbandonReason::Start),
        3 => Ok(AbandonReason::Rebased),
        4 => Ok(AbandonReason::Gone),
        5 => Ok(AbandonReason::Operator),
        byte => unknown(reader, "unknown reason of an abandoned gap", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = GapAbandoned {
            key: key(),
            missing: Range { from: 3, to: 5 },
            reason: AbandonReason::Start,
        };
        check(
            Fact::GapAbandoned(fact),
            "0f 08000000 \
             0103612f62030202",
        );
    }

    #[test]
    fn golden_bytes_of_what_its_source_has_none_of() {
        let fact = GapAbandoned {
            key: key(),
            missing: Range { from: 3, to: 5 },
            reason: AbandonReason::Gone,
        };
        check(
            Fact::GapAbandoned(fact),
            "0f 08000000 \
             0103612f62030204",
        );
    }
}
