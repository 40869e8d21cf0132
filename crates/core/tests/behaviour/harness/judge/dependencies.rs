//! Judges what waits for another resource (`depends_on`): nothing is sent for the first time before the resource that it
//! refers to has settled an event in the same destination, unless its lane said that it waited in vain; and a lane says so
//! once, of what waits. That it does not say so before its time is shown by stories and judged in the simulation: here a frame
//! may be filled for as long as a test likes.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Attempted, Consequence, Fact, Released, Unmet};
use sprag_core::id::{DestinationId, Key, Sequence};
use sprag_core::output::Attempt;

/// What refers to what, and which lanes have settled anything.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    refers: BTreeMap<(Key, Sequence), Key>,
    /// Keys that released anything, and the lanes that any of their events entered.
    released: BTreeSet<Key>,
    entered: BTreeSet<(Key, DestinationId)>,
    settled: BTreeSet<(Key, DestinationId)>,
    unmet: BTreeSet<(Key, DestinationId, Sequence)>,
}

impl Dependencies {
    /// A fact is durable.
    pub(crate) fn take(&mut self, fact: &Fact) {
        match fact {
            Fact::Released(released) => self.release(released),
            Fact::Attempted(attempted) => self.attempted(attempted),
            Fact::Unmet(unmet) => self.wait_in_vain(unmet),
            Fact::LaneOpened(opened) => {
                self.entered.insert((opened.key.clone(), opened.destination));
            }
            Fact::Acknowledged(fact) => self.settle(&fact.key, fact.destination),
            Fact::Filtered(fact) => self.settle(&fact.key, fact.destination),
            Fact::LateDead(fact) => self.settle(&fact.key, fact.destination),
            Fact::BacklogDropped(fact) => self.settle(&fact.key, fact.destination),
            Fact::Dropped(fact) => {
                if let sprag_core::fact::DeadLetter::InLane { destination, .. } = fact.letter {
                    self.settle(&fact.key, destination);
                }
            }
            _ => {}
        }
    }

    fn settle(&mut self, key: &Key, destination: DestinationId) {
        self.settled.insert((key.clone(), destination));
    }

    fn release(&mut self, released: &Released) {
        let key = &released.key;
        // A lane that begins behind events of its key has gone past them.
        let is_first = self.released.insert(key.clone());
        for destination in &released.lanes {
            if self.entered.insert((key.clone(), *destination)) && !is_first {
                self.settle(key, *destination);
            }
        }
        if let Some(depends_on) = &released.depends_on {
            assert_ne!(depends_on.of, *key, "refers to itself: {released:?}");
            assert_eq!(released.earlier, None, "what is repeated waits: {released:?}");
            self.refers.insert((key.clone(), released.sequence), depends_on.of.clone());
        }
    }

    fn attempted(&mut self, attempted: &Attempted) {
        let part = attempted.batch.is_some_and(|batch| batch.acknowledged > 0);
        if part || matches!(attempted.consequence, Consequence::Delivered | Consequence::Dead) {
            self.settle(&attempted.key, attempted.destination);
        }
    }

    fn wait_in_vain(&mut self, unmet: &Unmet) {
        let known = self.refers.get(&(unmet.key.clone(), unmet.sequence));
        let of = known.unwrap_or_else(|| panic!("it refers to nothing: {unmet:?}"));
        assert_eq!(*of, unmet.of, "{unmet:?}");
        let event = (unmet.key.clone(), unmet.destination, unmet.sequence);
        assert!(self.unmet.insert(event), "said twice: {unmet:?}");
    }

    /// An attempt is about to leave.
    pub(crate) fn attempt(&self, attempt: &Attempt) {
        let event = |sequence| (attempt.key.clone(), attempt.destination, sequence);
        let is_said = self.unmet.contains(&event(attempt.sequence));
        assert!(is_said || !attempt.unmet, "nothing says that it waited: {attempt:?}");
        if attempt.redelivery || attempt.out_of_order {
            return;
        }
        assert_eq!(is_said, attempt.unmet, "it does not say that it waited: {attempt:?}");
        for sequence in attempt.sequence.0..=attempt.last.unwrap_or(attempt.sequence).0 {
            let name = (attempt.key.clone(), Sequence(sequence));
            let Some(of) = self.refers.get(&name) else { continue };
            let lane = (of.clone(), attempt.destination);
            let nothing = self.released.contains(of) && !self.entered.contains(&lane);
            let is_met = self.settled.contains(&lane) || nothing;
            let is_over = is_met || self.unmet.contains(&event(Sequence(sequence)));
            assert!(is_over, "sent before {of:?}: {attempt:?}");
        }
    }
}
