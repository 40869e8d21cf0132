//! The pure machine of a destination: who may attempt now (DESIGN F7, D4, L2, L3, L8).
//!
//! Lanes of all partitions ask it for permits; the oldest released event goes first.
//!
//! **Two pools (D4).** A permit counts in `concurrency`. An attempt older than clamp(8 × the median
//! answer time, 50 ms, `slow_after`) leaves it and counts in `slow_concurrency`. Lanes whose last
//! attempt failed or was slow start only there, in the order in which they asked, so each comes
//! round once before any comes twice. A place that falls vacant there goes in turns to an attempt
//! that turned slow and to a lane that waits to start.
//!
//! **The bound.** Call an attempt hung that no answer ends.
//! 1. While hung attempts ≤ `slow_concurrency`, each held a place of `concurrency` once, and no
//!    longer than `slow_after`: a lane that is served waits on their account no longer than
//!    ⌈hung ÷ `concurrency`⌉ × `slow_after`, and afterwards not at all, for they start in the slow
//!    pool from then on.
//! 2. Beyond that, lanes without a 2xx for 60 s hold at most half of `concurrency` (at least one
//!    place) however many hang: one is let in only while that holds should all of them hang at
//!    once. The other half is with lanes that were answered lately; one of those that hangs
//!    keeps its place until its attempt ends, and then struggles.
//!
//! **Order of what stops it**: paused, gone, the breaker (then only probes), a rest after 429, the
//! rate, the pools. Nothing but `now` says what time it is. Must not know: keys, events, retries.

mod answer_times;
mod breaker;
mod gone;
mod lane;
mod pace;
mod pools;
mod queue;
mod strands;
#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use core::time::Duration;

pub use lane::{End, Grant, LaneRef, Request, Standing, Urgency};
pub use pools::Pool;

use crate::fact::Outcome;
use crate::id::PartitionId;
use crate::limits;
use crate::random::Random;
use crate::rate::{Bucket, Rate};
use crate::settings::DestinationSettings;
use crate::time::ElapsedMicros;
use answer_times::AnswerTimes;
use breaker::{Breaker, Probe, Vote};
use gone::Gone;
use pace::Pace;
use pools::{Permit, Pools};
use queue::Queue;

/// The seed of the lots: where poisoned lanes stand in the queue depends on no number of ours.
const LOTS: u64 = 0x5B2A_6000;

/// Permits for attempts to one destination.
///
/// After anything that comes in ([`request`](Self::request), [`give_back`](Self::give_back),
/// [`set_paused`](Self::set_paused), [`tick`](Self::tick)) poll [`poll_grant`](Self::poll_grant)
/// and [`poll_breaker`](Self::poll_breaker) until there is none, then ask for the
/// [`deadline`](Self::deadline): `tick` and `poll_grant` are due again then. While it
/// [`is_gone`](Self::is_gone), bring it the pause it asks for.
#[derive(Debug)]
pub struct Destination {
    slow_after: Duration,
    rate: Option<Rate>,
    bucket: Bucket,
    paused: bool,
    queue: Queue,
    pools: Pools,
    times: AnswerTimes,
    breaker: Breaker,
    pace: Pace,
    gone: Gone,
    /// Whether the next vacant place of the slow pool is for a lane that waits to start.
    starter_is_next: bool,
    /// Permits since the last one of a struggling lane.
    since_struggling: u32,
    /// Whether the last permit was drawn by lot, and the lots.
    was_lot: bool,
    random: Random,
    changes: VecDeque<bool>,
}

impl Destination {
    /// A destination whose permits are all there.
    #[must_use]
    pub fn new(settings: &DestinationSettings) -> Self {
        let (concurrency, slow) = pools_of(settings);
        Self {
            slow_after: settings.slow_after,
            rate: settings.rate,
            bucket: Bucket::default(),
            paused: false,
            queue: Queue::default(),
            pools: Pools::new(concurrency, slow),
            times: AnswerTimes::default(),
            breaker: Breaker::new(),
            pace: Pace::new(concurrency),
            gone: Gone::default(),
            starter_is_next: false,
            since_struggling: 0,
            was_lot: false,
            random: Random::new(LOTS),
            changes: VecDeque::new(),
        }
    }

    /// Other settings. Permits that are out stay out; while there are more of them than may be by now,
    /// none is given.
    pub fn revise(&mut self, settings: &DestinationSettings) {
        let (concurrency, slow) = pools_of(settings);
        self.slow_after = settings.slow_after;
        if self.rate != settings.rate {
            (self.rate, self.bucket) = (settings.rate, Bucket::default());
        }
        self.pools.resize(concurrency, slow);
        self.pace.resize(concurrency);
    }

    /// A lane asks for a permit.
    pub fn request(&mut self, request: Request) {
        self.queue.insert(request);
    }

    /// A lane leaves memory before it got its permit.
    pub fn withdraw_lane(&mut self, request: Request) {
        self.queue.remove(request);
    }

    /// A partition takes back all it asked for: it lost its keys.
    pub fn withdraw(&mut self, partition: PartitionId) {
        self.queue.remove_all(partition);
    }

    /// Stops or lets go on the granting of permits; attempts under way end as they will.
    pub fn set_paused(&mut self, paused: bool) {
        // A partition that comes back says again what was so all the time.
        if paused || self.paused {
            self.gone.forget();
        }
        self.paused = paused;
    }

    /// A permit comes back: its attempt ended, or was not made after all.
    pub fn give_back(&mut self, now: ElapsedMicros, lane: LaneRef, end: End) {
        let failed = match end {
            End::Ended { outcome, .. } => breaker::failed(outcome) == Some(true),
            End::Unused | End::BrokenOff => false,
        };
        // Nothing else asks how many there are.
        let active = if failed { self.active() } else { 0 };
        let in_use = self.pools.in_use(Pool::Usual);
        let Some(permit) = self.pools.take_back(lane) else { return };
        match end {
            End::Unused => {
                self.breaker.came_back(lane);
                if let Some(rate) = self.rate {
                    self.bucket.put_back(rate);
                }
            }
            End::BrokenOff => self.breaker.came_back(lane),
            End::Ended { key, outcome, retry_after } => {
                self.judge(now, lane, permit, outcome, (key, active));
                match outcome {
                    Outcome::Answered { status: 429 } => {
                        self.pace.throttled(now, in_use, retry_after);
                    }
                    Outcome::Answered { status: 410 } => self.gone.note(now, key),
                    _ => {}
                }
            }
        }
    }

    /// Lanes that have something under way or wait for a permit; of several strands their lane.
    fn active(&self) -> usize {
        let surplus = self.pools.strands().surplus(self.queue.strands());
        self.pools.out() + self.queue.len() - surplus
    }

    /// What an end says about the destination.
    fn judge(
        &mut self,
        now: ElapsedMicros,
        lane: LaneRef,
        permit: Permit,
        outcome: Outcome,
        (key, active): (u64, usize),
    ) {
        let Some(failed) = breaker::failed(outcome) else {
            self.breaker.came_back(lane);
            return;
        };
        if matches!(outcome, Outcome::Answered { .. }) {
            self.times.add(now.since(permit.granted));
        }
        let Permit { granted, by_lot, .. } = permit;
        let vote = Vote { key, sent: granted, ended: now, failed, by_lot };
        if self.breaker.ended(lane, vote, active) {
            self.changes.push_back(self.breaker.is_open());
            // One drawn by lot that was under way when it opened says that it should not have.
            if !self.breaker.is_open() && !by_lot {
                self.pace.begin_again();
            }
        } else if !failed && outcome != (Outcome::Answered { status: 429 }) {
            self.pace.answered();
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: ElapsedMicros) {
        self.pools.tick(now);
    }

    /// The next lane that may attempt.
    pub fn poll_grant(&mut self, now: ElapsedMicros) -> Option<Grant> {
        self.pools.tick(now);
        self.make_room();
        if self.paused || self.gone.is_gone() || self.queue.len() == 0 {
            return None;
        }
        let probe = self.breaker.is_open().then(|| self.next_probe());
        if now < self.opens_at(probe)? || now < self.pace.rests_until() || now < self.rate_at() {
            return None;
        }
        let slow_at = now.after(self.times.slow_after(self.slow_after));
        let (lane, permit) = self.choose(probe.is_some(), now, slow_at)?;
        self.pools.give(lane, permit);
        if let Some(rate) = self.rate {
            self.bucket.take(rate, now);
        }
        if let Some(probe) = probe {
            self.breaker.probing(probe, lane);
        }
        Some(Grant { lane, slow_at, probe: probe.is_some() })
    }

    /// A probe is rather of a lane that does not struggle: what fails by itself says nothing about the
    /// destination, and keeps no other waiting.
    fn next_probe(&self) -> Probe {
        match self.starts_usual() {
            Some(_) if self.queue.has_oldest(true) => Probe::Proven,
            Some(_) => Probe::Unproven,
            None => Probe::Struggling,
        }
    }

    /// When the breaker lets the next attempt go, which is this probe while it is open; none while one
    /// is under way.
    fn opens_at(&self, probe: Option<Probe>) -> Option<ElapsedMicros> {
        probe.map_or(Some(ElapsedMicros::default()), |probe| self.breaker.probe_at(probe))
    }

    /// When the rate lets the next attempt go.
    fn rate_at(&self) -> ElapsedMicros {
        self.rate.map(|rate| self.bucket.next(rate)).unwrap_or_default()
    }

    /// Slow attempts leave `concurrency` as far as the slow pool has room and it is their turn.
    fn make_room(&mut self) {
        while self.pools.can_move() {
            if self.starter_is_next && self.starts_struggling() {
                return;
            }
            self.pools.move_one();
            self.starter_is_next = true;
        }
    }

    /// Whether a struggling lane waits and may start.
    fn starts_struggling(&self) -> bool {
        let slow = self.pools.slow_concurrency().saturating_mul(self.pace.allowance());
        let most = slow / self.pace.concurrency();
        self.queue.struggling() > 0
            && !self.pools.is_full()
            && self.pools.takes_struggling()
            && (self.pace.is_full() || self.pools.in_use(Pool::Slow) < most.max(1))
    }

    /// Whether a lane waits that does not struggle and may start, and if only a proven one.
    fn starts_usual(&self) -> Option<bool> {
        let only_proven = !self.pools.takes_unproven(self.queue.struggling());
        let has_room = self.pools.in_use(Pool::Usual) < self.pace.allowance();
        (has_room && !self.pools.is_full() && self.queue.has_oldest(only_proven))
            .then_some(only_proven)
    }

    /// The lane that is next, and its permit. Where permits are few, each fourth is for a struggling
    /// lane. A probe is of one only where no other may start, and then of the one whose event was
    /// tried least.
    fn choose(
        &mut self,
        probe: bool,
        now: ElapsedMicros,
        slow_at: ElapsedMicros,
    ) -> Option<(LaneRef, Permit)> {
        let turn = self.since_struggling + 1 >= limits::STRUGGLING_TURN && !probe;
        let usual = self.starts_usual();
        if self.starts_struggling() && (turn || usual.is_none()) {
            let lane = self.queue.pop_struggling(probe, now)?;
            self.since_struggling = 0;
            self.starter_is_next = false;
            let (pool, is_proven, by_lot) = (Pool::Slow, false, false);
            return Some((lane, Permit { pool, is_proven, by_lot, granted: now, slow_at }));
        }
        let by_lot = !probe && self.is_for_a_lot(now);
        let (lane, is_proven) = if probe || by_lot {
            self.queue.pop_by_lot(usual?, probe, &mut self.random)?
        } else {
            self.queue.pop_oldest(usual?)?
        };
        self.since_struggling = self.since_struggling.saturating_add(1);
        Some((lane, Permit { pool: Pool::Usual, is_proven, by_lot, granted: now, slow_at }))
    }

    /// In doubt every other permit is drawn by lot: the oldest lanes may all be poisoned.
    fn is_for_a_lot(&mut self, now: ElapsedMicros) -> bool {
        self.was_lot = self.breaker.is_in_doubt(now) && !self.was_lot;
        self.was_lot
    }

    /// Whether the breaker opened (true) or closed since it was last asked: partitions must know
    /// before the next permit (DESIGN L2).
    pub fn poll_breaker(&mut self) -> Option<bool> {
        self.changes.pop_front()
    }

    /// When time alone may let something happen.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        let waits = self.queue.len() > 0 && !self.paused && !self.gone.is_gone();
        let probe = self.breaker.is_open().then(|| self.next_probe());
        let grants = self.opens_at(probe).filter(|_| waits);
        let grants = grants.map(|at| at.max(self.pace.rests_until()).max(self.rate_at()));
        // A permit that time alone does not bring is brought by another that comes back.
        let grants = grants.filter(|at| *at > ElapsedMicros::default() && self.may_choose());
        grants.into_iter().chain(self.pools.turns_slow_at()).min()
    }

    fn may_choose(&self) -> bool {
        self.starts_usual().is_some() || self.starts_struggling()
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it says that it is gone and must be paused (DESIGN L3). Until it is, nothing goes. What
    /// was under way when it was paused may say so still, and needs nothing.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        !self.paused && self.gone.is_gone()
    }

    /// Whether its breaker is open: `sprag_breaker_open`.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Attempts under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pools.out()
    }

    /// Attempts under way that count in a pool: `sprag_in_flight`.
    #[must_use]
    pub fn in_flight_of(&self, pool: Pool) -> usize {
        self.pools.in_use(pool)
    }

    /// Lanes that wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Checks everything that must hold.
    ///
    /// # Panics
    /// When something does not hold: that is a bug in the core.
    pub fn check_invariants(&self) {
        self.pools.assert_counts();
        assert!(self.pace.allowance() >= 1, "a destination that never gets a permit");
    }
}

/// How many permits may be out in `concurrency` and in `slow_concurrency`.
fn pools_of(settings: &DestinationSettings) -> (usize, usize) {
    let concurrency = settings.concurrency.max(1);
    let slow = settings.slow_concurrency;
    (concurrency, slow.unwrap_or(concurrency.saturating_mul(limits::SLOW_POOL_FACTOR)).max(1))
}
