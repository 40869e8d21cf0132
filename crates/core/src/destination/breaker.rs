//! Whether a destination works at all (DESIGN L2; decision record 026).
//!
//! **It opens** when attempts of n = clamp(active lanes ÷ 10, 3, 20) distinct keys failed within
//! 10 s by connect, timeout or 5xx, and they are at least 90 % of these and all others that were
//! sent since the first of them. Of a key its newest failure counts, of answers each: one key that
//! fails often opens nothing, and however many hang, a few keys that are answered keep it closed.
//! What was sent since, not what ended since: old attempts that time out together say nothing
//! against a destination that answers newer ones.
//!
//! **Open**, probes go, of three kinds, one of each at a time, each kind by its own clock: one at once,
//! then after 1 s, 2 s, 4 s … 60 s, as long as they fail. A failure slows down the clock of its kind
//! and of those that say less. What failed before says little when it fails again, for it may be
//! poisoned, and what was never tried less than what was answered lately. So an event of a key that
//! was served waits for nobody who was not, and a dead destination sees one probe a minute and few
//! more. Only the best kind that waits is probed.
//!
//! **It closes** with any answer but a 5xx; then `pace` lets permits grow from one. Each answer
//! halves what the next probes wait, so one that soon opens again is probed as rarely as before.
//!
//! **In doubt** it is once three distinct keys failed and nothing was answered that was sent since,
//! and for 10 s more: then not only the oldest lanes go, of which all may be poisoned, but every other
//! is drawn by lot. An answer to one of these speaks for many that wait and keeps it closed.
//!
//! Must not know: permits, lanes that wait.

use alloc::vec::Vec;
use core::time::Duration;

use super::lane::LaneRef;
use crate::fact::Outcome;
use crate::limits;
use crate::time::ElapsedMicros;

/// What an attempt says about its destination; none when it says nothing.
pub(super) fn failed(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Answered { status } => Some((500..600).contains(&status)),
        Outcome::Unreachable | Outcome::Unknown => Some(true),
        Outcome::Refused | Outcome::Unreadable | Outcome::Unacknowledged => None,
    }
}

/// An attempt that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vote {
    pub(super) key: u64,
    pub(super) sent: ElapsedMicros,
    pub(super) ended: ElapsedMicros,
    pub(super) failed: bool,
    /// Whether its lane was drawn by lot.
    pub(super) by_lot: bool,
}

/// The kinds of lanes a probe may be of, those first whose failure says most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// It was answered lately.
    Proven,
    /// Nothing is known of it.
    Unproven,
    /// Its last attempt failed or was slow.
    Struggling,
}

/// The probes of one kind.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// When the next may go.
    due: ElapsedMicros,
    /// How long the one after it waits, should it fail.
    wait: Duration,
    under_way: Option<LaneRef>,
}

/// The breaker of a destination.
#[derive(Debug)]
pub(super) struct Breaker {
    is_open: bool,
    /// One for each kind of probes.
    clocks: [Clock; 3],
    /// Until when it is in doubt.
    doubts_until: ElapsedMicros,
    /// The newest failures of distinct keys, by when they were sent.
    failures: Vec<Vote>,
    /// When the newest attempts were sent that were answered; more of them than ever matter.
    answered: [ElapsedMicros; limits::BREAKER_KEYS_MOST / 9 + 1],
}

impl Clock {
    const FIRST: Self = Self { due: ElapsedMicros(0), wait: limits::PROBE_FIRST, under_way: None };

    /// The next goes after the wait; the one after it waits twice as long.
    fn wait_from(&mut self, now: ElapsedMicros) {
        self.due = now.after(self.wait);
        self.wait = (self.wait * 2).min(limits::PROBE_MOST);
    }

    fn answered(&mut self) {
        self.wait = (self.wait / 2).max(limits::PROBE_FIRST);
    }
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            is_open: false,
            clocks: [Clock::FIRST; 3],
            doubts_until: ElapsedMicros::default(),
            failures: Vec::new(),
            answered: Default::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the oldest lanes may all be poisoned.
    pub(super) fn is_in_doubt(&self, now: ElapsedMicros) -> bool {
        now < self.doubts_until
    }

    /// When the next probe of a kind may go; none while it is closed or one is under way.
    pub(super) fn probe_at(&self, probe: Probe) -> Option<ElapsedMicros> {
        let clock = self.clocks[probe as usize];
        (self.is_open && clock.under_way.is_none()).then_some(clock.due)
    }

    pub(super) fn probing(&mut self, probe: Probe, lane: LaneRef) {
        self.clocks[probe as usize].under_way = Some(lane);
    }

    /// A permit came back that says nothing: the next probe need not wait for it.
    pub(super) fn came_back(&mut self, lane: LaneRef) {
        self.end_probe(lane);
    }

    /// A probe is under way no more; says of which kind it was.
    fn end_probe(&mut self, lane: LaneRef) -> Option<usize> {
        let kind = self.clocks.iter().position(|clock| clock.under_way == Some(lane))?;
        self.clocks[kind].under_way = None;
        Some(kind)
    }

    /// An attempt ended; says whether the breaker opened or closed with it.
    pub(super) fn ended(&mut self, lane: LaneRef, vote: Vote, active: usize) -> bool {
        if !vote.failed {
            self.clocks.iter_mut().for_each(Clock::answered);
        }
        if !self.is_open {
            return self.count(vote, active);
        }
        if !vote.failed {
            self.is_open = false;
            self.failures.clear();
            return true;
        }
        if let Some(kind) = self.end_probe(lane) {
            self.clocks[kind].wait_from(vote.ended);
            let Clock { due, wait, .. } = self.clocks[kind];
            for clock in &mut self.clocks[kind + 1..] {
                (clock.due, clock.wait) = (clock.due.max(due), clock.wait.max(wait));
            }
        }
        false
    }

    /// The first probe goes at once, if it is of a lane that does not struggle.
    fn open(&mut self, now: ElapsedMicros) {
        self.is_open = true;
        for clock in &mut self.clocks {
            (clock.due, clock.under_way) = (now, None);
        }
        self.clocks[Probe::Struggling as usize].wait_from(now);
    }

    fn count(&mut self, vote: Vote, active: usize) -> bool {
        let known = self.failures.iter().position(|known| known.key == vote.key);
        if let Some(at) = known.filter(|at| self.failures[*at].sent <= vote.sent) {
            self.failures.remove(at);
        }
        if !vote.failed {
            self.note_answer(vote);
            return false;
        }
        let is_newest = self.failures.iter().all(|known| known.key != vote.key);
        if is_newest {
            let at = self.failures.partition_point(|known| known.sent <= vote.sent);
            self.failures.insert(at, vote);
        }
        if self.failures.len() > limits::BREAKER_KEYS_MOST {
            self.failures.remove(0);
        }
        if self.is_unanswered(vote.ended, limits::BREAKER_KEYS_LEAST) {
            self.doubts_until = vote.ended.after(limits::BREAKER_WINDOW);
        }
        let keys = (active / 10).clamp(limits::BREAKER_KEYS_LEAST, limits::BREAKER_KEYS_MOST);
        let opens = self.is_unanswered(vote.ended, keys);
        if opens {
            self.open(vote.ended);
        }
        opens
    }

    /// Keeps the newest. Of those drawn by lot one weighs as much as ever matter.
    fn note_answer(&mut self, Vote { sent, by_lot, .. }: Vote) {
        self.answered.sort_unstable();
        let places = if by_lot { self.answered.len() } else { 1 };
        for known in &mut self.answered[..places] {
            *known = sent.max(*known);
        }
    }

    /// Whether so many distinct keys failed lately, and hardly anything was answered that was sent
    /// since the first of them.
    fn is_unanswered(&self, now: ElapsedMicros, keys: usize) -> bool {
        let fresh = |vote: &&Vote| now.since(vote.ended) <= limits::BREAKER_WINDOW;
        let mut newest = self.failures.iter().rev().filter(fresh);
        let Some(first) = newest.nth(keys - 1) else { return false };
        let answered = self.answered.iter().filter(|sent| **sent > first.sent).count();
        keys * 10 >= (keys + answered) * 9
    }
}
