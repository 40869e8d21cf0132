//! What the state store keeps, as bytes: the record of a key (a version byte and the fields of
//! [`KeyRecord`] in their order), and the directory (a version byte and the facts it sums up).
//!
//! # How to change a record
//! State can be deleted and is rebuilt from the log, so of it there is one version at a time: whoever
//! changes the record counts [`VERSION`] up, and every older record answers
//! [`SnapshotError::Rebuild`].
//!
//! The same bytes without the version stand in `carried` facts, which are read for ever. So a new
//! field of a record, an order, a held event or a lane goes behind the last one of its part, and is
//! read only if bytes are left (`reader.left() > 0`), with the meaning that history without it had.
//! Nothing else may change; `fact/carried.rs` has golden bytes. Must not know where records are kept.

mod reached;

use std::collections::BTreeMap;
use std::fmt;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::{Floor, Toll};
use sprag_core::id::{FrameNumber, Sequence};
use sprag_core::record::{
    Acceptance, Directory, Essence, HeldAt, HeldEvent, KeyRecord, Lane, LaneMode, Omission,
    OmitReason, Order, Rewind,
};
use sprag_core::totals::{Backlog, Totals};

use crate::codec::{DecodeError, Reader, TooLarge, Writer};
use crate::fact;
use crate::fact::boundary::{read_floor, write_floor};
use crate::fact::held::{read_reason, write_reason};
use crate::fact::keys_visited::{read_visit, write_visit};
use crate::fact::parts::{
    read_destination, read_id, read_key, read_last, read_open, read_place, read_position,
    read_range, read_ranges, read_said, read_sequence, read_text, read_unix, unknown,
    write_destination, write_id, write_key, write_place, write_position, write_range, write_ranges,
    write_text,
};
use crate::limits::{FLOORS, HELD_EVENTS, LANE_LIST, LANES, LANES_OF_KEY, VISITS};
use reached::{read_reached, write_reached};

/// What follows in a lane: what it sends again, what it was led over, and what waited in vain. Others may come behind
/// them.
const REWOUND: u8 = 1;
const COVERED: u8 = 2;
const UNMET: u8 = 3;

/// The version of the format.
pub const VERSION: u8 = 14;

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// Another version of Sprag wrote it: the state is to be rebuilt from the log.
    Rebuild {
        /// The version that was found.
        version: u8,
    },
    /// It is damaged.
    Decode(DecodeError),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuild { version } => write!(
                formatter,
                "record of version {version}, this is version {VERSION}: rebuild the state"
            ),
            Self::Decode(error) => write!(formatter, "damaged record: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<DecodeError> for SnapshotError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// Appends the bytes of a record.
///
/// # Errors
/// When something in it is larger than the format allows; `out` is then as before.
pub fn encode(record: &KeyRecord, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let start = out.len();
    let mut writer = Writer::new(out);
    writer.byte(VERSION);
    write_record(&mut writer, record);
    let written = writer.finish();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Reads a record.
///
/// # Errors
/// When it is of another version or damaged.
pub fn decode(bytes: &[u8]) -> Result<KeyRecord, SnapshotError> {
    let reader = &mut Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(SnapshotError::Rebuild { version });
    }
    let record = read_record(reader)?;
    reader.end()?;
    Ok(record)
}

/// A record as a part of its own.
pub(crate) fn write_record(writer: &mut Writer<'_>, record: &KeyRecord) {
    let opened = writer.open_length();
    writer.number(record.sequence.0);
    writer.hash(&record.hash);
    write_place(writer, &record.newest);
    writer.flag(record.paused);
    write_order(writer, &record.order);
    writer.count("lanes", record.lanes.len(), LANES_OF_KEY);
    record.lanes.iter().for_each(|lane| write_lane(writer, lane));
    writer.number(record.carried.0);
    writer.number(record.jumped);
    writer.count("jumps", record.jumps.len(), LANE_LIST);
    record.jumps.iter().for_each(|jump| write_range(writer, *jump));
    writer.number(record.active.0);
    writer.flag(record.forgotten);
    writer.number(record.boundary.0);
    if record.unordered {
        writer.flag(true);
    }
    writer.close_length("record", opened);
}

pub(crate) fn read_record(reader: &mut Reader<'_>) -> Result<KeyRecord, DecodeError> {
    let reader = &mut reader.part("record is longer than what it stands in")?;
    let mut record = KeyRecord {
        sequence: read_sequence(reader)?,
        hash: reader.hash()?,
        newest: read_place(reader)?,
        paused: reader.flag()?,
        order: read_order(reader)?,
        lanes: reader.list("lanes", LANES_OF_KEY, read_lane)?,
        carried: FrameNumber(reader.number()?),
        jumped: reader.number()?,
        jumps: reader.list("jumps", LANE_LIST, read_range)?,
        ..KeyRecord::default()
    };
    // Before keys were forgotten, records did not say when something was last written down.
    if reader.left() > 0 {
        record.active = read_unix(reader)?;
        record.forgotten = reader.flag()?;
        record.boundary = read_sequence(reader)?;
    }
    record.unordered = read_said(reader, "a key is called ordered")?;
    reader.end()?;
    Ok(record)
}

/// Appends the bytes of the directory.
///
/// # Errors
/// When something in it is larger than the format allows; `out` is then as before.
pub fn encode_directory(directory: &Directory, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let start = out.len();
    let mut writer = Writer::new(out);
    writer.byte(VERSION);
    directory.facts().iter().for_each(|fact| fact::encode(&mut writer, fact));
    let written = writer.finish();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Reads the directory.
///
/// # Errors
/// When it is of another version or damaged.
pub fn decode_directory(bytes: &[u8]) -> Result<Directory, SnapshotError> {
    let reader = &mut Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(SnapshotError::Rebuild { version });
    }
    let mut directory = Directory::default();
    while reader.left() > 0 {
        if !directory.evolve(&fact::decode(reader)?) {
            return Err(reader.error("not a fact of the directory", None).into());
        }
    }
    Ok(directory)
}

/// Appends the bytes of what a partition's keys add up to.
///
/// # Errors
/// When something in it is larger than the format allows; `out` is then as before.
pub fn encode_totals(totals: &Totals, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let start = out.len();
    let mut writer = Writer::new(out);
    writer.byte(VERSION);
    writer.count("destinations", totals.backlog.len(), LANES);
    for (destination, backlog) in &totals.backlog {
        write_destination(&mut writer, *destination);
        writer.number(backlog.lanes);
        writer.number(backlog.events);
        writer.number(backlog.bytes);
    }
    writer.count("visits", totals.visited.len(), VISITS);
    for (destination, visit) in &totals.visited {
        write_destination(&mut writer, *destination);
        write_visit(&mut writer, *visit);
    }
    writer.count("floors", totals.floors.len(), FLOORS);
    for (bucket, sequence) in &totals.floors {
        write_floor(&mut writer, &Floor { bucket: *bucket, sequence: *sequence });
    }
    let written = writer.finish();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Reads what a partition's keys add up to.
///
/// # Errors
/// When it is of another version or damaged.
pub fn decode_totals(bytes: &[u8]) -> Result<Totals, SnapshotError> {
    let reader = &mut Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(SnapshotError::Rebuild { version });
    }
    let backlog = reader.list("destinations", LANES, |reader| {
        let destination = read_destination(reader)?;
        let (lanes, events, bytes) = (reader.number()?, reader.number()?, reader.number()?);
        Ok((destination, Backlog { lanes, events, bytes }))
    })?;
    let visited = reader
        .list("visits", VISITS, |reader| Ok((read_destination(reader)?, read_visit(reader)?)))?;
    let floors = reader.list("floors", FLOORS, read_floor)?;
    reader.end()?;
    let (backlog, visited) = (backlog.into_iter().collect(), visited.into_iter().collect());
    let floors = floors.into_iter().map(|floor| (floor.bucket, floor.sequence)).collect();
    Ok(Totals { backlog, visited, floors })
}

fn write_order(writer: &mut Writer<'_>, order: &Order) {
    let opened = writer.open_length();
    writer.option(order.next.as_ref(), |writer, next| writer.number(*next));
    writer.number(order.highest);
    write_ranges(writer, &order.abandoned);
    write_ranges(writer, &order.missing);
    writer.option(order.gap.as_ref(), |writer, gap| write_range(writer, *gap));
    writer.count("held events", order.held.len(), HELD_EVENTS);
    for (at, held) in &order.held {
        writer.number(at.number);
        write_held(writer, held);
    }
    writer.number(u64::from(order.old));
    write_place(writer, &order.since);
    writer.count("events of an instant", order.instant.len(), LANE_LIST);
    for Fingerprint(identity) in &order.instant {
        writer.raw(&identity.to_be_bytes());
    }
    write_reached(writer, &order.reached);
    writer.close_length("order", opened);
}

fn read_order(reader: &mut Reader<'_>) -> Result<Order, DecodeError> {
    let reader = &mut reader.part("order is longer than its record")?;
    let order = Order {
        next: reader.option(Reader::number)?,
        highest: reader.number()?,
        abandoned: read_ranges(reader)?,
        missing: read_ranges(reader)?,
        gap: reader.option(read_range)?,
        held: read_all_held(reader)?,
        old: reader.narrow("old positions")?,
        since: read_place(reader)?,
        instant: reader.list("events of an instant", LANE_LIST, read_fingerprint)?,
        reached: read_reached(reader)?,
    };
    reader.end()?;
    Ok(order)
}

pub(crate) fn read_fingerprint(reader: &mut Reader<'_>) -> Result<Fingerprint, DecodeError> {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(reader.raw(16)?);
    Ok(Fingerprint(u128::from_be_bytes(bytes)))
}

/// Each behind its number, which its position says too.
fn read_all_held(reader: &mut Reader<'_>) -> Result<BTreeMap<HeldAt, HeldEvent>, DecodeError> {
    let count = reader.count("held events", HELD_EVENTS)?;
    let mut all = BTreeMap::new();
    for _ in 0..count {
        let number = reader.number()?;
        let held = read_held(reader)?;
        let at = HeldAt::of(&held);
        if at.number != number {
            return Err(reader.error("a held event has another position", Some(number)));
        }
        if all.last_key_value().is_some_and(|(last, _)| *last >= at) {
            return Err(reader.error("held positions do not ascend", Some(number)));
        }
        all.insert(at, held);
    }
    Ok(all)
}

fn write_held(writer: &mut Writer<'_>, held: &HeldEvent) {
    let opened = writer.open_length();
    write_place(writer, &held.event);
    write_reason(writer, held.reason);
    writer.number(held.deadline.0);
    let essence = &held.essence;
    write_id(writer, essence.id.as_ref());
    write_position(writer, &essence.position);
    write_text(writer, "event type", &essence.event_type);
    write_text(writer, "content type", &essence.content_type);
    writer.hash(&essence.digest);
    writer.number(u64::from(essence.size));
    if let Some(of) = &essence.depends_on {
        write_key(writer, of);
    }
    writer.close_length("held event", opened);
}

fn read_held(reader: &mut Reader<'_>) -> Result<HeldEvent, DecodeError> {
    let reader = &mut reader.part("held event is longer than its record")?;
    let held = HeldEvent {
        event: read_place(reader)?,
        reason: read_reason(reader)?,
        deadline: read_open(reader)?,
        essence: Essence {
            id: read_id(reader)?,
            position: read_position(reader)?,
            event_type: read_text(reader, "event type")?,
            content_type: read_text(reader, "content type")?,
            digest: reader.hash()?,
            size: reader.narrow("body size")?,
            depends_on: read_last(reader, read_key)?,
        },
    };
    reader.end()?;
    Ok(held)
}

fn write_lane(writer: &mut Writer<'_>, lane: &Lane) {
    let opened = writer.open_length();
    write_destination(writer, lane.destination);
    write_mode(writer, lane.mode);
    writer.number(lane.head.0);
    writer.number(lane.tail.0);
    writer.number(lane.delivered.0);
    write_omissions(writer, &lane.omitted);
    writer.number(u64::from(lane.failures));
    writer.number(lane.due.0);
    writer.number(u64::from(lane.toll.failures));
    writer.number(lane.toll.time);
    writer.number(lane.failed_at.0);
    writer.count("redrives", lane.redrives.len(), LANE_LIST);
    lane.redrives.iter().for_each(|redrive| writer.number(redrive.0));
    writer.option(lane.accepted.as_deref(), write_acceptance);
    write_range_of(writer, lane);
    writer.number(lane.opened.0);
    writer.number(lane.waiting);
    writer.number(lane.bytes);
    writer.number(lane.since.0);
    write_more(writer, lane);
    writer.close_length("lane", opened);
}

/// What few lanes have: a strand, and behind it, which is 0 where there is none, what it sends again, and what it was led over.
fn write_more(writer: &mut Writer<'_>, lane: &Lane) {
    let follows = lane.rewound.is_some() || lane.covered.is_some() || lane.unmet > Sequence(0);
    if lane.strand.is_some() || follows {
        writer.number(lane.strand.map_or(0, |event| event.0));
    }
    if let Some(rewind) = &lane.rewound {
        writer.byte(REWOUND);
        writer.number(rewind.until.0);
        writer.number(rewind.resume.0);
        writer.number(rewind.delivered.0);
        write_omissions(writer, &rewind.omitted);
        writer.number(rewind.failures.into());
    }
    if let Some(covered) = &lane.covered {
        writer.byte(COVERED);
        write_ranges(writer, covered);
    }
    if lane.unmet > Sequence(0) {
        writer.byte(UNMET);
        writer.number(lane.unmet.0);
    }
}

fn read_more(reader: &mut Reader<'_>, lane: &mut Lane) -> Result<(), DecodeError> {
    if reader.left() == 0 {
        return Ok(());
    }
    lane.strand = Some(read_sequence(reader)?).filter(|event| *event > Sequence(0));
    if reader.left() == 0 {
        let is_strand = lane.strand.is_some();
        return if is_strand { Ok(()) } else { Err(reader.error("a strand of no event", None)) };
    }
    let mut last = 0;
    while reader.left() > 0 {
        let byte = reader.byte()?;
        if byte <= last {
            return unknown(reader, "a part of a lane out of its place", byte);
        }
        last = byte;
        match byte {
            REWOUND => lane.rewound = Some(Box::new(read_rewind(reader)?)),
            COVERED => lane.covered = Some(Box::new(read_ranges(reader)?)),
            UNMET => match read_sequence(reader)? {
                Sequence(0) => return Err(reader.error("an event of no number waited", None)),
                event => lane.unmet = event,
            },
            byte => return unknown(reader, "unknown part of a lane", byte),
        }
    }
    Ok(())
}

fn read_rewind(reader: &mut Reader<'_>) -> Result<Rewind, DecodeError> {
    Ok(Rewind {
        until: read_sequence(reader)?,
        resume: read_sequence(reader)?,
        delivered: read_sequence(reader)?,
        omitted: reader.list("omissions", LANE_LIST, read_omission)?,
        failures: reader.narrow("failures where it stood")?,
    })
}

fn write_omissions(writer: &mut Writer<'_>, omitted: &[Omission]) {
    writer.count("omissions", omitted.len(), LANE_LIST);
    for omission in omitted {
        write_range(writer, omission.range);
        writer.byte(match omission.reason {
            OmitReason::Filtered => 0,
            OmitReason::Dead => 1,
            OmitReason::Skipped => 2,
            OmitReason::Restored => 3,
            OmitReason::Boundary => 4,
        });
        writer.flag(omission.merged);
    }
}

/// What `batch` adds to a lane (rule L9); history before it has nothing there.
fn write_range_of(writer: &mut Writer<'_>, lane: &Lane) {
    let last = lane.accepted().and_then(|accepted| accepted.last);
    writer.option(lane.batch.as_ref(), |writer, to| writer.number(to.0));
    writer.number(lane.sent.0);
    writer.option(last.as_ref(), |writer, last| writer.number(last.0));
}

fn read_range_of(reader: &mut Reader<'_>, lane: &mut Lane) -> Result<(), DecodeError> {
    if reader.left() == 0 {
        return Ok(());
    }
    lane.batch = reader.option(read_sequence)?;
    lane.sent = read_sequence(reader)?;
    let last = reader.option(read_sequence)?;
    match (&mut lane.accepted, last) {
        (Some(accepted), last) => accepted.last = last,
        (None, None) => {}
        (None, Some(last)) => {
            return Err(reader.error("the end of a range that was not accepted", Some(last.0)));
        }
    }
    Ok(())
}

fn write_acceptance(writer: &mut Writer<'_>, accepted: &Acceptance) {
    writer.number(accepted.sequence.0);
    writer.number(u64::from(accepted.number));
    writer.flag(accepted.out_of_order);
    writer.number(accepted.started.0);
    writer.number(accepted.until.0);
}

fn read_acceptance(reader: &mut Reader<'_>) -> Result<Acceptance, DecodeError> {
    Ok(Acceptance {
        sequence: read_sequence(reader)?,
        last: None,
        number: reader.narrow("number of a try")?,
        out_of_order: reader.flag()?,
        started: read_unix(reader)?,
        until: read_open(reader)?,
    })
}

fn read_lane(reader: &mut Reader<'_>) -> Result<Lane, DecodeError> {
    let reader = &mut reader.part("lane is longer than its record")?;
    let mut lane = Lane {
        destination: read_destination(reader)?,
        mode: read_mode(reader)?,
        head: read_sequence(reader)?,
        tail: read_sequence(reader)?,
        delivered: read_sequence(reader)?,
        omitted: reader.list("omissions", LANE_LIST, read_omission)?,
        failures: reader.narrow("failures")?,
        due: read_unix(reader)?,
        toll: Toll { failures: reader.narrow("failures that count")?, time: reader.number()? },
        failed_at: read_open(reader)?,
        redrives: reader.list("redrives", LANE_LIST, read_sequence)?,
        accepted: reader.option(read_acceptance)?.map(Box::new),
        batch: None,
        sent: Sequence(0),
        since: sprag_core::time::UnixMicros::default(),
        opened: Sequence(0),
        waiting: 0,
        bytes: 0,
        strand: None,
        rewound: None,
        covered: None,
        unmet: Sequence(0),
    };
    read_range_of(reader, &mut lane)?;
    // History that was carried before had no such counts: what waits entered, of unknown size.
    lane.waiting = lane.tail.0.saturating_add(1).saturating_sub(lane.head.0);
    if reader.left() > 0 {
        lane.opened = read_sequence(reader)?;
        lane.waiting = reader.number()?;
        lane.bytes = reader.number()?;
    }
    if reader.left() > 0 {
        lane.since = read_unix(reader)?;
    }
    read_more(reader, &mut lane)?;
    reader.end()?;
    Ok(lane)
}

fn read_omission(reader: &mut Reader<'_>) -> Result<Omission, DecodeError> {
    Ok(Omission {
        range: read_range(reader)?,
        reason: match reader.byte()? {
            0 => OmitReason::Filtered,
            1 => OmitReason::Dead,
            2 => OmitReason::Skipped,
            3 => OmitReason::Restored,
            4 => OmitReason::Boundary,
            byte => return unknown(reader, "unknown reason of an omission", byte),
        },
        merged: reader.flag()?,
    })
}

fn write_mode(writer: &mut Writer<'_>, mode: LaneMode) {
    match mode {
        LaneMode::Active => writer.byte(0),
        LaneMode::Halted => writer.byte(1),
        LaneMode::Parked => writer.byte(2),
        LaneMode::DrainingHalted { until } => {
            writer.byte(3);
            writer.number(until.0);
        }
        LaneMode::DrainingParked { until } => {
            writer.byte(4);
            writer.number(until.0);
        }
    }
}

fn read_mode(reader: &mut Reader<'_>) -> Result<LaneMode, DecodeError> {
    match reader.byte()? {
        0 => Ok(LaneMode::Active),
        1 => Ok(LaneMode::Halted),
        2 => Ok(LaneMode::Parked),
        3 => Ok(LaneMode::DrainingHalted { until: read_sequence(reader)? }),
        4 => Ok(LaneMode::DrainingParked { until: read_sequence(reader)? }),
        byte => unknown(reader, "unknown lane mode", byte),
    }
}

#[cfg(test)]
pub(crate) mod arbitrary;

#[cfg(test)]
mod tests {
    use super::arbitrary::record;
    use super::*;
    use proptest::prelude::*;
    use sprag_core::clocks::{Clock, Counter, Seen};
    use sprag_core::fact::{
        DestinationDeclared, DestinationPaused, Fact, PauseReason, Restored, Start, Visit,
    };
    use sprag_core::id::DestinationId;
    use sprag_core::record::Reached;

    proptest! {
        #[test]
        fn records_read_back(record in record()) {
            let mut bytes = Vec::new();
            prop_assert_eq!(encode(&record, &mut bytes), Ok(()));
            prop_assert_eq!(decode(&bytes), Ok(record));
        }

        #[test]
        fn damaged_records_are_refused_or_are_other_records(
            record in record(), at: prop::sample::Index, flip in 1_u8..
        ) {
            let mut bytes = Vec::new();
            encode(&record, &mut bytes).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = decode(&bytes) {
                let mut again = Vec::new();
                encode(&other, &mut again).unwrap();
                prop_assert_eq!(bytes, again);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }

    /// An idle key of one lane is what a million of are kept: its size is part of the design.
    #[test]
    fn golden_bytes_of_an_idle_key() {
        let mut record = KeyRecord { sequence: Sequence(4), ..KeyRecord::default() };
        let omitted = Vec::new();
        record.lanes.push(Lane { omitted, ..Lane::new(DestinationId(1), Sequence(5)) });
        let mut bytes = Vec::new();
        encode(&record, &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = "00".repeat(32);
        let order = "0b000000 00 00 00 00 00 00 00 000000 00";
        let lane = "14000000 01 00 05 04 00 00 00 00 00 00 00 00 00 000000 00000000";
        let golden = format!("0e 53000000 04 {hash} 000000 00 {order} 01 {lane} 00 00 00 00 00 00");
        assert_eq!(hex, golden.replace(' ', ""));
    }

    /// What it was led over stands behind all else of a lane, so that others pay nothing for it.
    #[test]
    fn golden_bytes_of_a_lane_that_was_opened() {
        let mut bytes = Vec::new();
        let lane = Lane::opened(DestinationId(1), Sequence(5));
        write_lane(&mut Writer::new(&mut bytes), &lane);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden =
            "19000000 01 00 01 05 00 00 00 00 00 00 00 00 00 000000 05050000 00 02 01 0104";
        assert_eq!(hex, golden.replace(' ', ""));
    }

    /// So does what waited in vain.
    #[test]
    fn golden_bytes_of_a_lane_that_waited_in_vain() {
        let mut bytes = Vec::new();
        let lane = Lane { unmet: Sequence(5), ..Lane::new(DestinationId(1), Sequence(5)) };
        write_lane(&mut Writer::new(&mut bytes), &Lane { omitted: Vec::new(), ..lane });
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = "17000000 01 00 05 04 00 00 00 00 00 00 00 00 00 000000 00000000 00 03 05";
        assert_eq!(hex, golden.replace(' ', ""));
    }

    /// What a contract reached stands behind all else of the order, so that others pay nothing for it.
    #[test]
    fn golden_bytes_of_a_key_whose_events_settle() {
        let mut record = KeyRecord::default();
        record.order.reached = Reached::Settled { rank: 300 };
        let mut bytes = Vec::new();
        encode(&record, &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let order = "0e000000 00 00 00 00 00 00 00 000000 00 01 ac02".replace(' ', "");
        assert!(hex.contains(&order), "{hex}");
        assert_eq!(decode(&bytes), Ok(record));
    }

    /// Each node with what the last of its events knew, one counter per node.
    #[test]
    fn golden_bytes_of_a_key_with_clocks() {
        let clock = |node: &str, counters: &[(&str, u64)]| {
            let counter =
                |(node, count): &(&str, u64)| Counter { node: (*node).into(), count: *count };
            Clock::new(node, counters.iter().map(counter).collect()).unwrap()
        };
        let mut seen = Seen::default();
        seen.pass(&clock("a", &[("a", 1)]));
        seen.pass(&clock("b", &[("a", 3), ("b", 300)]));
        let mut record = KeyRecord::default();
        record.order.reached = Reached::Clock(seen);
        let mut bytes = Vec::new();
        encode(&record, &mut bytes).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let nodes = "04 02 0161 03 01 02 01 01 00 0162 ac02 01 01 aa02 03 ac02";
        let order = format!("00 00 00 00 00 00 00 000000 00 {nodes}").replace(' ', "");
        assert!(hex.contains(&order), "{hex}");
        assert_eq!(decode(&bytes), Ok(record));
    }

    #[test]
    fn totals_read_back() {
        let backlog = Backlog { lanes: 1, events: 2, bytes: 300 };
        let visited = [(DestinationId(1), Visit::Opens), (DestinationId(1), Visit::Ends)];
        let totals = Totals {
            backlog: [(DestinationId(7), backlog)].into(),
            visited: visited.into(),
            floors: [(4_095, Sequence(7))].into(),
        };
        let mut bytes = Vec::new();
        encode_totals(&totals, &mut bytes).unwrap();
        assert_eq!(decode_totals(&bytes), Ok(totals));
        assert!(decode_totals(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn the_directory_reads_back() {
        let mut directory = Directory::default();
        for destination in [DestinationId(1), DestinationId(2)] {
            let name = "app".into();
            let declared = DestinationDeclared { destination, name, start: Start::Earliest };
            directory.evolve(&Fact::DestinationDeclared(declared));
        }
        for (number, reason) in [(1, PauseReason::Operator), (2, PauseReason::Gone)] {
            let destination = DestinationId(number);
            directory.evolve(&Fact::DestinationPaused(DestinationPaused { destination, reason }));
        }
        directory.evolve(&Fact::Restored(Restored { restore: 7, jump: 100, total: 300 }));
        let mut bytes = Vec::new();
        encode_directory(&directory, &mut bytes).unwrap();
        assert_eq!(decode_directory(&bytes), Ok(directory));
        assert!(decode_directory(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn another_version_means_rebuild() {
        assert_eq!(decode(&[10, 1, 2]), Err(SnapshotError::Rebuild { version: 10 }));
    }
}
