//! What waits by its hash link: after each release it may be next, or late.
//!
//! Must not know: how links lead to one another.

use super::Partition;
use crate::chain::Digest;
use crate::contract::{self, Unlinked};
use crate::fact::{Conflict, Fact, Kind};
use crate::id::Key;
use crate::record::Order;
use crate::settings::Contract;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Releases what follows by now, one after another, and what belongs to what was given up.
    pub(super) fn drain_links(&mut self, slot: Slot, key: &Key) {
        let source = self.settings.sources.get(&key.source);
        if source.is_none_or(|source| source.contract != Contract::Link) {
            return;
        }
        while let Some((held, kind)) = self.links_of(slot).and_then(contract::next_link) {
            let (event, essence) = (held.event, held.essence.clone());
            self.release(slot, key, event, &essence, kind);
        }
    }

    fn links_of(&self, slot: Slot) -> Option<&Order> {
        self.keys.get(slot).map(|hot| &hot.record.order)
    }

    /// Waiting ends in vain: the first of a chain goes over what never came, unless it contradicts what is there.
    pub(super) fn release_over_break(&mut self, slot: Slot, key: &Key) {
        let Some((first, becomes)) = self.links_of(slot).and_then(contract::first_of_chain) else {
            return;
        };
        let (event, essence) = (first.event, first.essence.clone());
        match becomes {
            Unlinked::Goes => {
                self.release(slot, key, event, &essence, Kind::Event);
            }
            Unlinked::Contradicts(other, other_digest) => {
                let key = key.clone();
                self.write(Fact::Conflict(Conflict { key, event, other, other_digest }));
            }
        }
    }
}
