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
use utoipa::ToSchema;

use super::answer::time;
use super::cursor;
use super::limits;
use super::names::Names;
use super::state::{AdminState, KnownKey};
use crate::fate::InLane;
use crate::problem::Problem;

/// All lanes the event entered, or was filtered from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fates {
    destinations: Vec<Fate>,
    /// The last frame that was searched for attempts.
    searched_through: u64,
    /// Whether all attempts until now were found.
    complete: bool,
    /// The `cursor` of `/v1/events/{id}/attempts` that goes on with the search; absent when it is
    /// complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One lane.
#[derive(Debug, Serialize, ToSchema)]
struct Fate {
    destination: String,
    /// A word of [`InLane`].
    status: &'static str,
    /// Seconds from the release to the first attempt, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_seconds: Option<f64>,
    /// When the answer came that settled it, where history still has the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    settled_at: Option<String>,
    attempts: Vec<Try>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(super) struct Try {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// From sending to the head of the answer, or to its absence; connecting is part of it.
    took_seconds: f64,
    /// The HTTP status of the answer; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<u16>,
    outcome: &'static str,
    consequence: &'static str,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    due: Option<String>,
    out_of_order: bool,
    /// Why the consumer dropped the event, in its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<String>,
}

/// What was found in history of one event.
#[derive(Default)]
struct Search {
    /// The event's.
    sequence: Sequence,
    attempts: Vec<Attempted>,
    dropped: Vec<DestinationId>,
    abandoned: Vec<DestinationId>,
    filtered: Vec<DestinationId>,
    /// Where it was acknowledged by a request of its own.
    acknowledged: Vec<DestinationId>,
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
    let search = search(state, stored, released, stored.place.frame).await?;
    let mut destinations = Vec::new();
    for destination in &released.lanes {
        let status = status(state, known, released, &search, *destination).await?;
        destinations.push(fate(names, *destination, status, stored.recorded, &search));
    }
    for destination in opened_since(known, released, &search) {
        let status = status(state, known, released, &search, destination).await?;
        destinations.push(fate(names, destination, status, stored.recorded, &search));
    }
    let filtered = released.filtered.iter();
    let of = |id: &DestinationId| fate(names, *id, InLane::Filtered, stored.recorded, &search);
    destinations.extend(filtered.map(of));
    let (searched_through, complete) = (search.through.0, search.complete);
    let next = search.next()?;
    Ok(Some(Fates { destinations, searched_through, complete, next }))
}

/// The destinations whose lanes were opened later over this event.
fn opened_since(known: &KnownKey, released: &Released, search: &Search) -> Vec<DestinationId> {
    let lanes = known.record.lanes.iter().filter(|lane| released.sequence <= lane.opened);
    let said = |id: &DestinationId| released.lanes.contains(id) || released.filtered.contains(id);
    let lanes = lanes.map(|lane| lane.destination).chain(search.abandoned.iter().copied());
    lanes.filter(|id| !said(id)).collect()
}

fn fate(
    names: &Names,
    destination: DestinationId,
    fate: InLane,
    released: UnixMicros,
    search: &Search,
) -> Fate {
    let attempts = search.attempts.iter().filter(|attempt| attempt.destination == destination);
    let queued = attempts.clone().next().map(|first| first.started.since(released));
    let last = attempts
        .clone()
        .find(|attempt| matches!(attempt.consequence, Consequence::Delivered | Consequence::Dead));
    let settled = last.map(|last| UnixMicros(last.started.0.saturating_add(last.took)));
    Fate {
        destination: names.destination(destination).to_string(),
        status: fate.as_str(),
        queued_seconds: queued.map(|queued| queued.as_secs_f64()),
        settled_at: settled.and_then(time),
        attempts: attempts.map(shown).collect(),
    }
}

/// Attempts that were found, and where the search goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attempts {
    items: Vec<FoundAttempt>,
    /// The last frame that was searched.
    searched_through: u64,
    /// The `cursor` that goes on with the search; absent when it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundAttempt {
    destination: String,
    #[serde(flatten)]
    attempt: Try,
}

/// The attempts of a released event from a frame on, as far as one search goes.
pub(super) async fn attempts(
    state: &AdminState,
    names: &Names,
    stored: &StoredFact,
    from: Option<u64>,
) -> Result<Attempts, Problem> {
    let nothing = || Attempts { items: Vec::new(), searched_through: 0, next: None };
    let Fact::Released(released) = &stored.fact else { return Ok(nothing()) };
    let from = from.map_or(stored.place.frame, FrameNumber).max(stored.place.frame);
    let search = search(state, stored, released, from).await?;
    let found = search.attempts.iter().map(|attempted| FoundAttempt {
        destination: names.destination(attempted.destination).to_string(),
        attempt: shown(attempted),
    });
    let (items, next) = (found.collect(), search.next()?);
    Ok(Attempts { items, searched_through: search.through.0, next })
}

/// Looks for the attempts of an event from its release on.
async fn search(
    state: &AdminState,
    stored: &StoredFact,
    released: &Released,
    mut from: FrameNumber,
) -> Result<Search, Problem> {
    let partition = stored.place.partition;
    let mut search = Search { sequence: released.sequence, through: from, ..Search::default() };
    for _ in 0..limits::SEARCH_READS {
        let (most, bytes) = (usize::MAX, limits::SEARCH_READ_BYTES);
        let query = Query::Frames { partition, from, most, bytes };
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
                    if carries(attempted, sequence)
                        && attempted.key == *key
                        && self.attempts.len() < limits::SHOWN_ATTEMPTS =>
                {
                    self.attempts.push(attempted.clone());
                }
                Fact::Acknowledged(done)
                    if done.key == *key && (done.from..=done.to).contains(&sequence) =>
                {
                    self.acknowledged.push(done.destination);
                }
                Fact::Dropped(dropped) if dropped.key == *key => {
                    self.dropped.extend(dropped_here(dropped.letter, sequence));
                }
                Fact::BacklogDropped(dropped)
                    if dropped.key == *key && (dropped.from..=dropped.to).contains(&sequence) =>
                {
                    self.dropped.push(dropped.destination);
                }
                Fact::LateDead(dead) if dead.key == *key && dead.sequence == sequence => {
                    self.dropped.push(dead.destination);
                }
                Fact::LaneEnded(ended)
                    if ended.key == *key
                        && ((ended.from..=ended.to).contains(&sequence)
                            || ended.strands.contains(&sequence)) =>
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

    /// Where the search goes on, unless it is complete.
    fn next(&self) -> Result<Option<String>, Problem> {
        let next = (!self.complete).then_some(self.through.next().0);
        next.map(|next| cursor::write(&next)).transpose()
    }

    /// Nothing more can come of an event that is delivered: a dead one may be sent again.
    fn is_delivered_everywhere(&self, lanes: &[DestinationId]) -> bool {
        lanes.iter().all(|lane| self.end(*lane) == Some(InLane::Delivered))
    }

    /// The fate that the facts found say.
    fn end(&self, destination: DestinationId) -> Option<InLane> {
        let mut attempts = self.attempts.iter().filter(|a| a.destination == destination);
        let delivered = attempts.clone().any(|attempt| delivers(attempt, self.sequence));
        if delivered || self.acknowledged.contains(&destination) {
            return Some(InLane::Delivered);
        }
        if self.abandoned.contains(&destination) {
            return Some(InLane::Abandoned);
        }
        if self.filtered.contains(&destination) {
            return Some(InLane::Filtered);
        }
        let dead = attempts.any(|attempt| {
            attempt.consequence == Consequence::Dead && !delivers(attempt, self.sequence)
        });
        (dead || self.dropped.contains(&destination)).then_some(InLane::Dead)
    }
}

/// Whether an attempt's answer acknowledged an event; of a range, as far as it said.
fn delivers(attempted: &Attempted, sequence: Sequence) -> bool {
    match attempted.batch {
        None => attempted.consequence == Consequence::Delivered,
        Some(batch) => sequence.0 < attempted.sequence.0 + batch.acknowledged,
    }
}

/// Whether an attempt was of an event, by itself or in a range.
fn carries(attempted: &Attempted, sequence: Sequence) -> bool {
    let last = attempted.batch.map_or(attempted.sequence, |batch| batch.last);
    (attempted.sequence..=last).contains(&sequence)
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
) -> Result<InLane, Problem> {
    if let Some(end) = search.end(destination) {
        return Ok(end);
    }
    let sequence = released.sequence;
    // A key is only forgotten when everything of it is settled.
    let gone = if known.is_gone() { InLane::Settled } else { InLane::Pending };
    // In a strand of its own, or else where it waits with others.
    let strand = known.record.strand(destination, sequence);
    let lane = strand.or_else(|| known.record.lane(destination));
    let Some(lane) = lane else { return Ok(gone) };
    if sequence < lane.head || lane.jumps_over(sequence) {
        return match omitted(lane, sequence) {
            Some(fate) => Ok(fate),
            None if listed(state, known, destination, sequence).await? => Ok(InLane::Dead),
            None => Ok(InLane::Settled),
        };
    }
    let at = known.record.index_of(lane.id());
    let view = known.view.as_ref().zip(at).and_then(|(view, at)| view.lanes.get(at));
    let is_sent = view.is_some_and(|view| view.waits_for == WaitsFor::Answer);
    let is_sent = is_sent || lane.accepted.is_some();
    Ok(match lane.mode {
        LaneMode::Parked => InLane::Dead,
        _ if is_sent && sequence == lane.head => InLane::InFlight,
        _ => InLane::Pending,
    })
}

fn omitted(lane: &Lane, sequence: Sequence) -> Option<InLane> {
    let exact = lane.omitted.iter().filter(|omission| !omission.merged);
    let reason = exact.into_iter().find(|omission| omission.range.contains(sequence.0))?.reason;
    Some(match reason {
        OmitReason::Filtered => InLane::Filtered,
        OmitReason::Dead => InLane::Dead,
        // What a floor covers may be events of the key from before it was forgotten for good.
        OmitReason::Boundary => return None,
        // A jump has no events in this log.
        OmitReason::Skipped | OmitReason::Restored => InLane::Skipped,
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

/// An attempt as the API tells it.
pub(super) fn shown(attempted: &Attempted) -> Try {
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
        outcome: outcome(attempted),
        consequence: consequence(attempted.consequence),
        due: due.and_then(time),
        out_of_order: attempted.out_of_order,
        dropped: attempted.dropped.as_ref().map(ToString::to_string),
    }
}

fn outcome(attempted: &Attempted) -> &'static str {
    let is_accepted = matches!(attempted.consequence, Consequence::Accepted { .. });
    match attempted.outcome {
        _ if is_accepted => "accepted",
        outcome if outcome.is_acknowledged() => "acknowledged",
        Outcome::Answered { .. } => "refused-by-consumer",
        Outcome::Unreachable => "unreachable",
        Outcome::Refused => "address-not-allowed",
        Outcome::Unknown => "unknown",
        Outcome::Unreadable => "unreadable",
        Outcome::Unacknowledged => "not-acknowledged-in-time",
    }
}

fn consequence(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Delivered => "delivered",
        Consequence::Retry { .. } => "retry",
        Consequence::Halted => "halted",
        Consequence::Parked => "parked",
        Consequence::Dead => "dead",
        Consequence::Accepted { .. } => "waits-for-acknowledgement",
    }
}
