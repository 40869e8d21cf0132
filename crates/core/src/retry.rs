//! When a failed attempt is made again, and when it is given up (DESIGN L2, L3, L4).

use core::time::Duration;

use crate::random::Random;
use crate::settings::Retry;
use crate::time::{OpenMicros, micros};

/// The longest a consumer's `Retry-After` may ask for (DESIGN L3).
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The delay before the next try: full jitter below min(cap, first × 2^(failures − 1)), and no
/// less than the consumer's `Retry-After`, clamped to an hour.
pub fn delay(
    retry: &Retry,
    failures: u32,
    retry_after: Option<Duration>,
    random: &mut Random,
) -> Duration {
    let doubled = micros(retry.first).saturating_mul(1 << failures.saturating_sub(1).min(40));
    let bound = doubled.min(micros(retry.cap));
    let jittered = Duration::from_micros(random.below(bound.saturating_add(1)));
    jittered.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// Whether a lane's head is given up with this failure, its `failures`-th.
#[must_use]
pub fn is_exhausted(retry: &Retry, failures: u32, since: OpenMicros, open: OpenMicros) -> bool {
    let tried_enough = retry.attempts.is_some_and(|most| failures >= most);
    let failing = since != OpenMicros::default();
    tried_enough || (failing && open.since(since) >= retry.give_up_after)
}

/// When the first failure was, given one at `open` and what was known before; never 0, which means
/// that nothing failed.
#[must_use]
pub fn failing_since(known: OpenMicros, open: OpenMicros) -> OpenMicros {
    if known == OpenMicros::default() { open.max(OpenMicros(1)) } else { known }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(60),
        give_up_after: Duration::from_secs(600),
        attempts: Some(5),
    };

    #[test]
    fn delays_stay_under_a_doubling_bound_up_to_the_cap() {
        let mut random = Random::new(3);
        for (failures, bound) in [(1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let delays = (0..200).map(|_| delay(&RETRY, failures, None, &mut random));
            let longest = delays.max().unwrap_or_default();
            let bound = Duration::from_secs(bound);
            assert!(longest <= bound && longest > bound / 2, "{failures}: {longest:?}");
        }
    }

    #[test]
    fn a_consumer_may_ask_for_more_but_not_for_more_than_an_hour() {
        let mut random = Random::new(3);
        let mut ask = |seconds| delay(&RETRY, 1, Some(Duration::from_secs(seconds)), &mut random);
        assert_eq!(ask(30), Duration::from_secs(30));
        assert_eq!(ask(86_400), RETRY_AFTER_MAX);
    }

    #[test]
    fn gives_up_by_attempts_or_by_time() {
        let at = |seconds: u64| OpenMicros(seconds * 1_000_000);
        assert!(!is_exhausted(&RETRY, 4, at(10), at(609)));
        assert!(is_exhausted(&RETRY, 5, at(10), at(11)));
        assert!(is_exhausted(&RETRY, 1, at(10), at(610)));
        assert!(!is_exhausted(&RETRY, 1, OpenMicros(0), at(10_000)));
    }
}
