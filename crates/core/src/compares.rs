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
