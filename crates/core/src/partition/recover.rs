//! Coming back: history is taken in, nothing is decided again (DESIGN F6, F10).
//!
//! The driver begins at what the state store reflects, brings the records of the keys that the
//! frames after it name, then the frames, then resumes with a new term.

use alloc::sync::Arc;

use super::draft::{self, Filling, Promise, Times};
use super::forget::Forgetting;
use super::keys::ticket_of;
use super::outside::Outside;
use super::{Partition, Phase};
use crate::chain::Digest;
use crate::destination::End;
use crate::fact::{Claimed, Fact};
use crate::id::{Epoch, FrameNumber, Key, Place};
use crate::input::AttemptId;
use crate::output::{Answer, Output};
use crate::record::{Directory, KeyRecord};
use crate::settings::Settings;
use crate::time::{Now, OpenMicros, UnixMicros};
use crate::totals::Totals;

/// Where recovery begins: what the state store reflects; all zero when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The newest frame it reflects.
    pub frame: FrameNumber,
    /// The recorded time of that frame.
    pub recorded: UnixMicros,
    /// The partition's open time in that frame.
    pub open: OpenMicros,
    /// The directory as facts; but in partition 0 at most that the log was restored.
    pub directory: alloc::vec::Vec<Fact>,
    /// What its keys add up to.
    pub totals: Totals,
}

/// A frame as read back from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number.
    pub number: FrameNumber,
    /// Its recorded time.
    pub recorded: UnixMicros,
    /// The partition's open time in it.
    pub open: OpenMicros,
    /// Its facts.
    pub facts: &'a [Fact],
}

impl<D: Digest> Partition<D> {
    /// Drops everything in memory: a commit failed, or the term is lost. Who waits for an answer
    /// gets that it is unavailable; attempts under way are aborted and their ends awaited. What was
    /// polled before and is not answered yet (loads, pages, backlogs, permits) is void: its answer
    /// must not be brought any more, for it may be older than what recovery takes in.
    pub fn fail(&mut self) {
        for ticket in draft::tickets(&self.filling, &self.in_flight) {
            self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
        }
        for input in core::mem::take(&mut self.loading).into_values().flatten() {
            if let Some(ticket) = ticket_of(&input) {
                self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
            }
        }
        self.end_look_ups();
        for recall in core::mem::take(&mut self.recalls).into_values() {
            for ticket in recall.tickets() {
                self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
            }
        }
        self.take_back_outputs();
        for (id, (slot, lane)) in core::mem::take(&mut self.attempts) {
            let lane = self.lane_ref(slot, lane);
            self.outputs.push_back(Output::Abort(id));
            self.ending.insert(id, lane);
        }
        self.phase = Phase::Recovering;
        self.filling = Filling::default();
        self.in_flight.clear();
        self.taken = self.committed;
        self.forget_keys();
    }

    /// What was to be asked is void, and attempts that were not polled yet do not leave.
    fn take_back_outputs(&mut self) {
        for output in core::mem::take(&mut self.outputs) {
            match output {
                Output::Attempt(attempt) => {
                    let Some((slot, lane)) = self.attempts.remove(&attempt.id) else {
                        continue;
                    };
                    let lane = self.lane_ref(slot, lane);
                    self.outputs.push_back(Output::Return { lane, end: End::Unused });
                }
                Output::Load(_) | Output::Page(_) | Output::FindIdle(_) => {}
                Output::Backlog { .. } | Output::Recall { .. } | Output::Ask(_) => {}
                Output::Request(_) | Output::Withdraw(_) | Output::WantFetch(_) => {}
                Output::WithdrawFetch(_) | Output::WantCompare(_) => {}
                Output::Compare(compare) => {
                    self.outputs.push_back(Output::SpareCompare(compare.key.source));
                }
                Output::Fetch(fetch) => {
                    self.outputs.push_back(Output::SpareFetch(fetch.key.source));
                }
                kept => self.outputs.push_back(kept),
            }
        }
    }

    fn forget_keys(&mut self) {
        self.keys.clear();
        self.names.clear();
        self.asks.clear();
        self.beside.clear();
        self.dirty.clear();
        self.touched.clear();
        self.timers.clear();
        self.holds.clear();
        self.acceptances.clear();
        self.refilling.clear();
        self.moved.clear();
        self.sweeps_behind = None;
        self.overflows.clear();
        self.outside = Outside::default();
        self.forgetting = Forgetting::default();
    }

    /// Begins to take in history behind what the state store reflects.
    pub fn begin(&mut self, head: &Head) {
        debug_assert_eq!(self.phase, Phase::Recovering);
        self.forget_keys();
        self.taken = head.frame;
        self.committed = head.frame;
        self.stored = head.frame;
        self.checkpointed = head.frame;
        self.recorded = self.recorded.max(head.recorded);
        self.open = head.open;
        self.open_persisted = head.open;
        self.totals = head.totals.clone();
        self.recent.begin(head.frame);
        let paused = core::mem::take(&mut self.directory.paused);
        self.directory = Directory { paused, ..Directory::default() };
        if self.id.0 == 0 {
            self.directory = Directory::default();
        }
        for fact in &head.directory {
            self.directory.evolve(fact);
        }
    }

    /// Whether a key is in memory; if not, its record must be brought before a frame that names
    /// it.
    #[must_use]
    pub fn knows(&self, key: &Key) -> bool {
        self.slot_of(key).is_some()
    }

    /// Brings what the state store has of a key; none when it has nothing.
    pub fn insert_record(&mut self, key: Key, record: Option<KeyRecord>) {
        debug_assert_eq!(self.phase, Phase::Recovering);
        if self.slot_of(&key).is_none() {
            let record = self.known_of(&key, record);
            self.insert(key, record.unwrap_or_default());
        }
    }

    /// Takes in a frame. Frames come in their order, each exactly once.
    pub fn evolve_frame(&mut self, frame: &Frame<'_>) {
        debug_assert_eq!(self.phase, Phase::Recovering);
        debug_assert_eq!(frame.number, self.taken.next());
        let times = Times { recorded: frame.recorded, open: frame.open };
        for (index, fact) in (0_u32..).zip(frame.facts) {
            let place = Place { partition: self.id, frame: frame.number, index };
            self.evolve(place, times, fact);
        }
        self.taken = frame.number;
        self.committed = frame.number;
        self.recorded = self.recorded.max(frame.recorded);
        self.open = self.open.max(frame.open);
        self.open_persisted = self.open;
        self.recent.trim(self.settings.dedupe_ids, self.committed);
    }

    /// All history is taken in: decides again, in a new term, under these settings. Lanes start
    /// once the term's claim is durable and the attempts of earlier terms have ended.
    pub fn resume(&mut self, now: Now, epoch: Epoch, settings: Arc<Settings>) {
        debug_assert!(epoch > self.epoch, "a term follows the one before");
        self.settings = settings;
        self.epoch = epoch;
        self.now = now;
        let last = self.recorded;
        self.recorded = self.recorded.max(now.clock);
        self.steady = self.steady.max(self.recorded);
        self.began = self.steady;
        self.phase = Phase::Serving;
        self.claim = self.taken.next();
        self.outages.watch(self.open);
        self.write(Fact::Claimed(Claimed { epoch }));
        self.note_restore();
        self.promise(Promise::WakeAll);
        let slots: alloc::vec::Vec<_> = self.keys.iter().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.arm_timers(slot));
        self.outside = Outside::unread(now.elapsed, self.settings.destinations.keys().copied());
        self.begin_visits();
        self.begin_forgetting();
        self.begin_tails(last);
        self.begin_reconciling(last);
        self.bring_back();
        self.check();
    }

    /// Attempts of earlier terms whose end has not come yet.
    pub fn ending(&self) -> impl Iterator<Item = AttemptId> {
        self.ending.keys().copied()
    }
}
