//! `refused`: a request that was refused. Fields: source, code, peer, digest, counted.

use sprag_core::fact::Refused;

use super::parts::{read_source, read_text, write_text};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Refused) {
    writer.number(u64::from(fact.source.0));
    write_text(writer, "problem code", &fact.code);
    write_text(writer, "peer", &fact.peer);
    writer.option(fact.digest.as_ref(), Writer::hash);
    writer.number(fact.counted);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Refused, DecodeError> {
    Ok(Refused {
        source: read_source(reader)?,
        code: read_text(reader, "problem code")?,
        peer: read_text(reader, "peer")?,
        digest: reader.option(Reader::hash)?,
        counted: reader.number()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Refused {
            source: SourceId(1),
            code: "bad".into(),
            peer: "::1".into(),
            digest: Some(Hash([9; 32])),
            counted: 300,
        };
        let digest = "09".repeat(32);
        check(Fact::Refused(fact), &format!("17 2c000000 01 03626164 033a3a31 01 {digest} ac02"));
    }
}
