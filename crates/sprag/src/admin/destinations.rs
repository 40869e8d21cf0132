//! `/v1/destinations`: where events go; pause and resume.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sprag_core::input::Command;
use utoipa::ToSchema;

use super::answer::{Answered, Done, Page, done};
use super::problems::{CommandProblems, ReadProblems};
use super::request::Segments;
use super::state::AdminState;

/// A destination.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Destination {
    name: String,
    /// Whether the running configuration has it; history may know more.
    configured: bool,
    /// Whether it is paused: by an operator, or because it answered 410 to several keys.
    paused: bool,
    /// Whether its breaker is open: it is tried one event at a time.
    breaker_open: bool,
    /// Attempts under way.
    in_flight: usize,
    /// Lanes that wait for a slot.
    waiting: usize,
    /// Events that wait for it, in lanes that stopped too.
    backlog_events: u64,
    /// Bytes of their bodies.
    backlog_bytes: u64,
}

/// Lists destinations: all that history knows
#[utoipa::path(get, path = "/v1/destinations", tag = "destinations",
    responses((status = 200, body = Page<Destination>), ReadProblems))]
pub(super) async fn list(State(state): State<AdminState>) -> Answered<Page<Destination>> {
    let names = state.names().await;
    let statistics = state.node().statistics().await;
    let directory = names.directory();
    let in_force = state.current();
    let destinations = directory.destinations.iter().map(|(id, destination)| {
        let counts = statistics.destinations.get(id);
        Destination {
            name: destination.name.to_string(),
            configured: in_force.0.destinations.contains_key(id),
            paused: directory.paused.contains(id),
            breaker_open: counts.is_some_and(|counts| counts.breaker_open),
            in_flight: counts.map_or(0, |counts| counts.in_flight),
            waiting: counts.map_or(0, |counts| counts.waiting),
            backlog_events: counts.map_or(0, |counts| counts.backlog.events),
            backlog_bytes: counts.map_or(0, |counts| counts.backlog.bytes),
        }
    });
    Ok(Json(Page { items: destinations.collect(), next: None }))
}

/// Stops attempts to a destination; those under way end
#[utoipa::path(post, path = "/v1/destinations/{destination}/pause", tag = "destinations",
    params(("destination" = String, Path, description = "The destination")),
    responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn pause(
    State(state): State<AdminState>,
    Segments(destination): Segments<String>,
) -> Answered<Done> {
    let destination = state.names().await.destination_id(&destination)?;
    state.command(Command::PauseDestination(destination)).await?;
    done()
}

/// Lets attempts to a destination go on
#[utoipa::path(post, path = "/v1/destinations/{destination}/resume", tag = "destinations",
    params(("destination" = String, Path, description = "The destination")),
    responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn resume(
    State(state): State<AdminState>,
    Segments(destination): Segments<String>,
) -> Answered<Done> {
    let destination = state.names().await.destination_id(&destination)?;
    state.command(Command::ResumeDestination(destination)).await?;
    done()
}
