//! Whether a destination works at all (DESIGN L2).
//!
//! **It opens** when, of the newest attempts of n = clamp(active lanes ÷ 10, 3, 20) distinct keys,
//! ended within 10 s, at least 90 % failed by connect, timeout or 5xx. Newest by when they were
//! sent, one vote a key: a burst of old attempts that time out together says nothing against a
//! destination that answers what was sent since, and neither does one key that fails often.
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
        Outcome::Refused | Outcome::Unreadable => None,
    }
}

/// The newest attempt of a key that ended.
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
    /// The last votes of distinct keys, by when they were sent.
    votes: Vec<Vote>,
    /// How long the next probe waits.
    wait: Duration,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed, votes: Vec::new(), wait: limits::PROBE_FIRST }
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
            self.votes.clear();
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
        if let Some(at) = self.votes.iter().position(|known| known.key == vote.key) {
            if self.votes[at].sent > vote.sent {
                return false;
            }
            self.votes.remove(at);
        }
        let at = self.votes.partition_point(|known| known.sent <= vote.sent);
        self.votes.insert(at, vote);
        if self.votes.len() > limits::BREAKER_KEYS_MOST {
            self.votes.remove(0);
        }
        let opens = vote.failed && self.is_down(vote.ended, active);
        if opens {
            self.wait_for_probe(vote.ended);
        }
        opens
    }

    fn is_down(&self, now: ElapsedMicros, active: usize) -> bool {
        let keys = (active / 10).clamp(limits::BREAKER_KEYS_LEAST, limits::BREAKER_KEYS_MOST);
        let fresh = |vote: &&Vote| now.since(vote.ended) <= limits::BREAKER_WINDOW;
        let newest = self.votes.iter().rev().take(keys).filter(fresh);
        let (count, failed) = newest
            .fold((0, 0), |(count, failed), vote| (count + 1, failed + usize::from(vote.failed)));
        count >= keys && failed * 10 >= keys * 9
    }
}
