//! A provider to try a gateway with: makes events, brings them into disorder, signs and posts them.
//!
//! It plays the other side: it knows how a source wants its events (the configuration) and HTTP,
//! and nothing of the gateway behind it.
//!
//! | file | what |
//! |---|---|
//! | `events` | which events happen, per key in sequence; the same for the same seed |
//! | `disorder` | shuffled, delayed, repeated, dropped for ever |
//! | `shape` | an event as a request the source's rules can read |
//! | `walk` | the states that the events of a resource go through |
//! | `target`, `connection` | where to, and one connection that tries again what may pass |
//! | `client` | signs and posts over one |
//! | `run`, `tally` | many of them at once, and what was answered |

mod client;
mod connection;
mod disorder;
mod events;
pub mod limits;
mod post;
mod run;
mod shape;
mod tally;
mod target;
mod walk;

pub use client::Answer;
pub(crate) use client::request;
pub(crate) use connection::Connection;
pub use disorder::{Disorder, drop_some, reordered};
pub use events::{Event, events};
pub use post::Post;
pub use run::{Idle, Listener, Run, Supply, run};
pub use shape::{Shape, ShapeProblem};
pub use tally::Tally;
pub use target::{Target, TargetProblem};
