//! What waits under contract `states`: after each release it may be next, or never will be.
//!
//! Must not know: how a table is made.

use alloc::vec::Vec;

use super::Partition;
use crate::chain::Digest;
use crate::contract::{self, Step};
use crate::fact::{Conflict, Fact, Invalid, InvalidReason, Kind, Stale};
use crate::id::{Key, Place};
use crate::position::Position;
use crate::record::{Order, Reached};
use crate::settings::{Contract, SourceSettings};
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Releases what the table allows by now, one after another, and says of what will never be next what it is.
    pub(super) fn drain_states(&mut self, slot: Slot, key: &Key) {
        let source = self.settings.sources.get(&key.source);
        let source = source.filter(|source| source.contract == Contract::States).cloned();
        let Some((source, order)) = source.zip(self.order_of(slot)) else { return };
        let turns = contract::in_turn(&source, order).into_iter();
        let turns: Vec<_> = turns.map(|held| (held.event, held.essence.clone())).collect();
        for (event, essence) in &turns {
            self.release(slot, key, *event, essence, Kind::Event);
        }
        let Some(order) = self.order_of(slot) else { return };
        let behind = contract::left_behind(&source, order).into_iter();
        let behind: Vec<_> =
            behind.map(|(held, step)| (held.event, held.essence.position.clone(), step)).collect();
        for (event, position, step) in behind {
            self.leave_behind(slot, key, event, position, step);
        }
    }

    fn order_of(&self, slot: Slot) -> Option<&Order> {
        self.keys.get(slot).map(|hot| &hot.record.order)
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

    /// Waiting ends in vain: one of those that wait goes, over what never came.
    pub(super) fn release_nearest(&mut self, slot: Slot, key: &Key) {
        let Some(source) = self.settings.sources.get(&key.source).cloned() else { return };
        let nearest = self.order_of(slot).and_then(|order| contract::nearest(&source, order));
        let Some((event, essence)) = nearest.map(|held| (held.event, held.essence.clone())) else {
            return;
        };
        self.release(slot, key, event, &essence, Kind::Event);
    }
}

/// Whether what a key holds has to be judged anew: its table is another than when it came.
pub(super) fn is_out_of_place(source: &SourceSettings, order: &Order) -> bool {
    source.contract == Contract::States && contract::is_out_of_place(source, order)
}
