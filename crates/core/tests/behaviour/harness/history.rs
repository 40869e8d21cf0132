//! Durable history read back: recovery as the driver does it, and that memory is what it adds up to.

use std::collections::BTreeMap;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::Fact;
use sprag_core::id::Key;
use sprag_core::partition::{Frame, Head, Partition};
use sprag_core::record::KeyRecord;

use super::Sha;
use super::store::{FrameLog, StateStore};
use super::world::World;

impl World {
    /// Durable history, replayed into a new partition, adds up to what is in memory.
    pub(crate) fn memory_equals_history(&self) {
        for node in &self.nodes {
            assert!(node.flight.is_empty(), "only durable state can be compared");
            let mut again = self.fresh(node.log.partition);
            let nothing = StateStore::default();
            replay(&mut again, &node.log, &nothing);
            let known =
                |(_, record): &(&Key, &KeyRecord)| record.newest.frame.0 > 0 && !record.forgotten;
            let history: BTreeMap<_, _> = again.records().filter(known).collect();
            let mut memory: BTreeMap<_, _> = node.state.records.iter().filter(known).collect();
            memory.extend(node.partition.records().filter(known));
            assert_eq!(memory, history);
            assert_eq!(tombstones(&node.partition, &node.state), tombstones(&again, &nothing));
            assert_eq!(node.partition.totals(), again.totals());
            if node.log.partition.0 == 0 {
                assert_eq!(node.partition.directory(), again.directory());
            }
        }
    }
}

/// The keys that are forgotten: what memory says is newer than what is stored.
fn tombstones(partition: &Partition<Sha>, state: &StateStore) -> BTreeMap<Fingerprint, KeyRecord> {
    let mut all = state.tombstones.clone();
    for (digest, _, record) in partition.tombstones() {
        match record {
            Some(record) => all.insert(digest, record.clone()),
            None => all.remove(&digest),
        };
    }
    all
}

/// Recovery as the driver does it.
pub(super) fn replay(partition: &mut Partition<Sha>, log: &FrameLog, state: &StateStore) {
    let oldest = Head { frame: log.trimmed, ..Head::default() };
    let head = if state.head.frame < log.trimmed { &oldest } else { &state.head };
    partition.begin(head);
    for draft in log.frames.iter().filter(|draft| draft.number > head.frame) {
        for key in draft.facts.iter().filter_map(Fact::key) {
            if !partition.knows(key) {
                partition.insert_record(key.clone(), state.find(key));
            }
        }
        partition.evolve_frame(&Frame {
            number: draft.number,
            recorded: draft.recorded,
            open: draft.open,
            facts: &draft.facts,
        });
    }
}
