//! How far a key has come with its first event in a destination, by what was written down of it: whoever waits for it in
//! vain (`depends_on`) says that it is not on its way. Written from decision 042, not from the engine.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Attempted, Consequence, DeadLetter, Fact, Released};
use sprag_core::id::{DestinationId, Key, Sequence};

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Come {
    /// It is settled there, or the key has nothing to settle there.
    Settled,
    /// It is on its way there.
    Moves,
    /// It is not there, or only an operator moves it.
    Stands,
    /// It waits for another resource, or goes at once: that is there.
    Waits(Key),
}

#[derive(Debug, Default)]
struct FirstEvent {
    /// The first event that was released.
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

/// How far a key has come with its first event in a destination, by all facts about it in their order.
pub(crate) fn come<'a>(
    facts: impl Iterator<Item = &'a Fact>,
    key: &Key,
    to: DestinationId,
) -> Come {
    let mut first = FirstEvent::default();
    for fact in facts.filter(|fact| fact.key() == Some(key)) {
        first.take(fact, to);
    }
    first.come()
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
                let letter = matches!(fact.letter, DeadLetter::InLane { destination, .. } if destination == to);
                self.settled |= letter;
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
            // What is known of it is no longer all written down.
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
        let part = attempted.batch.is_some_and(|batch| batch.acknowledged > 0);
        self.goes.insert(attempted.sequence);
        match attempted.consequence {
            Consequence::Delivered | Consequence::Dead => self.settled = true,
            Consequence::Halted | Consequence::Parked => self.stopped = true,
            Consequence::Retry { .. } | Consequence::Accepted { .. } => {}
        }
        self.settled |= part;
    }
}
