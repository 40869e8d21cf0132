//! `ignored`: an event of a type that is not accepted. Fields: source, id, event type, digest.

use sprag_core::fact::Ignored;

use super::parts::{read_id, read_source, read_text, write_id, write_text};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Ignored) {
    writer.number(u64::from(fact.source.0));
    write_id(writer, fact.id.as_ref());
    write_text(writer, "event type", &fact.event_type);
    writer.hash(&fact.digest);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Ignored, DecodeError> {
    Ok(Ignored {
        source: read_source(reader)?,
        id: read_id(reader)?,
        event_type: read_text(reader, "event type")?,
        digest: reader.hash()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Ignored {
            source: SourceId(1),
            id: Some("e1".into()),
            event_type: "ping".into(),
            digest: Hash([9; 32]),
        };
        check(
            Fact::Ignored(fact),
            "0c 2a000000 \
             01010265310470696e670909090909090909090909090909090909090909090909090909 \
             090909090909",
        );
    }
}
