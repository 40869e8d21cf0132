//! The state of a gateway that does not run, built from its log: compared with the state store, or put in
//! its place (DESIGN section 3).
//!
//! The log is held meanwhile as by a gateway, so none starts beside; it is opened as a start opens it. A
//! partition at a time is in memory, with all its keys: twice while it is compared.
//!
//! | the process ends … | what is there |
//! |---|---|
//! | while it compares | everything as it was |
//! | while the new state is built | the old state, and `rebuilding/`, which the next attempt removes |
//! | between deleting the old state and moving the new one in its place | no state: the next start builds it |
//!
//! It decides nothing and must not know how records are encoded.

mod anew;
mod check;
mod differs;
mod error;
mod history;

pub use anew::{Anew, rebuild};
pub use check::{Checked, check};
pub use error::RebuildError;
pub(crate) use history::walk;

#[cfg(test)]
mod tests;
