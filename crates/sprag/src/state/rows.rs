//! What the rows are called: flags of keys, modes of lanes, the columns of a dead letter.

use std::sync::Arc;

use rusqlite::Row;
use sprag_core::fact::{DeadLetter, HoldReason, Outcome};
use sprag_core::id::{DestinationId, Key, Place, Sequence, SourceId};
use sprag_core::limits::OLD_POSITIONS;
use sprag_core::record::{Due, HeldAt, KeyRecord, Lane, LaneMode, Queue, Tie};
use sprag_core::time::UnixMicros;
use sprag_driver::state::{Letter, LetterReason};

use super::bytes::{Fault, column, number};

/// Events of the key wait.
pub(super) const HELD: i64 = 1;
/// A lane of the key stopped.
pub(super) const STOPPED: i64 = 2;
/// An operator paused the key.
pub(super) const PAUSED: i64 = 4;
/// The source seems to count the key's positions anew (DESIGN K9).
pub(super) const RESET: i64 = 8;
/// They settle: nothing is known to be missing (contract `settle`).
const SETTLES: i64 = 16;
/// How many events of the key wait stands above the flags, so that what changes is known without
/// the old record.
const EVENTS_SHIFT: u32 = 8;

/// The destination of what was dead-lettered at ingress.
pub(super) const AT_INGRESS: i64 = -1;

pub(super) fn flags(record: &KeyRecord) -> i64 {
    let held = if record.order.held.is_empty() { 0 } else { HELD };
    let first = record.order.held.first_key_value();
    let settles = first.is_some_and(|(_, held)| matches!(held.reason, HoldReason::Settle { .. }));
    let settles = if settles { SETTLES } else { 0 };
    let stopped = if record.lanes.iter().any(Lane::is_stopped) { STOPPED } else { 0 };
    let paused = if record.paused { PAUSED } else { 0 };
    let reset = if record.order.old >= OLD_POSITIONS { RESET } else { 0 };
    let events = i64::try_from(record.order.held.len()).unwrap_or(i64::MAX >> EVENTS_SHIFT);
    held | settles | stopped | paused | reset | (events << EVENTS_SHIFT)
}

/// How far the highest position a key holds is ahead of the last it released.
pub(super) fn drift(record: &KeyRecord) -> i64 {
    let numbered = |(at, _): (&HeldAt, _)| if at.tie == Tie::Only { at.number } else { 0 };
    let highest = record.order.held.last_key_value().map_or(0, numbered);
    let first = record.order.held.first_key_value().map_or(0, numbered);
    // Before the base of a key is settled, nothing is known to be missing before what it holds.
    let next = record.order.next.unwrap_or(first);
    column((highest + u64::from(highest > 0)).saturating_sub(next))
}

/// Whether the key waits for missing positions, of flags as [`flags`] makes them.
pub(super) fn has_gap(flags: i64) -> bool {
    flags & HELD != 0 && flags & SETTLES == 0
}

/// How many events wait, of flags as [`flags`] makes them.
pub(super) fn held_events(flags: i64) -> i64 {
    flags >> EVENTS_SHIFT
}

/// The queues of holds and of acknowledgements; those of lanes are their destinations.
const HOLDS: i64 = -1;
const ACKNOWLEDGEMENTS: i64 = -2;
/// Every key, which no row of a queue stands for.
const KEYS: i64 = -3;
/// The queues of what waits longest lie below this by their destinations.
const BACKLOGS: i64 = -1_000;

pub(super) fn queue(queue: Queue) -> i64 {
    match queue {
        Queue::Holds => HOLDS,
        Queue::Acknowledgements => ACKNOWLEDGEMENTS,
        Queue::Lanes(destination) => i64::from(destination.0),
        Queue::Backlogs(destination) => BACKLOGS - i64::from(destination.0),
        // No rows of its own.
        Queue::Keys => KEYS,
    }
}

/// Bytes of a place in a queue: queue and due time, both little-endian.
const DUE: usize = 16;

/// The places of a key in the queues, packed.
pub(super) fn pack_dues(record: &KeyRecord) -> Vec<u8> {
    let pair = |due: Due| [queue(due.queue).to_le_bytes(), column(due.at).to_le_bytes()];
    record.dues().flat_map(pair).flatten().collect()
}

/// The columns `queue` and `due` of the places that were packed.
pub(super) fn unpack_dues(packed: &[u8]) -> impl Iterator<Item = (i64, i64)> {
    packed.chunks_exact(DUE).map(|pair| {
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_le_bytes);
        let (queue, due) = pair.split_at(DUE / 2);
        (number(queue), number(due))
    })
}

/// The column `strand` of a lane: the event of a strand, or 0.
pub(super) fn strand(lane: &Lane) -> i64 {
    lane.strand.map_or(0, |event| column(event.0))
}

pub(super) fn mode_name(mode: LaneMode) -> &'static str {
    match mode {
        LaneMode::Parked => "parked",
        _ => "halted",
    }
}

pub(super) fn mode(name: &str) -> Result<LaneMode, Fault> {
    match name {
        "parked" => Ok(LaneMode::Parked),
        "halted" => Ok(LaneMode::Halted),
        _ => Err(Fault::Value("lane mode")),
    }
}

/// What came of the try after which a lane stopped: the status of an answer, or why there is none.
pub(crate) fn outcome_name(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered { status } => status.to_string(),
        Outcome::Unreachable => "unreachable".to_owned(),
        Outcome::Refused => "address-not-allowed".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
        Outcome::Unreadable => "unreadable".to_owned(),
        Outcome::Unacknowledged => "not-acknowledged-in-time".to_owned(),
    }
}

/// The columns `destination`, `sequence`, `event` that name a letter of a key.
pub(super) fn letter_name(letter: &DeadLetter) -> (i64, i64, String) {
    match letter {
        DeadLetter::InLane { destination, sequence } => {
            (i64::from(destination.0), column(sequence.0), String::new())
        }
        DeadLetter::AtIngress { event } => (AT_INGRESS, 0, event.to_string()),
    }
}

/// The columns of [`letter`], in its order.
pub(super) const LETTER: &str =
    "id, place, recorded, source, key, destination, sequence, event, reason";

/// The place in a column.
pub(super) fn place(row: &Row<'_>, column: usize) -> Result<Place, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(|_| Fault::Value("place"))?;
    text.parse().map_err(|_| Fault::Value("place"))
}

/// A row of `letters` with its id.
pub(super) fn letter(row: &Row<'_>) -> Result<(i64, Letter), Fault> {
    let destination: i64 = row.get(5)?;
    let letter = if destination == AT_INGRESS {
        let event = row.get_ref(7)?.as_str().map_err(|_| Fault::Value("place"))?;
        DeadLetter::AtIngress { event: event.parse().map_err(|_| Fault::Value("place"))? }
    } else {
        let destination = DestinationId(u32::try_from(destination)?);
        DeadLetter::InLane { destination, sequence: Sequence(number(row.get(6)?)?) }
    };
    let reason = row.get_ref(8)?.as_str().map_err(|_| Fault::Value("reason"))?;
    let all = [
        LetterReason::GivenUp,
        LetterReason::BacklogFull,
        LetterReason::Late,
        LetterReason::Conflict,
        LetterReason::Invalid,
    ];
    let reason = all.into_iter().find(|known| known.as_str() == reason);
    let letter = Letter {
        place: place(row, 1)?,
        recorded: UnixMicros(number(row.get(2)?)?),
        key: key(row.get(3)?, row.get(4)?)?,
        letter,
        reason: reason.ok_or(Fault::Value("reason"))?,
    };
    Ok((row.get(0)?, letter))
}

pub(super) fn key(source: i64, name: Arc<str>) -> Result<Key, Fault> {
    Ok(Key { source: SourceId(u32::try_from(source)?), name })
}
