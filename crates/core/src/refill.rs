//! How often a source may be asked for what is missing: its rate, its pace, and how many asks are under
//! way. One for the whole node, beside the intake, for a source's keys are in all partitions.
//!
//! Partitions want, this lets them in their turn, as destinations do with permits: by the time a turn
//! comes the positions may not be missing any more, so the partition has the last word. An ask that was
//! let is under way until its end is told. A source that answers 429 rests for its `Retry-After`, or 1 s,
//! 2 s, 4 s … up to a minute; that is no ask in vain of the key.
//!
//! **The bound.** In any time t at most `rate` × t + `rate` asks leave, and at most
//! [`limits::REFILLS_UNDER_WAY`] of one source are under way. What waits for its turn is no more than
//! there are keys in memory, for a key that leaves takes back what it wanted.
//!
//! Nothing here is durable: after a restart every gap asks anew, at this rate.
//! Must not know: positions, gaps, events, what an ask is made of.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::fact::RefillOutcome;
use crate::id::{PartitionId, SourceId};
use crate::limits;
use crate::rate::{Bucket, Rate};
use crate::rest::Rest;
use crate::settings::{RefillSettings, Settings};
use crate::slab::Slot;
use crate::time::ElapsedMicros;

/// A key that wants to ask its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Whether nothing is known to be missing: it is let behind those of which something is.
    pub tail: bool,
    /// The source.
    pub source: SourceId,
    /// The partition of the key.
    pub partition: PartitionId,
    /// The key's place in its partition's memory.
    pub slot: Slot,
}

/// The asks of all sources.
#[derive(Debug, Default)]
pub struct Refills {
    sources: BTreeMap<SourceId, Turns>,
    /// Counts what was wanted: it is let in this order.
    wanted: u64,
}

/// The asks of one source.
#[derive(Debug)]
struct Turns {
    rate: Rate,
    bucket: Bucket,
    /// What is missing for certain first.
    waiting: BTreeMap<(bool, u64), Wanted>,
    numbers: BTreeMap<Wanted, u64>,
    under_way: usize,
    rest: Rest,
}

impl Turns {
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
        let ((tail, _), _) = self.waiting.first_key_value()?;
        // One place is never taken by what perhaps brings nothing.
        let most = limits::REFILLS_UNDER_WAY - usize::from(*tail);
        (self.under_way < most).then(|| self.bucket.next(self.rate).max(self.rest.until()))
    }

    fn remove(&mut self, wanted: &Wanted) {
        if let Some(number) = self.numbers.remove(wanted) {
            self.waiting.remove(&(wanted.tail, number));
        }
    }
}

impl Refills {
    /// The settings from now on. Where a rate is another, what it leaves begins anew.
    pub fn revise(&mut self, settings: &Settings) {
        let is_asked = |id: &SourceId| {
            let refill = settings.sources.get(id).and_then(|source| source.refill);
            refill.map(|RefillSettings { rate, .. }| rate)
        };
        self.sources.retain(|id, _| is_asked(id).is_some());
        for id in settings.sources.keys() {
            let Some(rate) = is_asked(id) else { continue };
            let turns = self.sources.entry(*id).or_insert_with(|| Turns::new(rate));
            if turns.rate != rate {
                (turns.rate, turns.bucket) = (rate, Bucket::default());
            }
        }
    }

    /// A key wants to ask.
    pub fn want(&mut self, wanted: Wanted) {
        let Some(turns) = self.sources.get_mut(&wanted.source) else { return };
        self.wanted += 1;
        turns.remove(&wanted);
        turns.numbers.insert(wanted, self.wanted);
        turns.waiting.insert((wanted.tail, self.wanted), wanted);
    }

    /// A key does not want to any more.
    pub fn withdraw(&mut self, wanted: &Wanted) {
        if let Some(turns) = self.sources.get_mut(&wanted.source) {
            turns.remove(wanted);
        }
    }

    /// A partition lost its term: what its keys wanted is void.
    pub fn forget(&mut self, partition: PartitionId) {
        for turns in self.sources.values_mut() {
            turns.numbers.retain(|wanted, _| wanted.partition != partition);
            turns.waiting.retain(|_, wanted| wanted.partition != partition);
        }
    }

    /// The next key that may ask now. Its ask is under way from here on.
    pub fn poll(&mut self, now: ElapsedMicros) -> Option<Wanted> {
        let is_due = |turns: &&mut Turns| turns.next().is_some_and(|next| next <= now);
        let turns = self.sources.values_mut().find(is_due)?;
        let (_, wanted) = turns.waiting.pop_first()?;
        turns.numbers.remove(&wanted);
        turns.bucket.take(turns.rate, now);
        turns.under_way += 1;
        Some(wanted)
    }

    /// A key that was let did not ask.
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

    /// When the next key may ask.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        self.sources.values().filter_map(Turns::next).min()
    }

    /// Asks of a source under way, and keys that wait for their turn.
    #[must_use]
    pub fn counts(&self, source: SourceId) -> (usize, usize) {
        let turns = self.sources.get(&source);
        turns.map_or((0, 0), |turns| (turns.under_way, turns.waiting.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use alloc::vec::Vec;

    const SOURCE: SourceId = SourceId(1);
    const SECOND: u64 = 1_000_000;

    fn refills(count: u32) -> (Refills, Vec<Wanted>) {
        let rate = Rate { count, period: Duration::from_secs(1) };
        let sources = [(SOURCE, Turns::new(rate))].into();
        let mut slots = Slab::default();
        let wanted = |at: u16| Wanted {
            tail: false,
            source: SOURCE,
            partition: PartitionId(at % 2),
            slot: slots.insert(()),
        };
        (Refills { sources, wanted: 0 }, (0..20).map(wanted).collect())
    }

    fn poll_all(refills: &mut Refills, at: u64) -> usize {
        core::iter::from_fn(|| refills.poll(ElapsedMicros(at))).count()
    }

    #[test]
    fn keys_ask_in_their_order_and_so_many_at_a_time() {
        let (mut refills, keys) = refills(100);
        keys.iter().for_each(|key| refills.want(*key));
        let now = ElapsedMicros(0);
        let let_go: Vec<_> = (0..4).filter_map(|_| refills.poll(now)).collect();
        assert_eq!(let_go, keys[..4]);
        assert_eq!((refills.poll(now), refills.deadline()), (None, None));
        assert_eq!(refills.counts(SOURCE), (4, 16));
        refills.ended(now, SOURCE, RefillOutcome::Unreachable, None);
        assert_eq!(refills.poll(now), Some(keys[4]));
    }

    #[test]
    fn no_more_leave_than_the_rate_allows() {
        let (mut refills, keys) = refills(2);
        keys.iter().for_each(|key| refills.want(*key));
        assert_eq!(poll_all(&mut refills, 0), 2);
        assert_eq!(refills.deadline(), Some(ElapsedMicros(SECOND / 2)));
        refills.ended(ElapsedMicros(0), SOURCE, RefillOutcome::Whole, None);
        assert_eq!(poll_all(&mut refills, SECOND / 2 - 1), 0);
        assert_eq!(poll_all(&mut refills, SECOND / 2), 1);
        // What was not used may be used by another.
        refills.spare(SOURCE);
        assert_eq!(poll_all(&mut refills, SECOND / 2), 1);
    }

    #[test]
    fn a_source_that_is_asked_too_often_rests_longer_each_time() {
        let (mut refills, keys) = refills(100);
        keys.iter().for_each(|key| refills.want(*key));
        let throttled = RefillOutcome::Answered { status: 429 };
        assert!(refills.poll(ElapsedMicros(0)).is_some());
        refills.ended(ElapsedMicros(0), SOURCE, throttled, None);
        assert_eq!(refills.deadline(), Some(ElapsedMicros(SECOND)));
        assert!(refills.poll(ElapsedMicros(SECOND)).is_some());
        refills.ended(ElapsedMicros(SECOND), SOURCE, throttled, None);
        assert_eq!(refills.deadline(), Some(ElapsedMicros(3 * SECOND)));
        let day = Some(Duration::from_secs(86_400));
        assert!(refills.poll(ElapsedMicros(3 * SECOND)).is_some());
        refills.ended(ElapsedMicros(3 * SECOND), SOURCE, throttled, day);
        assert_eq!(refills.deadline(), Some(ElapsedMicros(3_603 * SECOND)));
    }

    #[test]
    fn a_source_that_wants_no_rest_rests_longer_each_time_all_the_same() {
        let (mut refills, keys) = refills(100);
        keys.iter().for_each(|key| refills.want(*key));
        let throttled = RefillOutcome::Answered { status: 429 };
        for (at, next) in [(0, 1), (1, 3), (3, 7)] {
            assert!(refills.poll(ElapsedMicros(at * SECOND)).is_some());
            refills.ended(ElapsedMicros(at * SECOND), SOURCE, throttled, Some(Duration::ZERO));
            assert_eq!(refills.deadline(), Some(ElapsedMicros(next * SECOND)));
        }
    }

    #[test]
    fn what_is_missing_goes_before_what_may_follow() {
        let (mut refills, keys) = refills(100);
        let now = ElapsedMicros(0);
        let tail = |at: usize| Wanted { tail: true, ..keys[at] };
        (0..6).for_each(|at| refills.want(tail(at)));
        let polled: Vec<_> = core::iter::from_fn(|| refills.poll(now)).collect();
        assert_eq!(polled, [tail(0), tail(1), tail(2)], "one place is kept free");
        refills.want(keys[9]);
        assert_eq!(refills.poll(now), Some(keys[9]));
        refills.want(keys[8]);
        refills.ended(now, SOURCE, RefillOutcome::Whole, None);
        assert_eq!(refills.poll(now), Some(keys[8]));
        refills.withdraw(&tail(3));
        refills.ended(now, SOURCE, RefillOutcome::Whole, None);
        refills.ended(now, SOURCE, RefillOutcome::Whole, None);
        assert_eq!(refills.poll(now), Some(tail(4)));
    }

    #[test]
    fn what_is_not_wanted_any_more_takes_no_turn() {
        let (mut refills, keys) = refills(100);
        keys.iter().for_each(|key| refills.want(*key));
        refills.want(keys[0]);
        refills.withdraw(&keys[2]);
        refills.forget(PartitionId(1));
        assert_eq!(refills.poll(ElapsedMicros(0)), Some(keys[4]));
        assert_eq!(refills.counts(SOURCE), (1, 8));
    }
}
