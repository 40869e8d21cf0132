//! The node on threads: one decides, one writes the log, one reads it, one keeps the state.
//!
//! The threads only turn the synchronous parts of `sprag-driver`, `sprag-log` and `state`; there
//! is no decision here. Must not know: HTTP.

mod handle;
mod log;
mod message;
mod state;
mod statistics;
mod turn;

pub use handle::{NewArrival, NodeHandle};
pub use log::{LogQueries, Meter, ThreadLog};
pub use message::Network;
pub use state::{StateStep, ThreadState};
pub use statistics::{DestinationStatistics, PartitionStatistics, STOPPED, Statistics};
pub use turn::{StartedThread, Waker, start};
