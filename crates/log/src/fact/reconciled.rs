//! `reconciled`: the authority has another position of a key. Fields: key, the newest position that was released,
//! the authority's.

use super::parts::{read_key, read_position, write_key, write_position};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::Reconciled;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Reconciled) {
    write_key(writer, &fact.key);
    write_position(writer, &fact.ours);
    write_position(writer, &fact.theirs);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Reconciled, DecodeError> {
    Ok(Reconciled {
        key: read_key(reader)?,
        ours: read_position(reader)?,
        theirs: read_position(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let (ours, theirs) = (Position::Version(7), Position::Version(9));
        check(
            Fact::Reconciled(Reconciled { key: key(), ours, theirs }),
            "3a 19000000 \
             0103612f62 02080000000000000007 02080000000000000009",
        );
    }
}
