//! `key-paused`: the lanes of a key stop. Fields: key.

use sprag_core::fact::KeyPaused;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &KeyPaused) {
    write_key(writer, &fact.key);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<KeyPaused, DecodeError> {
    Ok(KeyPaused { key: read_key(reader)? })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = KeyPaused { key: key() };
        check(
            Fact::KeyPaused(fact),
            "13 05000000 \
             0103612f62",
        );
    }
}
