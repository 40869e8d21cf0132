//! Who may ask a source next: its rate, its pace, and how many asks are under way. One machine for each kind of ask, for
//! the whole node, beside the intake: a source's keys are in all partitions.
//!
//! Partitions want, this lets them in their turn, as destinations do with permits; by the time a turn comes there may be
//! no reason for it any more, so the partition has the last word. What was let is under way until its end is told. A source
//! that answers 429 rests (`rest`); that is no ask in vain.
//!
//! **The bound.** In any time t at most `rate` × t + `rate` asks leave, and at most [`limits::REFILLS_UNDER_WAY`] of one
//! source are under way. How many wait for their turn is bounded by who they are.
//!
//! Nothing here is durable: after a restart everybody wants anew, at this rate.
//! Must not know: what is asked for, positions, keys.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::fact::RefillOutcome;
use crate::id::{PartitionId, SourceId};
use crate::limits;
use crate::rate::{Bucket, Rate};
use crate::rest::Rest;
use crate::settings::{Settings, SourceSettings};
use crate::time::ElapsedMicros;

/// Who waits for a turn of a source.
pub trait Waiter: Copy + Ord {
    /// Whether one that wants again while it waits keeps its place; else it goes behind the others.
    const KEEPS_ITS_PLACE: bool;

    /// How often a source may be asked; none where it is not.
    fn rate(source: &SourceSettings) -> Option<Rate>;

    /// The source it asks.
    fn source(&self) -> SourceId;

    /// The partition that asks.
    fn partition(&self) -> PartitionId;

    /// Whether it perhaps brings nothing: it is let behind the others, and never takes the last place under way.
    fn may_be_in_vain(&self) -> bool;
}

/// The turns of all sources at one kind of ask.
#[derive(Debug)]
pub struct Turns<W> {
    sources: BTreeMap<SourceId, OfSource<W>>,
    /// Counts what was wanted: it is let in this order.
    wanted: u64,
}

/// The turns of one source.
#[derive(Debug)]
struct OfSource<W> {
    rate: Rate,
    bucket: Bucket,
    /// What surely brings something first.
    waiting: BTreeMap<(bool, u64), W>,
    numbers: BTreeMap<W, u64>,
    under_way: usize,
    rest: Rest,
}

impl<W: Waiter> OfSource<W> {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: Bucket::default(),
            waiting: BTreeMap::new(),
            numbers: BTreeMap::new(),
            under_way: 0,
            rest: Rest::default(),
        }
    }

    /// When the next of those that wait may ask; none while nothing waits, or too many are under way.
    fn next(&self) -> Option<ElapsedMicros> {
        let ((in_vain, _), _) = self.waiting.first_key_value()?;
        let most = limits::REFILLS_UNDER_WAY - usize::from(*in_vain);
        (self.under_way < most).then(|| self.bucket.next(self.rate).max(self.rest.until()))
    }

    fn remove(&mut self, waiter: &W) {
        if let Some(number) = self.numbers.remove(waiter) {
            self.waiting.remove(&(waiter.may_be_in_vain(), number));
        }
    }
}

impl<W> Default for Turns<W> {
    fn default() -> Self {
        Self { sources: BTreeMap::new(), wanted: 0 }
    }
}

impl<W: Waiter> Turns<W> {
    /// The settings from now on. Where a rate is another, what it leaves begins anew.
    pub fn revise(&mut self, settings: &Settings) {
        let rate = |id: &SourceId| settings.sources.get(id).and_then(W::rate);
        self.sources.retain(|id, _| rate(id).is_some());
        for id in settings.sources.keys() {
            let Some(rate) = rate(id) else { continue };
            let turns = self.sources.entry(*id).or_insert_with(|| OfSource::new(rate));
            if turns.rate != rate {
                (turns.rate, turns.bucket) = (rate, Bucket::default());
            }
        }
    }

    /// Somebody wants to ask.
    pub fn want(&mut self, waiter: W) {
        let Some(turns) = self.sources.get_mut(&waiter.source()) else { return };
        if W::KEEPS_ITS_PLACE && turns.numbers.contains_key(&waiter) {
            return;
        }
        self.wanted += 1;
        turns.remove(&waiter);
        turns.numbers.insert(waiter, self.wanted);
        turns.waiting.insert((waiter.may_be_in_vain(), self.wanted), waiter);
    }

    /// It does not want to any more.
    pub fn withdraw(&mut self, waiter: &W) {
        if let Some(turns) = self.sources.get_mut(&waiter.source()) {
            turns.remove(waiter);
        }
    }

    /// A partition lost its term: what was wanted there is void.
    pub fn forget(&mut self, partition: PartitionId) {
        for turns in self.sources.values_mut() {
            turns.numbers.retain(|waiter, _| waiter.partition() != partition);
            turns.waiting.retain(|_, waiter| waiter.partition() != partition);
        }
    }

    /// The next that may ask now. Its ask is under way from here on.
    pub fn poll(&mut self, now: ElapsedMicros) -> Option<W> {
        let is_due = |turns: &&mut OfSource<W>| turns.next().is_some_and(|next| next <= now);
        let turns = self.sources.values_mut().find(is_due)?;
        let (_, waiter) = turns.waiting.pop_first()?;
        turns.numbers.remove(&waiter);
        turns.bucket.take(turns.rate, now);
        turns.under_way += 1;
        Some(waiter)
    }

    /// One that was let did not ask.
    pub fn spare(&mut self, source: SourceId) {
        if let Some(turns) = self.sources.get_mut(&source) {
            turns.under_way = turns.under_way.saturating_sub(1);
            turns.bucket.put_back(turns.rate);
        }
    }

    /// An ask is over.
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
        self.sources.values().filter_map(OfSource::next).min()
    }

    /// Asks of a source under way, and how many wait for their turn.
    #[must_use]
    pub fn counts(&self, source: SourceId) -> (usize, usize) {
        let turns = self.sources.get(&source);
        turns.map_or((0, 0), |turns| (turns.under_way, turns.waiting.len()))
    }
}

#[cfg(test)]
impl<W: Waiter> Turns<W> {
    /// Those of sources with these rates.
    pub(crate) fn of(rates: &[(SourceId, Rate)]) -> Self {
        let sources = rates.iter().map(|(source, rate)| (*source, OfSource::new(*rate)));
        Self { sources: sources.collect(), wanted: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SOURCE: SourceId = SourceId(1);
    const SECOND: u64 = 1_000_000;

    /// A key of two partitions that wants to ask.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Asks {
        key: u16,
        in_vain: bool,
    }

    impl Waiter for Asks {
        const KEEPS_ITS_PLACE: bool = false;

        fn rate(_: &SourceSettings) -> Option<Rate> {
            None
        }

        fn source(&self) -> SourceId {
            SOURCE
        }

        fn partition(&self) -> PartitionId {
            PartitionId(self.key % 2)
        }

        fn may_be_in_vain(&self) -> bool {
            self.in_vain
        }
    }

    fn turns(count: u32) -> (Turns<Asks>, Vec<Asks>) {
        let rate = Rate { count, period: Duration::from_secs(1) };
        let keys = (0..20).map(|key| Asks { key, in_vain: false });
        (Turns::of(&[(SOURCE, rate)]), keys.collect())
    }

    fn poll_all(turns: &mut Turns<Asks>, at: u64) -> usize {
        core::iter::from_fn(|| turns.poll(ElapsedMicros(at))).count()
    }

    #[test]
    fn keys_ask_in_their_order_and_so_many_at_a_time() {
        let (mut turns, keys) = turns(100);
        keys.iter().for_each(|key| turns.want(*key));
        let now = ElapsedMicros(0);
        let let_go: Vec<_> = (0..4).filter_map(|_| turns.poll(now)).collect();
        assert_eq!(let_go, keys[..4]);
        assert_eq!((turns.poll(now), turns.deadline()), (None, None));
        assert_eq!(turns.counts(SOURCE), (4, 16));
        turns.ended(now, SOURCE, RefillOutcome::Unreachable, None);
        assert_eq!(turns.poll(now), Some(keys[4]));
    }

    #[test]
    fn no_more_leave_than_the_rate_allows() {
        let (mut turns, keys) = turns(2);
        keys.iter().for_each(|key| turns.want(*key));
        assert_eq!(poll_all(&mut turns, 0), 2);
        assert_eq!(turns.deadline(), Some(ElapsedMicros(SECOND / 2)));
        turns.ended(ElapsedMicros(0), SOURCE, RefillOutcome::Whole, None);
        assert_eq!(poll_all(&mut turns, SECOND / 2 - 1), 0);
        assert_eq!(poll_all(&mut turns, SECOND / 2), 1);
        // What was not used may be used by another.
        turns.spare(SOURCE);
        assert_eq!(poll_all(&mut turns, SECOND / 2), 1);
    }

    #[test]
    fn a_source_that_is_asked_too_often_rests_longer_each_time() {
        let (mut turns, keys) = turns(100);
        keys.iter().for_each(|key| turns.want(*key));
        let throttled = RefillOutcome::Answered { status: 429 };
        assert!(turns.poll(ElapsedMicros(0)).is_some());
        turns.ended(ElapsedMicros(0), SOURCE, throttled, None);
        assert_eq!(turns.deadline(), Some(ElapsedMicros(SECOND)));
        assert!(turns.poll(ElapsedMicros(SECOND)).is_some());
        turns.ended(ElapsedMicros(SECOND), SOURCE, throttled, None);
        assert_eq!(turns.deadline(), Some(ElapsedMicros(3 * SECOND)));
        let day = Some(Duration::from_secs(86_400));
        assert!(turns.poll(ElapsedMicros(3 * SECOND)).is_some());
        turns.ended(ElapsedMicros(3 * SECOND), SOURCE, throttled, day);
        assert_eq!(turns.deadline(), Some(ElapsedMicros(3_603 * SECOND)));
    }

    #[test]
    fn a_source_that_wants_no_rest_rests_longer_each_time_all_the_same() {
        let (mut turns, keys) = turns(100);
        keys.iter().for_each(|key| turns.want(*key));
        let throttled = RefillOutcome::Answered { status: 429 };
        for (at, next) in [(0, 1), (1, 3), (3, 7)] {
            assert!(turns.poll(ElapsedMicros(at * SECOND)).is_some());
            turns.ended(ElapsedMicros(at * SECOND), SOURCE, throttled, Some(Duration::ZERO));
            assert_eq!(turns.deadline(), Some(ElapsedMicros(next * SECOND)));
        }
    }

    #[test]
    fn what_is_missing_goes_before_what_may_follow() {
        let (mut turns, keys) = turns(100);
        let now = ElapsedMicros(0);
        let tail = |at: usize| Asks { in_vain: true, ..keys[at] };
        (0..6).for_each(|at| turns.want(tail(at)));
        let polled: Vec<_> = core::iter::from_fn(|| turns.poll(now)).collect();
        assert_eq!(polled, [tail(0), tail(1), tail(2)], "one place is kept free");
        turns.want(keys[9]);
        assert_eq!(turns.poll(now), Some(keys[9]));
        turns.want(keys[8]);
        turns.ended(now, SOURCE, RefillOutcome::Whole, None);
        assert_eq!(turns.poll(now), Some(keys[8]));
        turns.withdraw(&tail(3));
        turns.ended(now, SOURCE, RefillOutcome::Whole, None);
        turns.ended(now, SOURCE, RefillOutcome::Whole, None);
        assert_eq!(turns.poll(now), Some(tail(4)));
    }

    #[test]
    fn what_is_not_wanted_any_more_takes_no_turn() {
        let (mut turns, keys) = turns(100);
        keys.iter().for_each(|key| turns.want(*key));
        turns.want(keys[0]);
        turns.withdraw(&keys[2]);
        turns.forget(PartitionId(1));
        assert_eq!(turns.poll(ElapsedMicros(0)), Some(keys[4]));
        assert_eq!(turns.counts(SOURCE), (1, 8));
    }
}
