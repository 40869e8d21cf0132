//! `released`: an event got its sequence. Fields: key, event, position, sequence, kind, previous
//! hash, hash, lanes, filtered, revision, missing, salt, refers to; then, only where there is more to say: what that
//! is as a set of bits (1 unordered, 2 fresh, 16 late and a dead letter, 32 late and for its own lanes alone), and of what
//! is in it the names of the fresh fields.

use super::parts::{
    read_destinations, read_key, read_place, read_position, read_ranges, read_sequence, unknown,
    write_destinations, write_key, write_place, write_position, write_ranges,
};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::fact::{Kind, Late, Released};
use sprag_core::id::Revision;
use sprag_core::limits::{FIELD_BYTES, FIELDS};
use std::sync::Arc;

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
    let more = UNORDERED * u8::from(fact.unordered)
        + FRESH * u8::from(!fact.fresh.is_empty())
        + match fact.late {
            Late::Delivered => 0,
            Late::Dead => DEAD,
            Late::Aside => ASIDE,
        };
    if more > 0 {
        writer.byte(more);
    }
    if !fact.fresh.is_empty() {
        writer.count("fresh fields", fact.fresh.len(), FIELDS);
        fact.fresh.iter().for_each(|name| writer.text("field", name, FIELD_BYTES));
    }
}

const UNORDERED: u8 = 1;
const FRESH: u8 = 2;
const DEAD: u8 = 16;
const ASIDE: u8 = 32;
const ALL: u8 = UNORDERED | FRESH | DEAD | ASIDE;

/// What is more to say of a release, as bits; nothing where there are no bytes for it.
fn read_more(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    if reader.left() == 0 {
        return Ok(0);
    }
    match reader.byte()? {
        more if more > 0 && more & !ALL == 0 => Ok(more),
        byte => unknown(reader, "unknown bits of a release", byte),
    }
}

fn read_fresh(reader: &mut Reader<'_>, more: u8) -> Result<Vec<Arc<str>>, DecodeError> {
    if more & FRESH == 0 {
        return Ok(Vec::new());
    }
    let fresh = reader
        .list("fresh fields", FIELDS, |reader| reader.text("field", FIELD_BYTES).map(Arc::from))?;
    match fresh.is_empty() {
        true => Err(reader.error("fresh fields are none", None)),
        false => Ok(fresh),
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Released, DecodeError> {
    let mut released = Released {
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
        unordered: false,
        fresh: Vec::new(),
        late: Late::Delivered,
    };
    let more = read_more(reader)?;
    released.unordered = more & UNORDERED > 0;
    released.late = match more & (DEAD | ASIDE) {
        0 => Late::Delivered,
        DEAD => Late::Dead,
        ASIDE => Late::Aside,
        _ => return unknown(reader, "unknown bits of a release", more),
    };
    released.fresh = read_fresh(reader, more)?;
    Ok(released)
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
    use sprag_core::fields::{At, Field, Fields};

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
            fresh: Vec::new(),
            late: Late::Delivered,
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

    /// What is fresh stands behind all else, and its fields are the position.
    #[test]
    fn golden_bytes_of_fields() {
        let field = |name: &str, at| Field { name: name.into(), at };
        let fields = vec![field("n", At::Version(300)), field("at", At::Instant(7))];
        let position = Position::Fields(Fields::new(fields).unwrap());
        let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
        let (salt, refers_to, fresh) = (None, None, vec!["at".into(), "n".into()]);
        let released =
            Released { position, lanes, filtered, missing, salt, refers_to, fresh, ..released() };
        check(
            Fact::Released(released),
            "08 65000000 \
             0103612f62 03920807 04 0b 02 026174 01 07 016e 00 ac02 04 01 \
             0101010101010101010101010101010101010101010101010101010101010101 \
             0202020202020202020202020202020202020202020202020202020202020202 \
             00 00 05 00 00 00 02 02 026174 016e",
        );
    }

    #[test]
    fn golden_bytes_of_late_events() {
        for (late, byte) in [(Late::Dead, "10"), (Late::Aside, "20")] {
            let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
            let (salt, refers_to) = (None, None);
            let released =
                Released { late, lanes, filtered, missing, salt, refers_to, ..released() };
            let bytes = "08 5c000000 \
                 0103612f62 03920807 01 08 0000000000000007 04 01 \
                 0101010101010101010101010101010101010101010101010101010101010101 \
                 0202020202020202020202020202020202020202020202020202020202020202 \
                 00 00 05 00 00 00";
            check(Fact::Released(released), &format!("{bytes} {byte}"));
        }
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
