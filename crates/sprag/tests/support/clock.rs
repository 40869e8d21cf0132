//! Bounded waits. Tests wait for something to happen, never for time to pass, and say what did
//! not happen.

use std::time::{Duration, Instant};

/// The end of a wait.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left; zero when it has passed.
    #[expect(clippy::disallowed_methods, reason = "real processes run on real time")]
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }
}
