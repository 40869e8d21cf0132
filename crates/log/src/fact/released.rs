//! `released`: an event got its sequence. Fields: key, event, position, sequence, kind, previous
//! hash, hash, lanes, filtered, revision, missing, salt, refers to; then, only where it is so: unordered.

use super::parts::{
    read_destinations, read_key, read_place, read_position, read_ranges, read_said, read_sequence,
    unknown, write_destinations, write_key, write_place, write_position, write_ranges,
};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::{Kind, Released};
use sprag_core::id::Revision;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Released) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_position(writer, &fact.position);
    writer.number(fact.sequence.0);
    writer.byte(match fact.kind {
        Kind::Event => 0,
        Kind::Late => 1,
    });
    writer.hash(&fact.previous_hash);
    writer.hash(&fact.hash);
    write_destinations(writer, &fact.lanes);
    write_destinations(writer, &fact.filtered);
    writer.number(u64::from(fact.revision.0));
    write_ranges(writer, &fact.missing);
    writer.option(fact.salt.as_ref(), Writer::hash);
    writer.option(fact.refers_to.as_ref(), write_place);
    if fact.unordered {
        writer.flag(true);
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Released, DecodeError> {
    Ok(Released {
        key: read_key(reader)?,
        event: read_place(reader)?,
        position: read_position(reader)?,
        sequence: read_sequence(reader)?,
        kind: kind(reader)?,
        previous_hash: reader.hash()?,
        hash: reader.hash()?,
        lanes: read_destinations(reader)?,
        filtered: read_destinations(reader)?,
        revision: Revision(reader.narrow("revision")?),
        missing: read_ranges(reader)?,
        salt: reader.option(Reader::hash)?,
        refers_to: reader.option(read_place)?,
        unordered: read_said(reader, "a release is called ordered")?,
    })
}

fn kind(reader: &mut Reader<'_>) -> Result<Kind, DecodeError> {
    match reader.byte()? {
        0 => Ok(Kind::Event),
        1 => Ok(Kind::Late),
        byte => unknown(reader, "unknown kind", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;

    fn released() -> Released {
        Released {
            key: key(),
            event: place(),
            position: Position::Sequence(7),
            sequence: Sequence(4),
            kind: Kind::Late,
            previous_hash: Hash([1; 32]),
            hash: Hash([2; 32]),
            lanes: vec![DestinationId(1), DestinationId(2)],
            filtered: vec![DestinationId(3)],
            revision: Revision(5),
            missing: Ranges::from_ranges([Range { from: 3, to: 5 }, Range::one(8)]),
            salt: Some(Hash([3; 32])),
            refers_to: Some(place()),
            unordered: false,
        }
    }

    #[test]
    fn golden_bytes() {
        check(
            Fact::Released(released()),
            "08 86000000 \
             0103612f6203920807010800000000000000070401010101010101010101010101010101 \
             010101010101010101010101010101010102020202020202020202020202020202020202 \
             020202020202020202020202020201020103050203020800010303030303030303030303 \
             0303030303030303030303030303030303030303030103920807",
        );
    }

    #[test]
    fn golden_bytes_without_order() {
        check(
            Fact::Released(Released { unordered: true, ..released() }),
            "08 87000000 \
             0103612f6203920807010800000000000000070401010101010101010101010101010101 \
             010101010101010101010101010101010102020202020202020202020202020202020202 \
             020202020202020202020202020201020103050203020800010303030303030303030303 \
             030303030303030303030303030303030303030303010392080701",
        );
    }
}
