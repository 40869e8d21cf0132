//! `/v1/configuration`: what is in force, and what became of the last reload.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Answered, time};
use super::problems::ReadProblems;
use super::state::{AdminState, LastReload};
use crate::reload::OUTCOMES;

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Configuration {
    /// Which configuration it is, as `released` facts name it: a digest of what decisions depend on.
    revision: u32,
    /// Since when.
    since: Option<String>,
    /// The last SIGHUP since the process began, if there was one.
    last_reload: Option<Reload>,
}

/// What became of a reload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reload {
    at: Option<String>,
    /// `accepted`, or `refused`: then nothing has changed.
    outcome: &'static str,
    /// What it changed, by key.
    changes: Vec<String>,
    /// Why it was refused, each with file, line and key.
    findings: Vec<String>,
}

impl Reload {
    fn of(last: &LastReload) -> Self {
        Self {
            at: time(last.at),
            outcome: OUTCOMES[usize::from(!last.findings.is_empty())],
            changes: last.changes.clone(),
            findings: last.findings.clone(),
        }
    }
}

/// Says which configuration is in force, and what became of the last reload
#[utoipa::path(get, path = "/v1/configuration", tag = "observe",
    responses((status = 200, body = Configuration), ReadProblems))]
pub(super) async fn show(State(state): State<AdminState>) -> Answered<Configuration> {
    let in_force = state.in_force();
    Ok(Json(Configuration {
        revision: in_force.revision.0,
        since: time(in_force.since),
        last_reload: in_force.reload.as_ref().map(Reload::of),
    }))
}
