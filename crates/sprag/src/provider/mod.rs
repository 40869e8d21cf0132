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
//! | `client` | one connection that signs, posts and tries again |
//! | `run`, `tally` | many of them at once, and what was answered |

mod client;
mod disorder;
mod events;
pub mod limits;
mod post;
mod run;
mod shape;
mod tally;

pub use client::{Answer, Target, TargetProblem};
pub use disorder::{Disorder, drop_some, reordered};
pub use events::{Event, events};
pub use post::Post;
pub use run::{Idle, Listener, Run, Supply, run};
pub use shape::{Shape, ShapeProblem};
pub use tally::Tally;
