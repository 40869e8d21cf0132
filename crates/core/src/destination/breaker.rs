//! Whether a destination works at all (DESIGN L2).
//!
//! **It opens** when attempts of n = clamp(active lanes ÷ 10, 3, 20) distinct keys failed within
//! 10 s by connect, timeout or 5xx, and they are at least 90 % of these and all others that were
//! sent since the first of them. Of a key its newest failure counts, of answers each: one key that
//! fails often opens nothing, and however many hang, a few keys that are answered keep it closed.
//! What was sent since, not what ended since: old attempts that time out together say nothing
//! against a destination that answers newer ones.
//!
//! **Open**, one probe at a time may go, after 1 s, 2 s, 4 s … 60 s. **It closes** with any answer
//! but a 5xx; then `pace` lets permits grow from one. When it opens again before they have, probes
//! go on where they were. Must not know: permits, lanes that wait.

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { probe_at: ElapsedMicros, probe: Option<LaneRef> },
}

/// The breaker of a destination.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// The newest failures of distinct keys, by when they were sent.
    failures: Vec<Vote>,
    /// When the newest attempts were sent that were answered; more of them than ever matter.
    answered: [ElapsedMicros; limits::BREAKER_KEYS_MOST / 9 + 1],
    /// How long the next probe waits.
    wait: Duration,
}

impl Breaker {
    pub(super) fn new() -> Self {
        let (failures, answered) = (Vec::new(), Default::default());
        Self { state: State::Closed, failures, answered, wait: limits::PROBE_FIRST }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// When the next probe may go; none while it is closed or one is under way.
    pub(super) fn probe_at(&self) -> Option<ElapsedMicros> {
        match self.state {
            State::Open { probe_at, probe: None } => Some(probe_at),
            _ => None,
        }
    }

    pub(super) fn probing(&mut self, lane: LaneRef) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = Some(lane);
        }
    }

    /// A permit came back that says nothing: the next probe need not wait for it.
    pub(super) fn came_back(&mut self, lane: LaneRef) {
        if let State::Open { probe, .. } = &mut self.state {
            probe.take_if(|probing| *probing == lane);
        }
    }

    /// Permits have grown as they may: the next outage is a new one.
    pub(super) fn recovered(&mut self) {
        self.wait = limits::PROBE_FIRST;
    }

    /// An attempt ended; says whether the breaker opened or closed with it.
    pub(super) fn ended(&mut self, lane: LaneRef, vote: Vote, active: usize) -> bool {
        let State::Open { probe, .. } = self.state else { return self.count(vote, active) };
        if !vote.failed {
            self.state = State::Closed;
            self.failures.clear();
            return true;
        }
        if probe == Some(lane) {
            self.wait_for_probe(vote.ended);
        }
        false
    }

    fn wait_for_probe(&mut self, now: ElapsedMicros) {
        self.state = State::Open { probe_at: now.after(self.wait), probe: None };
        self.wait = (self.wait * 2).min(limits::PROBE_MOST);
    }

    fn count(&mut self, vote: Vote, active: usize) -> bool {
        let known = self.failures.iter().position(|known| known.key == vote.key);
        if let Some(at) = known.filter(|at| self.failures[*at].sent <= vote.sent) {
            self.failures.remove(at);
        }
        if !vote.failed {
            self.note_answer(vote.sent);
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
        let opens = self.is_down(vote.ended, active);
        if opens {
            self.wait_for_probe(vote.ended);
        }
        opens
    }

    /// Keeps the newest.
    fn note_answer(&mut self, sent: ElapsedMicros) {
        let oldest = self.answered.iter_mut().min();
        if let Some(oldest) = oldest.filter(|oldest| **oldest < sent) {
            *oldest = sent;
        }
    }

    fn is_down(&self, now: ElapsedMicros, active: usize) -> bool {
        let keys = (active / 10).clamp(limits::BREAKER_KEYS_LEAST, limits::BREAKER_KEYS_MOST);
        let fresh = |vote: &&Vote| now.since(vote.ended) <= limits::BREAKER_WINDOW;
        let mut newest = self.failures.iter().rev().filter(fresh);
        let Some(first) = newest.nth(keys - 1) else { return false };
        let answered = self.answered.iter().filter(|sent| **sent > first.sent).count();
        keys * 10 >= (keys + answered) * 9
    }
}
