//! Token buckets in whole nanoseconds (DESIGN L8). Must not know: what is counted.

use core::time::Duration;

use crate::time::ElapsedMicros;

/// So many in a period; as many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 counts as 1.
    pub count: u32,
    /// In which time; shorter than a microsecond counts as one.
    pub period: Duration,
}

impl Rate {
    /// The time between two at this rate, rounded up to microseconds.
    #[must_use]
    pub fn pause(self) -> Duration {
        Duration::from_micros(self.interval().div_ceil(1_000))
    }

    /// Nanoseconds after which one more may go.
    fn interval(self) -> u64 {
        (self.nanoseconds() / u64::from(self.count.max(1))).max(1)
    }

    fn nanoseconds(self) -> u64 {
        u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX / 4).clamp(1_000, u64::MAX / 4)
    }

    /// How far ahead of now a bucket may be filled and still give one token.
    fn tolerance(self) -> u64 {
        self.nanoseconds().saturating_sub(self.interval())
    }
}

/// The tokens of one rate. It is full when it is made, and knows one instant: when it will be full
/// again if nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// In nanoseconds of elapsed time.
    full: u64,
}

impl Bucket {
    /// When it has a token; not later than now when it has one.
    #[must_use]
    pub fn next(&self, rate: Rate) -> ElapsedMicros {
        ElapsedMicros(self.full.saturating_sub(rate.tolerance()).div_ceil(1_000))
    }

    /// Takes a token; to be called when it has one.
    pub fn take(&mut self, rate: Rate, now: ElapsedMicros) {
        self.full = self.full.max(now.0.saturating_mul(1_000)).saturating_add(rate.interval());
    }

    /// A token was not used after all.
    pub fn put_back(&mut self, rate: Rate) {
        self.full = self.full.saturating_sub(rate.interval());
    }

    /// Whether it is full: then nothing is lost when it is forgotten.
    #[must_use]
    pub fn is_full(&self, now: ElapsedMicros) -> bool {
        self.full <= now.0.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes whenever there is a token, every `step` microseconds; says how many it got.
    fn taken(rate: Rate, until: u64, step: usize) -> u64 {
        let mut bucket = Bucket::default();
        let mut taken = 0;
        for at in (0..until).step_by(step).map(ElapsedMicros) {
            while bucket.next(rate) <= at {
                bucket.take(rate, at);
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn a_burst_at_first_then_the_rate_and_no_more() {
        let rate = Rate { count: 10, period: Duration::from_secs(1) };
        assert_eq!(taken(rate, 1, 1), 10);
        assert_eq!(taken(rate, 10_000_000, 1_000), 10 + 99);
        // An interval that no microsecond divides is neither rounded up nor down over time.
        let thirds = Rate { count: 3, period: Duration::from_secs(1) };
        assert_eq!(taken(thirds, 100_000_001, 1_000), 3 + 300);
    }

    #[test]
    fn what_was_not_used_can_be_taken_again() {
        let rate = Rate { count: 1, period: Duration::from_secs(60) };
        let mut bucket = Bucket::default();
        bucket.take(rate, ElapsedMicros(5));
        assert_eq!(bucket.next(rate), ElapsedMicros(60_000_005));
        assert!(!bucket.is_full(ElapsedMicros(60_000_004)));
        bucket.put_back(rate);
        assert_eq!(bucket.next(rate), ElapsedMicros(5));
        assert!(bucket.is_full(ElapsedMicros(5)));
    }

    #[test]
    fn rates_without_sense_still_let_something_through() {
        let rate = Rate { count: 0, period: Duration::ZERO };
        assert!(taken(rate, 100, 1) >= 99);
        let rate = Rate { count: u32::MAX, period: Duration::MAX };
        assert!(Bucket::default().next(rate) == ElapsedMicros(0));
    }
}
