//! How a released event fares in each lane, and the attempts history has of it.
//!
//! Attempts have no index: they are looked for in the frames from the release on, so far as the
//! limits allow. What a lane's cursor says needs no history.

use serde::Serialize;
use sprag_core::fact::{Attempted, Consequence, DeadLetter, Fact, Outcome, Released};
use sprag_core::id::{DestinationId, FrameNumber, Key, Sequence};
use sprag_core::partition::WaitsFor;
use sprag_core::record::{Lane, LaneMode, OmitReason};
use sprag_core::time::UnixMicros;
use sprag_log::{Answer, Query, ReadFrame, StoredFact};

use super::answer::time;
use super::limits;
use super::names::Names;
use super::state::{AdminState, KnownKey};
use crate::problem::Problem;

/// All lanes the event entered, or was filtered from.
#[derive(Debug, Serialize)]
pub(super) struct Fates {
    destinations: Vec<Fate>,
    /// The last frame that was searched for attempts.
    searched_through: u64,
    /// Whether all attempts until now were found.
    complete: bool,
}

/// One lane.
#[derive(Debug, Serialize)]
struct Fate {
    destination: String,
    /// `pending`, `in-flight`, or a fate; `settled` when it is delivered or dead and what would
    /// tell which is beyond the search.
    status: &'static str,
    attempts: Vec<Try>,
}

/// One attempt.
#[derive(Debug, Serialize)]
struct Try {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    took_seconds: f64,
    /// The HTTP status of the answer; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<u16>,
    outcome: &'static str,
    consequence: &'static str,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    out_of_order: bool,
}

/// What was found in history of one event.
#[derive(Default)]
struct Search {
    attempts: Vec<Attempted>,
    dropped: Vec<DestinationId>,
    abandoned: Vec<DestinationId>,
    filtered: Vec<DestinationId>,
    through: FrameNumber,
    complete: bool,
}

/// How a released event fares; none when the fact is no release.
pub(super) async fn of(
    state: &AdminState,
    names: &Names,
    known: &KnownKey,
    stored: &StoredFact,
) -> Result<Option<Fates>, Problem> {
    let Fact::Released(released) = &stored.fact else { return Ok(None) };
    let search = search(state, stored, released).await?;
    let mut destinations = Vec::new();
    for destination in &released.lanes {
        let status = status(state, known, released, &search, *destination).await?;
        destinations.push(fate(names, *destination, status, &search));
    }
    for destination in opened_since(known, released) {
        let status = status(state, known, released, &search, destination).await?;
        destinations.push(fate(names, destination, status, &search));
    }
    let filtered = released.filtered.iter();
    destinations.extend(filtered.map(|id| fate(names, *id, "filtered", &search)));
    let (searched_through, complete) = (search.through.0, search.complete);
    Ok(Some(Fates { destinations, searched_through, complete }))
}

/// The destinations whose lanes were opened later over this event.
fn opened_since(known: &KnownKey, released: &Released) -> Vec<DestinationId> {
    let lanes = known.record.lanes.iter().filter(|lane| released.sequence <= lane.opened);
    let said = |id: &DestinationId| released.lanes.contains(id) || released.filtered.contains(id);
    lanes.map(|lane| lane.destination).filter(|id| !said(id)).collect()
}

fn fate(names: &Names, destination: DestinationId, status: &'static str, search: &Search) -> Fate {
    let attempts = search.attempts.iter().filter(|attempt| attempt.destination == destination);
    let attempts = attempts.map(shown).collect();
    Fate { destination: names.destination(destination).to_string(), status, attempts }
}

/// Looks for the attempts of an event from its release on.
async fn search(
    state: &AdminState,
    stored: &StoredFact,
    released: &Released,
) -> Result<Search, Problem> {
    let partition = stored.place.partition;
    let mut search = Search { through: stored.place.frame, ..Search::default() };
    let mut from = stored.place.frame;
    for _ in 0..limits::SEARCH_READS {
        let query = Query::Frames { partition, from, bytes: limits::SEARCH_READ_BYTES };
        let Some(Answer::Frames(frames)) = state.ask(query).await? else { break };
        frames.frames.iter().for_each(|frame| search.take_in(frame, released));
        search.complete = frames.end || search.is_delivered_everywhere(&released.lanes);
        let Some(last) = frames.frames.last() else { break };
        from = last.number.next();
        if search.complete || search.attempts.len() >= limits::SHOWN_ATTEMPTS {
            break;
        }
    }
    Ok(search)
}

impl Search {
    fn take_in(&mut self, frame: &ReadFrame, released: &Released) {
        let (key, sequence) = (&released.key, released.sequence);
        for fact in &frame.facts {
            match fact {
                Fact::Attempted(attempted)
                    if attempted.sequence == sequence
                        && attempted.key == *key
                        && self.attempts.len() < limits::SHOWN_ATTEMPTS =>
                {
                    self.attempts.push(attempted.clone());
                }
                Fact::Dropped(dropped) if dropped.key == *key => {
                    self.dropped.extend(dropped_here(dropped.letter, sequence));
                }
                Fact::LaneEnded(ended)
                    if ended.key == *key && (ended.from..=ended.to).contains(&sequence) =>
                {
                    self.abandoned.push(ended.destination);
                }
                Fact::Filtered(filtered)
                    if filtered.key == *key
                        && (filtered.from..=filtered.to).contains(&sequence) =>
                {
                    self.filtered.push(filtered.destination);
                }
                _ => {}
            }
        }
        self.through = frame.number;
    }

    /// Nothing more can come of an event that is delivered: a dead one may be sent again.
    fn is_delivered_everywhere(&self, lanes: &[DestinationId]) -> bool {
        lanes.iter().all(|lane| self.end(*lane) == Some("delivered"))
    }

    /// The fate that the facts found say.
    fn end(&self, destination: DestinationId) -> Option<&'static str> {
        let mut attempts = self.attempts.iter().filter(|a| a.destination == destination);
        if attempts.clone().any(|attempt| attempt.consequence == Consequence::Delivered) {
            return Some("delivered");
        }
        if self.abandoned.contains(&destination) {
            return Some("abandoned");
        }
        if self.filtered.contains(&destination) {
            return Some("filtered");
        }
        let dead = attempts.any(|attempt| attempt.consequence == Consequence::Dead);
        (dead || self.dropped.contains(&destination)).then_some("dead")
    }
}

fn dropped_here(letter: DeadLetter, of: Sequence) -> Option<DestinationId> {
    match letter {
        DeadLetter::InLane { destination, sequence } if sequence == of => Some(destination),
        _ => None,
    }
}

async fn status(
    state: &AdminState,
    known: &KnownKey,
    released: &Released,
    search: &Search,
    destination: DestinationId,
) -> Result<&'static str, Problem> {
    if let Some(end) = search.end(destination) {
        return Ok(end);
    }
    let sequence = released.sequence;
    let Some(lane) = known.record.lane(destination) else { return Ok("pending") };
    if sequence < lane.head {
        return match omitted(lane, sequence) {
            Some(fate) => Ok(fate),
            None if listed(state, known, destination, sequence).await? => Ok("dead"),
            None => Ok("settled"),
        };
    }
    let at = known.record.lanes.iter().position(|lane| lane.destination == destination);
    let view = known.view.as_ref().zip(at).and_then(|(view, at)| view.lanes.get(at));
    let is_sent = view.is_some_and(|view| view.waits_for == WaitsFor::Answer);
    Ok(match lane.mode {
        LaneMode::Parked => "dead",
        _ if is_sent && sequence == lane.head => "in-flight",
        _ => "pending",
    })
}

fn omitted(lane: &Lane, sequence: Sequence) -> Option<&'static str> {
    let exact = lane.omitted.iter().filter(|omission| !omission.merged);
    let reason = exact.into_iter().find(|omission| omission.range.contains(sequence.0))?.reason;
    Some(match reason {
        OmitReason::Filtered => "filtered",
        OmitReason::Dead => "dead",
        OmitReason::Skipped => "skipped",
    })
}

async fn listed(
    state: &AdminState,
    known: &KnownKey,
    destination: DestinationId,
    sequence: Sequence,
) -> Result<bool, Problem> {
    let (partition, key): (_, Key) = (known.partition, known.key.clone());
    let letter = DeadLetter::InLane { destination, sequence };
    let found = state.read(move |reader| reader.letter(partition, &key, &letter)).await?;
    Ok(found.is_some())
}

fn shown(attempted: &Attempted) -> Try {
    let answered = match attempted.outcome {
        Outcome::Answered { status } => Some(status),
        _ => None,
    };
    let due = match attempted.consequence {
        Consequence::Retry { due } => Some(due).filter(|due| *due != UnixMicros(0)),
        _ => None,
    };
    Try {
        number: attempted.number,
        started_at: time(attempted.started),
        took_seconds: std::time::Duration::from_micros(attempted.took).as_secs_f64(),
        answered,
        outcome: outcome(attempted.outcome),
        consequence: consequence(attempted.consequence),
        due: due.and_then(time),
        out_of_order: attempted.out_of_order,
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered { .. } if outcome.is_acknowledged() => "acknowledged",
        Outcome::Answered { .. } => "refused-by-consumer",
        Outcome::Unreachable => "unreachable",
        Outcome::Refused => "address-not-allowed",
        Outcome::Unknown => "unknown",
        Outcome::Unreadable => "unreadable",
    }
}

fn consequence(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Delivered => "delivered",
        Consequence::Retry { .. } => "retry",
        Consequence::Halted => "halted",
        Consequence::Parked => "parked",
        Consequence::Dead => "dead",
    }
}
