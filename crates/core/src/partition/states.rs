//! What waits under contract `states`: after each release it may be next, or never will be.
//!
//! Must not know: how a table is made.

use super::Partition;
use crate::chain::Digest;
use crate::contract::{self, Step};
use crate::fact::{Conflict, Fact, Invalid, InvalidReason, Kind, Stale};
use crate::id::{Key, Place};
use crate::position::Position;
use crate::record::Reached;
use crate::settings::Contract;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Releases what the table allows by now, one after another, and says of what will never be next what it is.
    /// Each takes one from those that wait.
    pub(super) fn drain_states(&mut self, slot: Slot, key: &Key) {
        let source = self.settings.sources.get(&key.source);
        let source = source.filter(|source| source.contract == Contract::States).cloned();
        let Some(source) = source else { return };
        while let Some(hot) = self.keys.get(slot) {
            let order = &hot.record.order;
            if let Some(held) = contract::next_state(&source, order) {
                let (event, essence) = (held.event, held.essence.clone());
                self.release(slot, key, event, &essence, Kind::Event);
            } else if let Some((held, step)) = contract::left_behind(&source, order) {
                let (event, position) = (held.event, held.essence.position.clone());
                self.leave_behind(slot, key, event, position, step);
            } else {
                return;
            }
        }
    }

    fn leave_behind(
        &mut self,
        slot: Slot,
        key: &Key,
        event: Place,
        position: Position,
        step: Step,
    ) {
        let Some(hot) = self.keys.get(slot) else { return };
        let (key, newest) = (key.clone(), hot.record.sequence);
        self.write(match (step, &hot.record.order.reached) {
            (Step::Unknown, _) => {
                Fact::Invalid(Invalid { key, event, position, reason: InvalidReason::UnknownState })
            }
            (Step::Wrong, Reached::State(machine)) => {
                let (other, other_digest) = (machine.event, machine.digest);
                Fact::Conflict(Conflict { key, event, other, other_digest })
            }
            _ => Fact::Stale(Stale { key, event, position, newest }),
        });
    }

    /// Waiting ends in vain: what is nearest goes, over what never came.
    pub(super) fn release_nearest(&mut self, slot: Slot, key: &Key) {
        let Some(source) = self.settings.sources.get(&key.source).cloned() else { return };
        let order = self.keys.get(slot).map(|hot| &hot.record.order);
        let nearest = order.and_then(|order| contract::nearest_state(&source, order));
        let Some((event, essence)) = nearest.map(|held| (held.event, held.essence.clone())) else {
            return;
        };
        self.release(slot, key, event, &essence, Kind::Event);
    }
}
