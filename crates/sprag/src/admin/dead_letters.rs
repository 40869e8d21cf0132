//! `/v1/dead-letters`: what waits for an operator: lanes that stopped, and events no lane stands
//! at (given up and passed, or dead-lettered at ingress).
//!
//! Lanes come first, then events, the newest first. A lane is one entry with its range of events.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence, SourceId};
use sprag_core::record::LaneMode;
use sprag_driver::state::Letter;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, time};
use super::cursor;
use super::names::Names;
use super::problems::ReadProblems;
use super::request::{Parameters, page_size};
use super::selector;
use super::state::AdminState;
use crate::extract::webhook_id;
use crate::problem::Problem;
use crate::state::{LaneCursor, LetterCursor, Selection, StoppedLane};

/// Which dead letters; all that meet every condition there is.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this destination; without one also those of ingress
    destination: Option<String>,
    /// Of this source
    source: Option<String>,
    /// Of keys whose encoded name is like this; `*` stands for anything
    key: Option<String>,
    /// `given-up`, `backlog-full`, `late`, `conflict`, `invalid`, or that of a lane as in the list of lanes
    reason: Option<String>,
    /// Dead since this time or later
    #[param(format = DateTime)]
    since: Option<String>,
    /// Dead before this time
    #[param(format = DateTime)]
    until: Option<String>,
    /// Entries on a page, 1 to 500
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetters)]
pub(super) struct Letters {
    items: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Events that left the list because it is full; history has them.
    left: u64,
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Listed {
    /// A lane that stopped. Redrive it in order, or drop its first event.
    Lane {
        source: String,
        key: String,
        destination: String,
        mode: &'static str,
        /// The event it stopped at.
        sequence: u64,
        /// The last event that waits in it.
        to: u64,
        webhook_id: String,
        /// When it stopped.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(format = DateTime)]
        since: Option<String>,
        /// What came of the last try before it stopped: a status, or why there was no answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An event its lane has passed. Redrive it out of order, or drop it.
    Passed {
        source: String,
        key: String,
        destination: String,
        sequence: u64,
        webhook_id: String,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(format = DateTime)]
        at: Option<String>,
    },
    /// An event that never got a sequence. It can be dropped.
    Ingress {
        source: String,
        key: String,
        event: String,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(format = DateTime)]
        at: Option<String>,
    },
}

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
enum Ended {
    Lanes(u32, u16, u32, String, u64),
    Letters(Option<i64>),
}

/// Lists dead letters: lanes that stopped, passed events, events of ingress
///
/// No older than the request. A page looks at a bounded number of rows: it may have fewer than
/// `limit`, or none, and still a `next`.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", params(Wanted),
    responses((status = 200, body = Letters), ReadProblems))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Answered<Letters> {
    let most = page_size(wanted.limit)?;
    let ended = cursor::read::<Ended>(wanted.cursor.as_deref())?;
    let names = state.names().await;
    let known = [selector::LANE_REASONS, selector::LETTER_REASONS].concat();
    selector::known_reason(wanted.reason.as_deref(), &known)?;
    let selector = selector::of!(wanted);
    let wanted = selector.read(&names)?;
    state.store().await?;
    let left = state.read(crate::state::StateReader::letters_left).await?;
    let (items, next) = match ended {
        Some(Ended::Letters(before)) => letters(&state, &names, wanted, before, most).await?,
        Some(Ended::Lanes(of, partition, source, name, strand)) => {
            let after = LaneCursor {
                destination: DestinationId(of),
                partition: PartitionId(partition),
                key: Key { source: SourceId(source), name: name.into() },
                strand: Some(Sequence(strand)).filter(|event| event.0 > 0),
            };
            lanes(&state, &names, wanted, Some(after), most).await?
        }
        None => lanes(&state, &names, wanted, None, most).await?,
    };
    let next = next.map(|ended| cursor::write(&ended)).transpose()?;
    Ok(Json(Letters { items, next, left }))
}

type Entries = (Vec<Listed>, Option<Ended>);

/// A page of lanes; where they end, letters fill it up.
async fn lanes(
    state: &AdminState,
    names: &Names,
    wanted: Selection,
    after: Option<LaneCursor>,
    most: usize,
) -> Result<Entries, Problem> {
    let selection = wanted.clone();
    let read = state.read(move |reader| reader.stopped_lanes(&selection, after.as_ref(), most));
    let page = read.await?;
    let mut items: Vec<Listed> = page.lanes.iter().map(|lane| stopped(names, lane)).collect();
    if let Some(next) = page.next {
        let (key, of) = (next.key, next.destination.0);
        let strand = next.strand.map_or(0, |event| event.0);
        let name = key.name.to_string();
        let ended = Ended::Lanes(of, next.partition.0, key.source.0, name, strand);
        return Ok((items, Some(ended)));
    }
    if items.len() == most {
        return Ok((items, Some(Ended::Letters(None))));
    }
    let rest = most - items.len();
    let (mut more, ended) = letters(state, names, wanted, None, rest).await?;
    items.append(&mut more);
    Ok((items, ended))
}

async fn letters(
    state: &AdminState,
    names: &Names,
    wanted: Selection,
    before: Option<i64>,
    most: usize,
) -> Result<Entries, Problem> {
    let before = before.map(LetterCursor);
    let page = state.read(move |reader| reader.letters(&wanted, before, most)).await?;
    let items = page.letters.iter().map(|letter| listed(names, letter)).collect();
    Ok((items, page.next.map(|next| Ended::Letters(Some(next.0)))))
}

fn stopped(names: &Names, lane: &StoppedLane) -> Listed {
    let source = names.source(lane.key.source);
    Listed::Lane {
        webhook_id: webhook_id(&source, &lane.key.name, lane.head.0),
        source: source.to_string(),
        key: lane.key.name.to_string(),
        destination: names.destination(lane.destination).to_string(),
        mode: if lane.mode == LaneMode::Parked { "parked" } else { "halted" },
        sequence: lane.head.0,
        to: lane.tail.0,
        since: selector::shown(lane.since),
        reason: lane.outcome.clone(),
    }
}

fn listed(names: &Names, letter: &Letter) -> Listed {
    let source = names.source(letter.key.source);
    let (key, reason) = (letter.key.name.to_string(), letter.reason.as_str());
    let at = time(letter.recorded);
    match letter.letter {
        DeadLetter::InLane { destination, sequence } => Listed::Passed {
            webhook_id: webhook_id(&source, &key, sequence.0),
            source: source.to_string(),
            key,
            destination: names.destination(destination).to_string(),
            sequence: sequence.0,
            reason,
            at,
        },
        DeadLetter::AtIngress { event } => {
            let event = event.to_string();
            Listed::Ingress { source: source.to_string(), key, event, reason, at }
        }
    }
}
