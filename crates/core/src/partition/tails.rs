//! Looking behind the last known position: that the *last* event of a key was lost leaves no gap.
//!
//! ```text
//!   every `every` a pass          a page of keys             one that was quiet for twice as
//!   through the source's keys ──▶ quiet for `every` at ──▶   long as at the pass before asks for
//!      ▲                          least                      what follows (`refill`)
//!      └──────────── the end of the source's keys ◀──────────────┘
//! ```
//!
//! **How often.** A key is asked for when it was quiet for `every`, and again after twice, four times,
//! eight times … as long: whoever is quiet for a year costs a dozen asks, and a lost event is found before
//! the key was quiet for twice as long as it was when the event was lost. What decides is how long a key
//! was quiet now and at the pass before, so nothing is kept of each key. A gap that halts and was asked
//! for in vain is asked for again in the same turn.
//!
//! **Bounds.** [`limits::TAIL_ASKS`] keys of a source at a time; its pass stands still meanwhile. A key that
//! waits for its turn stays in memory, and so does one with a gap, for whose ask memory had no room before. At one that is
//! being loaded, and at one that memory has no room for, it stands too. What is known to be missing is asked for
//! first (`crate::refill`).
//!
//! **Crashes and failed commits.** All of it is memory. A new term in the same process goes on from its
//! last pass; a new process takes the last recorded time for it, so what came due while nothing ran is asked
//! for at once. A pass that ended early begins anew; one that took longer than `every` leaves the keys that
//! it had not come to for when their silence has doubled again.
//!
//! **Who may write what.** Nothing is written here: an ask that brings nothing leaves no fact, for that
//! would be news about a key that is quiet.
//!
//! Must not know: how keys are asked for (`refill`), how the store finds them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::Partition;
use crate::chain::Digest;
use crate::id::{Key, SourceId};
use crate::limits;
use crate::output::{IdleRequest, Output};
use crate::record::KeyRecord;
use crate::time::{ElapsedMicros, UnixMicros, micros};

/// The passes through the keys of all sources that are asked for what follows.
#[derive(Debug, Default)]
pub(super) struct Tails {
    passes: BTreeMap<SourceId, Pass>,
    /// The source of which a page of keys was asked for.
    looking: Option<SourceId>,
}

/// A pass through the keys of a source.
#[derive(Debug)]
struct Pass {
    every: Duration,
    /// When it begins, or goes on.
    due: ElapsedMicros,
    /// When it began; none until it does.
    began: Option<UnixMicros>,
    /// When the pass before began.
    before: UnixMicros,
    /// The key it goes on with.
    from: Option<Key>,
}

impl Tails {
    /// Whether a page is awaited.
    pub(super) fn is_looking(&self) -> bool {
        self.looking.is_some()
    }
}

/// How often a silence was as long as `every`, and then twice as long as the time before.
fn doublings(every: Duration, quiet: Duration) -> u32 {
    let times = micros(quiet) / micros(every).max(1);
    times.checked_ilog2().map_or(0, |doubled| doubled + 1)
}

impl<D: Digest> Partition<D> {
    /// A term begins; `recorded` is when something was last written down.
    pub(super) fn begin_tails(&mut self, recorded: UnixMicros) {
        self.tails.looking = None;
        for pass in self.tails.passes.values_mut() {
            (pass.due, pass.began, pass.from) = (self.now.elapsed, None, None);
        }
        self.revise_tails(recorded);
    }

    /// Other settings: sources that are asked for what follows now begin their passes, others end.
    pub(super) fn revise_tails(&mut self, recorded: UnixMicros) {
        let sources = self.settings.sources.iter();
        let asked = sources.filter_map(|(id, source)| Some((*id, source.refill?.every?)));
        let asked: BTreeMap<_, _> = asked.collect();
        self.tails.passes.retain(|id, _| asked.contains_key(id));
        for (id, every) in asked {
            let before = UnixMicros(recorded.0.saturating_sub(micros(every)));
            let pass = || Pass { every, due: self.now.elapsed, began: None, before, from: None };
            let known = self.tails.passes.entry(id).or_insert_with(pass);
            if known.every != every {
                *known = pass();
            }
        }
    }

    /// When time alone has keys looked for; not while a page is awaited.
    pub(super) fn looks_for_tails_at(&self) -> Option<ElapsedMicros> {
        self.next_pass().map(|(due, _)| due).filter(|_| !self.looks())
    }

    /// The pass that is due first, of the sources of which no more keys are asked for than may be: one that
    /// is slow, or rests, holds up its own keys only.
    fn next_pass(&self) -> Option<(ElapsedMicros, SourceId)> {
        let free = |id: &SourceId| self.refilling.sought_of(*id) < self.tails_most();
        let passes = self.tails.passes.iter().filter(|(id, _)| free(id));
        passes.map(|(id, pass)| (pass.due, *id)).min()
    }

    /// Keys of a source that may be asked for what follows at a time: a share of memory between all sources.
    pub(super) fn tails_most(&self) -> usize {
        let share = self.settings.hot_keys / limits::REFILL_SHARE;
        let sources = self.settings.sources.values();
        let sources = sources.filter(|source| source.asks_what_follows()).count();
        limits::TAIL_ASKS.min((share / sources.max(1)).max(1))
    }

    /// Asks for the next page of quiet keys, if it is time.
    pub(super) fn look_for_tails(&mut self) {
        let now = self.now.elapsed;
        if self.looks_for_tails_at().is_none_or(|due| due > now) {
            return;
        }
        let seen = self.seen();
        let Some((_, source)) = self.next_pass() else { return };
        let Some(pass) = self.tails.passes.get_mut(&source) else { return };
        let began = *pass.began.get_or_insert(seen);
        let until = UnixMicros(began.0.saturating_sub(micros(pass.every)));
        let from = pass.from.clone();
        self.tails.looking = Some(source);
        let request = IdleRequest { source, from, until, tombstones: usize::MAX };
        self.outputs.push_back(Output::FindIdle(request));
    }

    /// Recorded time that really passed: see `idle_since`.
    fn seen(&self) -> UnixMicros {
        self.steady.min(self.recorded)
    }

    /// A page of quiet keys came: those that were quiet for long enough ask.
    pub(super) fn tails_came(&mut self, keys: Vec<(Key, KeyRecord)>, next: Option<Key>) {
        let Some(source) = self.tails.looking.take() else { return };
        let Some(pass) = self.tails.passes.get(&source) else { return };
        // Of a pass that began anew meanwhile.
        let Some(began) = pass.began else { return };
        let (before, every) = (pass.before, pass.every);
        let mut stands = None;
        for (key, record) in keys {
            let hot = self.slot_of(&key).and_then(|slot| self.keys.get(slot));
            let active = hot.map_or(record.active, |hot| hot.record.active);
            let quiet = |at: UnixMicros| doublings(every, at.since(active));
            if key.source != source || quiet(began) <= quiet(before) {
                continue;
            }
            if self.refilling.sought_of(source) >= self.tails_most() {
                stands = Some(key);
                break;
            }
            // One that is being loaded, by whatever asks for it, is as quiet as any: the pass stands until it is there.
            let Some(slot) = self.slot_of_idle(key.clone(), record) else {
                stands = Some(key);
                break;
            };
            self.want_tail(slot);
        }
        self.go_on_with_tails(source, every, stands.or(next));
    }

    fn go_on_with_tails(&mut self, source: SourceId, every: Duration, from: Option<Key>) {
        let pause = if from.is_some() { limits::IDLE_PAUSE } else { every };
        let due = self.now.elapsed.after(pause);
        let Some(pass) = self.tails.passes.get_mut(&source) else { return };
        if from.is_none() {
            pass.before = pass.began.take().unwrap_or(pass.before);
        }
        (pass.due, pass.from) = (due, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_that_doubles_is_a_reason_to_ask() {
        let every = Duration::from_secs(10);
        let of = |seconds| doublings(every, Duration::from_secs(seconds));
        assert_eq!([0, 9, 10, 19, 20, 39, 40].map(of), [0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(doublings(Duration::ZERO, Duration::ZERO), 0);
        assert_eq!(doublings(Duration::ZERO, Duration::MAX), 64);
    }
}
