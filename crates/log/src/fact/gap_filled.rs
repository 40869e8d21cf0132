//! `gap-filled`: the missing positions came. Fields: key.

use sprag_core::fact::GapFilled;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &GapFilled) {
    write_key(writer, &fact.key);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<GapFilled, DecodeError> {
    Ok(GapFilled { key: read_key(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = GapFilled { key: key() };
        check(
            Fact::GapFilled(fact),
            "0e 05000000 \
             0103612f62",
        );
    }
}
