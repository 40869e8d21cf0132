//! `GET /v1/overrides`: what operators decided, as history has it.
//!
//! There is no index of it: each request searches a bounded part of history, from `since` on, whose
//! frame is found by halving because recorded times never fall within a partition.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sprag_core::fact::{AbandonReason, DeadLetter, Fact, PauseReason};
use sprag_core::id::{DestinationId, FrameNumber, PartitionId, Place, Sequence};
use sprag_core::time::UnixMicros;
use sprag_log::{Answer, Frames, Query, ReadError};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answered, Page, time};
use super::names::Names;
use super::problems::ReadProblems;
use super::request::{Parameters, invalid, moment, page_size};
use super::state::AdminState;
use super::{cursor, limits};
use crate::problem::{Code, Problem};

/// Which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this source only; needs `key`
    source: Option<String>,
    /// Of this key only; needs `source`
    key: Option<String>,
    /// Decided at this time or later
    #[param(format = DateTime)]
    since: Option<String>,
    /// Overrides on a page, 1 to 500
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// What an operator decided.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overridden {
    /// Where it stands in history.
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
    /// `rebase`, `give-up-gap`, `pause-key`, `resume-key`, `pause-destination`, `resume-destination`, `redrive`, `replay`, `drop`
    r#override: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// The event that was redriven out of order or dropped; absent where a whole lane was redriven
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// The last event of a replay, which begins with `sequence`
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// The event of ingress that was dropped
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
}

/// Where a search goes on: a fact of a frame of a partition.
type At = (u16, u64, u32);

/// Lists what operators decided
///
/// One partition after another, the oldest first in each. There is no index of it: a request searches
/// 32 MiB of history, so a page may have fewer than `limit`, or none, and still a `next`. Acknowledgements
/// of consumers are none.
#[utoipa::path(get, path = "/v1/overrides", tag = "overrides", params(Wanted),
    responses((status = 200, body = Page<Overridden>), ReadProblems))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Answered<Page<Overridden>> {
    let most = page_size(wanted.limit)?;
    let since = wanted.since.as_deref().map(|text| moment("since", text)).transpose()?;
    let names = state.names().await;
    let key = match (&wanted.source, &wanted.key) {
        (Some(source), Some(key)) => Some((names.key(source, key)?, state.partition(source, key))),
        (None, None) => None,
        _ => return Err(invalid("source and key come together".to_owned())),
    };
    let all = 0..state.parts().partitions;
    let (first, last) = key.as_ref().map_or((0, all.end), |(_, of)| (of.0, of.0 + 1));
    let begun = cursor::read::<At>(wanted.cursor.as_deref())?;
    if begun.is_some_and(|(partition, ..)| !(first..last).contains(&partition)) {
        return Err(invalid("cursor is none of this list's `next`".to_owned()));
    }
    let mut search = Search { state: &state, since, at: begun, reads: 0 };
    let mut items = Vec::new();
    let from = begun.map_or(first, |(partition, ..)| partition);
    for partition in (from..last).map(PartitionId) {
        while let Some((frames, skip)) = search.next(partition).await? {
            for (place, recorded, fact) in facts(&frames, skip) {
                let of_key = key.as_ref().is_none_or(|(key, _)| fact.key() == Some(key));
                let shown = of_key.then(|| shown(&names, place, recorded, fact)).flatten();
                items.extend(shown.filter(|_| since.is_none_or(|since| recorded >= since)));
                if items.len() == most {
                    let next = (place.partition.0, place.frame.0, place.index + 1);
                    return Ok(Json(Page { items, next: Some(cursor::write(&next)?) }));
                }
            }
            if search.reads >= limits::SEARCH_READS {
                let next = search.at.map(|at| cursor::write(&at)).transpose()?;
                return Ok(Json(Page { items, next }));
            }
        }
        search.at = None;
    }
    Ok(Json(Page { items, next: None }))
}

/// The facts of some frames from the fact `skip` of the first frame on.
fn facts(frames: &Frames, skip: u32) -> impl Iterator<Item = (Place, UnixMicros, &Fact)> {
    let first = frames.frames.first().map(|frame| frame.number);
    let partition = frames.partition;
    frames.frames.iter().flat_map(move |frame| {
        let skip = if Some(frame.number) == first { skip } else { 0 };
        let place = move |index| Place { partition, frame: frame.number, index };
        let facts = (0..).zip(&frame.facts).skip(skip as usize);
        facts.map(move |(index, fact)| (place(index), frame.recorded, fact))
    })
}

/// A search that reads frames in order.
struct Search<'a> {
    state: &'a AdminState,
    since: Option<UnixMicros>,
    /// Where it goes on; none: where the partition begins.
    at: Option<At>,
    reads: usize,
}

impl Search<'_> {
    /// The next frames of a partition, and the first fact of interest in them; none at its end.
    async fn next(&mut self, partition: PartitionId) -> Result<Option<(Frames, u32)>, Problem> {
        let (from, skip) = match self.at {
            Some((_, frame, index)) => (FrameNumber(frame), index),
            None => (self.begin(partition).await?, 0),
        };
        let Some(frames) = self.read(partition, from, usize::MAX).await? else {
            return Ok(None);
        };
        let Some(last) = frames.frames.last() else { return Ok(None) };
        self.at = Some((partition.0, last.number.next().0, 0));
        // What was deleted meanwhile is passed over.
        let same = frames.frames.first().is_some_and(|frame| frame.number == from);
        Ok(Some((frames, if same { skip } else { 0 })))
    }

    /// The first frame that was recorded at `since` or later, or one before it.
    async fn begin(&mut self, partition: PartitionId) -> Result<FrameNumber, Problem> {
        let Some(since) = self.since else { return Ok(FrameNumber(1)) };
        let known = &self.state.node().statistics().await.partitions;
        let committed = known.get(usize::from(partition.0)).map_or(0, |known| known.committed.0);
        let (mut before, mut after) = (1, committed.saturating_add(1));
        while before < after {
            let middle = before + (after - before) / 2;
            let frames = self.read(partition, FrameNumber(middle), 1).await?;
            match frames.and_then(|frames| frames.frames.first().map(|frame| frame.recorded)) {
                Some(recorded) if recorded < since => before = middle + 1,
                _ => after = middle,
            }
        }
        Ok(FrameNumber(before))
    }

    /// Frames from one on, or from the oldest that is kept; none where there are none.
    async fn read(
        &mut self,
        partition: PartitionId,
        mut from: FrameNumber,
        most: usize,
    ) -> Result<Option<Frames>, Problem> {
        self.reads += usize::from(most > 1);
        loop {
            let query = Query::Frames { partition, from, most, bytes: limits::SEARCH_READ_BYTES };
            match self.state.parts().queries.query(query).await {
                Ok(Answer::Frames(frames)) => return Ok(Some(frames)),
                Err(ReadError::Trimmed { oldest }) if oldest > from => from = oldest,
                Ok(_) | Err(ReadError::Missing | ReadError::NoSuchPartition) => return Ok(None),
                Err(error) => {
                    return Err(Problem::new(Code::Internal).with_detail(error.to_string()));
                }
            }
        }
    }
}

/// A fact as an override, if it is one.
fn shown(names: &Names, place: Place, recorded: UnixMicros, fact: &Fact) -> Option<Overridden> {
    let of = |destination, sequence: Option<Sequence>| {
        (Some(destination), sequence.map(|sequence| sequence.0), None)
    };
    type About = (Option<DestinationId>, Option<u64>, Option<Place>);
    let (kind, (destination, sequence, event)): (_, About) = match fact {
        Fact::Rebased(_) => ("rebase", (None, None, None)),
        Fact::GapAbandoned(fact) if fact.reason == AbandonReason::Operator => {
            ("give-up-gap", (None, None, None))
        }
        Fact::KeyPaused(_) => ("pause-key", (None, None, None)),
        Fact::KeyResumed(_) => ("resume-key", (None, None, None)),
        // That a consumer said it is gone, no operator decided.
        Fact::DestinationPaused(fact) if fact.reason == PauseReason::Operator => {
            ("pause-destination", of(fact.destination, None))
        }
        Fact::DestinationResumed(fact) => ("resume-destination", of(fact.destination, None)),
        Fact::Redriven(fact) => ("redrive", of(fact.destination, fact.passed)),
        Fact::Rewound(fact) => ("replay", of(fact.destination, Some(fact.from))),
        Fact::Dropped(fact) => match fact.letter {
            DeadLetter::InLane { destination, sequence } => {
                ("drop", of(destination, Some(sequence)))
            }
            DeadLetter::AtIngress { event } => ("drop", (None, None, Some(event))),
        },
        _ => return None,
    };
    Some(Overridden {
        place: place.to_string(),
        at: time(recorded),
        r#override: kind,
        source: fact.key().map(|key| names.source(key.source).to_string()),
        key: fact.key().map(|key| key.name.to_string()),
        destination: destination.map(|id| names.destination(id).to_string()),
        sequence,
        until: match fact {
            Fact::Rewound(fact) => Some(fact.until.0),
            _ => None,
        },
        event: event.map(|event| event.to_string()),
    })
}
