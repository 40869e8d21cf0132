//! `claimed`: a new owner's term. Fields: epoch.

use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::Claimed;
use sprag_core::id::Epoch;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Claimed) {
    writer.number(fact.epoch.0);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Claimed, DecodeError> {
    Ok(Claimed { epoch: Epoch(reader.number()?) })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Claimed { epoch: Epoch(300) };
        check(
            Fact::Claimed(fact),
            "01 02000000 \
             ac02",
        );
    }
}
