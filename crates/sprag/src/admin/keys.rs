//! `/v1/sources/{source}/keys`: which keys there are, and which of them wait.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sprag_core::id::PartitionId;
use sprag_core::record::Lane;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, Page};
use super::cursor;
use super::problems::ReadProblems;
use super::request::{Parameters, Segments, page_size};
use super::state::AdminState;
use crate::state::{KeyCursor, KeyFilter, KeyQuery, KeyRow};

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In this state
    #[serde(default)]
    #[param(inline)]
    state: Which,
    /// Whose encoded name begins so
    #[serde(default)]
    prefix: String,
    /// Keys on a page, 1 to 500
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    #[default]
    All,
    Held,
    Stopped,
    Paused,
    /// Its source seems to count its positions anew.
    Reset,
}

/// A key in the list; `/v1/sources/{source}/keys/{key}` tells the rest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedKey)]
pub(super) struct Listed {
    key: String,
    partition: u16,
    sequence: u64,
    paused: bool,
    held_events: usize,
    stopped_lanes: usize,
    /// Released events that no lane has settled yet, over all lanes.
    backlog: u64,
}

/// Lists keys, by partition and name
///
/// They are no older than the request.
#[utoipa::path(get, path = "/v1/sources/{source}/keys", tag = "keys",
    params(("source" = String, Path, description = "The source"), Wanted),
    responses((status = 200, body = Page<Listed>), ReadProblems))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Segments(source): Segments<String>,
    Parameters(wanted): Parameters<Wanted>,
) -> Answered<Page<Listed>> {
    let source = state.names().await.source_id(&source)?;
    let after = cursor::read::<(u16, String)>(wanted.cursor.as_deref())?;
    let query = KeyQuery {
        source,
        prefix: wanted.prefix,
        filter: match wanted.state {
            Which::All => KeyFilter::All,
            Which::Held => KeyFilter::Held,
            Which::Stopped => KeyFilter::Stopped,
            Which::Paused => KeyFilter::Paused,
            Which::Reset => KeyFilter::Reset,
        },
        after: after.map(|(partition, name)| KeyCursor { partition: PartitionId(partition), name }),
        most: page_size(wanted.limit)?,
    };
    state.store().await?;
    let page = state.read(move |reader| reader.keys(&query)).await?;
    let next = page.next.map(|next| cursor::write(&(next.partition.0, next.name))).transpose()?;
    Ok(Json(Page { items: page.keys.iter().map(listed).collect(), next }))
}

fn listed(row: &KeyRow) -> Listed {
    let lanes = &row.record.lanes;
    let waiting = lanes.iter().map(|lane| (lane.tail.0 + 1).saturating_sub(lane.head.0));
    // A lane and its strands are one.
    let stopped = lanes.chunk_by(|one, next| one.destination == next.destination);
    let stopped = stopped.filter(|lanes| lanes.iter().any(Lane::is_stopped));
    Listed {
        key: row.key.name.to_string(),
        partition: row.partition.0,
        sequence: row.record.sequence.0,
        paused: row.record.paused,
        held_events: row.record.order.held.len(),
        stopped_lanes: stopped.count(),
        backlog: waiting.sum(),
    }
}
