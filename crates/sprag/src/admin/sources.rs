//! `/v1/sources`: what events come from.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::answer::{Answered, Page};
use super::state::AdminState;

/// A source.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    name: String,
    /// Whether the running configuration has it; history may know more.
    configured: bool,
    /// The fields of rule K8 that must not change, as history has them.
    identity: String,
    held_events: u64,
    gaps_open: u64,
}

/// All sources that history knows: as many as were ever configured.
pub(super) async fn list(State(state): State<AdminState>) -> Answered<Page<Source>> {
    let names = state.names().await;
    let statistics = state.node().statistics().await;
    let count = |counts: &std::collections::BTreeMap<_, u64>, id| {
        counts.get(id).copied().unwrap_or_default()
    };
    let sources = names.directory().sources.iter().map(|(id, source)| Source {
        name: source.name.to_string(),
        configured: state.parts().sources.contains_key(id),
        identity: source.identity.to_string(),
        held_events: count(&statistics.held, id),
        gaps_open: count(&statistics.gaps_open, id),
    });
    Ok(Json(Page { items: sources.collect(), next: None }))
}
