//! Deterministic simulation of Sprag: the real core, driver, log writer and recovery on virtual
//! time, with a provider, consumers, an operator, a disk and a state store that fail, and judges
//! that know the promises (DESIGN section 1), not the engine.
//!
//! A seed decides everything. The same seed gives the same bytes. A scenario (`sim/scenarios`) decides what happens in words, and
//! what must come of it.

mod acker;
mod anew;
mod authority;
mod batches;
mod case;
mod causal;
mod comparing;
mod consumer;
mod counts;
mod depends;
mod dice;
mod faults;
mod happening;
mod judge;
mod late;
mod latest;
mod links;
mod listing;
mod merge;
mod operator;
mod patience;
mod phases;
mod process;
mod provider;
mod refuser;
mod reload;
mod restore;
pub mod run;
pub mod scenario;
mod schedule;
mod setting;
mod settle;
mod silence;
mod sim_log;
mod state_model;
mod states;
mod strike;
pub mod sweep;
mod talk;
mod theirs;
mod trace;
mod unordered;
mod unreadable;
mod workload;
mod world;

pub use case::Case;
pub use counts::Counts;
pub use dice::Throw;
pub use judge::Violation;
pub use trace::LEGEND;
pub use workload::{EVENTS, KEYS};
