//! The only place that reads a clock. Everything else is told the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sprag_core::time::{ElapsedMicros, Now, UnixMicros};

/// The machine's clocks, with elapsed time counted from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose elapsed time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock the others are told of")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Both times at this moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock the others are told of")]
    pub fn now(&self) -> Now {
        let elapsed = Instant::now().saturating_duration_since(self.started);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            elapsed: ElapsedMicros(sprag_core::time::micros(elapsed)),
            clock: UnixMicros(sprag_core::time::micros(clock)),
        }
    }
}
