//! The three times of the core, as integers that cannot be mixed up.
//!
//! The core reads no clock: every input brings a [`Now`]. Waits are measured in elapsed time,
//! facts carry recorded time, holds count open time (DESIGN F9, G1). Must not know: any clock.

use core::time::Duration;

/// The machine's clock: microseconds since 1970-01-01T00:00:00Z. May step in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMicros(pub u64);

/// Time that only grows, in microseconds since this process started. Waits use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ElapsedMicros(pub u64);

/// Time during which a partition's ingress was open, in microseconds, kept across restarts.
///
/// It grows by at most [`crate::limits::OPEN_STEP`] a step, so that neither downtime nor a
/// suspended machine expires a hold (DESIGN F9, G1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OpenMicros(pub u64);

/// What the outside says the time is, given with every input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Time that only grows.
    pub elapsed: ElapsedMicros,
    /// The machine's clock, as it is.
    pub clock: UnixMicros,
}

/// A duration in whole microseconds; longer than `u64` can hold becomes its maximum.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

macro_rules! arithmetic {
    ($($time:ident),*) => {$(
        impl $time {
            /// This time plus a duration, saturating.
            #[must_use]
            pub fn after(self, duration: Duration) -> Self {
                Self(self.0.saturating_add(micros(duration)))
            }

            /// How long ago `earlier` was; zero when it lies ahead.
            #[must_use]
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_micros(self.0.saturating_sub(earlier.0))
            }
        }
    )*};
}

arithmetic!(UnixMicros, ElapsedMicros, OpenMicros);
