//! What waits under contract `causal`: after each release its turn may have come.
//!
//! Must not know: how clocks compare.

use super::Partition;
use crate::chain::Digest;
use crate::contract::{self, Turn};
use crate::fact::{Fact, Invalid};
use crate::held::HeldAt;
use crate::id::{Key, Place};
use crate::record::Essence;
use crate::settings::Contract;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Releases what waits for nothing any more, and says of what turns out impossible that it is. Each takes one
    /// from those that wait. What an event was the last cause of stands behind it, so that one walk is all, but where
    /// clocks are not true.
    pub(super) fn drain_clocks(&mut self, slot: Slot, key: &Key) {
        let source = self.settings.sources.get(&key.source);
        if source.is_none_or(|source| source.contract != Contract::Causal) {
            return;
        }
        let mut behind: Option<HeldAt> = None;
        while let Some(order) = self.keys.get(slot).map(|hot| &hot.record.order) {
            let next = contract::next_turn(order, behind.as_ref());
            let Some((at, turn)) = next.map(|(at, turn)| (at.clone(), turn)) else {
                // Nothing came before the walk began: it was whole.
                if behind.take().is_none() {
                    return;
                }
                continue;
            };
            self.take_turn(slot, key, &at, turn);
            behind = Some(at);
        }
    }

    fn take_turn(&mut self, slot: Slot, key: &Key, at: &HeldAt, turn: Turn) {
        let held = self.keys.get(slot).and_then(|hot| hot.record.order.held.get(at));
        let Some((event, essence)) = held.map(|held| (held.event, held.essence.clone())) else {
            return;
        };
        self.go(slot, key, event, essence, turn);
    }

    /// What waited goes. Where its node begins by it, what waits is judged by that.
    fn go(&mut self, slot: Slot, key: &Key, event: Place, essence: Essence, turn: Turn) {
        match turn {
            Turn::Release(kind) => {
                let order = self.keys.get(slot).map(|hot| &hot.record.order);
                let begins = order.is_some_and(|order| contract::begins(order, &essence.position));
                self.release(slot, key, event, &essence, kind);
                if begins {
                    self.judge_held(slot, key);
                }
            }
            Turn::Invalid(reason) => {
                let (key, position) = (key.clone(), essence.position);
                self.write(Fact::Invalid(Invalid { key, event, position, reason }));
            }
        }
    }

    /// Waiting ends in vain: what goes gives up what its clock knows and never came.
    pub(super) fn release_in_vain(&mut self, slot: Slot, key: &Key) {
        let Some(order) = self.keys.get(slot).map(|hot| &hot.record.order) else { return };
        let Some(first) = contract::first_to_go(order) else { return };
        let turn = contract::turn_in_vain(order, &first.essence.position);
        let (event, essence) = (first.event, first.essence.clone());
        self.go(slot, key, event, essence, turn);
    }
}
