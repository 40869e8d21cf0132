//! What facts and snapshots are made of: keys, places, positions, ranges, texts.

use std::sync::Arc;

use sprag_core::clocks::{Clock, Counter};
use sprag_core::fields::{At, Field, Fields};
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, Sequence, SourceId};
use sprag_core::limits::{
    CLOCK_BYTES, CLOCK_NODES, FIELD_BYTES, FIELDS, FIELDS_BYTES, KEY_BYTES, LINK_BYTES,
    LINK_POSITION_BYTES, NODE_BYTES, POSITION_BYTES, STATE_BYTES, TEXT_BYTES,
};
use sprag_core::links::Link;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::{LANES, RANGES};

type Decoded<T> = Result<T, DecodeError>;

pub(crate) fn write_key(writer: &mut Writer<'_>, key: &Key) {
    writer.number(u64::from(key.source.0));
    writer.text("key", &key.name, KEY_BYTES);
}

/// A last field that is written only where it is so; `wrong` says what it means where it is not.
pub(crate) fn read_said(reader: &mut Reader<'_>, wrong: &'static str) -> Decoded<bool> {
    if reader.left() == 0 {
        return Ok(false);
    }
    match reader.flag()? {
        true => Ok(true),
        false => Err(reader.error(wrong, None)),
    }
}

/// A last field that is written only where there is one.
pub(crate) fn read_last<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Decoded<T>,
) -> Decoded<Option<T>> {
    if reader.left() == 0 { Ok(None) } else { read(reader).map(Some) }
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Decoded<Key> {
    Ok(Key { source: read_source(reader)?, name: Arc::from(reader.text("key", KEY_BYTES)?) })
}

pub(crate) fn read_source(reader: &mut Reader<'_>) -> Decoded<SourceId> {
    reader.narrow("source number").map(SourceId)
}

pub(crate) fn write_destination(writer: &mut Writer<'_>, destination: DestinationId) {
    writer.number(u64::from(destination.0));
}

pub(crate) fn read_destination(reader: &mut Reader<'_>) -> Decoded<DestinationId> {
    reader.narrow("destination number").map(DestinationId)
}

/// A key's lane and events of it that follow one another, the first and the last.
pub(crate) type LaneEvents = (Key, DestinationId, (Sequence, Sequence));

pub(crate) fn write_lane_events(
    writer: &mut Writer<'_>,
    key: &Key,
    destination: DestinationId,
    (from, to): (Sequence, Sequence),
) {
    write_key(writer, key);
    write_destination(writer, destination);
    writer.number(from.0);
    writer.number(to.0);
}

pub(crate) fn read_lane_events(reader: &mut Reader<'_>) -> Decoded<LaneEvents> {
    let (key, destination) = (read_key(reader)?, read_destination(reader)?);
    Ok((key, destination, (read_sequence(reader)?, read_sequence(reader)?)))
}

pub(crate) fn write_destinations(writer: &mut Writer<'_>, destinations: &[DestinationId]) {
    writer.count("lanes", destinations.len(), LANES);
    destinations.iter().for_each(|destination| write_destination(writer, *destination));
}

pub(crate) fn read_destinations(reader: &mut Reader<'_>) -> Decoded<Vec<DestinationId>> {
    reader.list("lanes", LANES, read_destination)
}

pub(crate) fn write_place(writer: &mut Writer<'_>, place: &Place) {
    writer.number(u64::from(place.partition.0));
    writer.number(place.frame.0);
    writer.number(u64::from(place.index));
}

pub(crate) fn read_place(reader: &mut Reader<'_>) -> Decoded<Place> {
    Ok(Place {
        partition: PartitionId(reader.narrow("partition")?),
        frame: FrameNumber(reader.number()?),
        index: reader.narrow("index of a place")?,
    })
}

pub(crate) fn read_sequence(reader: &mut Reader<'_>) -> Decoded<Sequence> {
    reader.number().map(Sequence)
}

pub(crate) fn read_unix(reader: &mut Reader<'_>) -> Decoded<UnixMicros> {
    reader.number().map(UnixMicros)
}

pub(crate) fn read_open(reader: &mut Reader<'_>) -> Decoded<OpenMicros> {
    reader.number().map(OpenMicros)
}

/// A text of at most 256 bytes: an event's id, its type, its content type.
pub(crate) fn write_text(writer: &mut Writer<'_>, what: &'static str, text: &str) {
    writer.text(what, text, TEXT_BYTES);
}

pub(crate) fn read_text(reader: &mut Reader<'_>, what: &'static str) -> Decoded<Arc<str>> {
    reader.text(what, TEXT_BYTES).map(Arc::from)
}

pub(crate) fn write_id(writer: &mut Writer<'_>, id: Option<&Arc<str>>) {
    writer.option(id, |writer, id| write_text(writer, "event id", id));
}

pub(crate) fn read_id(reader: &mut Reader<'_>) -> Decoded<Option<Arc<str>>> {
    reader.option(|reader| read_text(reader, "event id"))
}

const POSITION_NONE: u8 = 0;
const POSITION_SEQUENCE: u8 = 1;
const POSITION_VERSION: u8 = 2;
const POSITION_TIMESTAMP: u8 = 3;
const POSITION_FIELDS: u8 = 4;
pub(crate) const POSITION_CLOCK: u8 = 6;
const POSITION_STATE: u8 = 5;
const POSITION_LINK: u8 = 7;

/// A tag, a length, and the bytes, so that a position of a later contract is a new tag. A number is eight
/// bytes, big-endian, as it also is in index hashes; fields are a list, and so is a clock; a link is two texts.
pub(crate) fn write_position(writer: &mut Writer<'_>, position: &Position) {
    writer.byte(match position {
        Position::Fields(_) => POSITION_FIELDS,
        Position::Clock(_) => POSITION_CLOCK,
        Position::State { .. } => POSITION_STATE,
        Position::Link(_) => POSITION_LINK,
        Position::None => POSITION_NONE,
        Position::Sequence(_) => POSITION_SEQUENCE,
        Position::Version(_) => POSITION_VERSION,
        Position::Timestamp(_) => POSITION_TIMESTAMP,
    });
    match (position, position.number()) {
        (Position::State { state, at }, _) => {
            writer.bytes("position", &packed_state(state, *at), POSITION_BYTES);
        }
        (Position::Link(link), _) => {
            writer.bytes("position", &packed_link(link), LINK_POSITION_BYTES);
        }
        (Position::Fields(fields), _) => writer.bytes("position", &packed(fields), FIELDS_BYTES),
        (Position::Clock(clock), _) => writer.bytes("position", &packed_clock(clock), CLOCK_BYTES),
        (_, Some(number)) => writer.bytes("position", &number.to_be_bytes(), POSITION_BYTES),
        (_, None) => writer.bytes("position", &[], POSITION_BYTES),
    }
}

fn packed_state(state: &str, at: Option<At>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.text("state", state, STATE_BYTES);
    writer.option(at.as_ref(), |writer, at| write_at(writer, *at));
    bytes
}

fn unpacked_state(bytes: &[u8]) -> Decoded<Position> {
    let reader = &mut Reader::new(bytes);
    let state = Arc::from(reader.text("state", STATE_BYTES)?);
    let at = reader.option(read_at)?;
    reader.end()?;
    Ok(Position::State { state, at })
}

/// What was before and what is after, then a byte: 1 where it is forced.
fn packed_link(link: &Link) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    write_link(&mut writer, link);
    bytes
}

fn unpacked_link(bytes: &[u8]) -> Decoded<Link> {
    let reader = &mut Reader::new(bytes);
    let link = read_link(reader)?;
    reader.end()?;
    Ok(link)
}

pub(crate) fn write_link(writer: &mut Writer<'_>, link: &Link) {
    writer.text("hash before", &link.before, LINK_BYTES);
    writer.text("hash after", &link.after, LINK_BYTES);
    writer.flag(link.forced);
}

pub(crate) fn read_link(reader: &mut Reader<'_>) -> Decoded<Link> {
    let before = reader.text("hash before", LINK_BYTES)?.into();
    let after = reader.text("hash after", LINK_BYTES)?.into();
    Ok(Link { before, after, forced: reader.flag()? })
}

fn packed(fields: &Fields) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.count("fields", fields.as_slice().len(), FIELDS);
    for field in fields.as_slice() {
        writer.text("field", &field.name, FIELD_BYTES);
        write_at(&mut writer, field.at);
    }
    // What is too large is told by its length where it is written.
    bytes
}

fn unpacked(bytes: &[u8]) -> Decoded<Fields> {
    let reader = &mut Reader::new(bytes);
    let fields = reader.list("fields", FIELDS, |reader| {
        let name = Arc::from(reader.text("field", FIELD_BYTES)?);
        Ok(Field { name, at: read_at(reader)? })
    })?;
    reader.end()?;
    // Each position has one encoding.
    if fields.windows(2).any(|pair| pair[0].name >= pair[1].name) {
        return Err(reader.error("fields do not ascend", None));
    }
    Fields::new(fields).map_err(|_| reader.error("fields are none, or have no name", None))
}

/// The counters, ascending by node, and which of them is that of the node that wrote the event.
fn packed_clock(clock: &Clock) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.count("nodes", clock.counters().len(), CLOCK_NODES);
    for counter in clock.counters() {
        writer.text("node", &counter.node, NODE_BYTES);
        writer.number(counter.count);
    }
    writer.number(clock.own() as u64);
    bytes
}

fn unpacked_clock(bytes: &[u8]) -> Decoded<Clock> {
    let reader = &mut Reader::new(bytes);
    let counters = reader.list("nodes", CLOCK_NODES, |reader| {
        let node = Arc::from(reader.text("node", NODE_BYTES)?);
        Ok(Counter { node, count: reader.number()? })
    })?;
    let own: u32 = reader.narrow("node of a clock")?;
    reader.end()?;
    // Each position has one encoding.
    if counters.windows(2).any(|pair| pair[0].node >= pair[1].node) {
        return Err(reader.error("nodes do not ascend", None));
    }
    if let Some(zero) = counters.iter().find(|counter| counter.count == 0) {
        return Err(reader.error("a clock counts nothing", Some(zero.count)));
    }
    let node = counters.get(own as usize).map(|counter| counter.node.clone());
    let clock = node.and_then(|node| Clock::new(&node, counters).ok());
    clock.ok_or_else(|| reader.error("a clock is of no node", Some(u64::from(own))))
}

pub(crate) fn write_at(writer: &mut Writer<'_>, at: At) {
    let (kind, number) = match at {
        At::Version(number) => (0, number),
        At::Instant(number) => (1, number),
    };
    writer.byte(kind);
    writer.number(number);
}

pub(crate) fn read_at(reader: &mut Reader<'_>) -> Decoded<At> {
    match reader.byte()? {
        0 => reader.number().map(At::Version),
        1 => reader.number().map(At::Instant),
        byte => unknown(reader, "unknown kind of a version", byte),
    }
}

pub(crate) fn read_position(reader: &mut Reader<'_>) -> Decoded<Position> {
    let tag = reader.byte()?;
    if tag == POSITION_FIELDS {
        let bytes = reader.bytes("position", FIELDS_BYTES)?;
        return unpacked(bytes).map(Position::Fields);
    }
    if tag == POSITION_CLOCK {
        return unpacked_clock(reader.bytes("position", CLOCK_BYTES)?).map(Position::Clock);
    }
    if tag == POSITION_LINK {
        return unpacked_link(reader.bytes("position", LINK_POSITION_BYTES)?).map(Position::Link);
    }
    let bytes = reader.bytes("position", POSITION_BYTES)?;
    let numbered = match (tag, bytes) {
        (POSITION_NONE, []) => return Ok(Position::None),
        (POSITION_SEQUENCE, _) => Position::Sequence,
        (POSITION_VERSION, _) => Position::Version,
        (POSITION_TIMESTAMP, _) => Position::Timestamp,
        (POSITION_STATE, _) => return unpacked_state(bytes),
        _ => return Err(reader.error("unknown position tag", Some(u64::from(tag)))),
    };
    match <[u8; 8]>::try_from(bytes) {
        Ok(bytes) => Ok(numbered(u64::from_be_bytes(bytes))),
        Err(_) => Err(reader.error("position is not eight bytes", Some(bytes.len() as u64))),
    }
}

/// The first number, and how many follow it.
pub(crate) fn write_range(writer: &mut Writer<'_>, range: Range) {
    writer.number(range.from);
    writer.number(range.to.saturating_sub(range.from));
}

pub(crate) fn read_range(reader: &mut Reader<'_>) -> Decoded<Range> {
    let (from, more) = (reader.number()?, reader.number()?);
    match from.checked_add(more) {
        Some(to) => Ok(Range { from, to }),
        None => Err(reader.error("range exceeds 64 bits", Some(more))),
    }
}

pub(crate) fn write_ranges(writer: &mut Writer<'_>, ranges: &Ranges) {
    writer.count("ranges", ranges.as_slice().len(), RANGES);
    ranges.as_slice().iter().for_each(|range| write_range(writer, *range));
}

pub(crate) fn read_ranges(reader: &mut Reader<'_>) -> Decoded<Ranges> {
    let list = reader.list("ranges", RANGES, read_range)?;
    let apart = list.windows(2).all(|pair| pair[0].to.saturating_add(1) < pair[1].from);
    if apart { Ok(Ranges::from_ranges(list)) } else { Err(reader.error("ranges touch", None)) }
}

/// An enumeration's byte that no variant has.
pub(crate) fn unknown<T>(reader: &Reader<'_>, what: &'static str, byte: u8) -> Decoded<T> {
    Err(reader.error(what, Some(u64::from(byte))))
}
