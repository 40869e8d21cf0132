//! How every history ends well: faults stop, consumers answer, and nothing may stay behind.

use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Key, Sequence};
use sprag_core::input::Command;
use sprag_core::record::KeyRecord;

use super::world::{Habits, World, partition_of};

impl World {
    /// Faults stop: all that waits gets what it waits for, and promises are settled. Held events
    /// may only stay where their gap waits for ever.
    pub(crate) fn end_well(&mut self, held_may_stay: bool) {
        self.habits = Habits { page: self.habits.page, ..Habits::default() };
        self.settle();
        self.resume_everything();
        for round in 0.. {
            assert!(round < 60, "faults stopped, and something still waits: {:#?}", self.judge);
            self.answer_everybody();
            self.advance(Duration::from_secs(30));
            let quiet = self.under_way.is_empty() && !self.redrive_everything();
            if quiet && (held_may_stay || self.judge.held() == 0) && self.judge.waiting() == 0 {
                break;
            }
        }
        assert_eq!(self.judge.unanswered(), []);
        let records = self.nodes.iter().flat_map(|node| node.partition.records());
        let busy = records.filter(|(_, record)| record.has_work()).map(|(key, _)| key).next();
        assert!(held_may_stay || busy.is_none(), "nothing waits and {busy:?} has work");
        self.judge.everything_has_a_fate();
        self.memory_equals_history();
    }

    pub(crate) fn answer_everybody(&mut self) {
        while !self.under_way.is_empty() {
            self.end(0, Outcome::Answered { status: 200 }, None);
            self.settle();
        }
    }

    fn resume_everything(&mut self) {
        let destinations: Vec<_> = self.settings.destinations.keys().copied().collect();
        for destination in destinations {
            self.order(0, Command::ResumeDestination(destination));
            self.settle();
        }
        // Only the paused: asking for a key would bring it into memory, which lanes with work must
        // reach by themselves.
        let paused = |key: &Key| self.record(key).is_some_and(|record| record.paused);
        let paused: Vec<_> = self.known_keys().into_iter().filter(paused).collect();
        for key in paused {
            self.order(usize::from(partition_of(&key).0), Command::ResumeKey(key));
            self.settle();
        }
    }

    /// Sends the dead letters of every stopped lane again; says whether there were any.
    fn redrive_everything(&mut self) -> bool {
        let stopped = self.stopped_lanes();
        for (key, destination) in &stopped {
            let (key, destination) = (key.clone(), *destination);
            let at = usize::from(partition_of(&key).0);
            self.order(at, Command::Redrive { key, destination, passed: None });
            self.settle();
        }
        !stopped.is_empty()
    }

    fn stopped_lanes(&self) -> Vec<(Key, DestinationId)> {
        let mut stopped = Vec::new();
        for key in self.known_keys() {
            let lanes = self.record(&key).into_iter().flat_map(|record| record.lanes);
            let halted = lanes.filter(|lane| !lane.mode.delivers());
            stopped.extend(halted.map(|lane| (key.clone(), lane.destination)));
            stopped.dedup();
        }
        stopped
    }

    pub(crate) fn record(&self, key: &Key) -> Option<KeyRecord> {
        let node = &self.nodes[usize::from(partition_of(key).0)];
        let view = node.partition.view(key).map(|view| view.record);
        view.or_else(|| node.state.records.get(key).cloned())
    }

    /// What consumers have: under way, or accepted and not acknowledged.
    pub(crate) fn consumers_have(&self) -> Vec<(Key, DestinationId, Sequence, Sequence)> {
        let under_way = self.under_way.iter();
        let under_way = under_way.map(|one| {
            (one.key.clone(), one.destination, one.sequence, one.last.unwrap_or(one.sequence))
        });
        let mut all: Vec<_> = under_way.collect();
        for key in self.known_keys() {
            let lanes = self.record(&key).into_iter().flat_map(|record| record.lanes);
            let accepted = lanes.filter_map(|lane| Some((lane.destination, lane.accepted?)));
            all.extend(accepted.map(|(to, accepted)| {
                (key.clone(), to, accepted.sequence, accepted.last.unwrap_or(accepted.sequence))
            }));
        }
        all
    }

    fn known_keys(&self) -> Vec<Key> {
        let facts = self.nodes.iter().flat_map(|node| node.log.facts());
        let mut keys: Vec<_> = facts.filter_map(|(_, _, fact)| fact.key().cloned()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
