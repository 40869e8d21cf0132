//! The judge of what waited in vain (`unmet`, decision 042): what it waited for was not on its way, by history. A lane asks
//! just before it says so, and a frame may be filled for long while the log takes none: only what was on its way from
//! well before that on, and stayed so, was.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Attempted, Consequence, DeadLetter, Fact, Released, Unmet};
use sprag_core::id::{DestinationId, Key, Sequence};

use super::history::{Frames, Submitted};
use super::{Verdict, must};
use crate::schedule::SECOND;

/// An answer is as old as this at the most, once its lane says that it waited in vain.
const WORD_IS_FRESH: u64 = 2 * SECOND;

/// A fact with the times between which it was decided: when it was handed to the log is the later.
struct Told<'a> {
    earliest: u64,
    latest: u64,
    fact: &'a Fact,
}

/// What is known of each key, in its order.
#[derive(Default)]
struct Facts<'a>(BTreeMap<&'a Key, Vec<Told<'a>>>);

/// How far a key has come with its first event in a destination.
#[derive(PartialEq, Eq)]
enum Come {
    /// Settled, or there is nothing to settle.
    Settled,
    Moves,
    Stands,
    Waits(Key),
}

#[derive(Default)]
struct FirstEvent {
    first: Option<Sequence>,
    entered: bool,
    settled: bool,
    stopped: bool,
    paused: bool,
    head: Option<Sequence>,
    refers: BTreeMap<Sequence, Key>,
    /// What was tried, or waited in vain.
    goes: BTreeSet<Sequence>,
}

/// Whether everything that waited in vain did.
pub(crate) fn judge(frames: &Frames, submitted: &Submitted) -> Verdict {
    let facts = Facts::of(frames, submitted);
    facts.0.values().flatten().try_for_each(|told| {
        let Fact::Unmet(unmet) = told.fact else { return Ok(()) };
        let (from, to) = (told.earliest.saturating_sub(WORD_IS_FRESH), told.latest);
        must(!facts.was_on_its_way(unmet, from, to), || {
            format!("what it waited for was on its way from {from} to {to} of uptime: {unmet:?}")
        })
    })
}

impl<'a> Facts<'a> {
    fn of(frames: &'a Frames, submitted: &Submitted) -> Self {
        let mut all = Self::default();
        for (partition, frames) in frames {
            // Open time goes as uptime does, but for what a process did not see: a frame that is behind by more than those before
            // it was filled meanwhile.
            let mut behind: Option<(_, u64)> = None;
            for frame in frames {
                let latest = submitted.get(&(*partition, frame.number, frame.epoch)).copied();
                let lag = latest.map_or(0, |latest| latest.saturating_sub(frame.open.0));
                let least = behind.filter(|(epoch, _)| *epoch == frame.epoch);
                let least = least.map_or(lag, |(_, least)| least.min(lag));
                behind = Some((frame.epoch, least));
                let latest = latest.unwrap_or(u64::MAX);
                let earliest = latest.saturating_sub(lag - least);
                for fact in &frame.facts {
                    let Some(key) = fact.key() else { continue };
                    all.0.entry(key).or_default().push(Told { earliest, latest, fact });
                }
            }
        }
        all
    }

    /// Whether what an event waited for was settled or on its way for all of this time.
    fn was_on_its_way(&self, unmet: &Unmet, from: u64, to: u64) -> bool {
        let mut seen = BTreeSet::new();
        let mut key = unmet.of.clone();
        while seen.insert(key.clone()) && !self.stops(&key, unmet.destination, from, to) {
            let come = |at| self.come(&key, unmet.destination, at);
            match (come(from), come(to)) {
                (Come::Settled | Come::Moves, Come::Settled | Come::Moves) => return true,
                (Come::Waits(of), Come::Waits(_) | Come::Moves | Come::Settled) => key = of,
                _ => return false,
            }
        }
        false
    }

    fn come(&self, key: &Key, to: DestinationId, at: u64) -> Come {
        let mut first = FirstEvent::default();
        let facts = self.0.get(key).into_iter().flatten();
        facts.take_while(|told| told.latest <= at).for_each(|told| first.take(told.fact, to));
        first.come()
    }

    /// Whether a lane may have stopped meanwhile, or what is known of its key is no longer all written down.
    fn stops(&self, key: &Key, destination: DestinationId, from: u64, to: u64) -> bool {
        let facts = self.0.get(key).into_iter().flatten();
        let mut meanwhile = facts.filter(|told| told.earliest <= to && told.latest > from);
        meanwhile.any(|told| match told.fact {
            Fact::Attempted(fact) => {
                let stops = matches!(fact.consequence, Consequence::Halted | Consequence::Parked);
                stops && fact.destination == destination
            }
            Fact::LaneEnded(fact) => fact.destination == destination,
            Fact::KeyPaused(_) | Fact::Forgotten(_) | Fact::Returned(_) => true,
            _ => false,
        })
    }
}

impl FirstEvent {
    fn come(self) -> Come {
        if self.first.is_none() {
            return Come::Stands;
        }
        if self.settled || !self.entered {
            return Come::Settled;
        }
        if self.stopped || self.paused {
            return Come::Stands;
        }
        let head = self.head.filter(|head| !self.goes.contains(head));
        match head.and_then(|head| self.refers.get(&head)) {
            Some(of) => Come::Waits(of.clone()),
            None => Come::Moves,
        }
    }

    fn take(&mut self, fact: &Fact, to: DestinationId) {
        match fact {
            Fact::Released(released) => self.release(released, to),
            Fact::Attempted(attempted) if attempted.destination == to => self.attempted(attempted),
            Fact::Acknowledged(fact) if fact.destination == to => self.settled = true,
            Fact::Superseded(fact) if fact.destination == to => self.head = Some(fact.by),
            Fact::Filtered(fact) if fact.destination == to => self.settled = true,
            Fact::LateDead(fact) if fact.destination == to => self.settled = true,
            Fact::BacklogDropped(fact) if fact.destination == to => self.settled = true,
            Fact::Rewound(fact) if fact.destination == to => self.settled = true,
            Fact::Dropped(fact) => {
                let of = fact.letter;
                self.settled |=
                    matches!(of, DeadLetter::InLane { destination, .. } if destination == to);
            }
            Fact::Unmet(fact) if fact.destination == to => {
                self.goes.insert(fact.sequence);
            }
            Fact::LaneOpened(fact) if fact.destination == to => {
                (self.entered, self.head) = (true, self.first);
            }
            Fact::LaneEnded(fact) if fact.destination == to => self.entered = false,
            Fact::Redriven(fact) if fact.destination == to && fact.passed.is_none() => {
                self.stopped = false;
            }
            Fact::KeyPaused(_) => self.paused = true,
            Fact::KeyResumed(_) => self.paused = false,
            Fact::Forgotten(_) | Fact::Returned(_) => *self = Self::default(),
            _ => {}
        }
    }

    fn release(&mut self, released: &Released, to: DestinationId) {
        if let Some(depends_on) = &released.depends_on {
            self.refers.insert(released.sequence, depends_on.of.clone());
        }
        if released.lanes.contains(&to) && !self.entered {
            // A lane that begins behind events of its key has gone past them.
            self.settled |= self.first.is_some();
            (self.entered, self.head) = (true, Some(released.sequence));
        }
        self.first = self.first.or(Some(released.sequence));
    }

    fn attempted(&mut self, attempted: &Attempted) {
        self.goes.insert(attempted.sequence);
        match attempted.consequence {
            Consequence::Delivered | Consequence::Dead => self.settled = true,
            Consequence::Halted | Consequence::Parked => self.stopped = true,
            Consequence::Retry { .. } | Consequence::Accepted { .. } => {}
        }
        self.settled |= attempted.batch.is_some_and(|batch| batch.acknowledged > 0);
    }
}
