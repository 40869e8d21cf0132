//! What a key may leave out after a restore: as much as the restores say, once; of that nothing is ever sent (rule D10).

use std::collections::BTreeMap;

use sprag_core::fact::{Jumped, Released, Restored};
use sprag_core::id::{Key, PartitionId, Sequence};

/// The jumps of all restores of a partition, and those each key has passed.
#[derive(Debug, Default)]
pub(crate) struct Jumps {
    totals: BTreeMap<PartitionId, u64>,
    passed: BTreeMap<Key, Vec<Jumped>>,
}

impl Jumps {
    /// A log was restored.
    pub(crate) fn restore(&mut self, partition: PartitionId, restored: &Restored) {
        let total = self.total(partition);
        // Said anew before its history goes, it changes nothing.
        let is_anew = total > 0 && restored.total == total;
        assert!(is_anew || restored.total == total + restored.jump, "{restored:?}");
        self.totals.insert(partition, restored.total);
    }

    /// A key passes over what may have been given before a restore: no more, and once.
    pub(crate) fn jump(&mut self, partition: PartitionId, head: Sequence, jumped: &Jumped) {
        let (noted, total) = (self.noted(&jumped.key), self.total(partition));
        assert_eq!((jumped.from, jumped.total), (head.next(), total), "{jumped:?}");
        assert_eq!(jumped.through.0 - head.0, total - noted, "{jumped:?}");
        self.passed.entry(jumped.key.clone()).or_default().push(jumped.clone());
    }

    /// Nothing is released before its key has jumped.
    pub(crate) fn release(&self, released: &Released) {
        let (noted, total) = (self.noted(&released.key), self.total(released.event.partition));
        assert_eq!(noted, total, "released without its jump: {released:?}");
    }

    /// Whether a sequence was not left out.
    pub(crate) fn is_given(&self, key: &Key, sequence: Sequence) -> bool {
        let mut passed = self.passed.get(key).into_iter().flatten();
        !passed.any(|jumped| (jumped.from..=jumped.through).contains(&sequence))
    }

    fn total(&self, partition: PartitionId) -> u64 {
        self.totals.get(&partition).copied().unwrap_or_default()
    }

    fn noted(&self, key: &Key) -> u64 {
        self.passed.get(key).and_then(|passed| passed.last()).map_or(0, |jumped| jumped.total)
    }
}
