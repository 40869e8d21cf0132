//! What history says of one lane: every event enters it once, in order, and gets one fate.

mod again;

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Attempted, Batch, Consequence, Outcome};
use sprag_core::id::Epoch;
use sprag_core::settings::OnGiveUp;

use super::policies::{DestinationPolicy, SourcePolicy};
use super::{Verdict, must};
use crate::schedule::SECOND;

/// Failures are counted from the time of the frame they are written in, which may have been
/// begun this much before them.
const GIVE_UP_SLACK: u64 = 2 * SECOND;

/// A frame is filled for so long while the log does not take it: its open time is that of its first
/// fact.
const FILLING_SLACK: u64 = 10 * SECOND;

/// The fate of an event in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Dead,
    /// A newer event took its place.
    Skipped,
    /// The destination did not take it.
    Filtered,
    /// The destination was retired.
    Abandoned,
}

/// How a lane behaves, by history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    #[default]
    Delivers,
    Halted,
    Parked,
    /// Redriven up to and including this; a failure stops it as it had stopped.
    Draining {
        until: u64,
        parks: bool,
    },
}

/// A lane by its facts.
#[derive(Debug, Default)]
pub(crate) struct LaneHistory {
    /// What entered and is not settled.
    waiting: BTreeSet<u64>,
    /// Of what was released before the lane was opened, what it has not come to.
    undecided: BTreeSet<u64>,
    /// The last of that.
    opened: u64,
    pub(crate) tail: u64,
    pub(crate) mode: Mode,
    pub(crate) fates: BTreeMap<u64, Fate>,
    /// What ever entered. An operator may have sent something else all the same.
    pub(crate) entered: BTreeSet<u64>,
    redriven: BTreeSet<u64>,
    /// What was given up because too much waited.
    pub(crate) given_up: BTreeSet<u64>,
    /// What newer events took the place of, and the uptime of the fact.
    pub(crate) superseded: BTreeMap<u64, Option<u64>>,
    failures: u32,
    /// The uptime of the head's first failure.
    failing_since: Option<u64>,
    /// What its consumer accepted.
    accepted: Option<Accepted>,
    /// The range that its next attempt carries.
    range: Option<(u64, u64)>,
    /// Acknowledged by a request: of an attempt under way, only its end follows.
    acknowledged: BTreeSet<u64>,
    /// What it sends again, up to this event.
    rewound: Option<u64>,
    /// Where it stood then, and how often that had failed: behind what it sends again it goes on there.
    stood: (u64, u32),
    /// What it ever sent again: it had a fate before.
    again: BTreeSet<u64>,
}

/// What a consumer accepted and has not acknowledged.
#[derive(Debug, Clone, Copy)]
struct Accepted {
    first: u64,
    last: u64,
    out_of_order: bool,
    /// The open time at which waiting ends.
    until: u64,
}

/// The times of the frame of a fact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    /// When it was handed to the log, where that is known.
    pub(crate) uptime: Option<u64>,
    pub(crate) recorded: u64,
    pub(crate) open: u64,
    /// The term it was written in.
    pub(crate) epoch: Epoch,
}

impl LaneHistory {
    /// An event enters.
    pub(crate) fn enter(&mut self, sequence: u64) -> Verdict {
        let last = std::mem::replace(&mut self.tail, sequence);
        self.waiting.insert(sequence);
        self.entered.insert(sequence);
        must(last < sequence, || format!("{sequence} enters behind {last}"))
    }

    /// It is opened over all that was released before.
    /// Up to the floor that its key began behind there was nothing.
    pub(crate) fn open(&mut self, floor: u64, through: u64) -> Verdict {
        must(self.tail == 0, || format!("opened after {} entered", self.tail))?;
        (self.tail, self.opened) = (through, through);
        self.undecided =
            (floor + 1..=through).filter(|one| !self.fates.contains_key(one)).collect();
        Ok(())
    }

    /// Its destination is retired: what waits is abandoned.
    pub(crate) fn end(&mut self, from: u64, to: u64) -> Verdict {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.append(&mut self.undecided);
        let fits = waiting.iter().all(|one| (from..=to).contains(one));
        self.fates.extend(waiting.iter().map(|one| (*one, Fate::Abandoned)));
        (self.mode, self.redriven) = (Mode::Delivers, BTreeSet::new());
        self.accepted = None;
        must(fits, || format!("{waiting:?} wait, {from} to {to} are abandoned"))
    }

    /// Whether an event is waiting, or has its fate.
    pub(crate) fn knows(&self, sequence: u64) -> bool {
        self.fates.contains_key(&sequence) || self.awaits(sequence)
    }

    /// An event does not enter: that is its fate.
    pub(crate) fn filter(&mut self, sequence: u64) -> Verdict {
        let before = self.fates.insert(sequence, Fate::Filtered);
        must(before.is_none(), || format!("{sequence} is {before:?} already"))
    }

    /// The lane goes past what did not enter: between its last settled event and the next.
    /// Says what was decided with it: which of what was released before the lane it does not take.
    pub(crate) fn pass(&mut self, from: u64, to: u64) -> Result<Vec<u64>, String> {
        let decided: Vec<u64> = self.undecided.range(from..=to).copied().collect();
        // Behind the last that it sends again it goes on where it stood.
        let ends_again = self.rewound == Some(to);
        for sequence in &decided {
            self.undecided.remove(sequence);
            self.fates.insert(*sequence, Fate::Filtered);
        }
        self.end_rewind();
        let own = self.waiting.range(from..=to).next();
        let goes_on = self.has_backlog() || to == self.tail || ends_again;
        must(own.is_none() && goes_on && to < self.head(), || {
            format!("goes past {from} to {to}, {:?} is its own, {} is due", own, self.head())
        })?;
        Ok(decided)
    }

    /// The event it stands at; past the last where nothing waits.
    pub(crate) fn head(&self) -> u64 {
        let both = self.waiting.first().into_iter().chain(self.undecided.first());
        both.min().copied().unwrap_or(self.tail + 1)
    }

    /// Whether anything of it is still to be done.
    pub(crate) fn is_busy(&self) -> bool {
        self.has_backlog() || self.is_redriving() || self.accepted.is_some()
    }

    /// Whether it has gone past an event of its own, or did before it sends that again (decision 042). What a newer one took
    /// the place of is not settled; nor is what never enters the lane, however many of that there are, while the lane stands
    /// before it: a first event that keeps failing is on its way, and what refers to it waits.
    pub(crate) fn has_settled(&self) -> bool {
        let mut passed = self.fates.range(..self.head());
        !self.again.is_empty() || passed.any(|(_, fate)| *fate != Fate::Skipped)
    }

    /// Its key was forgotten for good: a lane that is opened is another one.
    pub(crate) fn forget(&mut self) {
        (self.tail, self.opened) = (0, 0);
    }

    /// Whether an event of it is not settled, or is under way again.
    pub(crate) fn waits_with(&self, sequence: u64) -> bool {
        self.waiting.contains(&sequence) || self.redriven.contains(&sequence)
    }

    /// Whether it waits for an operator.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.mode, Mode::Halted | Mode::Parked)
    }

    /// Whether events wait in it.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.waiting.is_empty() || !self.undecided.is_empty()
    }

    /// Passed events that are under way again.
    pub(crate) fn is_redriving(&self) -> bool {
        !self.redriven.is_empty()
    }

    /// An attempt and what came of it.
    pub(crate) fn attempted(
        &mut self,
        fact: &Attempted,
        policy: &DestinationPolicy,
        when: When,
    ) -> Verdict {
        let (sequence, uptime) = (fact.sequence.0, when.uptime);
        self.waits(fact, policy, when)?;
        let delivered = fact.consequence == Consequence::Delivered;
        if self.is_settled_already(fact) {
            return must(delivered, || format!("{sequence} is acknowledged: {fact:?}"));
        }
        if let Some(batch) = fact.batch.filter(|_| !fact.out_of_order) {
            return self.attempted_range(fact, batch, policy, when);
        }
        let dropped = fact.dropped.is_some();
        let accepted = matches!(fact.consequence, Consequence::Accepted { .. });
        must((delivered || accepted) == (fact.outcome.is_acknowledged() && !dropped), || {
            format!("{:?} means {:?}", fact.outcome, fact.consequence)
        })?;
        // What a lane is to send is kept (D6), and no disk here takes a synced body away.
        must(fact.outcome != Outcome::Unreadable, || {
            format!("{sequence} could not be read: {fact:?}")
        })?;
        if fact.out_of_order {
            must(self.redriven.contains(&sequence), || format!("{sequence} was not redriven"))?;
            if accepted {
                return Ok(());
            }
            self.redriven.remove(&sequence);
            if delivered {
                self.fates.insert(sequence, Fate::Delivered);
            }
            return Ok(());
        }
        must(sequence == self.head() && self.has_backlog(), || {
            format!("{sequence} is attempted, {} stands at the head", self.head())
        })?;
        must(!self.is_stopped(), || format!("{sequence} is attempted in a stopped lane"))?;
        self.take(sequence);
        must(fact.number == self.failures + 1, || {
            format!("try {} of {sequence} after {}", fact.number, self.failures)
        })?;
        if accepted {
            return Ok(());
        }
        if delivered {
            return self.settle(Fate::Delivered);
        }
        if dropped {
            let dies = fact.outcome.is_acknowledged() && fact.consequence == Consequence::Dead;
            must(dies, || format!("dropped: {:?}", fact.consequence))?;
            return self.settle(Fate::Dead);
        }
        self.failures += 1;
        self.failing_since = self.failing_since.or(uptime);
        self.not_delivered(fact, policy, uptime)
    }

    /// A lane that waits for an acknowledgement sends nothing, and waits no shorter than it said.
    fn waits(&mut self, fact: &Attempted, policy: &DestinationPolicy, when: When) -> Verdict {
        let (waited, is_end) = (self.accepted.take(), fact.outcome == Outcome::Unacknowledged);
        if let Some(Accepted { first, out_of_order, until, .. }) = waited {
            let fits = (first, out_of_order) == (fact.sequence.0, fact.out_of_order);
            // The frame may have been begun before the wait was over.
            let over = when.uptime.is_none_or(|uptime| uptime >= until)
                && when.open + FILLING_SLACK >= until;
            return must(is_end && fits && over, || {
                format!("at {} after {waited:?}: {fact:?}", when.open)
            });
        }
        must(!is_end, || format!("nothing was accepted: {fact:?}"))?;
        if let Consequence::Accepted { until } = fact.consequence {
            let least = policy.ack_timeout.map(|timeout| when.open + timeout);
            must(least.is_some_and(|least| until.0 >= least), || {
                format!("{fact:?} at {}, it may wait until {least:?}", when.open)
            })?;
            let last = fact.batch.map_or(fact.sequence, |batch| batch.last).0;
            let (first, out_of_order, until) = (fact.sequence.0, fact.out_of_order, until.0);
            self.accepted = Some(Accepted { first, last, out_of_order, until });
        }
        Ok(())
    }

    /// Whether a request acknowledged what the attempt was of: then its end changes nothing.
    fn is_settled_already(&self, fact: &Attempted) -> bool {
        let sequence = fact.batch.map_or(fact.sequence, |batch| batch.last).0;
        let settled = match fact.out_of_order {
            true => !self.redriven.contains(&sequence),
            false => sequence < self.head(),
        };
        settled && self.acknowledged.contains(&sequence)
    }

    /// A consumer acknowledged the head, or what was redriven.
    pub(crate) fn acknowledge(&mut self, from: u64, to: u64, out_of_order: bool) -> Verdict {
        if let Some(accepted) = self.accepted.as_mut().filter(|accepted| accepted.first == from) {
            accepted.first = to + 1;
        }
        self.accepted.take_if(|accepted| accepted.first > accepted.last);
        for sequence in from..=to {
            self.acknowledge_one(sequence, out_of_order)?;
        }
        Ok(())
    }

    fn acknowledge_one(&mut self, sequence: u64, out_of_order: bool) -> Verdict {
        self.acknowledged.insert(sequence);
        if out_of_order {
            self.fates.insert(sequence, Fate::Delivered);
            return must(self.redriven.remove(&sequence), || {
                format!("{sequence} is acknowledged out of order and was not redriven")
            });
        }
        let stands = sequence == self.head() && self.has_backlog() && !self.is_stopped();
        must(stands, || format!("{sequence} is acknowledged, the lane stands at {}", self.head()))?;
        self.range = None;
        self.settle(Fate::Delivered)
    }

    /// A range is fixed for the next attempt: what waits at the head, no more than may be, and while
    /// none is fixed.
    pub(crate) fn fix_range(&mut self, from: u64, to: u64, most: u64) -> Verdict {
        let waits = (from..=to).all(|sequence| self.awaits(sequence));
        let fits = from == self.head() && waits && to - from < most && !self.is_stopped();
        must(fits && self.range.is_none() && self.accepted.is_none(), || {
            format!(
                "{from} to {to} of {most} is fixed, {} stands, {:?} was",
                self.head(),
                self.range
            )
        })?;
        (from..=to).for_each(|sequence| self.take(sequence));
        self.range = Some((from, to));
        Ok(())
    }

    /// Whether an event entered and is not settled, or was released before the lane and not decided.
    fn awaits(&self, sequence: u64) -> bool {
        self.waiting.contains(&sequence) || self.undecided.contains(&sequence)
    }

    /// What was released before the lane is taken by it: it enters.
    fn take(&mut self, sequence: u64) {
        if self.undecided.remove(&sequence) {
            self.waiting.insert(sequence);
            self.entered.insert(sequence);
        }
    }

    /// An attempt of a range: a part is acknowledged, the rest is as its consequence says.
    fn attempted_range(
        &mut self,
        fact: &Attempted,
        batch: Batch,
        policy: &DestinationPolicy,
        when: When,
    ) -> Verdict {
        let (first, last) = (fact.sequence.0, batch.last.0);
        let begun = self.acknowledged.contains(&first);
        let is_fixed = self.range == Some((first, last));
        let ends = fact.outcome == Outcome::Unacknowledged;
        must(is_fixed || begun || ends, || format!("{:?} is fixed, not {fact:?}", self.range))?;
        must(!self.is_stopped() && (first..=last).contains(&self.head()), || {
            format!("{fact:?} where {} stands", self.head())
        })?;
        must(begun || fact.number == self.failures + 1, || format!("after {}", self.failures))?;
        must(first + batch.acknowledged <= last + 1, || {
            format!("acknowledges too much: {fact:?}")
        })?;
        while self.head() < first + batch.acknowledged {
            self.range = None;
            self.settle(Fate::Delivered)?;
        }
        self.rest_of_range(fact, last, policy, when)
    }

    fn rest_of_range(
        &mut self,
        fact: &Attempted,
        last: u64,
        policy: &DestinationPolicy,
        when: When,
    ) -> Verdict {
        let head = self.head();
        let (is_2xx, part) = (fact.outcome.is_acknowledged(), head > fact.sequence.0);
        if let Some(accepted) = &mut self.accepted {
            accepted.first = head;
        }
        match fact.consequence {
            Consequence::Delivered => must(head > last || (is_2xx && part), || {
                format!("the rest from {head} on is not acknowledged: {fact:?}")
            }),
            Consequence::Accepted { .. } => must(is_2xx && head <= last, || format!("{fact:?}")),
            Consequence::Dead if fact.dropped.is_some() => self.settle_rest(last),
            _ => {
                // What a request of its own acknowledged before is no part that the answer does.
                let said = fact.batch.is_some_and(|batch| batch.acknowledged > 0);
                must(head <= last && !(is_2xx && said), || format!("did not fail: {fact:?}"))?;
                self.failures += 1;
                self.failing_since = self.failing_since.or(when.uptime);
                self.range = Some((head, last));
                self.not_delivered(fact, policy, when.uptime)
            }
        }
    }

    fn settle_rest(&mut self, last: u64) -> Verdict {
        self.range = None;
        while self.head() <= last {
            self.settle(Fate::Dead)?;
        }
        Ok(())
    }

    fn not_delivered(
        &mut self,
        fact: &Attempted,
        policy: &DestinationPolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let (mode, expected) = match fact.consequence {
            Consequence::Delivered | Consequence::Accepted { .. } | Consequence::Retry { .. } => {
                return Ok(());
            }
            Consequence::Halted => (Mode::Halted, OnGiveUp::Halt),
            Consequence::Parked => (Mode::Parked, OnGiveUp::Park),
            Consequence::Dead => (Mode::Delivers, OnGiveUp::Skip),
        };
        let legal = match self.mode {
            Mode::Draining { parks, .. } => mode == if parks { Mode::Parked } else { Mode::Halted },
            _ => policy.on_give_up.contains(&expected) && self.is_exhausted(fact, policy, uptime),
        };
        must(legal, || format!("{:?} after {} failures", fact.consequence, self.failures))?;
        if fact.consequence == Consequence::Dead {
            let last = fact.batch.map_or(fact.sequence, |batch| batch.last).0;
            return self.settle_rest(last);
        }
        self.mode = mode;
        Ok(())
    }

    fn is_exhausted(
        &self,
        fact: &Attempted,
        policy: &DestinationPolicy,
        uptime: Option<u64>,
    ) -> bool {
        let since = uptime.zip(self.failing_since).map(|(now, since)| now - since + GIVE_UP_SLACK);
        let counted = fact.toll.map_or(0, |toll| toll.failures);
        fact.outcome == Outcome::Unreadable
            || fact.outcome.is_gone()
            || policy.attempts.is_some_and(|most| counted.min(self.failures) >= most)
            || since.is_some_and(|since| since >= policy.give_up_after)
    }

    /// The head is settled: exactly once.
    fn settle(&mut self, fate: Fate) -> Verdict {
        let head = self.head();
        let before = self.fates.insert(head, fate);
        must(before.is_none(), || format!("{head} is {before:?} already"))?;
        self.waiting.remove(&head);
        // Acknowledged while its first attempt is under way: it was taken.
        self.undecided.remove(&head);
        self.entered.insert(head);
        (self.failures, self.failing_since) = (0, None);
        match self.mode {
            Mode::Draining { until, .. } if self.head() > until => self.mode = Mode::Delivers,
            Mode::Halted | Mode::Parked if !self.has_backlog() => self.mode = Mode::Delivers,
            _ => {}
        }
        self.end_rewind();
        Ok(())
    }

    /// A newer event takes the place of all that waits before it: only where that was asked for,
    /// and never in a lane that an operator has to look at.
    pub(crate) fn supersede(
        &mut self,
        from: u64,
        by: u64,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let wrong = || {
            format!(
                "{by} takes the place of {from}, {} to {} wait: {:?}",
                self.head(),
                self.tail,
                self.mode
            )
        };
        must(source.coalesces() && self.mode == Mode::Delivers, wrong)?;
        let (head, tail) = (self.head(), self.tail);
        must(from <= head && head < by && by == tail && self.has_backlog(), || {
            format!("{by} takes the place of {from}, {head} to {tail} wait")
        })?;
        // Between lie some that never entered.
        self.superseded.extend((from..by).map(|passed| (passed, uptime)));
        self.range = None;
        while self.head() < by {
            let passed = self.head();
            self.waiting.remove(&passed);
            self.undecided.remove(&passed);
            let before = self.fates.insert(passed, Fate::Skipped);
            must(before.is_none(), || format!("{passed} is {before:?} already"))?;
        }
        (self.failures, self.failing_since) = (0, None);
        Ok(())
    }

    /// A late event that stands at the head is a dead letter: its source wants it so (C5).
    pub(crate) fn die_late(&mut self, sequence: u64) -> Verdict {
        must(sequence == self.head() && self.awaits(sequence), || {
            format!("{sequence} is a dead letter, {} stands at the head", self.head())
        })?;
        self.take(sequence);
        self.settle(Fate::Dead)
    }

    /// Whether events that were released before the lane was opened are all of types it did not take then: who does not
    /// read their releases cannot know.
    fn took_none_of(&self, from: u64, to: u64) -> bool {
        let all_filtered = || (from..=to).all(|one| self.fates.get(&one) == Some(&Fate::Filtered));
        !self.has_backlog() && to <= self.opened && all_filtered()
    }

    /// More waits than may: the oldest are dead letters (D9). Only where there is a limit, from the
    /// event the lane stands at, and nothing that its consumer has.
    pub(crate) fn drop_backlog(&mut self, from: u64, to: u64, is_limited: bool) -> Verdict {
        must(is_limited, || format!("{from} to {to} are given up, and there is no limit"))?;
        let (head, tail) = (self.head(), self.tail);
        // What did not enter may stand before the first that did; of what was released before the lane none may have.
        let has_any = self.has_backlog() && from <= head && head <= to.max(from);
        must((has_any || self.took_none_of(from, to)) && to <= tail, || {
            format!("{from} to {to} are given up, {head} to {tail} wait")
        })?;
        must(self.accepted.is_none(), || format!("{:?} waits, and is given up", self.accepted))?;
        self.given_up.extend(from..=to);
        self.range = None;
        while self.has_backlog() && self.head() <= to {
            self.settle(Fate::Dead)?;
        }
        Ok(())
    }

    /// An operator sent dead letters on their way again.
    pub(crate) fn redrive(&mut self, passed: Option<u64>) -> Verdict {
        if let Some(sequence) = passed {
            self.redriven.insert(sequence);
            return must(sequence < self.head(), || format!("{sequence} is not passed"));
        }
        let parks = self.mode == Mode::Parked;
        must(self.is_stopped(), || "redriven although it delivers".to_owned())?;
        // Failures stay counted: what is sent again was sent before.
        self.failing_since = None;
        self.mode = Mode::Draining { until: self.tail, parks };
        Ok(())
    }

    /// An operator gave a dead letter up.
    pub(crate) fn drop(&mut self, sequence: u64) -> Verdict {
        if self.is_stopped() && sequence == self.head() {
            self.range = None;
            return self.settle(Fate::Dead);
        }
        self.redriven.remove(&sequence);
        must(sequence < self.head(), || format!("{sequence} was dropped before its turn"))
    }
}
