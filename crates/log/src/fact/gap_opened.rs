//! `gap-opened`: a key waits for missing positions. Fields: key, missing.

use sprag_core::fact::GapOpened;

use super::parts::{read_key, read_range, write_key, write_range};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &GapOpened) {
    write_key(writer, &fact.key);
    write_range(writer, fact.missing);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<GapOpened, DecodeError> {
    Ok(GapOpened { key: read_key(reader)?, missing: read_range(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = GapOpened { key: key(), missing: Range { from: 3, to: 5 } };
        check(
            Fact::GapOpened(fact),
            "0d 07000000 \
             0103612f620302",
        );
    }
}
