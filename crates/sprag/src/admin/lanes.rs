//! `/v1/lanes`: lanes that stopped, or that have events to deliver; resuming many at once.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence, SourceId};
use sprag_core::input::Command;
use sprag_core::record::LaneMode;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, Page, time};
use super::cursor;
use super::many::{self, Carried, Refusals};
use super::names::Names;
use super::problems::{CommandProblems, ReadProblems};
use super::request::{Body, Parameters, invalid, page_size};
use super::selector;
use super::state::AdminState;
use crate::extract::webhook_id;
use crate::problem::Problem;
use crate::state::{LaneCursor, Selection, StoppedLane, WaitingCursor, WaitingLane};

/// Which lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `stopped`: they wait for an operator. `waiting`: they have events to deliver.
    #[serde(default)]
    #[param(inline)]
    state: Which,
    /// Of this destination
    destination: Option<String>,
    /// Of this source
    source: Option<String>,
    /// Of keys whose encoded name is like this; `*` stands for anything
    key: Option<String>,
    /// What came of the last try before it stopped: a status (`503`), a class of them (`5xx`),
    /// `unreachable`, `unknown`, `address-not-allowed`, `unreadable`, `not-acknowledged-in-time`; or `halted`, `parked`
    reason: Option<String>,
    /// Stopped at this time or later
    #[param(format = DateTime)]
    since: Option<String>,
    /// Stopped before this time
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lanes on a page, 1 to 500
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    #[default]
    Stopped,
    Waiting,
}

/// A lane in the list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedLane)]
pub(super) struct Listed {
    source: String,
    key: String,
    destination: String,
    /// `halted`, `parked`: it stopped. `active`, `draining`: it delivers.
    mode: &'static str,
    /// The next event to settle
    sequence: u64,
    /// The last event in it
    to: u64,
    /// The `webhook-id` of the next event
    webhook_id: String,
    /// When it stopped; absent while it delivers
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    since: Option<String>,
    /// What came of the last try before it stopped; absent while it delivers
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Tries of the next event that failed
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    /// When the next event is due; absent for at once, and where it stopped
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    due: Option<String>,
}

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
enum Ended {
    Stopped(u32, u16, u32, String, u64),
    Waiting(u16, u32, u64, u32, String),
}

/// Lists lanes that stopped, or that have events to deliver
///
/// They are no older than the request. A page looks at a bounded number of lanes: it may have fewer
/// than `limit`, or none, and still a `next`.
#[utoipa::path(get, path = "/v1/lanes", tag = "lanes", params(Wanted),
    responses((status = 200, body = Page<Listed>), ReadProblems))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Answered<Page<Listed>> {
    let most = page_size(wanted.limit)?;
    let ended = cursor::read::<Ended>(wanted.cursor.as_deref())?;
    selector::known_reason(wanted.reason.as_deref(), selector::LANE_REASONS)?;
    let names = state.names().await;
    let selector = selector::of!(wanted);
    let selection = selector.read(&names)?;
    state.store().await?;
    if wanted.state == Which::Waiting {
        if [selection.since, selection.until] != [None, None] || selection.reason.is_some() {
            return Err(invalid("reason, since and until are about lanes that stopped".to_owned()));
        }
        return waiting(&state, &names, selection, ended, most).await;
    }
    let page = stopped_page(&state, selection, ended, most).await?;
    let items = page.lanes.iter().map(|lane| stopped(&names, lane)).collect();
    let next = page.next.map(|next| cursor::write(&place(next))).transpose()?;
    Ok(Json(Page { items, next }))
}

fn place(next: LaneCursor) -> Ended {
    let LaneCursor { destination, partition, key, strand } = next;
    let strand = strand.map_or(0, |event| event.0);
    Ended::Stopped(destination.0, partition.0, key.source.0, key.name.to_string(), strand)
}

async fn stopped_page(
    state: &AdminState,
    selection: Selection,
    ended: Option<Ended>,
    most: usize,
) -> Result<crate::state::LanePage, Problem> {
    let after = match ended {
        None => None,
        Some(Ended::Stopped(destination, partition, source, name, strand)) => Some(LaneCursor {
            strand: Some(Sequence(strand)).filter(|event| event.0 > 0),
            destination: DestinationId(destination),
            partition: PartitionId(partition),
            key: Key { source: SourceId(source), name: name.into() },
        }),
        Some(Ended::Waiting(..)) => return Err(foreign_cursor()),
    };
    state.read(move |reader| reader.stopped_lanes(&selection, after.as_ref(), most)).await
}

async fn waiting(
    state: &AdminState,
    names: &Names,
    selection: Selection,
    ended: Option<Ended>,
    most: usize,
) -> Answered<Page<Listed>> {
    let after = match ended {
        None => None,
        Some(Ended::Waiting(partition, destination, due, source, name)) => Some(WaitingCursor {
            partition: PartitionId(partition),
            destination: DestinationId(destination),
            due,
            key: Key { source: SourceId(source), name: name.into() },
        }),
        Some(Ended::Stopped(..)) => return Err(foreign_cursor()),
    };
    let read = state.read(move |reader| reader.waiting_lanes(&selection, after.as_ref(), most));
    let page = read.await?;
    let next = page.next.map(|next| {
        let WaitingCursor { partition, destination, due, key } = next;
        let (source, name) = (key.source.0, key.name.to_string());
        cursor::write(&Ended::Waiting(partition.0, destination.0, due, source, name))
    });
    let items = page.lanes.iter().map(|lane| delivering(names, lane)).collect();
    Ok(Json(Page { items, next: next.transpose()? }))
}

fn foreign_cursor() -> Problem {
    invalid("cursor is none of this list's `next`".to_owned())
}

fn stopped(names: &Names, lane: &StoppedLane) -> Listed {
    let source = names.source(lane.key.source);
    Listed {
        webhook_id: webhook_id(&source, &lane.key.name, lane.head.0),
        source: source.to_string(),
        key: lane.key.name.to_string(),
        destination: names.destination(lane.destination).to_string(),
        mode: if lane.mode == LaneMode::Parked { "parked" } else { "halted" },
        sequence: lane.head.0,
        to: lane.tail.0,
        since: selector::shown(lane.since),
        reason: lane.outcome.clone(),
        failures: None,
        due: None,
    }
}

fn delivering(names: &Names, waiting: &WaitingLane) -> Listed {
    let (lane, key) = (&waiting.lane, &waiting.key);
    let source = names.source(key.source);
    Listed {
        webhook_id: webhook_id(&source, &key.name, lane.head.0),
        source: source.to_string(),
        key: key.name.to_string(),
        destination: names.destination(lane.destination).to_string(),
        mode: super::key::mode(lane).0,
        sequence: lane.head.0,
        to: lane.tail.0,
        since: None,
        reason: None,
        failures: Some(lane.failures),
        due: Some(lane.due).filter(|due| due.0 > 0).and_then(time),
    }
}

/// Which stopped lanes to resume. All conditions that are there must be met.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    /// Of this destination
    destination: Option<String>,
    /// Of this source
    source: Option<String>,
    /// Of keys whose encoded name is like this; `*` stands for anything
    key: Option<String>,
    /// As in the list of lanes
    reason: Option<String>,
    /// Stopped at this time or later
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Stopped before this time
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Must be true where there is no condition
    #[serde(default)]
    all: bool,
    /// Lanes resumed by this request, 1 to 200
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the request before
    cursor: Option<String>,
}

/// Resumes stopped lanes: each drains in order
///
/// One command for each lane, one after another, each durable before the next. A request carries out
/// a bounded number; go on with `next` until there is none.
#[utoipa::path(post, path = "/v1/lanes/resume", tag = "lanes", request_body = Resume,
    responses((status = 200, body = Carried), CommandProblems))]
pub(super) async fn resume(
    State(state): State<AdminState>,
    Body(wanted): Body<Resume>,
) -> Answered<Carried> {
    let most = many::most(wanted.limit)?;
    let ended = cursor::read::<Ended>(wanted.cursor.as_deref())?;
    selector::known_reason(wanted.reason.as_deref(), selector::LANE_REASONS)?;
    let names = state.names().await;
    let selector = selector::of!(wanted);
    let selection = selector.read_all_if(&names, wanted.all)?;
    state.store().await?;
    let page = stopped_page(&state, selection, ended, most).await?;
    let mut carried = Refusals::default();
    for lane in &page.lanes {
        let (key, destination) = (lane.key.clone(), lane.destination);
        let command = Command::Redrive { key, destination, passed: lane.strand };
        carried.note(&names, &lane.key, Some(destination), state.command(command).await);
    }
    carried.answer(page.next.map(|next| cursor::write(&place(next))).transpose()?)
}
