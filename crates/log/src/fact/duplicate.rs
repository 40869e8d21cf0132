//! `duplicate`: an event that was known already. Fields: key, id, position, digest, original, by,
//! altered.

use sprag_core::fact::{Duplicate, Recognised};

use super::parts::{
    read_id, read_key, read_place, read_position, unknown, write_id, write_key, write_place,
    write_position,
};
use crate::codec::{DecodeError, Reader, Writer};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Duplicate) {
    write_key(writer, &fact.key);
    write_id(writer, fact.id.as_ref());
    write_position(writer, &fact.position);
    writer.hash(&fact.digest);
    writer.option(fact.original.as_ref(), write_place);
    writer.byte(match fact.by {
        Recognised::Id => 0,
        Recognised::Position => 1,
    });
    writer.flag(fact.altered);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Duplicate, DecodeError> {
    Ok(Duplicate {
        key: read_key(reader)?,
        id: read_id(reader)?,
        position: read_position(reader)?,
        digest: reader.hash()?,
        original: reader.option(read_place)?,
        by: recognised(reader)?,
        altered: reader.flag()?,
    })
}

fn recognised(reader: &mut Reader<'_>) -> Result<Recognised, DecodeError> {
    match reader.byte()? {
        0 => Ok(Recognised::Id),
        1 => Ok(Recognised::Position),
        byte => unknown(reader, "unknown way to recognise a repeat", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    #[test]
    fn golden_bytes() {
        let fact = Duplicate {
            key: key(),
            id: None,
            position: Position::None,
            digest: Hash([9; 32]),
            original: Some(place()),
            by: Recognised::Position,
            altered: true,
        };
        check(
            Fact::Duplicate(fact),
            "09 2f000000 \
             0103612f6200000009090909090909090909090909090909090909090909090909090909 \
             0909090901039208070101",
        );
    }
}
