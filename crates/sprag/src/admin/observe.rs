//! `/healthz` and `/readyz`: for whoever starts, watches and stops instances. No token.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sprag_core::time::ElapsedMicros;
use utoipa::ToSchema;

use super::answer::Answered;
use super::limits;
use super::problems::OpenProblems;
use super::state::AdminState;
use crate::node::Statistics;
use crate::problem::{Code, Problem};

/// Counts, and when they were taken.
pub(super) struct Counted {
    taken: ElapsedMicros,
    statistics: Statistics,
}

/// The answer of both.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    status: &'static str,
}

/// Says that the process lives
///
/// It says nothing of the log: a restart mends no disk.
#[utoipa::path(get, path = "/healthz", tag = "observe", security(()),
    responses((status = 200, body = Status), OpenProblems))]
pub(super) async fn alive() -> Json<Status> {
    Json(Status { status: "alive" })
}

/// Says whether every partition serves and the state store works
#[utoipa::path(get, path = "/readyz", tag = "observe", security(()),
    responses((status = 200, body = Status), OpenProblems))]
pub(super) async fn ready(State(state): State<AdminState>) -> Answered<Status> {
    let not = |why: String| Problem::new(Code::NotReady).with_detail(why).retry_after(1);
    let statistics = counted(&state).await;
    if !statistics.serving {
        let partitions = &statistics.partitions;
        let serving = partitions.iter().filter(|partition| partition.serving).count();
        return Err(not(format!("{serving} of {} partitions serve", partitions.len())));
    }
    match state.parts().health.fault() {
        Some(fault) => Err(not(fault)),
        None => Ok(Json(Status { status: "ready" })),
    }
}

/// Counts that are at most [`limits::COUNT_EVERY`] old.
pub(super) async fn counted(state: &AdminState) -> Statistics {
    let now = state.parts().clock.now().elapsed;
    let mut counted = state.counted().lock().await;
    match &*counted {
        Some(known) if now.since(known.taken) < limits::COUNT_EVERY => known.statistics.clone(),
        _ => {
            let statistics = state.node().statistics().await;
            *counted = Some(Counted { taken: now, statistics: statistics.clone() });
            statistics
        }
    }
}
