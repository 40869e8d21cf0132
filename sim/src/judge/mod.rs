//! The judges: they know the promises of DESIGN section 1 and rules 4, not the engine.
//!
//! While a simulation runs they see only the wire: what was sent and answered, what consumers got
//! and said, what an operator asked for. At the end they read history as an auditor would. Must
//! not know: the core's records and phases, but where history is compared with what is live.

pub(crate) mod answers;
pub(crate) mod apart;
pub(crate) mod audit;
pub(crate) mod brought;
pub(crate) mod causal;
pub(crate) mod chain;
pub(crate) mod commands;
mod compensation;
pub(crate) mod deliveries;
mod demands;
pub(crate) mod dependencies;
pub(crate) mod event_history;
pub(crate) mod forgetting;
mod held;
pub(crate) mod history;
pub(crate) mod key_history;
pub(crate) mod lane_history;
pub(crate) mod late;
mod links;
mod machine;
pub(crate) mod memory;
mod merged;
pub(crate) mod newest;
pub(crate) mod outages;
pub(crate) mod policies;
pub(crate) mod probe;
pub(crate) mod rebase;
pub(crate) mod rebuilt;
pub(crate) mod reconciled;
pub(crate) mod refilled;
pub(crate) mod refusals;
pub(crate) mod retention;
pub(crate) mod row;
mod settled;
pub(crate) mod unmet;
mod waited;

use crate::schedule::Instant;

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which judge noticed.
    pub judge: &'static str,
    /// When, in microseconds of virtual time.
    pub at: Instant,
    /// What is wrong.
    pub what: String,
}

/// What a judge says of one thing it saw.
pub(crate) type Verdict = Result<(), String>;

/// Says what is wrong unless the condition holds.
pub(crate) fn must(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}
