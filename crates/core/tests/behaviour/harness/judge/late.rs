//! What consumers may get of late events: of those that are dead letters nothing but what an operator sends, of those
//! that go aside only where they entered (rules G4, C5).

use std::collections::BTreeMap;

use sprag_core::fact::{Attempted, Kind, Late, LateDead, Released};
use sprag_core::id::{DestinationId, Key, Sequence};

/// The late events of all keys, and the lanes they entered.
#[derive(Debug, Default)]
pub(crate) struct LateEvents {
    known: BTreeMap<(Key, Sequence), (Late, Vec<DestinationId>)>,
}

impl LateEvents {
    /// Only of a late event its source may want anything but what it wants of all.
    pub(crate) fn release(&mut self, released: &Released) {
        if matches!(released.late, Late::Delivered | Late::InPlace) {
            return;
        }
        assert_eq!(released.kind, Kind::Late, "{released:?}");
        let most = if released.late == Late::Aside { 1 } else { usize::MAX };
        assert!(released.lanes.len() <= most, "goes aside to several: {released:?}");
        let name = (released.key.clone(), released.sequence);
        self.known.insert(name, (released.late, released.lanes.clone()));
    }

    /// An attempt was made.
    pub(crate) fn attempted(&self, attempted: &Attempted) {
        let last = attempted.batch.map_or(attempted.sequence, |batch| batch.last);
        let (first, last) =
            ((attempted.key.clone(), attempted.sequence), (attempted.key.clone(), last));
        for (name, (late, lanes)) in self.known.range(first..=last) {
            let is_asked_for = attempted.out_of_order;
            let is_its_lane = *late == Late::Aside && lanes.contains(&attempted.destination);
            assert!(is_asked_for || is_its_lane, "{name:?} is {late:?}: {attempted:?}");
        }
    }

    /// A lane came past a dead letter.
    pub(crate) fn died(&self, dead: &LateDead) {
        let known = self.known.get(&(dead.key.clone(), dead.sequence));
        assert!(known.is_some_and(|(late, _)| *late == Late::Dead), "{known:?}: {dead:?}");
    }
}
