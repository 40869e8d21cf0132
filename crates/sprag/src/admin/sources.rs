//! `/v1/sources`: what events come from.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sprag_core::id::SourceId;
use utoipa::ToSchema;

use super::answer::{Answered, Page};
use super::problems::ReadProblems;
use super::state::AdminState;
use crate::state::HeldCounts;

/// A source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Source {
    name: String,
    /// Whether the running configuration has it; history may know more.
    configured: bool,
    /// The fields of rule K8 that must not change, as history has them.
    identity: String,
    /// Events that wait for missing positions.
    held_events: u64,
    /// Keys that wait for missing positions.
    gaps_open: u64,
}

/// Lists sources: all that history knows
///
/// What is held is counted over all keys, no older than the request.
#[utoipa::path(get, path = "/v1/sources", tag = "sources",
    responses((status = 200, body = Page<Source>), ReadProblems))]
pub(super) async fn list(State(state): State<AdminState>) -> Answered<Page<Source>> {
    let names = state.names().await;
    state.store().await?;
    let held = state.read(crate::state::StateReader::held).await?;
    let count = |id: &SourceId| {
        let counts = held.iter().filter(|((of, _), _)| of == id).map(|(_, counts)| *counts);
        counts.fold(HeldCounts::default(), HeldCounts::and)
    };
    let in_force = state.current();
    let sources = names.directory().sources.iter().map(|(id, source)| Source {
        name: source.name.to_string(),
        configured: in_force.0.sources.contains_key(id),
        identity: source.identity.to_string(),
        held_events: count(id).events,
        gaps_open: count(id).keys,
    });
    Ok(Json(Page { items: sources.collect(), next: None }))
}
