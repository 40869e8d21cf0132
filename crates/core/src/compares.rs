//! How often a source may be asked for what it has of a key, to compare: its rate, its pace, and how many of these
//! questions are under way. One for the whole node, beside `refill`, with a rate of its own: comparing never takes
//! the turn of what is known to be missing.
//!
//! **The bound.** In any time t at most `rate` × t + `rate` questions leave, at most
//! [`limits::REFILLS_UNDER_WAY`] of one source are under way. A partition waits for one turn of a source at a time.
//!
//! Must not know: keys, positions, what a question is made of.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use crate::fact::RefillOutcome;
use crate::id::{PartitionId, SourceId};
use crate::limits;
use crate::rate::{Bucket, Rate};
use crate::rest::Rest;
use crate::settings::Settings;
use crate::time::ElapsedMicros;

/// The comparisons of all sources.
#[derive(Debug, Default)]
pub struct Compares {
    sources: BTreeMap<SourceId, Turns>,
}

#[derive(Debug)]
struct Turns {
    rate: Rate,
    bucket: Bucket,
    waiting: VecDeque<PartitionId>,
    under_way: usize,
    rest: Rest,
}

impl Turns {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: Bucket::default(),
            waiting: VecDeque::new(),
            under_way: 0,
            rest: Rest::default(),
        }
    }

    fn next(&self) -> Option<ElapsedMicros> {
        let may = !self.waiting.is_empty() && self.under_way < limits::REFILLS_UNDER_WAY;
        may.then(|| self.bucket.next(self.rate).max(self.rest.until()))
    }
}

impl Compares {
    /// The settings from now on.
    pub fn revise(&mut self, settings: &Settings) {
        let rate = |id: &SourceId| Some(settings.sources.get(id)?.reconcile?.rate);
        self.sources.retain(|id, _| rate(id).is_some());
        for id in settings.sources.keys() {
            let Some(rate) = rate(id) else { continue };
            let turns = self.sources.entry(*id).or_insert_with(|| Turns::new(rate));
            if turns.rate != rate {
                (turns.rate, turns.bucket) = (rate, Bucket::default());
            }
        }
    }

    /// A partition wants to ask.
    pub fn want(&mut self, source: SourceId, partition: PartitionId) {
        if let Some(turns) = self.sources.get_mut(&source)
            && !turns.waiting.contains(&partition)
        {
            turns.waiting.push_back(partition);
        }
    }

    /// A partition lost its term: what it wanted is void.
    pub fn forget(&mut self, partition: PartitionId) {
        for turns in self.sources.values_mut() {
            turns.waiting.retain(|waiting| *waiting != partition);
        }
    }

    /// The next that may ask now. Its question is under way from here on.
    pub fn poll(&mut self, now: ElapsedMicros) -> Option<(SourceId, PartitionId)> {
        let is_due = |turns: &Turns| turns.next().is_some_and(|next| next <= now);
        let (source, turns) = self.sources.iter_mut().find(|(_, turns)| is_due(turns))?;
        let partition = turns.waiting.pop_front()?;
        turns.bucket.take(turns.rate, now);
        turns.under_way += 1;
        Some((*source, partition))
    }

    /// A partition that was let did not ask.
    pub fn spare(&mut self, source: SourceId) {
        if let Some(turns) = self.sources.get_mut(&source) {
            turns.under_way = turns.under_way.saturating_sub(1);
            turns.bucket.put_back(turns.rate);
        }
    }

    /// A question is over.
    pub fn ended(
        &mut self,
        now: ElapsedMicros,
        source: SourceId,
        outcome: RefillOutcome,
        retry_after: Option<Duration>,
    ) {
        let Some(turns) = self.sources.get_mut(&source) else { return };
        turns.under_way = turns.under_way.saturating_sub(1);
        turns.rest.ended(now, outcome, retry_after);
    }

    /// When the next may ask.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        self.sources.values().filter_map(Turns::next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SOURCE: SourceId = SourceId(1);
    const SECOND: u64 = 1_000_000;

    fn compares(count: u32) -> Compares {
        let rate = Rate { count, period: Duration::from_secs(1) };
        let mut compares = Compares { sources: [(SOURCE, Turns::new(rate))].into() };
        (0..8).for_each(|at| compares.want(SOURCE, PartitionId(at)));
        compares
    }

    fn poll(compares: &mut Compares, at: u64) -> Option<u16> {
        compares.poll(ElapsedMicros(at)).map(|(_, partition)| partition.0)
    }

    #[test]
    fn partitions_ask_in_turn_and_so_many_at_a_time() {
        let mut compares = compares(100);
        compares.want(SOURCE, PartitionId(0));
        let let_go: Vec<_> = core::iter::from_fn(|| poll(&mut compares, 0)).collect();
        assert_eq!((let_go, compares.deadline()), (alloc::vec![0, 1, 2, 3], None));
        compares.ended(ElapsedMicros(0), SOURCE, RefillOutcome::Unreachable, None);
        compares.want(SOURCE, PartitionId(0));
        assert_eq!(poll(&mut compares, 0), Some(4));
        compares.forget(PartitionId(5));
        compares.spare(SOURCE);
        assert_eq!(poll(&mut compares, 0), Some(6));
    }

    #[test]
    fn no_more_leave_than_the_rate_allows() {
        let mut compares = compares(2);
        assert_eq!((poll(&mut compares, 0), poll(&mut compares, 0)), (Some(0), Some(1)));
        assert_eq!(compares.deadline(), Some(ElapsedMicros(SECOND / 2)));
        assert_eq!(poll(&mut compares, SECOND / 2 - 1), None);
        assert_eq!(poll(&mut compares, SECOND / 2), Some(2));
    }

    #[test]
    fn a_source_that_is_asked_too_often_rests_and_others_do_not() {
        let mut compares = compares(100);
        let other = SourceId(2);
        let rate = Rate { count: 1, period: Duration::from_secs(1) };
        compares.sources.insert(other, Turns::new(rate));
        compares.want(other, PartitionId(0));
        assert_eq!(poll(&mut compares, 0), Some(0));
        let retry_after = Some(Duration::from_secs(5));
        let throttled = RefillOutcome::Answered { status: 429 };
        compares.ended(ElapsedMicros(0), SOURCE, throttled, retry_after);
        assert_eq!(compares.poll(ElapsedMicros(0)), Some((other, PartitionId(0))));
        assert_eq!(compares.deadline(), Some(ElapsedMicros(5 * SECOND)));
        assert_eq!(poll(&mut compares, 5 * SECOND), Some(1));
    }
}
