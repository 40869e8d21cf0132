//! `/v1/state/{source}/{key}`: the state of a resource as its events say it: where it stands, and the newest
//! event with its body.
//!
//! Only what is committed is told: what the key's record says beyond that may never have been. The log has
//! that, by the key's sequences.
//!
//! A contract that knows more of a key than its newest position (a merged document, the state of a machine, a
//! clock, the tip of a chain of links) tells it in a member of its own beside `position`, absent under other
//! contracts: so members are only ever added, and readers ignore those they do not know.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64;
use serde::Serialize;
use sprag_core::fact::{Fact, Kind, Received, Released};
use sprag_core::id::{Place, Sequence};
use sprag_core::position::Position;
use sprag_core::record::{Order, Reached};
use sprag_log::{Answer, Query, StoredFact};
use utoipa::ToSchema;

use super::answer::{Answered, time};
use super::key::{clock, how_new};
use super::limits;
use super::merged::{self, Merged};
use super::problems::ReadProblems;
use super::request::Segments;
use super::state::{AdminState, KnownKey};
use crate::extract::webhook_id;
use crate::problem::{Code, Problem};

/// Where a key stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyState)]
pub(super) struct Shown {
    source: String,
    key: String,
    partition: u16,
    /// The newest sequence; 0 before the first event is released.
    sequence: u64,
    /// Hₙ of that event (rule C1).
    hash: String,
    /// The newest position in order, as `sprag-position` has it; absent where the source says none, and
    /// before the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    /// Up to where the events of each node are released or given up, by the record as it is (contract `causal`); absent
    /// under other contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<BTreeMap<String, u64>>,
    /// The state the resource is in (contract `states`); absent before the first event, and under other
    /// contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Machine>,
    /// The merged document (contract `merge`): what a consumer has that takes the fresh fields of every delivery, by the
    /// record as it is. Absent where the source does not say where values are (`position.values`), and under other
    /// contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged: Option<Merged>,
    /// Whether the key is forgotten: this is what it goes on from (rule D8).
    forgotten: bool,
    /// The newest event in order: one that came late is not it, whatever its sequence. Absent before the
    /// first, and where the last hundred all were late.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
}

/// A state, by the newest event in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MachineState)]
struct Machine {
    state: String,
    /// How new it is, where its source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    instant: Option<String>,
}

/// An event, as far as it is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastEvent)]
struct Last {
    sequence: u64,
    webhook_id: String,
    #[serde(flatten)]
    event: Option<Event>,
    /// Its body as it came, where it is text; null where it is not, or is kept no longer.
    body: Option<String>,
    /// Its body in Base64, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// Whether its body is kept no longer (`retention.bodies`); without the other members, the event
    /// neither (`retention.facts`).
    gone: bool,
}

/// What history says of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastEventFacts)]
struct Event {
    /// Its permanent id.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    released_at: Option<String>,
    /// The source's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
    r#type: String,
    content_type: String,
    size: u32,
    digest: String,
}

/// Tells where a key stands: its newest sequence, hash and position, and its newest event with the body
///
/// Contracts may add members; ignore those you do not know.
#[utoipa::path(get, path = "/v1/state/{source}/{key}", tag = "keys",
    params(("source" = String, Path, description = "The source"),
        ("key" = String, Path, description = "The encoded key")),
    responses((status = 200, body = Shown), ReadProblems))]
pub(super) async fn show(
    State(state): State<AdminState>,
    Segments((source, key)): Segments<(String, String)>,
) -> Answered<Shown> {
    let names = state.names().await;
    let mut known = state.key(&names, &source, &key).await?;
    let mut releases = releases(&state, &known).await?;
    if releases.is_empty() && known.record.sequence > Sequence(0) {
        // Either its history is deleted, or its first event is not committed yet: then it is now.
        state.store().await?;
        known = state.key(&names, &source, &key).await?;
        releases = self::releases(&state, &known).await?;
    }
    let (sequence, hash) = match releases.last() {
        Some((_, newest)) => (newest.sequence, newest.hash),
        None => (known.record.sequence, known.record.hash),
    };
    let in_order = releases.iter().rev().find(|(_, released)| released.kind == Kind::Event);
    let last = match in_order {
        Some((stored, released)) => Some(last(&state, &source, stored, released).await?),
        None if releases.is_empty() && sequence > Sequence(0) => Some(deleted(&source, &known)),
        None => None,
    };
    // Of deleted history the record still knows the number, or the state.
    let position = match in_order {
        Some((_, released)) => Some(released.position.clone()),
        None if releases.is_empty() => of_record(&known.record.order),
        None => None,
    };
    let number = || known.record.order.newest().map(|newest| newest.to_string());
    let text = position.as_ref().map(Position::text).or_else(number);
    let merged = merged(&state, &known).await?;
    Ok(Json(Shown {
        source,
        merged,
        partition: known.partition.0,
        sequence: sequence.0,
        hash: hash.to_string(),
        clock: clock(&known.record.order.reached),
        position: text.filter(|position| !position.is_empty()),
        // A resource that begins anew is in none.
        machine: position
            .filter(|_| matches!(known.record.order.reached, Reached::State(_)))
            .and_then(machine),
        forgotten: known.record.forgotten,
        key: known.key.name.to_string(),
        last,
    }))
}

async fn merged(state: &AdminState, known: &KnownKey) -> Result<Option<Merged>, Problem> {
    let Reached::Fields(fields) = &known.record.order.reached else { return Ok(None) };
    let current = state.current();
    let Some(values) = current.0.documents.get(&known.key.source) else { return Ok(None) };
    merged::read(state, values, fields).await.map(Some)
}

/// The position of an event that history does not have any more, where it was a state.
fn of_record(order: &Order) -> Option<Position> {
    let Reached::State(machine) = &order.reached else { return None };
    Some(Position::State { state: machine.state.clone(), at: machine.at })
}

fn machine(position: Position) -> Option<Machine> {
    let Position::State { state, at } = position else { return None };
    let (version, instant) = at.map_or((None, None), how_new);
    Some(Machine { state: state.to_string(), version, instant })
}

/// The newest committed releases of a key, ascending: one, where that is in order.
async fn releases(
    state: &AdminState,
    known: &KnownKey,
) -> Result<Vec<(StoredFact, Released)>, Problem> {
    let to = known.record.sequence;
    for looked in [1, limits::LOOKED_BACK] {
        let from = Sequence(to.0.saturating_sub(looked - 1).max(1));
        let (partition, key) = (known.partition, known.key.clone());
        let most = usize::try_from(looked).unwrap_or(usize::MAX);
        let query = Query::Sequences { partition, key, from, to, most };
        let found = match state.ask(query).await? {
            Some(Answer::Sequences(found)) => found,
            _ => Vec::new(),
        };
        let released = found.into_iter().filter_map(|stored| match &stored.fact {
            Fact::Released(released) => Some((stored.clone(), released.clone())),
            _ => None,
        });
        let released: Vec<_> = released.collect();
        let is_enough = released.iter().any(|(_, released)| released.kind == Kind::Event);
        if is_enough || looked == limits::LOOKED_BACK {
            return Ok(released);
        }
    }
    Ok(Vec::new())
}

/// An event of which history says nothing any more.
fn deleted(source: &str, known: &KnownKey) -> Last {
    let sequence = known.record.sequence.0;
    let webhook_id = webhook_id(source, &known.key.name, sequence);
    Last { sequence, webhook_id, event: None, body: None, body_base64: None, gone: true }
}

async fn last(
    state: &AdminState,
    source: &str,
    stored: &StoredFact,
    released: &Released,
) -> Result<Last, Problem> {
    let (place, sequence) = (released.event, released.sequence.0);
    let released_at = time(stored.recorded);
    let (event, body) = match state.ask_kept(Query::Event { place }).await {
        Ok(Some(Answer::Event(event))) => {
            (Some(told(place, &event.received, released_at)), Some(event.body.bytes.to_vec()))
        }
        Ok(_) => (None, None),
        Err(gone) if matches!(gone.code, Code::BodyGone | Code::HistoryGone) => {
            (of_deleted_body(state, place, released_at).await?, None)
        }
        Err(problem) => return Err(problem),
    };
    let gone = body.is_none();
    let (text, base64) = match body.map(String::from_utf8) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(bytes)) => (None, Some(BASE64.encode(bytes.as_bytes()))),
    };
    let webhook_id = webhook_id(source, &released.key.name, sequence);
    Ok(Last { sequence, webhook_id, event, body: text, body_base64: base64, gone })
}

async fn of_deleted_body(
    state: &AdminState,
    place: Place,
    released_at: Option<String>,
) -> Result<Option<Event>, Problem> {
    let Some(Answer::Fact(stored)) = state.ask(Query::Fact { place }).await? else {
        return Ok(None);
    };
    match &stored.fact {
        Fact::Received(received) => Ok(Some(told(place, received, released_at))),
        _ => Ok(None),
    }
}

fn told(place: Place, received: &Received, released_at: Option<String>) -> Event {
    Event {
        id: place.to_string(),
        released_at,
        source_id: received.id.as_ref().map(ToString::to_string),
        r#type: received.event_type.to_string(),
        content_type: received.content_type.to_string(),
        size: received.size,
        digest: received.digest.to_string(),
    }
}
