//! How long a destination takes to answer, as the median of its last answers (DESIGN D4).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::limits;
use crate::time::micros;

/// The last answer times.
#[derive(Debug, Default)]
pub(super) struct AnswerTimes {
    /// As they came.
    recent: VecDeque<u64>,
    /// The same, ascending.
    sorted: Vec<u64>,
}

impl AnswerTimes {
    /// An answer took so long.
    pub(super) fn add(&mut self, took: Duration) {
        if self.recent.len() >= limits::ANSWER_TIMES
            && let Some(oldest) = self.recent.pop_front()
        {
            let at = self.sorted.partition_point(|known| *known < oldest);
            self.sorted.remove(at);
        }
        let took = micros(took);
        self.recent.push_back(took);
        let at = self.sorted.partition_point(|known| *known < took);
        self.sorted.insert(at, took);
    }

    /// An attempt older than this is slow: clamp(8 × median, 50 ms, `slow_after`); `slow_after`
    /// while nothing is known.
    pub(super) fn slow_after(&self, most: Duration) -> Duration {
        let Some(median) = self.sorted.get(self.sorted.len() / 2) else { return most };
        let usual = median.saturating_mul(limits::SLOW_FACTOR);
        Duration::from_micros(usual).clamp(limits::SLOW_LEAST.min(most), most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_median_between_its_bounds() {
        let (mut times, most) = (AnswerTimes::default(), Duration::from_secs(1));
        let mut add = |millis: u64, count: usize| {
            (0..count).for_each(|_| times.add(Duration::from_millis(millis)));
            times.slow_after(most)
        };
        assert_eq!(add(20, 0), most);
        assert_eq!(add(20, 1), Duration::from_millis(160));
        // A few slow ones move no median.
        assert_eq!(add(900, 1), most);
        assert_eq!(add(20, 10), Duration::from_millis(160));
        assert_eq!(add(1, 100), limits::SLOW_LEAST);
        assert_eq!(add(500, 100), most);
        assert_eq!(times.slow_after(Duration::from_millis(10)), Duration::from_millis(10));
    }
}
