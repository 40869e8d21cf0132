//! `restored`: the log was restored from a backup. Fields: restore u64, jump, total.

use sprag_core::fact::Restored;

use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Restored) {
    writer.u64(fact.restore);
    writer.number(fact.jump);
    writer.number(fact.total);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Restored, DecodeError> {
    Ok(Restored { restore: reader.u64()?, jump: reader.number()?, total: reader.number()? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Restored { restore: 0x0102, jump: 100, total: 300 };
        check(Fact::Restored(fact), "2e 0b000000 0201000000000000 64 ac02");
    }
}
