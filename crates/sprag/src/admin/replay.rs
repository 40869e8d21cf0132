//! `POST /v1/replay`: lanes are set back and send history again, in order (decision 037).
//!
//! Here is only which keys, and which sequences a time stands for: the releases of a key are in the order
//! of their times, so they are halved. What may be set back, and what becomes of it, the node decides.

use axum::extract::State;
use serde::Deserialize;
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence};
use sprag_core::input::Command;
use sprag_core::record::KeyRecord;
use sprag_core::time::UnixMicros;
use sprag_log::{Answer, Query};
use utoipa::ToSchema;

use super::answer::Answered;
use super::cursor;
use super::many::{self, Carried, Refusals};
use super::problems::CommandProblems;
use super::request::{Body, invalid, moment};
use super::state::AdminState;
use crate::problem::{Code, Problem};
use crate::state::{KeyCursor, KeyFilter, KeyQuery};

/// What to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    source: String,
    /// Of this key; without it, and with `all`, of every key of the source
    key: Option<String>,
    /// Must be true where no key is named
    #[serde(default)]
    all: bool,
    /// Where to
    destination: String,
    /// From this sequence on; without it from the first that is kept
    from: Option<u64>,
    /// Up to and with this sequence; without it all that the lane has settled
    until: Option<u64>,
    /// Released at this time or later
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Released before this time
    #[schema(format = DateTime)]
    before: Option<String>,
    /// Keys this request deals with, 1 to 200
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the request before
    cursor: Option<String>,
}

/// Which events of a key.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: Sequence,
    until: Sequence,
    since: Option<UnixMicros>,
    before: Option<UnixMicros>,
}

/// Sends history again, in order
///
/// The lane of each key goes back to the first of these events and sends them again under the ids they had,
/// marked `sprag-redelivery: true`; what waits and what comes meanwhile follows behind them. Events whose
/// bodies are kept no longer are passed, and those whose type the destination does not take now. One command
/// for each key, each durable before the next; go on with `next` until there is none. With `all`, keys of
/// which there is nothing to send are left out.
#[utoipa::path(post, path = "/v1/replay", tag = "lanes", request_body = Replay,
    responses((status = 200, body = Carried), CommandProblems))]
pub(super) async fn replay(
    State(state): State<AdminState>,
    Body(wanted): Body<Replay>,
) -> Answered<Carried> {
    let most = many::most(wanted.limit)?;
    let range = range(&wanted)?;
    let names = state.names().await;
    let destination = names.destination_id(&wanted.destination)?;
    let source = names.source_id(&wanted.source)?;
    if let Some(name) = &wanted.key {
        if wanted.all || wanted.cursor.is_some() {
            return Err(invalid("name a key, or say \"all\": true".to_owned()));
        }
        let known = state.key(&names, &wanted.source, name).await?;
        let of = (known.partition, &known.key, &known.record);
        rewind(&state, of, destination, range).await?;
        let mut carried = Refusals::default();
        carried.note(&names, &known.key, Some(destination), Ok(()));
        return carried.answer(None);
    }
    if !wanted.all {
        return Err(invalid("without a key all are meant: then say \"all\": true".to_owned()));
    }
    let after = cursor::read::<(u16, String)>(wanted.cursor.as_deref())?;
    let after =
        after.map(|(partition, name)| KeyCursor { partition: PartitionId(partition), name });
    let (prefix, filter) = (String::new(), KeyFilter::All);
    let query = KeyQuery { source, prefix, filter, after, most };
    state.store().await?;
    let page = state.read(move |reader| reader.keys(&query)).await?;
    let mut carried = Refusals::default();
    for row in &page.keys {
        let of = (row.partition, &row.key, &row.record);
        let outcome = rewind(&state, of, destination, range).await;
        if outcome.as_ref().is_err_and(|problem| problem.code == Code::NothingToReplay) {
            continue;
        }
        carried.note(&names, &row.key, Some(destination), outcome);
    }
    let next = page.next.map(|next| cursor::write(&(next.partition.0, next.name))).transpose()?;
    carried.answer(next)
}

fn range(wanted: &Replay) -> Result<Range, Problem> {
    let time =
        |name, text: &Option<String>| text.as_deref().map(|text| moment(name, text)).transpose();
    Ok(Range {
        from: Sequence(wanted.from.unwrap_or(1).max(1)),
        until: Sequence(wanted.until.unwrap_or(u64::MAX)),
        since: time("since", &wanted.since)?,
        before: time("before", &wanted.before)?,
    })
}

/// Sets the lane of one key back.
async fn rewind(
    state: &AdminState,
    (partition, key, record): (PartitionId, &Key, &KeyRecord),
    destination: DestinationId,
    range: Range,
) -> Result<(), Problem> {
    let last = record.sequence;
    let halve = |at| first_since(state, partition, key, record, at);
    let mut from = range.from;
    if let Some(since) = range.since {
        from = from.max(halve(since).await?);
    }
    let mut until = range.until.min(last);
    if let Some(before) = range.before {
        until = until.min(Sequence(halve(before).await?.0.saturating_sub(1)));
    }
    if until < from {
        return Err(Problem::new(Code::NothingToReplay));
    }
    let key = key.clone();
    state.command(Command::Rewind { key, destination, from, until }).await
}

/// The first event of a key that was released at a time or later; one behind the last where none was. What
/// history has nothing of any more is older.
async fn first_since(
    state: &AdminState,
    partition: PartitionId,
    key: &Key,
    record: &KeyRecord,
    at: UnixMicros,
) -> Result<Sequence, Problem> {
    let (floor, to) = (record.boundary, record.sequence);
    let (mut before, mut behind) = (floor.0.saturating_add(1), to.0.saturating_add(1));
    while before < behind {
        let middle = before + (behind - before) / 2;
        // Where a restore passed sequences over the first one behind them tells (DESIGN D10), else they would count as
        // older, and with them all that is before.
        let jump = record.jumps.iter().find(|jump| jump.contains(middle));
        let from = Sequence(jump.map_or(middle, |jump| jump.to.saturating_add(1)));
        let to = if jump.is_some() { to } else { Sequence(behind - 1) };
        let query = Query::Sequences { partition, key: key.clone(), from, to, most: 1 };
        let found = match state.ask(query).await? {
            Some(Answer::Sequences(found)) => found.into_iter().next(),
            _ => None,
        };
        match found.map(|found| found.recorded) {
            Some(recorded) if recorded >= at => behind = middle,
            _ => before = middle + 1,
        }
    }
    Ok(Sequence(before))
}
