//! `/v1/facts`: history itself, a line a fact, in commit order within each partition.
//!
//! A stream that is broken off is resumed with the last place seen of each partition: places are
//! the cursor. It reads as fast as it is read from, so it holds one chunk in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::json;
use sprag_core::id::{FrameNumber, Key, PartitionId, Place};
use sprag_log::{Answer, Frames, Query, ReadError, ReadFrame};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::names::Names;
use super::problems::ReadProblems;
use super::request::{Parameters, invalid};
use super::state::AdminState;
use super::{fact, limits};
use crate::problem::{Code, Problem};

/// The content type of a stream.
const LINES: &str = "application/x-ndjson";

/// Which facts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Places behind which to begin, at most one of each partition, with commas between; of others
    /// everything comes
    after: Option<String>,
    /// Of this partition only
    partition: Option<u16>,
    /// Of this source only; needs `key`
    source: Option<String>,
    /// Of this key only; needs `source`
    key: Option<String>,
    /// Facts with these names only, with commas between
    fact: Option<String>,
    /// Go on with what is committed later, until the connection is closed
    #[serde(default)]
    follow: bool,
    /// Facts after which the stream ends, 1 to 1,000,000; 10,000 unless followed
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<u64>,
}

/// Streams facts, a JSON object a line
///
/// In commit order within each partition; partitions alternate. Every line has `place`, `recorded`,
/// `epoch` and `fact`, its name; most have `source` and `key`. A line `{"trimmed": …}` says that
/// history before a frame is no longer kept. A followed stream has an empty line when nothing came for
/// some seconds.
#[utoipa::path(get, path = "/v1/facts", tag = "history", params(Wanted),
    responses((status = 200, content_type = "application/x-ndjson", body = String,
        description = "The facts"), ReadProblems))]
pub(super) async fn stream(
    State(state): State<AdminState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, Problem> {
    let permit = state.streams().clone().try_acquire_owned().map_err(|_| {
        Problem::new(Code::NotReady)
            .with_detail(format!("{} streams are open already", limits::STREAMS))
            .retry_after(1)
    })?;
    let reading = Reading::new(&state, &wanted, permit).await?;
    let chunks = unfold(reading, |mut reading| async {
        let chunk = reading.chunk().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), reading))
    });
    Ok(([(CONTENT_TYPE, LINES)], Body::from_stream(chunks)).into_response())
}

/// A stream under way.
struct Reading {
    state: AdminState,
    key: Option<Key>,
    facts: Option<Vec<String>>,
    /// Where each partition goes on: the frame, and the first fact in it.
    next: BTreeMap<PartitionId, (FrameNumber, u32)>,
    /// The partition that is read next.
    turn: PartitionId,
    follow: bool,
    left: u64,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    async fn new(
        state: &AdminState,
        wanted: &Wanted,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Problem> {
        let names = state.names().await;
        let key = match (&wanted.source, &wanted.key) {
            (Some(source), Some(key)) => Some((source, names.key(source, key)?)),
            (None, None) => None,
            _ => return Err(invalid("source and key come together".to_owned())),
        };
        let of_key = key.as_ref().map(|(source, key)| state.partition(source, &key.name));
        let all = (0..state.parts().partitions).map(PartitionId);
        let of = |partition: &PartitionId| {
            wanted.partition.is_none_or(|only| only == partition.0)
                && of_key.is_none_or(|only| only == *partition)
        };
        let mut next: BTreeMap<_, _> = all.filter(of).map(|p| (p, (FrameNumber(1), 0))).collect();
        if next.is_empty() {
            return Err(invalid("there is no such partition, or not of this key".to_owned()));
        }
        for place in places(wanted.after.as_deref())? {
            if let Some(from) = next.get_mut(&place.partition) {
                *from = (place.frame, place.index.saturating_add(1));
            }
        }
        let most = if wanted.follow { u64::MAX } else { limits::STREAMED };
        let left = match wanted.limit {
            None => most,
            Some(limit @ 1..=limits::STREAMED_MOST) => limit,
            Some(_) => return Err(invalid(format!("limit is 1 to {}", limits::STREAMED_MOST))),
        };
        let facts = wanted.fact.as_ref();
        let facts: Option<Vec<String>> =
            facts.map(|names| names.split(',').map(str::to_owned).collect());
        let unknown = |name: &&String| !fact::NAMES.contains(&name.as_str());
        if let Some(name) = facts.iter().flatten().find(unknown) {
            let known = fact::NAMES.join(", ");
            return Err(invalid(format!("fact: there is none named {name:?}; there are {known}")));
        }
        Ok(Self {
            state: state.clone(),
            key: key.map(|(_, key)| key),
            facts,
            next,
            turn: PartitionId(0),
            follow: wanted.follow,
            left,
            _permit: permit,
        })
    }

    /// The next lines; none at the end.
    async fn chunk(&mut self) -> Option<Bytes> {
        let (mut at_end, mut looks) = (0, 0);
        while self.left > 0 {
            let (partition, (frame, index)) = self.of_turn()?;
            self.turn = PartitionId(partition.0.wrapping_add(1));
            let (most, bytes) = (usize::MAX, limits::SEARCH_READ_BYTES);
            let query = Query::Frames { partition, from: frame, most, bytes };
            let mut lines = String::new();
            match self.state.parts().queries.query(query).await {
                Ok(Answer::Frames(frames)) if !frames.frames.is_empty() => {
                    at_end = 0;
                    let names = self.state.names().await;
                    self.write(&names, &frames, index, &mut lines);
                }
                Err(ReadError::Trimmed { oldest }) => {
                    if frame > FrameNumber(1) {
                        let trimmed = json!({"partition": partition.0, "oldest": oldest.0});
                        lines = json!({ "trimmed": trimmed }).to_string() + "\n";
                    }
                    self.next.insert(partition, (oldest, 0));
                }
                // Nothing more is there, or nothing can be read: resumed later it goes on here.
                Ok(_) | Err(ReadError::Missing) => at_end += 1,
                Err(error) => {
                    tracing::warn!(%error, "a stream of facts ends early");
                    return None;
                }
            }
            if !lines.is_empty() {
                return Some(lines.into());
            }
            if at_end >= self.next.len() {
                if !self.follow {
                    return None;
                }
                if looks == limits::FOLLOW_LOOKS {
                    // A reader that is gone is only noticed by writing to it.
                    return Some(Bytes::from_static(b"\n"));
                }
                (at_end, looks) = (0, looks + 1);
                tokio::time::sleep(limits::FOLLOW_EVERY).await;
            }
        }
        None
    }

    fn of_turn(&self) -> Option<(PartitionId, (FrameNumber, u32))> {
        let next = self.next.range(self.turn..).next().or_else(|| self.next.iter().next())?;
        Some((*next.0, *next.1))
    }

    /// The wanted facts of some frames, from the fact `first` of the first frame on.
    fn write(&mut self, names: &Names, frames: &Frames, first: u32, lines: &mut String) {
        let mut skip = first;
        for frame in &frames.frames {
            self.write_frame(names, frames.partition, frame, skip, lines);
            skip = 0;
            if self.left == 0 {
                return;
            }
            self.next.insert(frames.partition, (frame.number.next(), 0));
        }
    }

    fn write_frame(
        &mut self,
        names: &Names,
        partition: PartitionId,
        frame: &ReadFrame,
        skip: u32,
        lines: &mut String,
    ) {
        for (index, fact) in (0..).zip(&frame.facts).skip(skip as usize) {
            if self.left == 0 {
                return;
            }
            let of_key = self.key.as_ref().is_none_or(|key| fact.key() == Some(key));
            let named = self.facts.as_ref();
            if of_key && named.is_none_or(|names| names.iter().any(|name| name == fact.name())) {
                let place = Place { partition, frame: frame.number, index };
                let shown = fact::shown(names, place, frame.epoch, frame.recorded, fact);
                lines.push_str(&shown.to_string());
                lines.push('\n');
                self.left -= 1;
            }
        }
    }
}

fn places(after: Option<&str>) -> Result<Vec<Place>, Problem> {
    let places = after.into_iter().flat_map(|after| after.split(','));
    let place = |text: &str| {
        text.parse::<Place>()
            .map_err(|_| invalid("after has places such as 3-1042-7, with commas".to_owned()))
    };
    places.map(place).collect()
}

/// As many streams as may be open.
pub(super) fn permits() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(limits::STREAMS))
}
