//! Asking for what is missing: which positions of a key, when, and when no more.
//!
//! ```text
//!                    `after`                  its turn             its end
//!   a gap at the ──▶ waits ──▶ wants ───────────────▶ under way ──┬─▶ nothing is missing
//!   key's head         ▲                                          ├─▶ some came: asked for the rest
//!                      └── in vain: twice as long, `attempts` ────┤
//!                                                                 └─▶ over: only `hold_wait` goes on
//! ```
//!
//! - **What is asked for** is what all of the key waits for: the positions before the lowest that is
//!   held, no more than [`limits::REFILL_POSITIONS`] of them at a time. Whose base is not settled misses
//!   nothing yet (DESIGN K7).
//! - **What comes** is received like any event: judged, deduped, released by `receive`. Nothing here
//!   fills a gap; that what was asked for is there is seen as with any event.
//! - **The wait** of the events behind the gap goes on as it does without (DESIGN G1, G2). An ask in vain
//!   does not shorten it, for what is missing may still come by itself; its end ends the asking.
//! - **What its source has none of** is given up at once: it cannot come. Only some sources can say so, and
//!   only what was asked for is taken from them.
//! - **A source that rests** (429) is no ask in vain: the key wants again, and waits for its turn.
//!
//! **Crashes and failed commits.** All of it is memory: a new term asks anew for what is still missing,
//! from its first attempt. An ask under way ends under an id of the term before and is nobody's; its
//! events are as good as any. A key that has an ask under way stays in memory. One that is about to ask
//! does too, as long as those are few; else it goes, and asks when it is back.
//!
//! Must not know: where and how a source is asked; other partitions' asks (`crate::refill` does).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::Partition;
use super::hot::Hot;
use super::order::{head_gap, next_position};
use crate::chain::Digest;
use crate::fact::{AbandonReason, Fact, GapAbandoned, RefillEnded, RefillOutcome};
use crate::id::{Key, SourceId};
use crate::input::{FetchId, Fetched};
use crate::limits;
use crate::output::{Fetch, Output};
use crate::ranges::{Range, Ranges};
use crate::refill::Wanted;
use crate::settings::RefillSettings;
use crate::slab::Slot;
use crate::time::ElapsedMicros;

/// How far asking for what a key misses has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refill {
    /// The missing positions, as last looked at; those that may follow, where none is missing.
    gap: Range,
    /// Whether none is known to be missing (`tails`).
    tail: bool,
    /// Whether a pass through quiet keys came for it: those are few, and stay in memory until their ask is over.
    sought: bool,
    /// Asks since something came.
    failed: u32,
    stage: Stage,
}

/// See the drawing above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits(ElapsedMicros),
    Wants,
    UnderWay(FetchId, Range),
    Over,
}

/// What a partition knows of all its asks.
#[derive(Debug, Default)]
pub(super) struct Refilling {
    /// Keys that want to ask by then.
    timers: BTreeSet<(ElapsedMicros, Slot)>,
    /// Keys that wait for their turn.
    wanting: BTreeSet<Slot>,
    under_way: BTreeMap<FetchId, Slot>,
    /// Asks in this process.
    asked: u64,
    /// Keys that a pass came for, by source.
    sought: BTreeMap<SourceId, usize>,
}

impl Refilling {
    pub(super) fn deadline(&self) -> Option<ElapsedMicros> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Memory is gone: what is under way ends as nobody's.
    pub(super) fn clear(&mut self) {
        self.timers.clear();
        self.wanting.clear();
        self.under_way.clear();
        self.sought.clear();
    }

    /// Keys of a source that a pass came for and whose ask is not over.
    pub(super) fn sought_of(&self, source: SourceId) -> usize {
        self.sought.get(&source).copied().unwrap_or_default()
    }

    fn count_sought(&mut self, source: SourceId, was: Option<Refill>, is: Option<Refill>) {
        let sought = self.sought.entry(source).or_default();
        *sought = *sought + usize::from(is_sought(is)) - usize::from(is_sought(was));
    }
}

/// Whether a pass came for a key, and its ask is not over.
fn is_sought(refill: Option<Refill>) -> bool {
    refill.is_some_and(|known| known.sought && known.stage != Stage::Over)
}

/// The pause before an ask, after so many in vain.
fn pause(settings: &RefillSettings, failed: u32) -> Duration {
    let doubled = settings.after.saturating_mul(1 << failed.min(16));
    doubled.min(limits::REFILL_PAUSE_MOST.max(settings.after))
}

impl<D: Digest> Partition<D> {
    /// What a key misses, where its source is asked for it.
    fn refillable(&self, slot: Slot) -> Option<(Range, RefillSettings)> {
        let hot = self.keys.get(slot)?;
        let source = self.settings.sources.get(&hot.key.source)?;
        Some((head_gap(source, &hot.record.order)?, source.refill?))
    }

    /// What a key misses may be other than it was.
    pub(super) fn arm_refill(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        let (known, nothing_waits) = (hot.refill(), hot.record.order.held.is_empty());
        // What is under way is looked at when it ends.
        if known.is_some_and(|known| matches!(known.stage, Stage::UnderWay(..))) {
            return;
        }
        if nothing_waits && known.is_none_or(|known| known.tail) {
            // The settings may be others now.
            let next = known.filter(|_| self.tail_of(slot).is_some());
            return self.set_refill(slot, next);
        }
        let next = self.refillable(slot).map(|(gap, settings)| {
            let same = known.filter(|known| !known.tail && gap.from <= known.gap.to);
            let anew = || self.asks_after(gap, 0, pause(&settings, 0));
            same.map_or_else(anew, |same| Refill { gap, ..same })
        });
        self.set_refill(slot, next);
    }

    fn asks_after(&self, gap: Range, failed: u32, pause: Duration) -> Refill {
        let stage = Stage::Waits(self.now.elapsed.after(pause));
        Refill { gap, tail: false, sought: false, failed, stage }
    }

    /// What may follow the last known position of a key, where its source is asked for that.
    fn tail_of(&self, slot: Slot) -> Option<(Range, RefillSettings)> {
        let hot = self.keys.get(slot)?;
        let source = self.settings.sources.get(&hot.key.source)?;
        let refill = source.refill.filter(|_| source.asks_what_follows())?;
        // What could not be read has no key that a source knows.
        if hot.key.name.is_empty() {
            return None;
        }
        let from = next_position(source, &hot.record.order)?;
        let to = from.saturating_add(limits::REFILL_POSITIONS - 1);
        hot.record.order.held.is_empty().then_some((Range { from, to }, refill))
    }

    /// A key was quiet for long: it asks for what may follow, or once more for what it misses. One that is about to
    /// ask, perhaps since it is back in memory only now, stays there until it has.
    pub(super) fn want_tail(&mut self, slot: Slot) {
        let known = self.keys.get(slot).and_then(|hot| hot.refill());
        if let Some(known) = known.filter(|known| known.stage != Stage::Over) {
            return self.set_refill(slot, Some(Refill { sought: true, ..known }));
        }
        let (wanted, tail) = match self.refillable(slot) {
            Some(missing) => (Some(missing), false),
            None => (self.tail_of(slot), true),
        };
        let Some((gap, _)) = wanted else { return };
        let (sought, stage) = (true, Stage::Wants);
        self.set_refill(slot, Some(Refill { gap, tail, sought, failed: 0, stage }));
    }

    fn set_refill(&mut self, slot: Slot, next: Option<Refill>) {
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let was = core::mem::replace(&mut hot.refill, next.map(Box::new)).map(|was| *was);
        let (source, partition) = (hot.key.source, self.id);
        let wanted = |tail| Wanted { tail, source, partition, slot };
        self.refilling.count_sought(source, was, next);
        let is_tail = |refill: Option<Refill>| refill.is_some_and(|known| known.tail);
        let (was_tail, tail) = (is_tail(was), is_tail(next));
        let (was, is) = (was.map(|was| was.stage), next.map(|is| is.stage));
        if (was, was_tail) == (is, tail) {
            return;
        }
        match was {
            Some(Stage::Waits(due)) => drop(self.refilling.timers.remove(&(due, slot))),
            Some(Stage::Wants) => {
                self.refilling.wanting.remove(&slot);
                // Its turn has come, or it takes back what it wanted.
                if !matches!(is, Some(Stage::UnderWay(..))) {
                    self.outputs.push_back(Output::WithdrawFetch(wanted(was_tail)));
                }
            }
            Some(Stage::UnderWay(id, _)) => drop(self.refilling.under_way.remove(&id)),
            Some(Stage::Over) | None => {}
        }
        match is {
            Some(Stage::Waits(due)) => drop(self.refilling.timers.insert((due, slot))),
            Some(Stage::Wants) => {
                self.refilling.wanting.insert(slot);
                self.outputs.push_back(Output::WantFetch(wanted(tail)));
            }
            Some(Stage::UnderWay(id, _)) => drop(self.refilling.under_way.insert(id, slot)),
            Some(Stage::Over) | None => {}
        }
    }

    /// Keys that have waited for long enough want to ask.
    pub(super) fn want_refills(&mut self) {
        while let Some((due, slot)) = self.refilling.timers.first().copied() {
            if due > self.now.elapsed {
                return;
            }
            let refill = self.keys.get(slot).and_then(|hot| hot.refill());
            self.refilling.timers.pop_first();
            self.set_refill(slot, refill.map(|refill| Refill { stage: Stage::Wants, ..refill }));
        }
    }

    /// A key may ask, if it still wants to.
    pub(super) fn may_fetch(&mut self, Wanted { source, slot, .. }: Wanted) {
        let hot = self.keys.get(slot);
        let refill = hot.and_then(|hot| hot.refill()).filter(|known| known.stage == Stage::Wants);
        let tail = refill.is_some_and(|known| known.tail);
        let wanted = if tail { self.tail_of(slot) } else { self.refillable(slot) };
        // What would have followed came by itself: the key is not quiet any more.
        let came =
            |gap: &Range| refill.is_some_and(|known| known.tail && known.gap.from != gap.from);
        let wanted = wanted.filter(|(gap, _)| !came(gap));
        let Some((refill, (gap, _))) = refill.zip(wanted) else {
            self.outputs.push_back(Output::SpareFetch(source));
            if tail {
                self.set_refill(slot, None);
                self.arm_refill(slot);
            }
            return;
        };
        self.refilling.asked += 1;
        let id = FetchId { epoch: self.epoch, number: self.refilling.asked };
        let to = gap.to.min(gap.from.saturating_add(limits::REFILL_POSITIONS - 1));
        let asked = Range { from: gap.from, to };
        let stage = Stage::UnderWay(id, asked);
        self.set_refill(slot, Some(Refill { gap, stage, ..refill }));
        let Some(hot) = self.keys.get(slot) else { return };
        let (key, attempt) = (hot.key.clone(), refill.failed.saturating_add(1));
        self.outputs.push_back(Output::Fetch(Box::new(Fetch { id, key, asked, attempt })));
    }

    /// An ask is over; all that it brought was received before.
    pub(super) fn fetched(&mut self, fetched: &Fetched) {
        // One of an earlier term is nobody's.
        let Some(slot) = self.refilling.under_way.get(&fetched.id).copied() else { return };
        let Some(hot) = self.keys.get(slot) else { return };
        let Some(refill) = hot.refill() else { return };
        let Stage::UnderWay(_, asked) = refill.stage else { return };
        let key = hot.key.clone();
        let (attempt, events) = (refill.failed.saturating_add(1), fetched.events);
        let outcome = fetched.outcome;
        if !refill.tail || events > 0 {
            let ended = RefillEnded { key: key.clone(), asked, attempt, outcome, events };
            self.write(Fact::RefillEnded(ended));
        }
        self.give_up_what_is_not(slot, &key, asked, &fetched.none);
        let missing = self.refillable(slot);
        if refill.tail && missing.is_none() {
            let next = self.tail_goes_on(slot, refill, outcome, asked);
            return self.set_refill(slot, next);
        }
        let next = missing.map(|(gap, settings)| {
            if refill.tail || gap.from > refill.gap.to {
                // Another gap, of which nothing was asked.
                return self.asks_after(gap, 0, pause(&settings, 0));
            }
            if gap.from > asked.from {
                // Some came; the rest has waited for long enough.
                return self.asks_after(gap, 0, Duration::ZERO);
            }
            if outcome.is_throttled() {
                return self.asks_after(gap, refill.failed, Duration::ZERO);
            }
            if attempt >= settings.attempts {
                return Refill { gap, tail: false, failed: attempt, stage: Stage::Over, ..refill };
            }
            self.asks_after(gap, attempt, pause(&settings, attempt))
        });
        self.set_refill(slot, next.map(|next| Refill { sought: refill.sought, ..next }));
    }

    /// What a key waits for and its source has none of is given up, as far as that was asked for; what
    /// waited for nothing else goes on.
    fn give_up_what_is_not(&mut self, slot: Slot, key: &Key, asked: Range, none: &Ranges) {
        // What has come is there, whatever its source says.
        while !self.is_read_for(slot)
            && let Some((gap, _)) = self.refillable(slot)
        {
            let mut none = none.as_slice().iter().filter(|_| asked.contains(gap.from));
            let Some(range) = none.find(|range| range.contains(gap.from)) else { return };
            let missing = Range { from: gap.from, to: range.to.min(gap.to).min(asked.to) };
            let reason = AbandonReason::Gone;
            self.write(Fact::GapAbandoned(GapAbandoned { key: key.clone(), missing, reason }));
            self.drain(slot, key);
        }
    }

    /// What is asked for after an ask for what may follow, which left nothing missing: what follows that, or
    /// the same where it was in vain.
    fn tail_goes_on(
        &self,
        slot: Slot,
        refill: Refill,
        outcome: RefillOutcome,
        asked: Range,
    ) -> Option<Refill> {
        let (gap, settings) = self.tail_of(slot)?;
        let failed = refill.failed.saturating_add(1);
        let (failed, pause) = match outcome {
            _ if gap.from > asked.from && outcome == RefillOutcome::Cut => (0, Duration::ZERO),
            RefillOutcome::Whole if gap.from > asked.to => (0, Duration::ZERO),
            RefillOutcome::Whole => return None,
            _ if outcome.is_throttled() => (refill.failed, Duration::ZERO),
            _ if failed >= settings.attempts => return None,
            _ => (failed, pause(&settings, failed)),
        };
        Some(Refill { tail: true, sought: refill.sought, ..self.asks_after(gap, failed, pause) })
    }

    /// Whether a key must stay in memory because of what it asks, or is about to.
    pub(super) fn keeps_refill(&self, hot: &Hot, pressed: bool) -> bool {
        match hot.refill().map(|refill| refill.stage) {
            None | Some(Stage::Over) => false,
            Some(Stage::UnderWay(..)) => true,
            // There are few, and nothing would bring it back.
            Some(Stage::Waits(_) | Stage::Wants) if is_sought(hot.refill()) => true,
            Some(Stage::Waits(_) | Stage::Wants) => {
                let kept = self.refilling.timers.len() + self.refilling.wanting.len();
                !pressed && kept <= self.settings.hot_keys / limits::REFILL_SHARE
            }
        }
    }

    /// A key leaves memory.
    pub(super) fn leave_refill(&mut self, slot: Slot, hot: &Hot) {
        let tail = hot.refill().is_some_and(|refill| refill.tail);
        self.refilling.count_sought(hot.key.source, hot.refill(), None);
        match hot.refill().map(|refill| refill.stage) {
            Some(Stage::Waits(due)) => drop(self.refilling.timers.remove(&(due, slot))),
            Some(Stage::Wants) => {
                self.refilling.wanting.remove(&slot);
                let wanted = Wanted { tail, source: hot.key.source, partition: self.id, slot };
                self.outputs.push_back(Output::WithdrawFetch(wanted));
            }
            Some(Stage::UnderWay(id, _)) => drop(self.refilling.under_way.remove(&id)),
            Some(Stage::Over) | None => {}
        }
    }

    /// What is kept of all asks is what each key says of its own.
    pub(crate) fn assert_refills(&self) {
        let of = |is: fn(&Stage) -> bool| {
            let stages =
                self.keys.iter().filter_map(|(_, hot)| hot.refill().map(|known| known.stage));
            stages.filter(is).count()
        };
        assert_eq!(of(|is| matches!(is, Stage::Waits(_))), self.refilling.timers.len(), "waits");
        assert_eq!(of(|is| *is == Stage::Wants), self.refilling.wanting.len(), "wants");
        let under_way = of(|is| matches!(is, Stage::UnderWay(..)));
        assert_eq!(under_way, self.refilling.under_way.len(), "asks under way");
        let mut sought: BTreeMap<SourceId, usize> = BTreeMap::new();
        for (_, hot) in self.keys.iter().filter(|(_, hot)| is_sought(hot.refill())) {
            *sought.entry(hot.key.source).or_default() += 1;
        }
        let counted = self.refilling.sought.iter().filter(|(_, sought)| **sought > 0);
        assert!(counted.eq(sought.iter()), "keys that a pass came for");
    }
}
