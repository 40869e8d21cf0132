//! Disorder for somebody's own consumer: requests are repeated, dropped, delayed and passed by later
//! ones on their way to a target, as a seed or a schedule has it.
//!
//! It plays the network: it must not know what is in the requests.
//!
//! | file | what |
//! |---|---|
//! | `odds` | what happens to a request, from the seed and its number |
//! | `queue` | what has come and not left, and what leaves next |
//! | `schedule` | what left and when, as text that can be given back |
//! | `rehearse`, `generate` | events of files: worked out first, then sent |
//! | `room`, `waiting`, `proxy` | requests of others: taken, answered, and passed on |
//! | `road` | the connections to the target |
//! | `counts` | what was done |

mod counts;
mod generate;
pub mod limits;
mod odds;
mod proxy;
mod queue;
mod rehearse;
mod road;
mod room;
mod schedule;
mod waiting;

pub use counts::Counts;
pub use generate::{Events, Generating, generate};
pub use odds::{Delay, Odds, Way};
pub use proxy::{Running, listen};
pub use queue::Queue;
pub use rehearse::{Plan, Planned};
pub use schedule::{Departure, Line, Schedule, ScheduleProblem};

use crate::provider::Target;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The consumer.
    pub target: Target,
    /// Connections to it; with one it gets everything in the order of the schedule.
    pub concurrency: u16,
}

/// Hears what leaves and what never does, in that order. Called where requests are handled: it must
/// not wait for long.
pub trait Watch: Send + Sync + 'static {
    /// One line of the schedule.
    fn line(&self, line: Line);
}
