//! The node on threads: one decides, one appends to the log, one reads it, one keeps the state.
//!
//! The threads only turn the synchronous parts of `sprag-driver`, `sprag-log` and `state`; there
//! is no decision here. Must not know: HTTP.

mod beside;
mod breakers;
mod handle;
mod log;
mod message;
mod room;
mod state;
mod statistics;
mod turn;

pub use beside::LogQueries;
pub(crate) use beside::warn_of_damages;
pub use handle::{NewArrival, NodeHandle};
pub use log::{Meter, NodeLog};
pub use message::Network;
pub use state::{Loads, StateStep, ThreadState};
pub use statistics::{DestinationStatistics, PartitionStatistics, STOPPED, Statistics};
pub use turn::{Commit, Committed, StartedThread, Waker, start};
