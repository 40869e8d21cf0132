//! The log: facts and frames as bytes, segment files, indexes, recovery, and the engines behind
//! one trait.
//!
//! The log is the only source of truth. It decides nothing about order or retry (that is
//! `sprag-core`) and knows no clock, no thread and no async runtime: every engine is a
//! synchronous step that the gateway's threads, or the simulator, turn (DESIGN F8).
//!
//! The byte layout is drawn in `docs/internals/log-format.md`.

pub mod codec;
pub mod digest;
pub mod fact;
pub mod limits;
