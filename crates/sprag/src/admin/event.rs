//! `/v1/events/{id}` and its body: what came in, what became of it, how it fares in each lane.
//!
//! An id is an event's place (`3-1042-7`), which every received event has, or a `webhook-id`
//! (`{source}:{key}:{sequence}`, as one path segment), which every released one has.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, X_CONTENT_TYPE_OPTIONS,
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use sprag_core::fact::{DeadLetter, Fact, InvalidReason, Origin, Received, Released};
use sprag_core::id::{FrameNumber, Place, Sequence};
use sprag_core::position::Position;
use sprag_core::ranges::Range;
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::{Answer, Query, StoredEvent, StoredFact};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, time};
use super::fates::{self, Attempts, Fates};
use super::names::Names;
use super::problems::ReadProblems;
use super::request::{Parameters, Segments};
use super::state::{AdminState, KnownKey};
use super::{cursor, fact, settled};
use crate::extract::webhook_id;
use crate::fate::AtIngress;
use crate::problem::{Code, Problem};

/// What `{id}` is.
const EVENT_ID: &str = "The event's permanent id (`3-1042-7`), or its `webhook-id`";

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct Shown {
    /// Its permanent id.
    id: String,
    source: String,
    key: String,
    /// Whether its key is forgotten (rule D8): then nothing of it waits
    key_forgotten: bool,
    /// What became of it at ingress; `unknown` when that fact is no longer found.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    received_at: Option<String>,
    /// The source's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
    position: String,
    r#type: String,
    content_type: String,
    size: u32,
    digest: String,
    /// `refilled`: its source was asked for it, because its position was missing. `again`: it came before,
    /// and is undone or repeated because of a late one. Absent where it was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    headers: Vec<Header>,
    /// That it waited for others, and how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// Why it is a dead letter of ingress, or stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Release>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fates: Option<Fates>,
}

/// A kept header. Values that are not UTF-8 are given in Base64.
#[derive(Debug, Serialize, ToSchema)]
struct Header {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// Why an event is a dead letter of ingress, or stale.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Reason {
    /// Another event has its position.
    Conflict { other: String, other_digest: String },
    /// Its key had released a newer one: the one with this sequence.
    Stale { newest: u64 },
    /// Its position, or a counter of its clock, is further ahead than `hold.span` (rule K4).
    BeyondSpan,
    /// Its position lies before `first` (rule K7).
    BeforeFirst,
    /// Its timestamp is further ahead of its receipt than `max_ahead` (rule K4).
    AheadOfTime,
    /// Its key, type or position cannot be read (`on_invalid`).
    Unreadable,
    /// With its new fields the key would have more than 64 (contract `merge`).
    TooManyFields,
    /// Its clock knows less than that of an event before it of the same node (contract `causal`).
    ShrinkingClock,
    /// With its clock the key would have more than 64 nodes (contract `causal`).
    TooManyNodes,
    /// The table of its source does not have its state (contract `states`).
    UnknownState,
}

/// How long an event waited for others.
#[derive(Debug, Serialize, ToSchema)]
struct Hold {
    /// `gap`: positions before it, states between, or what its clock knows, were missing; `start`: where its key begins was not settled; `settle`: what sorts
    /// before it could still come.
    reason: &'static str,
    /// Until its release; absent while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

/// Its release.
#[derive(Debug, Serialize, ToSchema)]
struct Release {
    webhook_id: String,
    sequence: u64,
    kind: &'static str,
    /// The sequence under which it came before, which this release undoes or repeats
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// Positions just before it that were given up (`sprag-missing`): `5`, `7-9`, under `causal` `node 3-4`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    /// The hash its key stood at, where what leads from there to it never came
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_from: Option<String>,
    /// The states before it that never came (`sprag-passed`)
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
    previous_hash: String,
    hash: String,
    /// The configuration it was decided under.
    revision: u32,
}

/// What became of an event at ingress.
enum Arrived {
    Released(Box<StoredFact>),
    Held,
    /// Older than the event with this sequence.
    Stale(Sequence),
    DeadLetter(Option<Reason>),
    Unknown,
}

/// Shows an event: what came in, what became of it, how it fares in each lane
///
/// Attempts are looked for in history from the release on, 32 MiB of it: where `fates.complete` is
/// false, `attempts` goes on with `fates.next`.
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events",
    params(("id" = String, Path, description = EVENT_ID)),
    responses((status = 200, body = Shown), ReadProblems))]
pub(super) async fn show(
    State(state): State<AdminState>,
    Segments(id): Segments<String>,
) -> Answered<Shown> {
    let names = state.names().await;
    let Found { stored, known, arrived } = found(&state, &names, &id).await?;
    let Fact::Received(received) = &stored.fact else {
        return Err(Problem::new(Code::UnknownEvent));
    };
    let fates = match &arrived {
        Arrived::Released(released) => fates::of(&state, &names, &known, released).await?,
        _ => None,
    };
    let hold = hold(&state, &stored, &arrived).await?;
    let is_forgotten = known.record.forgotten;
    Ok(Json(shown(&names, &stored, received, &arrived, (is_forgotten, hold, fates))))
}

/// Where a search goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// `fates.next` of the event, or `next` of the page before
    cursor: Option<String>,
}

/// Lists the attempts of an event, in the order of their ends
///
/// They have no index: each request searches 32 MiB of history. A page may be empty and still have
/// a `next`. An event that is not released has none.
#[utoipa::path(get, path = "/v1/events/{id}/attempts", tag = "events",
    params(("id" = String, Path, description = EVENT_ID), Search),
    responses((status = 200, body = Attempts), ReadProblems))]
pub(super) async fn attempts(
    State(state): State<AdminState>,
    Segments(id): Segments<String>,
    Parameters(wanted): Parameters<Search>,
) -> Answered<Attempts> {
    let from = cursor::read::<u64>(wanted.cursor.as_deref())?;
    let names = state.names().await;
    let Found { stored, arrived, .. } = found(&state, &names, &id).await?;
    match arrived {
        Arrived::Released(released) => {
            Ok(Json(fates::attempts(&state, &names, &released, from).await?))
        }
        _ => Ok(Json(fates::attempts(&state, &names, &stored, from).await?)),
    }
}

/// The body, byte for byte
///
/// Under the content type it came with. It is somebody else's: a browser must neither guess what it
/// is nor run it.
#[utoipa::path(get, path = "/v1/events/{id}/body", tag = "events",
    params(("id" = String, Path, description = EVENT_ID)),
    responses((status = 200, description = "The body under its own content type"),
        ReadProblems))]
pub(super) async fn body(
    State(state): State<AdminState>,
    Segments(id): Segments<String>,
) -> Result<(HeaderMap, Vec<u8>), Problem> {
    let names = state.names().await;
    let (place, _) = find(&state, &names, &id).await?;
    let Some(Answer::Event(event)) = state.ask_kept(Query::Event { place }).await? else {
        return Err(Problem::new(Code::UnknownEvent));
    };
    let StoredEvent { received, body, .. } = *event;
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = HeaderValue::from_str(&received.content_type)
        && !received.content_type.is_empty()
    {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    Ok((headers, body.bytes.to_vec()))
}

/// An event, its key, and what became of it at ingress.
struct Found {
    stored: Box<StoredFact>,
    known: KnownKey,
    arrived: Arrived,
}

async fn found(state: &AdminState, names: &Names, id: &str) -> Result<Found, Problem> {
    let (place, released) = find(state, names, id).await?;
    let Some(Answer::Fact(stored)) = state.ask_kept(Query::Fact { place }).await? else {
        return Err(Problem::new(Code::UnknownEvent));
    };
    let Fact::Received(received) = &stored.fact else {
        return Err(Problem::new(Code::UnknownEvent));
    };
    let source = names.source(received.key.source);
    let known = match state.key(names, &source, &received.key.name).await {
        Err(unknown) if unknown.code == Code::UnknownKey => {
            KnownKey::forgotten(place.partition, received.key.clone())
        }
        known => known?,
    };
    let arrived = match released {
        Some(released) => Arrived::Released(released),
        None => arrived(state, place, received, &known).await?,
    };
    Ok(Found { stored, known, arrived })
}

/// That an event waited: the fact that says so stands behind it in its frame.
async fn hold(
    state: &AdminState,
    stored: &StoredFact,
    arrived: &Arrived,
) -> Result<Option<Hold>, Problem> {
    let place = stored.place;
    let query = Query::Frames { partition: place.partition, from: place.frame, most: 1, bytes: 1 };
    let Some(Answer::Frames(frames)) = state.ask(query).await? else { return Ok(None) };
    let mut facts = frames.frames.iter().take(1).flat_map(|frame| &frame.facts);
    let held = facts.find_map(|fact| match fact {
        Fact::Held(held) if held.event == place => Some(held),
        _ => None,
    });
    let seconds = match arrived {
        Arrived::Released(released) => Some(released.recorded.since(stored.recorded).as_secs_f64()),
        _ => None,
    };
    Ok(held.map(|held| Hold { reason: fact::hold(held.reason), seconds }))
}

/// The event's place, and its release when the id names that.
async fn find(
    state: &AdminState,
    names: &Names,
    id: &str,
) -> Result<(Place, Option<Box<StoredFact>>), Problem> {
    if let Ok(place) = id.parse() {
        return Ok((place, None));
    }
    let unknown = || Problem::new(Code::UnknownEvent);
    let mut parts = id.splitn(3, ':');
    let (Some(source), Some(name), Some(sequence)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(unknown());
    };
    let sequence = Sequence(sequence.parse().map_err(|_| unknown())?);
    let key = names.key(source, name)?;
    let partition = state.partition(source, name);
    let query = Query::Sequences { partition, key, from: sequence, to: sequence, most: 1 };
    let Some(Answer::Sequences(stored)) = state.ask(query).await? else { return Err(unknown()) };
    let stored = stored.into_iter().next().ok_or_else(unknown)?;
    match &stored.fact {
        Fact::Released(released) => Ok((released.event, Some(Box::new(stored)))),
        _ => Err(unknown()),
    }
}

/// What became of a received event: the next facts of its frame say so; what was held is looked
/// for by its position.
async fn arrived(
    state: &AdminState,
    place: Place,
    received: &Received,
    known: &KnownKey,
) -> Result<Arrived, Problem> {
    let query = Query::Frames { partition: place.partition, from: place.frame, most: 1, bytes: 1 };
    if let Some(Answer::Frames(frames)) = state.ask(query).await?
        && let Some(frame) = frames.frames.first()
    {
        for (index, fact) in (0..).zip(&frame.facts) {
            let at = Place { index, ..place };
            let (epoch, recorded) = (frame.epoch, frame.recorded);
            let stored = || StoredFact { place: at, epoch, recorded, fact: fact.clone() };
            match fact {
                Fact::Released(released) if released.event == place => {
                    return Ok(Arrived::Released(Box::new(stored())));
                }
                Fact::Stale(stale) if stale.event == place => {
                    return Ok(Arrived::Stale(stale.newest));
                }
                fact => {
                    if let Some(reason) = dead_letter(place, fact) {
                        return Ok(Arrived::DeadLetter(Some(reason)));
                    }
                }
            }
        }
    }
    if known.record.order.held.values().any(|held| held.event == place) {
        return Ok(Arrived::Held);
    }
    match released_later(state, place, received, known).await? {
        Some(released) => Ok(Arrived::Released(released)),
        None => judged_later(state, place, received, known).await,
    }
}

/// Why a position is impossible, in one word.
pub(super) fn invalid_name(reason: InvalidReason) -> &'static str {
    match reason {
        InvalidReason::BeyondSpan => "beyond-span",
        InvalidReason::BeforeFirst => "before-first",
        InvalidReason::AheadOfTime => "ahead-of-time",
        InvalidReason::Unreadable => "unreadable",
        InvalidReason::TooManyFields => "too-many-fields",
        InvalidReason::ShrinkingClock => "shrinking-clock",
        InvalidReason::TooManyNodes => "too-many-nodes",
        InvalidReason::UnknownState => "unknown-state",
    }
}

fn dead_letter(place: Place, fact: &Fact) -> Option<Reason> {
    match fact {
        Fact::Conflict(conflict) if conflict.event == place => Some(Reason::Conflict {
            other: conflict.other.to_string(),
            other_digest: conflict.other_digest.to_string(),
        }),
        Fact::Invalid(invalid) if invalid.event == place => Some(match invalid.reason {
            InvalidReason::BeyondSpan => Reason::BeyondSpan,
            InvalidReason::BeforeFirst => Reason::BeforeFirst,
            InvalidReason::AheadOfTime => Reason::AheadOfTime,
            InvalidReason::Unreadable => Reason::Unreadable,
            InvalidReason::TooManyFields => Reason::TooManyFields,
            InvalidReason::ShrinkingClock => Reason::ShrinkingClock,
            InvalidReason::TooManyNodes => Reason::TooManyNodes,
            InvalidReason::UnknownState => Reason::UnknownState,
        }),
        _ => None,
    }
}

async fn released_later(
    state: &AdminState,
    place: Place,
    received: &Received,
    known: &KnownKey,
) -> Result<Option<Box<StoredFact>>, Problem> {
    let partition = known.partition;
    // Only what waits is released later than in the frame it came in: for positions, or to settle.
    if let Position::Timestamp(_) | Position::State { .. } | Position::Link(_) = received.position {
        return settled::release_of(state, place, known).await;
    }
    if !received.position.is_unique() {
        return Ok(None);
    }
    let by = Handle::Position(received.position.clone());
    let wanted = vec![Wanted { key: received.key.clone(), by }];
    let query = Query::Find { partition, wanted, up_to: FrameNumber(u64::MAX) };
    let Some(Answer::Found(found)) = state.ask(query).await? else { return Ok(None) };
    let is_it = |stored: &StoredFact| match &stored.fact {
        Fact::Released(released) => released.event == place,
        _ => false,
    };
    Ok(found.facts.into_iter().flatten().find(is_it).map(Box::new))
}

/// A held event can be judged invalid when the base of its key is chosen (rule K4), or turn out to be stale or a
/// conflict (contract `states`): the list of dead letters has where, and of what is stale the key's history.
async fn judged_later(
    state: &AdminState,
    place: Place,
    received: &Received,
    known: &KnownKey,
) -> Result<Arrived, Problem> {
    let (partition, key) = (known.partition, known.key.clone());
    let name = DeadLetter::AtIngress { event: place };
    let Some(letter) = state.read(move |reader| reader.letter(partition, &key, &name)).await?
    else {
        let stale = match received.position {
            Position::State { .. } => settled::stale_of(state, place, known).await?,
            _ => None,
        };
        return Ok(stale.map_or(Arrived::Unknown, Arrived::Stale));
    };
    let judged = state.ask(Query::Fact { place: letter.place }).await?;
    let reason = match judged {
        Some(Answer::Fact(stored)) => dead_letter(place, &stored.fact),
        _ => None,
    };
    Ok(Arrived::DeadLetter(reason))
}

fn shown(
    names: &Names,
    stored: &StoredFact,
    received: &Received,
    arrived: &Arrived,
    (key_forgotten, hold, fates): (bool, Option<Hold>, Option<Fates>),
) -> Shown {
    let source = names.source(received.key.source);
    let release = match arrived {
        Arrived::Released(stored) => release(&source, stored),
        _ => None,
    };
    let (fate, reason) = match arrived {
        Arrived::Released(_) => (Some(AtIngress::Released), None),
        Arrived::Held => (Some(AtIngress::Held), None),
        Arrived::Stale(newest) => {
            (Some(AtIngress::Stale), Some(Reason::Stale { newest: newest.0 }))
        }
        Arrived::Unknown => (None, None),
        Arrived::DeadLetter(Some(reason @ Reason::Conflict { .. })) => {
            (Some(AtIngress::Conflict), Some(reason.clone()))
        }
        Arrived::DeadLetter(reason) => (Some(AtIngress::Invalid), reason.clone()),
    };
    Shown {
        id: stored.place.to_string(),
        source: source.to_string(),
        key: received.key.name.to_string(),
        key_forgotten,
        status: fate.map_or("unknown", AtIngress::as_str),
        received_at: time(stored.recorded),
        source_id: received.id.as_ref().map(ToString::to_string),
        position: received.position.text(),
        r#type: received.event_type.to_string(),
        content_type: received.content_type.to_string(),
        origin: match received.origin {
            Origin::Posted => None,
            Origin::Refilled => Some("refilled"),
            Origin::Again => Some("again"),
            Origin::Reconciled => Some("reconciled"),
        },
        size: received.size,
        digest: received.digest.to_string(),
        headers: received.headers.iter().map(header).collect(),
        hold,
        reason,
        release,
        fates,
    }
}

fn header(header: &sprag_core::fact::StoredHeader) -> Header {
    let text = std::str::from_utf8(&header.value).ok().map(str::to_owned);
    let value_base64 = text.is_none().then(|| BASE64.encode(&header.value));
    Header { name: header.name.to_string(), value: text, value_base64 }
}

fn release(source: &str, stored: &StoredFact) -> Option<Release> {
    let Fact::Released(released) = &stored.fact else { return None };
    let Released { key, sequence, kind, previous_hash, hash, revision, .. } = released;
    Some(Release {
        webhook_id: webhook_id(source, &key.name, sequence.0),
        sequence: sequence.0,
        kind: kind.as_str(),
        of: released.earlier.map(|earlier| earlier.0),
        missing: missing(released),
        broken_from: released.broken_from.as_ref().map(ToString::to_string),
        passed: released.passed.iter().map(ToString::to_string).collect(),
        at: time(stored.recorded),
        previous_hash: previous_hash.to_string(),
        hash: hash.to_string(),
        revision: revision.0,
    })
}

/// What was given up just before a release, each range as a text.
fn missing(released: &Released) -> Vec<String> {
    let text = |range: &Range| match (range.from, range.to) {
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}-{to}"),
    };
    let causes = released.causes.iter().map(|of| format!("{} {}", of.node, text(&of.range)));
    released.missing.as_slice().iter().map(text).chain(causes).collect()
}
