//! `source-declared`: a source as first started with. Fields: source, name, identity (DESIGN K8).

use super::parts::read_source;
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{IDENTITY_BYTES, NAME_BYTES};
use sprag_core::fact::SourceDeclared;
use std::sync::Arc;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &SourceDeclared) {
    writer.number(u64::from(fact.source.0));
    writer.text("source name", &fact.name, NAME_BYTES);
    writer.text("source identity", &fact.identity, IDENTITY_BYTES);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<SourceDeclared, DecodeError> {
    Ok(SourceDeclared {
        source: read_source(reader)?,
        name: Arc::from(reader.text("source name", NAME_BYTES)?),
        identity: Arc::from(reader.text("source identity", IDENTITY_BYTES)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact =
            SourceDeclared { source: SourceId(1), name: "git".into(), identity: "id=x".into() };
        check(
            Fact::SourceDeclared(fact),
            "02 0a000000 \
             01036769740469643d78",
        );
    }
}
