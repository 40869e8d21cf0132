//! Positions that begin anew: how it is noticed, and the override that accepts it (DESIGN K9).

use super::Partition;
use super::draft::Promise;
use crate::chain::Digest;
use crate::fact::{AbandonReason, Fact, Rebased, SequenceReset};
use crate::id::Key;
use crate::limits;
use crate::position::Position;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// How many old positions came in a row.
    pub(super) fn old_positions(&self, slot: Slot) -> u32 {
        self.keys.get(slot).map_or(0, |hot| hot.record.order.old)
    }

    /// Writes down that a source seems to count anew, once per row of old positions.
    pub(super) fn notice_reset(&mut self, slot: Slot, key: Key, position: Position, before: u32) {
        let is = self.old_positions(slot);
        if before < limits::OLD_POSITIONS && is >= limits::OLD_POSITIONS {
            self.write(Fact::SequenceReset(SequenceReset { key: key.clone(), position }));
            self.promise(Promise::ResetNoticed(key));
        }
    }

    /// The positions of a key begin anew. What it holds belongs to those before: it is released in
    /// order, and what is missing there is given up.
    pub(super) fn rebase(&mut self, slot: Slot, key: &Key) {
        self.drain_states(slot, key);
        let holds = |partition: &Self| {
            partition.keys.get(slot).map_or(0, |hot| hot.record.order.held.len())
        };
        let mut waiting = holds(self);
        while waiting > 0 {
            self.give_up_head(slot, key, AbandonReason::Rebased);
            let left = holds(self);
            debug_assert!(left < waiting, "giving up releases or dead-letters something");
            if left >= waiting {
                break;
            }
            waiting = left;
        }
        self.write(Fact::Rebased(Rebased { key: key.clone() }));
        self.arm_hold(slot);
    }
}
