//! The way of a list of events, worked out before the first of them leaves: so it is the same
//! however fast the target is.

use std::time::Duration;

use super::queue::Queue;
use super::schedule::Departure;

/// A departure on virtual time, which begins with the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// What.
    pub departure: Departure,
}

/// What happens to a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In their order.
    pub departures: Vec<Planned>,
    /// In their order.
    pub dropped: Vec<u64>,
}

impl Plan {
    /// Works it out for so many events that come so far apart.
    #[must_use]
    pub fn of(mut queue: Queue, count: u64, apart: Duration) -> Self {
        let mut plan = Self::default();
        let mut comes = Duration::ZERO;
        let mut now = Duration::ZERO;
        for number in 1..=count {
            plan.drain(&mut queue, &mut now, |due| due < comes);
            now = comes;
            if queue.take(number, now) == 0 {
                plan.dropped.push(number);
            }
            comes = comes.saturating_add(apart);
        }
        queue.end(now);
        plan.drain(&mut queue, &mut now, |_| true);
        plan
    }

    fn drain(&mut self, queue: &mut Queue, now: &mut Duration, is_in: impl Fn(Duration) -> bool) {
        while let Some(due) = queue.due().filter(|due| is_in(*due)) {
            *now = due.max(*now);
            let at = *now;
            self.departures.extend(queue.next(at).map(|departure| Planned { at, departure }));
        }
    }

    /// How often each of so many events leaves, from the first.
    #[must_use]
    pub fn ways(&self, count: u64) -> Vec<u64> {
        let mut ways = vec![0; usize::try_from(count).unwrap_or_default()];
        for planned in &self.departures {
            // Numbers count from 1 to the count.
            let at = usize::try_from(planned.departure.number - 1).unwrap_or(usize::MAX);
            if let Some(ways) = ways.get_mut(at) {
                *ways += 1;
            }
        }
        ways
    }
}
