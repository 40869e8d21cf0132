//! `/metrics`: counters and what is true now, as Prometheus reads it. No token.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use sprag_core::id::{DestinationId, SourceId};

use super::names::Names;
use super::observe::counted;
use super::problems::OpenProblems;
use super::state::AdminState;
use crate::metrics::{self, Observed};
use crate::node::{DestinationStatistics, Statistics};
use crate::problem::Problem;

/// Gives all metrics, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "observe", security(()),
    responses((status = 200, content_type = "application/openmetrics-text", body = String,
        description = "OpenMetrics text; docs/reference/metrics.md explains each"), OpenProblems))]
pub(super) async fn show(State(state): State<AdminState>) -> Result<impl IntoResponse, Problem> {
    let statistics = counted(&state).await;
    let names = state.names().await;
    let dead = state.read(crate::state::StateReader::dead_letters).await?;
    let text = state.parts().metrics.text(&observed(&state, &names, &statistics, &dead));
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

fn observed(
    state: &AdminState,
    names: &Names,
    statistics: &Statistics,
    dead: &[(Option<DestinationId>, u64)],
) -> Observed {
    let parts = state.parts();
    let by_source = |counts: &BTreeMap<SourceId, u64>| {
        let count = |id| counts.get(id).copied().unwrap_or_default();
        parts.sources.iter().map(|(id, name)| (name.to_string(), count(id))).collect()
    };
    let of_destinations = |count: fn(&DestinationStatistics) -> u64| {
        let counts = statistics.destinations.iter();
        counts.map(|(id, to)| (names.destination(*id).to_string(), count(to))).collect()
    };
    let dead_letters = dead.iter().map(|(destination, count)| {
        let name = destination.map(|id| names.destination(id).to_string());
        (name.unwrap_or_default(), *count)
    });
    Observed {
        dedupe_ids: statistics.dedupe_ids,
        held_events: by_source(&statistics.held),
        gaps_open: by_source(&statistics.gaps_open),
        in_flight: of_destinations(|to| (to.in_flight - to.slow) as u64),
        in_flight_slow: of_destinations(|to| to.slow as u64),
        breaker_open: of_destinations(|to| u64::from(to.breaker_open)),
        filtered: of_destinations(|to| to.filtered),
        dead_letters: dead_letters.collect(),
        partitions_owned: statistics.partitions.iter().map(|known| known.serving).collect(),
    }
}
