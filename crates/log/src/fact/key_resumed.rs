//! `key-resumed`: the lanes of a key go on. Fields: key.

use sprag_core::fact::KeyResumed;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &KeyResumed) {
    write_key(writer, &fact.key);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<KeyResumed, DecodeError> {
    Ok(KeyResumed { key: read_key(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = KeyResumed { key: key() };
        check(
            Fact::KeyResumed(fact),
            "14 05000000 \
             0103612f62",
        );
    }
}
