//! `rebased`: the positions of a key begin anew. Fields: key.

use sprag_core::fact::Rebased;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Rebased) {
    write_key(writer, &fact.key);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Rebased, DecodeError> {
    Ok(Rebased { key: read_key(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        check(Fact::Rebased(Rebased { key: key() }), "19 05000000 0103612f62");
    }
}
