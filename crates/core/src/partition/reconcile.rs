//! Comparing with the authority: whether the last released position of a quiet key is the one its source has.
//!
//! ```text
//!   every `every` a pass          a page of keys           a share of them, one after      its answer
//!   through the source's keys ──▶ quiet for `grace` at ──▶ another, in the source's   ──▶ is judged against the
//!      ▲                          least                    turn (`crate::compares`)        record as it is then
//!      └──────────── the end of the source's keys ◀────────────────┴─────────────────────────────┘
//! ```
//!
//! - **Which keys.** Those that are at rest: quiet for `grace`, nothing held, nothing that a lane waits for. What
//!   is in flight is no difference. Each pass takes another share (`sample`), so that all keys come in turn.
//! - **Judged when it comes back.** What was written down about the key meanwhile makes the answer void.
//! - **What is said.** A difference is a fact, once for the same two positions while memory has them.
//! - **What follows** (`then`). Where the source is ahead, what follows the key's last position is asked for, each
//!   time it is found so: the ask before may have been in vain. While as many keys ask as may, none is compared.
//!   Or what it has comes in as an event, whose id is its position: what it becomes is judged as of any event.
//! - **What could not be judged** for want of room in memory counts as not compared. A pass goes on all the same.
//!
//! **Bounds.** One page of keys and one comparison of a source at a time in a partition; a key takes up memory only
//! while its answer is judged.
//!
//! **Crashes and failed commits.** All of it is memory: a new term begins its pass anew, with another share; that of a
//! new process within `every`, at an instant that is the partition's own.
//!
//! Must not know: how a source is asked, how the store finds keys.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::time::Duration;

use super::Partition;
use crate::chain::{Digest, Fingerprint};
use crate::fact::{Fact, Reconciled};
use crate::id::{Key, SourceId};
use crate::input::{CompareId, Compared, Input};
use crate::limits;
use crate::output::{Compare, IdleRequest, Output, Theirs};
use crate::position::Position;
use crate::random::Random;
use crate::record::KeyRecord;
use crate::settings::{ReconcileSettings, Then};
use crate::slab::Slot;
use crate::time::{ElapsedMicros, UnixMicros, micros};

/// The passes through the keys of all sources that are compared.
#[derive(Debug, Default)]
pub(super) struct Reconciling {
    passes: BTreeMap<SourceId, Pass>,
    /// The source of which a page of keys was asked for.
    looking: Option<SourceId>,
    /// Comparisons in this process.
    asked: u64,
    /// What they came to, by source.
    tallies: BTreeMap<SourceId, ReconcileTally>,
}

#[derive(Debug)]
struct Pass {
    settings: ReconcileSettings,
    /// When it begins, or goes on.
    due: ElapsedMicros,
    /// When it began; none until it does.
    began: Option<UnixMicros>,
    /// Which it is of this process: chooses its share of the keys.
    number: u64,
    /// Keys of the page that are to be compared.
    keys: VecDeque<Key>,
    /// The key it goes on with behind them.
    from: Option<Key>,
    stage: Stage,
    /// Differences as they were last written down.
    known: BTreeMap<Key, (u64, u64)>,
    /// Differences that the last whole pass found, and those of this one.
    found: (u64, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Rests,
    Wants,
    UnderWay(CompareId),
}

/// What comparing came to since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReconcileTally {
    /// Keys that were as the authority has them.
    pub same: u64,
    /// Those of which the authority had a newer position: what lies between is not here.
    pub behind: u64,
    /// Those of which it had an older one.
    pub ahead: u64,
    /// Differences that the last whole pass found, and this one has: the larger number.
    pub last: u64,
}

impl ReconcileTally {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            same: self.same + other.same,
            behind: self.behind + other.behind,
            ahead: self.ahead + other.ahead,
            last: self.last + other.last,
        }
    }
}

impl Pass {
    fn new(settings: ReconcileSettings, due: ElapsedMicros) -> Self {
        Self {
            settings,
            due,
            began: None,
            number: 0,
            keys: VecDeque::new(),
            from: None,
            stage: Stage::Rests,
            known: BTreeMap::new(),
            found: (0, 0),
        }
    }

    /// What is under way is nobody's; the pass begins anew, with another share. What was said last may not have become
    /// durable.
    fn restart(&mut self, due: ElapsedMicros) {
        self.keys.clear();
        self.known.clear();
        (self.due, self.began, self.from, self.stage) = (due, None, None, Stage::Rests);
        self.number += 1;
        self.found.1 = 0;
    }

    /// Whether what came of a comparison is a difference that was not written down yet.
    fn is_new(&mut self, key: &Key, ours: u64, theirs: u64) -> bool {
        if ours == theirs {
            self.known.remove(key);
            return false;
        }
        self.found.1 += 1;
        if self.known.get(key) == Some(&(ours, theirs)) {
            return false;
        }
        if self.known.len() >= limits::RECONCILE_KNOWN {
            self.known.pop_first();
        }
        self.known.insert(key.clone(), (ours, theirs));
        true
    }

    fn quiet(&self) -> Option<UnixMicros> {
        let grace = micros(self.settings.grace);
        self.began.map(|began| UnixMicros(began.0.saturating_sub(grace)))
    }
}

/// A number as a position of the same kind.
fn like(kind: &Position, number: u64) -> Position {
    match kind {
        Position::Timestamp(_) => Position::Timestamp(number),
        Position::Sequence(_) => Position::Sequence(number),
        _ => Position::Version(number),
    }
}

/// Whether a key is worth a question: it was quiet, nothing of it waits, and its order is known.
fn is_worth_it(record: &KeyRecord, quiet: UnixMicros) -> bool {
    record.active <= quiet && record.is_idle() && record.order.newest().is_some()
}

impl<D: Digest> Partition<D> {
    /// What comparing came to, by source.
    pub fn reconciled(&self) -> impl Iterator<Item = (SourceId, ReconcileTally)> {
        let Reconciling { passes, tallies, .. } = &self.reconciling;
        let sources: BTreeSet<SourceId> = passes.keys().chain(tallies.keys()).copied().collect();
        sources.into_iter().map(|source| (source, self.reconciling(source)))
    }

    /// What comparing with the authority of a source came to.
    #[must_use]
    pub fn reconciling(&self, source: SourceId) -> ReconcileTally {
        let tally = self.reconciling.tallies.get(&source).copied().unwrap_or_default();
        let last = self.reconciling.passes.get(&source).map_or((0, 0), |pass| pass.found);
        ReconcileTally { last: last.0.max(last.1), ..tally }
    }

    /// A term begins; `recorded` is when something was last written down.
    pub(super) fn begin_reconciling(&mut self, recorded: UnixMicros) {
        self.reconciling.looking = None;
        let now = self.now.elapsed;
        self.reconciling.passes.values_mut().for_each(|pass| pass.restart(now));
        self.revise_reconciling(Some(recorded));
    }

    /// Other settings: the sources that are compared now begin their passes, others end. Where a term begins besides,
    /// something was `recorded` before it.
    pub(super) fn revise_reconciling(&mut self, recorded: Option<UnixMicros>) {
        let settings = self.settings.clone();
        let compared = |id: &SourceId| settings.sources.get(id).and_then(|source| source.reconcile);
        self.reconciling.passes.retain(|id, pass| compared(id) == Some(pass.settings));
        for id in settings.sources.keys() {
            let Some(told) = compared(id) else { continue };
            let due = self.first_pass(*id, told.every, recorded);
            let pass = || Pass::new(told, due);
            self.reconciling.passes.entry(*id).or_insert_with(pass);
        }
    }

    /// When the first pass begins. Where something was written down within `every` a process ran, and its last pass may
    /// not be long ago: then at an instant of the clock that comes once in `every`, of each source and partition another.
    /// So one that is started over and over does not ask its source each time. (A pass begins with the first key all the
    /// same: one that takes longer than processes live does not come to the last.)
    fn first_pass(
        &self,
        source: SourceId,
        every: Duration,
        recorded: Option<UnixMicros>,
    ) -> ElapsedMicros {
        let (now, clock) = (self.now.elapsed, self.now.clock);
        if recorded.is_none_or(|recorded| clock.since(recorded) >= every) {
            return now;
        }
        let every = micros(every).max(1);
        let own = u64::from(self.id.0) << 32 | u64::from(source.0);
        let past = clock.0.wrapping_add(Random::new(own).below(every)) % every;
        ElapsedMicros(now.0.saturating_add(every - past))
    }

    /// Whether a page is awaited.
    pub(super) fn looks_for_compared(&self) -> bool {
        self.reconciling.looking.is_some()
    }

    /// When time alone has keys looked for; not while a page is awaited.
    pub(super) fn compares_at(&self) -> Option<ElapsedMicros> {
        self.next_compared().map(|(due, _)| due).filter(|_| !self.looks())
    }

    fn next_compared(&self) -> Option<(ElapsedMicros, SourceId)> {
        let rests = |pass: &Pass| pass.stage == Stage::Rests;
        let passes = self.reconciling.passes.iter().filter(|(_, pass)| rests(pass));
        passes.map(|(id, pass)| (pass.due, *id)).min()
    }

    /// Asks for the next page of quiet keys, if it is time.
    pub(super) fn look_for_compared(&mut self) {
        if self.compares_at().is_none_or(|due| due > self.now.elapsed) {
            return;
        }
        let seen = self.steady.min(self.recorded);
        let Some((_, source)) = self.next_compared() else { return };
        let Some(pass) = self.reconciling.passes.get_mut(&source) else { return };
        if !pass.keys.is_empty() {
            return self.compare_next(source);
        }
        pass.began.get_or_insert(seen);
        let Some(until) = pass.quiet() else { return };
        let from = pass.from.clone();
        self.reconciling.looking = Some(source);
        let request = IdleRequest { source, from, until, tombstones: usize::MAX };
        self.outputs.push_back(Output::FindIdle(request));
    }

    /// A page of quiet keys came: a share of them is compared.
    pub(super) fn compared_came(&mut self, keys: Vec<(Key, KeyRecord)>, next: Option<Key>) {
        let Some(source) = self.reconciling.looking.take() else { return };
        let Some(pass) = self.reconciling.passes.get(&source) else { return };
        // Of a pass that began anew meanwhile.
        let Some(quiet) = pass.quiet() else { return };
        let (number, sample) = (pass.number ^ (self.epoch.0 << 32), pass.settings.sample);
        let is_taken = |(key, record): &(Key, KeyRecord)| {
            let mut random = Random::new(Fingerprint::of_key(&self.digest, key).seed() ^ number);
            let named = key.source == source && !key.name.is_empty();
            // The store has not what is newest.
            let hot = self.slot_of(key).and_then(|slot| self.keys.get(slot));
            let record = hot.map_or(record, |hot| &hot.record);
            named && is_worth_it(record, quiet) && random.below(1_000) < u64::from(sample)
        };
        let keys: VecDeque<_> = keys.into_iter().filter(is_taken).map(|(key, _)| key).collect();
        if let Some(pass) = self.reconciling.passes.get_mut(&source) {
            (pass.keys, pass.from) = (keys, next);
        }
        self.compare_next(source);
    }

    /// The next key of the page wants its turn; behind the last the pass goes on, or ends.
    fn compare_next(&mut self, source: SourceId) {
        let now = self.now.elapsed;
        let is_asking = self.refilling.sought_of(source) >= self.tails_most();
        let Some(pass) = self.reconciling.passes.get_mut(&source) else { return };
        if !pass.keys.is_empty() && pass.settings.then == Then::Refill && is_asking {
            (pass.stage, pass.due) = (Stage::Rests, now.after(limits::IDLE_PAUSE));
            return;
        }
        if !pass.keys.is_empty() {
            pass.stage = Stage::Wants;
            self.outputs.push_back(Output::WantCompare(source));
            return;
        }
        pass.stage = Stage::Rests;
        let pause = if pass.from.is_some() { limits::IDLE_PAUSE } else { pass.settings.every };
        if pass.from.is_none() {
            pass.found = (pass.found.1, 0);
            (pass.began, pass.number) = (None, pass.number + 1);
        }
        pass.due = now.after(pause);
    }

    /// The turn of a source has come.
    pub(super) fn may_compare(&mut self, source: SourceId) {
        let (number, epoch) = (self.reconciling.asked + 1, self.epoch);
        let pass = self.reconciling.passes.get_mut(&source);
        let wants = pass.filter(|pass| pass.stage == Stage::Wants);
        let next = wants.and_then(|pass| Some((pass.quiet()?, pass.keys.pop_front()?, pass)));
        let Some((quiet, key, pass)) = next else {
            return self.outputs.push_back(Output::SpareCompare(source));
        };
        let id = CompareId { epoch, number };
        pass.stage = Stage::UnderWay(id);
        self.reconciling.asked = number;
        self.outputs.push_back(Output::Compare(Box::new(Compare { id, key, quiet })));
    }

    /// An authority answered, or did not. One of an earlier term is nobody's.
    pub(super) fn compared(&mut self, compared: &Compared) {
        let source = compared.key.source;
        let Some(pass) = self.reconciling.passes.get_mut(&source) else { return };
        if pass.stage == Stage::UnderWay(compared.id) {
            if compared.outcome.is_throttled() {
                // It rests; the key is asked for again in its turn.
                pass.keys.push_front(compared.key.clone());
            }
            self.compare_next(source);
        }
        if compared.id.epoch != self.epoch || compared.theirs.is_none() {
            return;
        }
        let key = compared.key.clone();
        let again = || Input::Compared(Box::new(compared.clone()));
        if let Some(slot) = self.slot_or_load(&key, again) {
            self.judge_compared(slot, compared);
        }
    }

    fn bring_theirs(&mut self, compared: &Compared) {
        let theirs = compared.theirs.clone().zip(compared.body.clone());
        let Some((position, body)) = theirs else { return };
        let key = compared.key.clone();
        self.outputs.push_back(Output::BringTheirs(Box::new(Theirs { key, position, body })));
    }

    fn judge_compared(&mut self, slot: Slot, compared: &Compared) {
        let Some(hot) = self.keys.get(slot) else { return };
        if !hot.is_at_rest() || hot.record.active > compared.quiet {
            return;
        }
        let theirs = compared.theirs.as_ref().and_then(|theirs| Some((theirs, theirs.number()?)));
        let Some(((theirs, number), ours)) = theirs.zip(hot.record.order.newest()) else { return };
        let Some(pass) = self.reconciling.passes.get_mut(&hot.key.source) else { return };
        let (then, key) = (pass.settings.then, hot.key.clone());
        let tally = self.reconciling.tallies.entry(key.source).or_default();
        match number.cmp(&ours) {
            Ordering::Equal => tally.same += 1,
            Ordering::Greater => tally.behind += 1,
            Ordering::Less => tally.ahead += 1,
        }
        if pass.is_new(&key, ours, number) {
            let (ours, theirs) = (like(theirs, ours), theirs.clone());
            self.write(Fact::Reconciled(Reconciled { key, ours, theirs }));
        }
        match then {
            _ if number <= ours => {}
            Then::Note => {}
            Then::Refill => self.want_tail(slot),
            Then::Event => self.bring_theirs(compared),
        }
    }
}
