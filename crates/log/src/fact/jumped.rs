//! `jumped`: a key goes on behind the sequences it may have given before a restore. Fields: key, from,
//! through, total.

use sprag_core::fact::Jumped;

use super::parts::{read_key, read_sequence, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Jumped) {
    write_key(writer, &fact.key);
    writer.number(fact.from.0);
    writer.number(fact.through.0);
    writer.number(fact.total);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Jumped, DecodeError> {
    Ok(Jumped {
        key: read_key(reader)?,
        from: read_sequence(reader)?,
        through: read_sequence(reader)?,
        total: reader.number()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (from, through) = (Sequence(8), Sequence(107));
        let fact = Jumped { key: key(), from, through, total: 100 };
        check(Fact::Jumped(fact), "2f 08000000 0103612f62 08 6b 64");
    }
}
