//! `released`: an event got its sequence. Fields: key, event, position, sequence, kind, previous
//! hash, hash, lanes, filtered, revision, missing, salt, refers to; then, only where there is more to say: what that
//! is as a set of bits (1 unordered, 2 fresh, 4 passed, 8 of clocks and links, 16 late and a dead letter, 32 late and for its
//! own lanes alone, 64 undoes or repeats, 128 late and in its place), and of what is in it the names of the fresh fields and
//! of the states that were passed over, then of clocks and links a set of bits (1 concurrent, 2 causes, 4 broken), the causes,
//! of each the node and the range, and the hash that the key stood at where its links are broken; then the sequence that is
//! undone or repeated; then the key that its lanes wait for and the open time at which waiting ends, before which the first
//! bits are written in any case.

use super::parts::{
    read_destinations, read_key, read_last, read_open, read_place, read_position, read_range,
    read_ranges, read_sequence, unknown, write_destinations, write_key, write_place,
    write_position, write_range, write_ranges,
};
use crate::codec::{DecodeError, Reader, Writer};
use sprag_core::clocks::Causes;
use sprag_core::fact::{DependsOn, Kind, Late, Released};
use sprag_core::id::Revision;
use sprag_core::limits::{
    CLOCK_NODES, FIELD_BYTES, FIELDS, LINK_BYTES, NODE_BYTES, STATE_BYTES, STATES,
};
use std::sync::Arc;

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Released) {
    write_key(writer, &fact.key);
    write_place(writer, &fact.event);
    write_position(writer, &fact.position);
    writer.number(fact.sequence.0);
    writer.byte(match fact.kind {
        Kind::Event => 0,
        Kind::Late => 1,
        Kind::Compensation => 2,
    });
    writer.hash(&fact.previous_hash);
    writer.hash(&fact.hash);
    write_destinations(writer, &fact.lanes);
    write_destinations(writer, &fact.filtered);
    writer.number(u64::from(fact.revision.0));
    write_ranges(writer, &fact.missing);
    writer.option(fact.salt.as_ref(), Writer::hash);
    writer.option(fact.refers_to.as_ref(), write_place);
    let of_clocks = CONCURRENT * u8::from(fact.concurrent)
        + CAUSES * u8::from(!fact.causes.is_empty())
        + BROKEN * u8::from(fact.broken_from.is_some());
    let (has_fresh, has_passed) = (!fact.fresh.is_empty(), !fact.passed.is_empty());
    let more = UNORDERED * u8::from(fact.unordered)
        + FRESH * u8::from(has_fresh)
        + PASSED * u8::from(has_passed)
        + OF_CLOCKS * u8::from(of_clocks > 0)
        + of_late(fact.late)
        + EARLIER * u8::from(fact.earlier.is_some());
    if more > 0 || fact.depends_on.is_some() {
        writer.byte(more);
    }
    if has_fresh {
        writer.count("fresh fields", fact.fresh.len(), FIELDS);
        fact.fresh.iter().for_each(|name| writer.text("field", name, FIELD_BYTES));
    }
    if has_passed {
        writer.count("passed states", fact.passed.len(), STATES);
        fact.passed.iter().for_each(|name| writer.text("state", name, STATE_BYTES));
    }
    if of_clocks > 0 {
        writer.byte(of_clocks);
    }
    if !fact.causes.is_empty() {
        writer.count("causes", fact.causes.len(), CLOCK_NODES);
        for causes in &fact.causes {
            writer.text("node", &causes.node, NODE_BYTES);
            write_range(writer, causes.range);
        }
    }
    if let Some(from) = &fact.broken_from {
        writer.text("hash", from, LINK_BYTES);
    }
    if let Some(earlier) = fact.earlier {
        writer.number(earlier.0);
    }
    if let Some(depends_on) = &fact.depends_on {
        write_key(writer, &depends_on.of);
        writer.number(depends_on.until.0);
    }
}

const UNORDERED: u8 = 1;
const FRESH: u8 = 2;
const PASSED: u8 = 4;
const OF_CLOCKS: u8 = 8;
const DEAD: u8 = 16;
const ASIDE: u8 = 32;
const EARLIER: u8 = 64;
const IN_PLACE: u8 = 128;

const CONCURRENT: u8 = 1;
const CAUSES: u8 = 2;
const BROKEN: u8 = 4;

fn of_late(late: Late) -> u8 {
    match late {
        Late::Delivered => 0,
        Late::Dead => DEAD,
        Late::Aside => ASIDE,
        Late::InPlace => IN_PLACE,
    }
}

/// What the bits say; nothing where they contradict each other.
fn late_of(more: u8) -> Option<Late> {
    match more & (DEAD | ASIDE | IN_PLACE) {
        0 => Some(Late::Delivered),
        DEAD => Some(Late::Dead),
        ASIDE => Some(Late::Aside),
        IN_PLACE => Some(Late::InPlace),
        _ => None,
    }
}

/// What is more to say of a release, as bits; nothing where there are no bytes for it.
fn read_more(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    if reader.left() == 0 {
        return Ok(0);
    }
    match reader.byte()? {
        0 if reader.left() == 0 => unknown(reader, "bits of a release", 0),
        more => Ok(more),
    }
}

/// Names that are there; one list has one encoding, so an empty one is not written.
fn read_names(
    reader: &mut Reader<'_>,
    what: &'static str,
    (count, bytes): (usize, usize),
) -> Result<Vec<Arc<str>>, DecodeError> {
    let names = reader.list(what, count, |reader| reader.text(what, bytes).map(Arc::from))?;
    match names.is_empty() {
        true => Err(reader.error("a list of names is empty", None)),
        false => Ok(names),
    }
}

/// Whether it is concurrent, what its clock knows and never came, and where its key stood that its link does not join.
fn read_of_clocks(reader: &mut Reader<'_>, released: &mut Released) -> Result<(), DecodeError> {
    let bits = match reader.byte()? {
        bits @ 1..=7 => bits,
        byte => return unknown(reader, "unknown bits of clocks and links", byte),
    };
    released.concurrent = bits & CONCURRENT > 0;
    if bits & CAUSES > 0 {
        released.causes = read_causes(reader)?;
    }
    if bits & BROKEN > 0 {
        released.broken_from = Some(reader.text("hash", LINK_BYTES)?.into());
    }
    Ok(())
}

fn read_causes(reader: &mut Reader<'_>) -> Result<Vec<Causes>, DecodeError> {
    let causes = reader.list("causes", CLOCK_NODES, |reader| {
        let node = reader.text("node", NODE_BYTES)?.into();
        Ok(Causes { node, range: read_range(reader)? })
    })?;
    match causes.is_empty() {
        true => Err(reader.error("causes are none", None)),
        false => Ok(causes),
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
        concurrent: false,
        causes: Vec::new(),
        passed: Vec::new(),
        late: Late::Delivered,
        earlier: None,
        broken_from: None,
        depends_on: None,
    };
    let more = read_more(reader)?;
    let Some(late) = late_of(more) else {
        return unknown(reader, "unknown bits of a release", more);
    };
    (released.unordered, released.late) = (more & UNORDERED > 0, late);
    if more & FRESH > 0 {
        released.fresh = read_names(reader, "fresh fields", (FIELDS, FIELD_BYTES))?;
    }
    if more & PASSED > 0 {
        released.passed = read_names(reader, "passed states", (STATES, STATE_BYTES))?;
    }
    if more & OF_CLOCKS > 0 {
        read_of_clocks(reader, &mut released)?;
    }
    if more & EARLIER > 0 {
        released.earlier = Some(read_sequence(reader)?);
    }
    released.depends_on = read_last(reader, read_depends_on)?.map(Arc::new);
    Ok(released)
}

fn read_depends_on(reader: &mut Reader<'_>) -> Result<DependsOn, DecodeError> {
    Ok(DependsOn { of: read_key(reader)?, until: read_open(reader)? })
}

fn kind(reader: &mut Reader<'_>) -> Result<Kind, DecodeError> {
    match reader.byte()? {
        0 => Ok(Kind::Event),
        1 => Ok(Kind::Late),
        2 => Ok(Kind::Compensation),
        byte => unknown(reader, "unknown kind", byte),
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::clocks::{Clock, Counter};
    use sprag_core::fields::{At, Field, Fields};
    use sprag_core::links::Link;

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
            concurrent: false,
            causes: Vec::new(),
            passed: Vec::new(),
            late: Late::Delivered,
            earlier: None,
            broken_from: None,
            depends_on: None,
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

    fn of_a_clock(concurrent: bool, causes: Vec<Causes>) -> Fact {
        let counter = |node: &str, count| Counter { node: node.into(), count };
        let clock = Clock::new("b", vec![counter("b", 300), counter("a", 4)]).unwrap();
        let position = Position::Clock(clock);
        let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
        let (salt, refers_to, kind) = (None, None, Kind::Event);
        let released =
            Released { position, lanes, filtered, missing, salt, refers_to, kind, ..released() };
        Fact::Released(Released { concurrent, causes, ..released })
    }

    const CLOCK: &str = "0103612f62 03920807 06 09 02 0161 04 0162 ac02 01 04 00 \
             0101010101010101010101010101010101010101010101010101010101010101 \
             0202020202020202020202020202020202020202020202020202020202020202 \
             00 00 05 00 00 00";

    /// Of clocks stands behind what is fresh, the causes behind whether it is concurrent.
    #[test]
    fn golden_bytes_of_clocks() {
        check(of_a_clock(false, Vec::new()), &format!("08 5c000000 {CLOCK}"));
        check(of_a_clock(true, Vec::new()), &format!("08 5e000000 {CLOCK} 08 01"));
        let causes = Causes { node: "a".into(), range: Range { from: 2, to: 4 } };
        let (one, all) = (vec![causes.clone()], vec![causes]);
        check(of_a_clock(false, one), &format!("08 63000000 {CLOCK} 08 02 01 0161 02 02"));
        check(of_a_clock(true, all), &format!("08 63000000 {CLOCK} 08 03 01 0161 02 02"));
    }

    /// Where the key stood comes behind the causes, with a bit beside theirs.
    #[test]
    fn golden_bytes_of_a_link() {
        let link = Link { before: "c3".into(), after: "d4".into(), forced: true };
        let position = Position::Link(link);
        let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
        let (salt, refers_to, kind) = (None, None, Kind::Event);
        let released =
            Released { position, lanes, filtered, missing, salt, refers_to, kind, ..released() };
        let of = |broken_from| Fact::Released(Released { broken_from, ..released.clone() });
        let link = "0103612f62 03920807 07 07 026333 026434 01 04 00 \
             0101010101010101010101010101010101010101010101010101010101010101 \
             0202020202020202020202020202020202020202020202020202020202020202 \
             00 00 05 00 00 00";
        check(of(None), &format!("08 5a000000 {link}"));
        check(of(Some("b2".into())), &format!("08 5f000000 {link} 08 04 026232"));
    }

    #[test]
    fn golden_bytes_of_a_state() {
        let position = Position::State { state: "done".into(), at: Some(At::Version(300)) };
        let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
        let (salt, refers_to, passed) = (None, None, vec!["paid".into()]);
        let released =
            Released { position, lanes, filtered, missing, salt, refers_to, passed, ..released() };
        check(
            Fact::Released(released),
            "08 63000000 \
             0103612f62 03920807 05 09 04646f6e65 01 00 ac02 04 01 \
             0101010101010101010101010101010101010101010101010101010101010101 \
             0202020202020202020202020202020202020202020202020202020202020202 \
             00 00 05 00 00 00 04 01 0470616964",
        );
    }

    #[test]
    fn golden_bytes_of_late_events() {
        for (late, byte) in [(Late::Dead, "10"), (Late::Aside, "20"), (Late::InPlace, "80")] {
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
    fn golden_bytes_of_what_is_undone() {
        let (lanes, filtered, missing) = (Vec::new(), Vec::new(), Ranges::default());
        let (salt, refers_to, earlier) = (None, None, Some(Sequence(3)));
        let kind = Kind::Compensation;
        let released =
            Released { kind, earlier, lanes, filtered, missing, salt, refers_to, ..released() };
        check(
            Fact::Released(released),
            "08 5d000000 \
             0103612f62 03920807 01 08 0000000000000007 04 02 \
             0101010101010101010101010101010101010101010101010101010101010101 \
             0202020202020202020202020202020202020202020202020202020202020202 \
             00 00 05 00 00 00 40 03",
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

    /// The bits stand before it, also where none is set.
    #[test]
    fn golden_bytes_of_what_refers_to_another_resource() {
        let of = Key { source: SourceId(3), name: "c".into() };
        let depends_on = Some(Arc::new(DependsOn { of, until: OpenMicros(300) }));
        for (unordered, byte) in [(false, "00"), (true, "01")] {
            let depends_on = depends_on.clone();
            check(
                Fact::Released(Released { unordered, depends_on, ..released() }),
                &format!(
                    "08 8c000000 \
                     0103612f6203920807010800000000000000070401010101010101010101010101010101 \
                     010101010101010101010101010101010102020202020202020202020202020202020202 \
                     020202020202020202020202020201020103050203020800010303030303030303030303 \
                     0303030303030303030303030303030303030303030103920807 {byte} 030163 ac02"
                ),
            );
        }
    }
}
