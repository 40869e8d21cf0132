//! When a failed attempt is made again, and when it is given up (DESIGN L2, L3, L4).

use core::time::Duration;

use crate::fact::Toll;
use crate::limits::RETRY_AFTER_MAX;
use crate::random::Random;
use crate::settings::Retry;
use crate::time::micros;

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

/// Whether what counts is enough to give a lane's head up.
#[must_use]
pub fn is_exhausted(retry: &Retry, toll: Toll) -> bool {
    retry.attempts.is_some_and(|most| toll.failures >= most)
        || (toll.failures > 1 && toll.time >= micros(retry.give_up_after))
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
        let exhausted = |failures, seconds: u64| {
            is_exhausted(&RETRY, Toll { failures, time: seconds * 1_000_000 })
        };
        assert!(!exhausted(4, 599));
        assert!(exhausted(5, 1));
        assert!(exhausted(2, 600));
        assert!(!exhausted(1, 0));
    }
}
