//! Of how many lanes some strands are: a key whose events go beside each other is one active lane,
//! so that its events alone never make many keys of it (DESIGN L2).

use alloc::collections::BTreeMap;

use super::lane::LaneRef;
use crate::id::PartitionId;
use crate::slab::Slot;

/// The strands among some lanes, by the key they are of. Lanes themselves are in no such count.
#[derive(Debug, Default)]
pub(super) struct Strands {
    keys: BTreeMap<(PartitionId, Slot), usize>,
}

impl Strands {
    pub(super) fn add(&mut self, lane: LaneRef) {
        if lane.strand.is_some() {
            *self.keys.entry((lane.partition, lane.slot)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, lane: LaneRef) {
        let name = (lane.partition, lane.slot);
        let Some(count) = self.keys.get_mut(&name).filter(|_| lane.strand.is_some()) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.keys.remove(&name);
        }
    }

    pub(super) fn remove_all(&mut self, partition: PartitionId) {
        self.keys.retain(|(of, _), _| *of != partition);
    }

    /// How many more strands than lanes they are of, here and elsewhere together.
    pub(super) fn surplus(&self, elsewhere: &Self) -> usize {
        let both = self.keys.values().chain(elsewhere.keys.values()).sum::<usize>();
        let only_here = self.keys.keys().filter(|key| !elsewhere.keys.contains_key(key)).count();
        both - only_here - elsewhere.keys.len()
    }
}
