//! Which breakers are open, since when, and what came of the last attempt by then: an operator is told as they
//! open and close. Decides nothing.

use std::collections::BTreeMap;

use sprag_core::id::DestinationId;
use sprag_core::time::UnixMicros;

/// The open ones.
#[derive(Debug, Default)]
pub(super) struct Breakers(BTreeMap<DestinationId, UnixMicros>);

impl Breakers {
    /// Takes in how one is; whether it was other.
    pub(super) fn is_other(&mut self, id: DestinationId, is_open: bool, now: UnixMicros) -> bool {
        if is_open == self.0.contains_key(&id) {
            return false;
        }
        if is_open {
            self.0.insert(id, now);
        } else {
            self.0.remove(&id);
        }
        true
    }

    /// Since when it is open.
    pub(super) fn since(&self, id: DestinationId) -> Option<UnixMicros> {
        self.0.get(&id).copied()
    }
}
