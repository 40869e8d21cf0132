//! `/metrics`: counters and what is true now, as Prometheus reads it. No token.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, SourceId};
use sprag_core::partition::ReconcileTally;
use sprag_core::time::{ElapsedMicros, UnixMicros};

use super::limits;
use super::names::Names;
use super::observe::counted;
use super::problems::OpenProblems;
use super::state::AdminState;
use crate::metrics::{self, History, Observed};
use crate::node::{DestinationStatistics, STOPPED, Statistics};
use crate::problem::Problem;
use crate::state::{Fault, HeldCounts, StateReader, StoppedCounts};

/// What the state store counts over all keys, and when it was taken.
pub(super) struct StoreCounted {
    taken: ElapsedMicros,
    counts: Arc<StoreCounts>,
}

/// What the state store counts over all keys.
#[derive(Default)]
struct StoreCounts {
    held: BTreeMap<(SourceId, PartitionId), HeldCounts>,
    holds: Vec<(Key, Place)>,
    /// When the event was received that waits longest, by source.
    held_since: BTreeMap<SourceId, UnixMicros>,
    stopped: BTreeMap<(DestinationId, PartitionId), StoppedCounts>,
    dead: Vec<(Option<DestinationId>, u64)>,
    forgotten: BTreeMap<PartitionId, u64>,
}

impl StoreCounts {
    fn of(reader: &StateReader) -> Result<Self, Fault> {
        Ok(Self {
            held: reader.held()?,
            holds: reader.longest_holds()?,
            held_since: BTreeMap::new(),
            stopped: reader.stopped()?,
            dead: reader.dead_letters()?,
            forgotten: reader.forgotten()?,
        })
    }
}

/// Gives all metrics, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "observe", security(()),
    responses((status = 200, content_type = "application/openmetrics-text", body = String,
        description = "OpenMetrics text; docs/reference/metrics.md explains each"), OpenProblems))]
pub(super) async fn show(State(state): State<AdminState>) -> Result<impl IntoResponse, Problem> {
    let statistics = counted(&state).await;
    let store = store_counts(&state).await?;
    let reflected = state.read(StateReader::reflected).await?;
    let names = state.names().await;
    let mut observed = observed(&state, &names, &statistics, &store);
    observed.checkpoint_age = checkpoint_age(&state, &statistics, &reflected);
    let text = state.parts().metrics.text(&observed);
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

/// Counts that are at most [`limits::STORE_COUNT_EVERY`] old.
async fn store_counts(state: &AdminState) -> Result<Arc<StoreCounts>, Problem> {
    let now = state.parts().clock.now().elapsed;
    let mut counted = state.store_counted().lock().await;
    match &*counted {
        Some(known) if now.since(known.taken) < limits::STORE_COUNT_EVERY => {
            Ok(known.counts.clone())
        }
        _ => {
            let mut counts = state.read(StoreCounts::of).await?;
            for (key, event) in counts.holds.drain(..).collect::<Vec<_>>() {
                let Some(recorded) = state.recorded(event).await? else { continue };
                let since = counts.held_since.entry(key.source).or_insert(recorded);
                *since = (*since).min(recorded);
            }
            let counts = Arc::new(counts);
            *counted = Some(StoreCounted { taken: now, counts: counts.clone() });
            Ok(counts)
        }
    }
}

fn history(statistics: &Statistics, now: UnixMicros) -> History {
    let (log, done) = (&statistics.log, &statistics.retention);
    History {
        bytes: log.bytes,
        segments: log.segments as u64,
        rewritten_segments: log.rewritten as u64,
        oldest_seconds: log.oldest.map_or(0, |oldest| now.since(oldest).as_secs()),
        damaged: log.damaged as u64,
        is_pinned: done.is_pinned,
        deleted: done.deleted,
        rewritten: done.rewritten,
        freed: done.freed,
        carried: done.carried,
    }
}

fn observed(
    state: &AdminState,
    names: &Names,
    statistics: &Statistics,
    store: &StoreCounts,
) -> Observed {
    let (parts, in_force) = (state.parts(), state.current());
    let of_source = |count: fn(&HeldCounts) -> u64| {
        let sum = |id: &SourceId| {
            let counts = store.held.iter().filter(|((of, _), _)| of == id);
            counts.map(|(_, held)| count(held)).sum()
        };
        in_force.0.sources.iter().map(|(id, name)| (name.to_string(), sum(id))).collect()
    };
    let of_destinations = |count: fn(&DestinationStatistics) -> u64| {
        let counts = statistics.destinations.iter();
        counts.map(|(id, to)| (names.destination(*id).to_string(), count(to))).collect()
    };
    let dead_letters = store.dead.iter().map(|(destination, count)| {
        let name = destination.map(|id| names.destination(id).to_string());
        (name.unwrap_or_default(), *count)
    });
    let drifts = store.held.iter().map(|((source, partition), held)| {
        ((names.source(*source).to_string(), partition.0), held.drift)
    });
    Observed {
        dedupe_ids: statistics.dedupe_ids,
        held_events: of_source(|held| held.events),
        gaps_open: of_source(|held| held.keys),
        oldest_gaps: oldest_gaps(state, names, store),
        silences: silences(state),
        drifts: drifts.collect(),
        head_ages: head_ages(state, names, statistics, store),
        lanes_waiting: lanes_waiting(names, statistics, store),
        in_flight: of_destinations(|to| (to.in_flight - to.slow) as u64),
        in_flight_slow: of_destinations(|to| to.slow as u64),
        backlog_bytes: of_destinations(|to| to.backlog.bytes),
        breaker_open: of_destinations(|to| u64::from(to.breaker_open)),
        filtered: of_destinations(|to| to.filtered),
        reconciled: reconciled(names, statistics),
        dead_letters: dead_letters.collect(),
        forgotten_keys: forgotten(statistics, store),
        keys_in_memory: (0..)
            .zip(&statistics.partitions)
            .map(|(partition, of)| (partition, of.hot_keys as u64))
            .collect(),
        checkpoint_age: 0.0,
        partitions_owned: statistics.partitions.iter().map(|known| known.serving).collect(),
        history: history(statistics, parts.clock.now().clock),
    }
}

fn silences(state: &AdminState) -> Vec<(String, f64)> {
    let silence = |name: &Arc<str>| state.parts().metrics.silence(name).as_secs_f64();
    state.current().0.sources.values().map(|name| (name.to_string(), silence(name))).collect()
}

fn reconciled(names: &Names, statistics: &Statistics) -> Vec<((String, &'static str), u64)> {
    let of_source = |(source, tally): (&SourceId, &ReconcileTally)| {
        let name = names.source(*source).to_string();
        let counts = [("same", tally.same), ("behind", tally.behind), ("ahead", tally.ahead)];
        counts.map(|(result, count)| ((name.clone(), result), count))
    };
    statistics.reconciling.iter().flat_map(of_source).collect()
}

/// Lanes in memory by what they wait for; stopped ones are counted over all keys, and what is left of
/// those with a backlog waits outside memory.
fn lanes_waiting(
    names: &Names,
    statistics: &Statistics,
    store: &StoreCounts,
) -> Vec<((String, &'static str), u64)> {
    let mut waiting = Vec::new();
    for (id, counts) in &statistics.destinations {
        let name = names.destination(*id).to_string();
        let stopped = store.stopped.iter().filter(|((of, _), _)| of == id);
        let stopped: u64 = stopped.map(|(_, stopped)| stopped.lanes).sum();
        let mut outside = counts.backlog.lanes.saturating_sub(stopped);
        let of_it = statistics.waits.iter().filter(|((of, _), _)| of == id);
        for ((_, reason), lanes) in of_it.filter(|((_, reason), _)| *reason != STOPPED) {
            outside = outside.saturating_sub(*lanes);
            waiting.push(((name.clone(), *reason), *lanes));
        }
        waiting.push(((name.clone(), STOPPED), stopped));
        waiting.push(((name, "outside-memory"), outside));
    }
    waiting
}

/// Of every partition, so that nothing forgotten is a zero and no absence.
fn forgotten(statistics: &Statistics, store: &StoreCounts) -> Vec<(u16, u64)> {
    let partitions = (0..).zip(&statistics.partitions).map(|(partition, _)| partition);
    let count = |partition| store.forgotten.get(&PartitionId(partition)).copied().unwrap_or(0);
    partitions.map(|partition: u16| (partition, count(partition))).collect()
}

fn oldest_gaps(state: &AdminState, names: &Names, store: &StoreCounts) -> Vec<(String, f64)> {
    let now = state.parts().clock.now().clock;
    let age = |(source, since): (&SourceId, &UnixMicros)| {
        (names.source(*source).to_string(), now.since(*since).as_secs_f64())
    };
    store.held_since.iter().map(age).collect()
}

fn head_ages(
    state: &AdminState,
    names: &Names,
    statistics: &Statistics,
    store: &StoreCounts,
) -> Vec<((String, u16), f64)> {
    let mut oldest = statistics.heads.clone();
    for (lane, stopped) in &store.stopped {
        let Some(since) = stopped.since else { continue };
        let known = oldest.entry(*lane).or_insert(since);
        *known = (*known).min(since);
    }
    let now = state.parts().clock.now().clock;
    let ages = oldest.into_iter().map(|((destination, partition), since)| {
        let name = names.destination(destination).to_string();
        ((name, partition.0), now.since(since).as_secs_f64())
    });
    ages.collect()
}

/// A partition the store reflects wholly is not behind, however long ago its last frame was.
fn checkpoint_age(
    state: &AdminState,
    statistics: &Statistics,
    reflected: &BTreeMap<PartitionId, (FrameNumber, UnixMicros)>,
) -> f64 {
    let now = state.parts().clock.now().clock;
    let behind = (0..).map(PartitionId).zip(&statistics.partitions).filter_map(|(id, known)| {
        let (frame, recorded) = reflected.get(&id).copied().unwrap_or_default();
        let is_behind = frame < known.committed && recorded.0 > 0;
        is_behind.then(|| now.since(recorded).as_secs_f64())
    });
    behind.fold(0.0, f64::max)
}
