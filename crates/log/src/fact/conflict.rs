//! `conflict`: the event just received contradicts another. Fields: key, event, other, other digest.

use sprag_core::fact::Conflict;

use super::parts::{read_key, read_place, write_key, write_place};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Conflict) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_place(writer, &fact.other);
    writer.hash(&fact.other_digest);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Conflict, DecodeError> {
    Ok(Conflict {
        key: read_key(reader)?,
        event: read_place(reader)?,
        other: read_place(reader)?,
        other_digest: reader.hash()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Conflict {
            key: key(),
            event: place(),
            other: Place { index: 0, ..place() },
            other_digest: Hash([8; 32]),
        };
        check(
            Fact::Conflict(fact),
            "0a 2d000000 \
             0103612f6203920807039208000808080808080808080808080808080808080808080808 \
             080808080808080808",
        );
    }
}
