//! Other settings while everything goes on (decision 015).
//!
//! Whoever brings them has seen to it that history has every number in them (F6), and that nothing
//! waits for a destination that is gone from them ([`Partition::left_for`], L7). What is decided
//! from here on is decided under them; what was decided stands, for it is a fact: the end of a wait,
//! the time of a retry, the range at a lane's head. An attempt under way is judged as its
//! acknowledgement was agreed on when it was sent.
//!
//! **What follows the settings**, beside everything that reads them when it decides:
//!
//! | kept here | what becomes of it |
//! |---|---|
//! | lanes to a destination that is gone | they take back what they asked for and stand; what is under way ends |
//! | what a lane's rate leaves | begins anew where the rate is another |
//! | the queues outside | one more for each destination that came; none is forgotten, for a page of it may be on its way, but none is read for a destination that is gone |
//! | what is missing | is asked for from now on where it was not, and the reverse; an ask under way ends as it began |
//! | the timers of holds | set anew: a key that was to wait for ever may not any more, and the reverse, and under another table of states what waits may be next; those outside are looked at from the first on |
//! | visits | begin anew, with what there is to visit for by now, once the store has the keys |
//! | what is being given up of a backlog | is freed as was asked; the next time the node asks by the new limit |
//! | everything else that waits | is woken, and finds out |
//!
//! **Crashes.** Nothing of this is durable. The next term begins with the settings that are in force
//! then, as it begins with any.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Partition;
use crate::chain::Digest;
use crate::id::DestinationId;
use crate::settings::{OnGap, Settings};
use crate::slab::Slot;

/// Whether anything is left for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Nothing does, durably.
    Nothing,
    /// Nothing does if what is not committed yet will be.
    Unsure,
    /// Something does.
    Something,
}

impl<D: Digest> Partition<D> {
    /// Whether something waits for a destination: one that nothing waits for may go (DESIGN L7).
    #[must_use]
    pub fn left_for(&self, destination: DestinationId) -> Left {
        let moved = self.moved.get(&destination).copied().unwrap_or_default();
        match self.totals.backlog_of(destination).lanes {
            0 if moved <= self.committed => Left::Nothing,
            0 => Left::Unsure,
            _ => Left::Something,
        }
    }

    pub(super) fn revise(&mut self, settings: Arc<Settings>) {
        let before = core::mem::replace(&mut self.settings, settings);
        let slots: Vec<_> = self.keys.iter().map(|(slot, _)| slot).collect();
        slots.iter().for_each(|slot| self.revise_lanes(*slot, &before));
        let now = self.now.elapsed;
        let came = self.settings.destinations.keys();
        for to in came.filter(|to| !before.destinations.contains_key(to)) {
            self.outside.look_at_lanes(now, *to);
        }
        if self.may_end_waits(&before) {
            self.outside.look_at_holds(now);
        }
        self.revise_tails(self.recorded);
        self.revise_reconciling(None);
        for slot in slots {
            self.keys.get_mut(slot).into_iter().for_each(|hot| hot.judges_anew = true);
            self.arm_hold(slot);
        }
        self.visit_anew();
        self.wake_all();
    }

    /// The lanes of a key under other settings.
    fn revise_lanes(&mut self, slot: Slot, before: &Settings) {
        let settings = self.settings.clone();
        for at in 0..self.keys.get(slot).map_or(0, |hot| hot.lanes.len()) {
            let withdrawn = self.seek(slot, at, |lane| {
                let of = |settings: &Settings| {
                    settings.destinations.get(&lane.id.destination).map(|to| to.key_rate)
                };
                let (was, is) = (of(before), of(&settings));
                if was != is {
                    lane.bucket = crate::rate::Bucket::default();
                }
                is.is_none()
            });
            if withdrawn == Some(true) {
                self.withdraw(slot, at);
            }
        }
    }

    /// Whether a source gives up what it waited for without end before, reads beginnings otherwise, is
    /// asked for what is missing from now on, has another table, or is back.
    fn may_end_waits(&self, before: &Settings) -> bool {
        self.settings.sources.iter().any(|(id, source)| {
            let Some(was) = before.sources.get(id) else { return source.on_gap == OnGap::Skip };
            let gives_up = was.on_gap == OnGap::Halt && source.on_gap == OnGap::Skip;
            let is_asked = was.refill.is_none() && source.refill.is_some();
            let is_read_otherwise = was.contract != source.contract || was.states != source.states;
            gives_up || is_asked || is_read_otherwise
        })
    }
}
