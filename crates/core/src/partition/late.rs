//! What a lane comes past without sending it: events that did not enter it, and late ones that are to be dead letters.
//!
//! **Why a late event enters at all** that nobody is to get (`on_late = "dead-letter"`, decision 036): it has a
//! sequence, and a fate in each lane that would have taken it, like any other event (promise 4). It waits for its
//! turn like any other, so that a lane says of it what it says of all else it went past: in order, once, by a fact.
//! Until then its body is kept because the lane has not settled it, from then on because it is a dead letter.
//!
//! **Crashes.** Before `late-dead` is durable the lane stands at the event and comes past it again; what it sends
//! next rests on that fact.
//!
//! Must not know: what is configured. What its source wanted stands in the event's release.

use super::Partition;
use super::hot::Passed;
use crate::chain::Digest;
use crate::fact::{Fact, Filtered, LateDead};
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Takes a lane past the events at its head that it does not send.
    pub(super) fn pass_unsent(&mut self, slot: Slot, at: usize) {
        while let Some((hot, passed)) =
            self.keys.get_mut(slot).and_then(|hot| hot.passed_head(at).map(|passed| (hot, passed)))
        {
            let lane = &hot.record.lanes[at];
            let (key, destination, from) = (hot.key.clone(), lane.destination, lane.head);
            self.write(match passed {
                Passed::Filtered { to } => Fact::Filtered(Filtered { key, destination, from, to }),
                Passed::Dead => Fact::LateDead(LateDead { key, destination, sequence: from }),
            });
            self.rest_on_written(slot, destination);
        }
    }
}
