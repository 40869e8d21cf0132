//! Virtual time: what happens next, and nothing else. Of two things at the same instant the one
//! that was planned first happens first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds of virtual time since the simulation began.
pub(crate) type Instant = u64;

/// A millisecond in [`Instant`]s.
pub(crate) const MILLISECOND: Instant = 1_000;
/// A second in [`Instant`]s.
pub(crate) const SECOND: Instant = 1_000_000;

/// What is planned.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    planned: BinaryHeap<Reverse<(Instant, u64, Planned<T>)>>,
    count: u64,
}

/// Carries what happens through the heap, which orders by time and count alone.
#[derive(Debug)]
struct Planned<T>(T);

impl<T> PartialEq for Planned<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<T> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self { planned: BinaryHeap::new(), count: 0 }
    }

    /// Plans something.
    pub(crate) fn plan(&mut self, at: Instant, happening: T) {
        self.count += 1;
        self.planned.push(Reverse((at, self.count, Planned(happening))));
    }

    /// The next thing and when it happens.
    pub(crate) fn advance(&mut self) -> Option<(Instant, T)> {
        let Reverse((at, _, Planned(happening))) = self.planned.pop()?;
        Some((at, happening))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_equals_keep_their_order() {
        let mut schedule = Schedule::new();
        for (at, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            schedule.plan(at, what);
        }
        let order: String =
            std::iter::from_fn(|| schedule.advance()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcd");
    }
}
