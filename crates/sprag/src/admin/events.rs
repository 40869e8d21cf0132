//! `/v1/events?source=&key=`: the released events of a key, the newest first.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sprag_core::fact::{Fact, Released};
use sprag_core::id::{DestinationId, Sequence};
use sprag_core::ranges::Range;
use sprag_log::{Answer, Query, StoredFact};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, Page, time};
use super::cursor;
use super::names::Names;
use super::problems::ReadProblems;
use super::request::{Parameters, moment, page_size};
use super::state::{AdminState, KnownKey};
use crate::extract::webhook_id;
use crate::problem::Problem;

/// Of which key.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The source
    source: String,
    /// The encoded key
    key: String,
    /// That entered the lane to this destination
    destination: Option<String>,
    /// Released at this time or later
    #[param(format = DateTime)]
    since: Option<String>,
    /// Events on a page, 1 to 500
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// A released event in the list; `/v1/events/{id}` tells the rest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedEvent)]
pub(super) struct Listed {
    /// Its permanent id.
    id: String,
    webhook_id: String,
    sequence: u64,
    kind: &'static str,
    position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    released_at: Option<String>,
    hash: String,
    /// The destinations whose lanes it entered.
    destinations: Vec<String>,
}

/// Lists the released events of a key, the newest first
///
/// As far back as facts are kept. With a `destination` a page may have fewer than `limit`, or none,
/// and still a `next`.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(Wanted),
    responses((status = 200, body = Page<Listed>), ReadProblems))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Answered<Page<Listed>> {
    let most = page_size(wanted.limit)?;
    let before = cursor::read::<u64>(wanted.cursor.as_deref())?;
    let names = state.names().await;
    let only = wanted.destination.as_deref().map(|name| names.destination_id(name)).transpose()?;
    let since = wanted.since.as_deref().map(|text| moment("since", text)).transpose()?;
    let known = state.key(&names, &wanted.source, &wanted.key).await?;
    let newest = known.record.sequence.0;
    let below = |sequence: u64| below(&known.record.jumps, sequence);
    let to = below(before.map_or(newest, |before| before.saturating_sub(1).min(newest)));
    let from = to.saturating_sub(most as u64 - 1).max(1);
    let mut stored = releases(&state, &known, (from, to), most).await?;
    stored.reverse();
    // What is no longer kept ends the list.
    let rest = stored.last().and_then(sequence).map(|oldest| below(oldest.saturating_sub(1)));
    let rest = rest.filter(|rest| *rest < from);
    let reached = since.is_some_and(|since| stored.last().is_some_and(|old| old.recorded < since));
    stored.retain(|stored| {
        since.is_none_or(|since| stored.recorded >= since)
            && only.is_none_or(|to| enters(stored, to))
    });
    let next = rest.filter(|rest| *rest > 0 && !reached).map(|rest| cursor::write(&(rest + 1)));
    let next = next.transpose()?;
    let listed = stored.iter().filter_map(|stored| listed(&names, &wanted, stored));
    Ok(Json(Page { items: listed.collect(), next }))
}

/// The nearest sequence from there on downwards that a restore did not pass over (DESIGN D10).
fn below(jumps: &[Range], sequence: u64) -> u64 {
    let jump = jumps.iter().find(|jump| jump.contains(sequence));
    jump.map_or(sequence, |jump| jump.from.saturating_sub(1))
}

/// The releases of a range, ascending, as far as they are kept. An engine may stop where a restore passed sequences
/// over: it is asked for what is behind.
async fn releases(
    state: &AdminState,
    known: &KnownKey,
    (from, to): (u64, u64),
    most: usize,
) -> Result<Vec<StoredFact>, Problem> {
    let (mut all, mut next) = (Vec::new(), from);
    while next <= to {
        let (partition, key) = (known.partition, known.key.clone());
        let query =
            Query::Sequences { partition, key, from: Sequence(next), to: Sequence(to), most };
        let Some(Answer::Sequences(found)) = state.ask(query).await? else { break };
        let Some(last) = found.last().and_then(sequence) else { break };
        all.extend(found);
        next = last.saturating_add(1);
    }
    Ok(all)
}

fn sequence(stored: &StoredFact) -> Option<u64> {
    match &stored.fact {
        Fact::Released(released) => Some(released.sequence.0),
        _ => None,
    }
}

fn enters(stored: &StoredFact, destination: DestinationId) -> bool {
    matches!(&stored.fact, Fact::Released(released) if released.lanes.contains(&destination))
}

fn listed(names: &Names, wanted: &Wanted, stored: &StoredFact) -> Option<Listed> {
    let Fact::Released(released) = &stored.fact else { return None };
    let Released { event, position, sequence, kind, hash, lanes, .. } = released;
    Some(Listed {
        id: event.to_string(),
        webhook_id: webhook_id(&wanted.source, &wanted.key, sequence.0),
        sequence: sequence.0,
        kind: kind.as_str(),
        position: position.text(),
        released_at: time(stored.recorded),
        hash: hash.to_string(),
        destinations: lanes.iter().map(|lane| names.destination(*lane).to_string()).collect(),
    })
}
