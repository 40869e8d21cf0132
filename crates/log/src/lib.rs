//! The log: facts and frames as bytes, segment files, indexes, recovery, and the engines behind
//! one trait.
//!
//! The log is the only source of truth. It decides nothing about order or retry (that is
//! `sprag-core`) and knows no clock, no thread and no async runtime: every engine is a
//! synchronous step that the gateway's threads, or the simulator, turn (DESIGN F8).
//!
//! The byte layout is drawn in `docs/internals/log-format.md`.

pub mod body;
pub mod chain;
pub mod codec;
pub mod conformance;
pub mod dictionary;
pub mod digest;
pub mod embedded;
pub mod fact;
pub mod frame;
pub mod limits;
mod log;
pub mod lookup;
pub mod memory;
pub mod pack;
pub mod snapshot;

pub use log::{
    Answer, AppendError, Claim, ClaimError, Completion, Corruption, Damage, Found, Frames, Log,
    LogSize, Query, ReadError, ReadFrame, Request, StoredEvent, StoredFact, Ticket,
};
