//! How the threads of the process share the machine's cores.
//!
//! One thread decides; requests have workers. On few cores what passes from one to another costs more than
//! a second core brings, so attempts are made by the thread that decides them
//! ([decision 028](../../../docs/decisions/028-attempts-where-they-are-decided.md)).
//! Must not know what runs on them.

use std::num::NonZero;
use std::thread;

use crate::limits;

/// Threads for requests: deciding has a core of its own where there is more than one.
pub(crate) fn workers() -> usize {
    workers_of(cores())
}

/// Whether the thread that decides makes the attempts as well.
pub(crate) fn are_few() -> bool {
    cores() <= limits::FEW_CORES
}

/// What the process may use of the machine; one where that is not known.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn workers_of(cores: usize) -> usize {
    cores.saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciding_has_a_core_and_requests_always_have_a_thread() {
        assert_eq!([1, 2, 3, 16].map(workers_of), [1, 1, 2, 15]);
    }
}
