//! The pure machine of a partition: order, lanes and facts of its keys.
//!
//! Must not know: clocks, files, sockets, threads, other partitions but by their facts.

mod acknowledge;
mod asked;
mod batch;
mod clocks;
mod command;
mod compensate;
mod depends;
mod draft;
mod evolve;
mod evolve_order;
mod fingerprints;
mod forget;
mod hot;
mod jump;
mod keys;
mod lanes;
mod late;
mod letter;
mod links;
mod look_up;
mod names;
mod order;
mod outside;
mod overflow;
mod rebase;
mod receive;
mod reconcile;
mod recover;
mod refill;
mod refuse;
mod retain;
mod revise;
mod rewind;
mod states;
mod strands;
mod supersede;
mod tails;
mod toll;
mod view;
mod visit;
mod waiting;
mod window;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::chain::Digest;
use crate::destination::LaneRef;
use crate::fact::{AbandonReason, DestinationResumed, Fact, Visit};
use crate::id::{DestinationId, Epoch, FrameNumber, Key, LaneId, PartitionId, Place};
use crate::input::{Ask, AttemptId, Input, Word};
use crate::limits;
use crate::output::{Draft, Output};
use crate::random::Random;
use crate::recent::Recent;
use crate::record::Directory;
use crate::settings::Settings;
use crate::slab::{Slab, Slot};
use crate::time::{ElapsedMicros, Now, OpenMicros, UnixMicros};
use crate::totals::Totals;
use draft::{Filling, InFlight, Promise, Times};
use hot::Hot;

pub use forget::ForgetTally;
pub use outside::Moves;
pub use reconcile::ReconcileTally;
pub use recover::{Frame, Head};
pub use retain::{Known, Page};
pub use revise::Left;
pub use view::{KeyView, LaneView, WaitsFor};

/// A partition: everything that is decided about a fixed hash range of keys.
///
/// Its methods fall in four families.
///
/// - **What comes in**: [`handle`](Self::handle) takes one [`Input`] with the time it happened.
///   Recovery has its own: [`begin`](Self::begin), [`insert_record`](Self::insert_record),
///   [`evolve_frame`](Self::evolve_frame), [`resume`](Self::resume), [`fail`](Self::fail).
/// - **What is asked**: getters change nothing: [`view`](Self::view),
///   [`directory`](Self::directory), [`recent_floor`](Self::recent_floor), …
/// - **What is polled**: [`poll_output`](Self::poll_output), [`poll_frame`](Self::poll_frame),
///   [`checkpoint`](Self::checkpoint).
/// - **When**: [`deadline`](Self::deadline) says when [`Input::Tick`] is due if nothing else
///   comes before.
///
/// In which order: after every `handle`, poll the frame, append it, then poll outputs until there
/// are none, then ask for the deadline. A frame's commit is an input; answers and attempts that
/// rest on its facts are polled after it. While it is recovering it decides nothing and answers
/// that it is unavailable.
#[derive(Debug)]
pub struct Partition<D> {
    id: PartitionId,
    digest: D,
    random: Random,
    settings: Arc<Settings>,
    phase: Phase,
    /// Time, as of the last step.
    now: Now,
    open: OpenMicros,
    recorded: UnixMicros,
    /// Recorded time as it was when the term began, and what passed since: what lanes are due by.
    /// A clock that steps moves no due time (DESIGN F9).
    steady: UnixMicros,
    /// That time when the term began.
    began: UnixMicros,
    /// Open time as the newest frame has it.
    open_persisted: OpenMicros,
    /// Frames: committed ≤ taken; the one being filled is taken + 1.
    epoch: Epoch,
    taken: FrameNumber,
    committed: FrameNumber,
    /// Everything up to here is in the state store.
    stored: FrameNumber,
    filling: Filling,
    in_flight: VecDeque<InFlight>,
    outputs: VecDeque<Output>,
    /// Keys in memory.
    keys: Slab<Hot>,
    names: names::Names,
    loading: BTreeMap<Key, Vec<Input>>,
    /// Asks of lanes about keys that are being loaded, or whose heads are being read.
    asks: BTreeMap<Key, Vec<Ask>>,
    /// Keys that were loaded for asks though memory was full, until they leave it.
    beside: BTreeSet<Key>,
    /// Keys of which an event is looked up in older history.
    look_ups: BTreeMap<Key, look_up::LookUp>,
    /// Late events whose places are looked for.
    recalls: BTreeMap<Key, compensate::Recall>,
    outside: outside::Outside,
    totals: Totals,
    /// The frame in which a lane to a destination changed last.
    moved: BTreeMap<DestinationId, FrameNumber>,
    /// What keys are visited for at the moment.
    visiting: BTreeSet<(DestinationId, Visit)>,
    /// Their sweep begins once the store has this frame.
    sweeps_behind: Option<FrameNumber>,
    /// Destinations for which what waits is given up.
    overflows: BTreeMap<DestinationId, overflow::Overflow>,
    moves: Moves,
    /// Events that did not enter a lane for their type, since the process began.
    filtered: BTreeMap<DestinationId, u64>,
    sweep: usize,
    forgetting: forget::Forgetting,
    /// Keys changed since the last checkpoint, and since the last invariant check.
    dirty: BTreeSet<Slot>,
    checkpointed: FrameNumber,
    touched: Vec<Slot>,
    recent: Recent,
    fingerprints: fingerprints::Fingerprints,
    directory: Directory,
    refusals: refuse::Refusals,
    /// Lanes that wake by themselves, and keys whose wait for missing positions ends.
    timers: BTreeSet<(ElapsedMicros, Slot, LaneId)>,
    holds: BTreeSet<(OpenMicros, Slot)>,
    /// Lanes whose wait for an acknowledgement ends.
    acceptances: BTreeSet<(OpenMicros, Slot, LaneId)>,
    /// Keys that ask for what they miss.
    refilling: refill::Refilling,
    tails: tails::Tails,
    reconciling: reconcile::Reconciling,
    /// Attempts under way, and those of an earlier term that have not ended yet (DESIGN F10).
    attempts: BTreeMap<AttemptId, (Slot, LaneId)>,
    ending: BTreeMap<AttemptId, LaneRef>,
    outages: toll::Outages,
    next_attempt: u64,
    /// The frame of the term's claim: no attempt leaves before it is committed.
    claim: FrameNumber,
    steps: u64,
}

/// Whether a partition decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It takes in history.
    Recovering,
    /// It decides.
    Serving,
}

impl<D: Digest> Partition<D> {
    /// A partition that has taken in nothing yet. The seed is all its randomness.
    #[must_use]
    pub fn new(id: PartitionId, settings: Arc<Settings>, seed: u64, digest: D) -> Self {
        Self {
            id,
            digest,
            random: Random::new(seed),
            settings,
            phase: Phase::Recovering,
            now: Now::default(),
            open: OpenMicros::default(),
            recorded: UnixMicros::default(),
            steady: UnixMicros::default(),
            began: UnixMicros::default(),
            open_persisted: OpenMicros::default(),
            epoch: Epoch::default(),
            taken: FrameNumber::default(),
            committed: FrameNumber::default(),
            stored: FrameNumber::default(),
            filling: Filling::default(),
            in_flight: VecDeque::new(),
            outputs: VecDeque::new(),
            keys: Slab::default(),
            names: names::Names::new(seed),
            loading: BTreeMap::new(),
            asks: BTreeMap::new(),
            beside: BTreeSet::new(),
            look_ups: BTreeMap::new(),
            recalls: BTreeMap::new(),
            outside: outside::Outside::default(),
            totals: Totals::default(),
            moved: BTreeMap::new(),
            visiting: BTreeSet::new(),
            sweeps_behind: None,
            overflows: BTreeMap::new(),
            moves: Moves::default(),
            filtered: BTreeMap::new(),
            sweep: 0,
            forgetting: forget::Forgetting::default(),
            dirty: BTreeSet::new(),
            touched: Vec::new(),
            recent: Recent::new(seed),
            fingerprints: fingerprints::Fingerprints::default(),
            directory: Directory::default(),
            refusals: refuse::Refusals::new(),
            timers: BTreeSet::new(),
            holds: BTreeSet::new(),
            acceptances: BTreeSet::new(),
            refilling: refill::Refilling::default(),
            tails: tails::Tails::default(),
            reconciling: reconcile::Reconciling::default(),
            attempts: BTreeMap::new(),
            ending: BTreeMap::new(),
            outages: toll::Outages::default(),
            next_attempt: 0,
            claim: FrameNumber::default(),
            checkpointed: FrameNumber::default(),
            steps: 0,
        }
    }

    /// Takes in one thing that happened, and what time makes of it.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.advance(now);
        match self.phase {
            Phase::Serving => {
                let idle = matches!(input, Input::Tick);
                self.dispatch(input);
                self.pass(if idle { limits::PAGE_KEYS } else { limits::SWEEP_KEYS });
            }
            Phase::Recovering => self.refuse(input),
        }
        self.recent.trim(self.settings.dedupe_ids, self.committed);
        self.check();
    }

    /// Takes in what waited until there is room again ([`Self::is_full`]), in its order and as far as there is; then what time
    /// makes of it, and not before: an event that waits there has come, and is not missing.
    pub fn catch_up(&mut self, now: Now, waiting: &mut VecDeque<Input>) {
        self.advance(now);
        while !self.is_full(now)
            && let Some(input) = waiting.pop_front()
        {
            match self.phase {
                Phase::Serving => self.dispatch(input),
                Phase::Recovering => self.refuse(input),
            }
        }
        if self.phase == Phase::Serving {
            self.pass(limits::SWEEP_KEYS);
        }
        self.recent.trim(self.settings.dedupe_ids, self.committed);
        self.check();
    }

    /// What time makes of what happened; so many keys are looked at for room.
    fn pass(&mut self, sweep: usize) {
        self.expire();
        self.give_up_oldest();
        self.make_room(sweep);
        self.look_for_idle();
        self.look_for_tails();
        self.look_for_compared();
    }

    fn dispatch(&mut self, input: Input) {
        match input {
            Input::Receive { arrival, seen } => self.receive(arrival, &seen),
            Input::NotLookedUp(arrival) => self.not_looked_up(&arrival),
            Input::Ignore { ticket, source, id, event_type, digest } => {
                self.ignore(ticket, source, id, event_type, digest);
            }
            Input::Refuse { source, code, peer, digest } => {
                self.note_refusal(source, code, peer, digest);
            }
            Input::Loaded { key, record } => self.loaded(key, record),
            Input::Page { queue, keys, next } => self.page(queue, keys, next),
            Input::Idle { keys, next, beyond } => self.idle(keys, next, beyond),
            Input::Backlog { lane, events, looked, damaged, earlier } => {
                self.backlog(lane, events, looked, &earlier);
                if damaged {
                    self.backlog_is_damaged(lane);
                }
                self.answer_asks(lane.slot, false);
            }
            Input::Recalled { key, to, page } => self.recalled(key, to, page),
            Input::Granted(grant) => self.granted(grant),
            Input::MayFetch(wanted) => self.may_fetch(wanted),
            Input::Fetched(fetched) => self.fetched(&fetched),
            Input::MayCompare(source) => self.may_compare(source),
            Input::Compared(compared) => self.compared(&compared),
            Input::Ended(ended) => self.ended(ended),
            Input::Asked(ask) => self.asked(ask),
            Input::Told { ask, word } => self.told(&ask, word),
            Input::Overflow { destination, bytes } => self.overflow(destination, bytes),
            Input::Breaker { destination, is_open } => self.note_breaker(destination, is_open),
            Input::Committed(frame) => self.commit(frame),
            Input::Stored(frame) => {
                self.note_stored(frame);
                self.begin_sweep();
            }
            Input::Command { ticket, command } => self.command(ticket, command),
            Input::Foreign { place, fact } => self.foreign(place, &fact),
            Input::Settings(settings) => self.revise(settings),
            Input::Tick => {}
        }
    }

    /// Time goes on: open time by no more than its step (DESIGN F9), recorded time never back.
    fn advance(&mut self, now: Now) {
        if self.phase == Phase::Serving {
            let passed = now.elapsed.since(self.now.elapsed);
            self.open = self.open.after(passed.min(limits::OPEN_STEP));
            self.steady = self.steady.after(passed);
        }
        self.recorded = self.recorded.max(now.clock);
        self.now = Now { elapsed: self.now.elapsed.max(now.elapsed), clock: now.clock };
    }

    /// What time alone makes happen.
    fn expire(&mut self) {
        self.end_timers();
        while let Some((deadline, slot)) = self.holds.first().copied() {
            // A full frame takes no more; the rest follows with the next commit. What came since may wait for that.
            if deadline > self.open || self.is_full(self.now) {
                break;
            }
            self.holds.pop_first();
            // What it waits for may have come, and wait for history.
            let later = self.waits_for_history(slot, deadline);
            if let Some(hot) = self.keys.get_mut(slot) {
                hot.hold_timer = later;
            }
            match later {
                Some(later) => drop(self.holds.insert((later, slot))),
                None => self.end_wait(slot, AbandonReason::Waited),
            }
        }
        self.end_acceptances();
        self.want_refills();
        let unpersisted = self.open.since(self.open_persisted);
        let waits = !self.holds.is_empty() || !self.acceptances.is_empty();
        if (waits || self.outside.waits_by_open_time()) && unpersisted >= limits::OPEN_PERSIST {
            self.begin_frame();
        }
    }

    /// When time alone makes something happen; none while nothing waits.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        if self.phase == Phase::Recovering {
            return None;
        }
        let timer = self.timers.first().map(|(due, _, _)| *due);
        let hold = self.holds.first().map(|(deadline, _)| *deadline);
        let accepted = self.acceptances.first().map(|(until, _, _)| *until);
        let ends = hold.into_iter().chain(accepted).min().filter(|_| !self.is_full(self.now));
        let hold = ends.map(|deadline| {
            let wait = deadline.since(self.open).min(limits::OPEN_STEP);
            self.now.elapsed.after(wait)
        });
        // Open time grows by no more than its step: while a give-up may count it, it is stepped.
        let counted = !self.timers.is_empty() || !self.attempts.is_empty();
        let counted = counted || !self.outside.is_empty();
        let step = counted.then(|| self.now.elapsed.after(limits::OPEN_STEP));
        let idle = self.looks_for_idle_at().into_iter().chain(self.looks_for_tails_at());
        let idle = idle.chain(self.compares_at());
        let refill = self.refilling.deadline();
        let outside = self.brings_back_at().into_iter().chain(idle).chain(refill);
        timer.into_iter().chain(hold).chain(step).chain(outside).min()
    }

    /// The next thing to do outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next frame to append: as soon as it holds something and fewer than
    /// [`limits::FRAMES_IN_FLIGHT`] wait for their commit.
    pub fn poll_frame(&mut self) -> Option<Draft> {
        if self.phase == Phase::Recovering || self.in_flight.len() >= limits::FRAMES_IN_FLIGHT {
            return None;
        }
        let times = self.filling.times.take()?;
        let filling = core::mem::take(&mut self.filling);
        self.taken = self.taken.next();
        self.open_persisted = times.open;
        self.in_flight.push_back(InFlight { number: self.taken, promises: filling.promises });
        Some(Draft {
            number: self.taken,
            epoch: self.epoch,
            recorded: times.recorded,
            open: times.open,
            facts: filling.facts,
            bodies: filling.bodies,
        })
    }

    /// How a destination knows a lane of a key.
    fn lane_ref(&self, slot: Slot, id: LaneId) -> LaneRef {
        LaneRef { partition: self.id, slot, destination: id.destination, strand: id.strand }
    }

    /// Writes a fact down in the frame being filled, and takes it in.
    fn write(&mut self, fact: Fact) -> Place {
        self.revive(&fact);
        let times = self.begin_frame();
        let index = u32::try_from(self.filling.facts.len()).unwrap_or(u32::MAX);
        let place = Place { partition: self.id, frame: self.taken.next(), index };
        self.evolve(place, times, &fact);
        self.filling.facts.push(fact);
        place
    }

    /// Fixes the times of the frame being filled, if its first fact has not.
    fn begin_frame(&mut self) -> Times {
        let times = Times { recorded: self.recorded, open: self.open };
        *self.filling.times.get_or_insert(times)
    }

    /// The recorded time of what is decided now.
    fn decided_at(&self) -> UnixMicros {
        self.filling.times.map_or(self.recorded, |times| times.recorded)
    }

    /// Something leaves once the frame being filled is committed.
    fn promise(&mut self, promise: Promise) {
        self.begin_frame();
        self.filling.promises.push(promise);
    }

    fn commit(&mut self, frame: FrameNumber) {
        if self.in_flight.front().is_none_or(|first| first.number != frame) {
            return;
        }
        let Some(first) = self.in_flight.pop_front() else { return };
        self.committed = frame;
        for promise in first.promises {
            match promise {
                Promise::Answer(ticket, answer) => {
                    self.outputs.push_back(Output::Answer { ticket, answer });
                }
                Promise::Wake(slot) => self.wake(slot),
                Promise::WakeAll => self.wake_all(),
                Promise::Forward(place, fact) => {
                    self.outputs.push_back(Output::Forward { place, fact });
                }
                Promise::Recall(key) => self.recall(key),
                Promise::Tell(ask) => {
                    self.outputs.push_back(Output::Tell { ask, word: Word::Met });
                }
                Promise::ResetNoticed(key) => {
                    self.outputs.push_back(Output::SequenceReset(key));
                }
            }
        }
    }

    /// A fact of partition 0 that all must know: which destinations are paused.
    fn foreign(&mut self, _place: Place, fact: &Fact) {
        let paused = self.directory.paused.len();
        self.directory.evolve(fact);
        if self.directory.paused.len() < paused {
            self.wake_all();
        }
    }

    /// The facts that bring other partitions and the destinations up to what this one knows: which
    /// destinations are paused, and which are not. To be brought to them whenever this partition
    /// has resumed, for a commit whose outcome was unknown may have changed it.
    #[must_use]
    pub fn pauses(&self) -> Vec<Fact> {
        let known = |destination: &DestinationId| {
            let destination = *destination;
            if self.directory.paused.contains(&destination) {
                self.directory.pause_of(destination)
            } else {
                Self::resumed(destination)
            }
        };
        self.directory.destinations.keys().map(known).collect()
    }

    fn resumed(destination: DestinationId) -> Fact {
        Fact::DestinationResumed(DestinationResumed { destination })
    }

    /// In debug builds and simulations: the touched keys after every step, all of them every
    /// [`limits::STEPS_BETWEEN_FULL_CHECKS`] steps.
    fn check(&mut self) {
        self.steps += 1;
        let touched = core::mem::take(&mut self.touched);
        if cfg!(debug_assertions) {
            for slot in touched {
                self.assert_key(slot);
            }
            if self.steps.is_multiple_of(limits::STEPS_BETWEEN_FULL_CHECKS) {
                self.check_invariants();
            }
        }
    }
}
