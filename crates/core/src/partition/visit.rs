//! Keys that must be visited once for a destination: where it begins before now, each key's lane to
//! it is opened over what the key has released; where it is retired, each lane to it ends.
//!
//! There may be millions of keys, so no start waits for this and nothing scans them at once.
//!
//! - **By the way.** A key that comes to memory, or is about to release an event, is visited there.
//! - **The sweep.** What nothing else brings comes in pages of the state store, in the order of the
//!   keys, one page at a time and as far as there is room, while everything else goes on. A page
//!   also visits those of its keys that are in memory already.
//! - **The end.** Behind the last page a fact says that the partition is through
//!   ([`Totals`](crate::totals::Totals) keeps it): from then on keys are not looked at for this.
//!
//! **Why no key is missed.** What the store had when a sweep began lies ahead of it. What it did not
//! have yet is in memory and was changed since the last checkpoint: these are visited when the sweep
//! begins. A key that first releases something later enters the lane by that release. Where there is
//! something new to visit for while everything goes on (`revise`), keys may also be between the two: the
//! sweep begins once the store has all there were.
//!
//! **Crashes.** A sweep that did not come to its end begins again; a lane that is open is opened no
//! second time, and one that ended is gone.
//!
//! Which of the events before it a lane takes is not decided here but when the lane comes to them
//! (`lanes`), by what is configured then, and written down with what becomes of them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Partition;
use crate::chain::Digest;
use crate::fact::{Fact, Filtered, KeysVisited, LaneEnded, LaneOpened, Visit};
use crate::id::{DestinationId, Sequence};
use crate::limits;
use crate::pattern;
use crate::settings::Start;
use crate::slab::Slot;
use crate::time::UnixMicros;

impl<D: Digest> Partition<D> {
    /// What this partition's keys still have to be visited for.
    pub(super) fn unvisited(&self) -> BTreeSet<(DestinationId, Visit)> {
        let destinations = self.settings.destinations.iter();
        let opened = destinations.filter(|(_, to)| to.start != Start::Now);
        let opened = opened.map(|(id, _)| (*id, Visit::Opens));
        let ended = self.settings.retired.iter().map(|id| (*id, Visit::Ends));
        let wanted: BTreeSet<_> = opened.chain(ended).collect();
        wanted.difference(&self.totals.visited).copied().collect()
    }

    /// Begins to visit all keys, if there is something to visit them for.
    pub(super) fn begin_visits(&mut self) {
        self.visiting = self.unvisited();
        if self.visiting.is_empty() {
            return;
        }
        self.outside.look_at_keys(self.now.elapsed);
        let unstored: Vec<_> = self.dirty.iter().copied().collect();
        unstored.into_iter().for_each(|slot| self.visit(slot));
    }

    /// There may be something else to visit for: a sweep under way is broken off, and one for all that
    /// is left begins once the store has what there is by now.
    pub(super) fn visit_anew(&mut self) {
        self.visiting = self.unvisited();
        self.outside.look_at_no_keys();
        let newest = self.keys.iter().map(|(_, hot)| hot.record.newest.frame).max();
        self.sweeps_behind = Some(newest.unwrap_or_default()).filter(|_| !self.visiting.is_empty());
        self.begin_sweep();
    }

    /// Begins the sweep that waits for the store, if it need not wait any more.
    pub(super) fn begin_sweep(&mut self) {
        let stored = self.stored;
        if self.sweeps_behind.take_if(|frame| *frame <= stored).is_some() {
            self.outside.look_at_keys(self.now.elapsed);
        }
    }

    /// The sweep has passed all keys. Lanes to a retired destination that had an attempt under way
    /// are looked for once more: should the process end before that, nothing else would.
    pub(super) fn end_visits(&mut self) {
        for (destination, visit) in core::mem::take(&mut self.visiting) {
            if visit == Visit::Ends && self.totals.backlog_of(destination).lanes > 0 {
                self.visiting.insert((destination, visit));
            } else {
                self.write(Fact::KeysVisited(KeysVisited { destination, visit }));
            }
        }
        if !self.visiting.is_empty() {
            self.outside.look_at_keys(self.now.elapsed.after(limits::VISIT_AGAIN));
        }
    }

    /// Opens and ends the lanes of a key as destinations ask for.
    pub(super) fn visit(&mut self, slot: Slot) {
        if self.visiting.is_empty() && self.settings.retired.is_empty() {
            return;
        }
        let opened = self.visiting.iter().filter(|(_, visit)| *visit == Visit::Opens);
        let opened: Vec<_> = opened.map(|(destination, _)| *destination).collect();
        opened.into_iter().for_each(|destination| self.open_lane(slot, destination));
        let settings = self.settings.clone();
        settings.retired.iter().for_each(|destination| self.end_lane(slot, *destination));
    }

    fn open_lane(&mut self, slot: Slot, destination: DestinationId) {
        let Some(hot) = self.keys.get(slot) else { return };
        let source = self.settings.sources.get(&hot.key.source);
        let takes = source.is_some_and(|source| source.destinations.contains(&destination));
        let through = hot.record.sequence;
        // Nothing was released up to the floor that the key began behind.
        let released = through > hot.record.boundary;
        if takes && released && hot.record.lane(destination).is_none() {
            let key = hot.key.clone();
            self.write(Fact::LaneOpened(LaneOpened { key, destination, through }));
            self.rest_on_written(slot, destination);
        }
    }

    /// An attempt under way is seen to its end first; that comes back here.
    fn end_lane(&mut self, slot: Slot, destination: DestinationId) {
        let Some(hot) = self.keys.get(slot) else { return };
        let Some(first) = hot.lane_at(destination.into()) else { return };
        let lanes = hot.record.lanes_to(destination);
        let range = first..first + lanes.len();
        let is_outlived = hot.outlived.iter().any(|(id, _)| id.destination == destination);
        if is_outlived || hot.lanes[range.clone()].iter().any(|lane| lane.attempt.is_some()) {
            return;
        }
        let (key, lane) = (hot.key.clone(), &lanes[0]);
        let (from, to) = (lane.head, lane.tail);
        let strands = lanes.iter().filter(|lane| lane.has_backlog());
        let strands = strands.filter_map(|lane| lane.strand).collect();
        range.for_each(|at| self.release_hold(slot, at));
        self.write(Fact::LaneEnded(LaneEnded { key, destination, from, to, strands }));
    }

    /// Takes a lane past what is kept no longer of the events released before it was opened: nobody
    /// had promised to keep them for it. `first` is the oldest that is left of what was looked for,
    /// up to and with `looked` where history could be read.
    ///
    /// Those events were committed before the lane was opened, so that none of them is still to come.
    pub(super) fn pass_gone(
        &mut self,
        slot: Slot,
        at: usize,
        first: Option<Sequence>,
        looked: Option<Sequence>,
    ) {
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let lane = &hot.record.lanes[at];
        let gone = match first {
            Some(first) => looked.map(|_| Sequence(first.0.saturating_sub(1))),
            None => looked,
        };
        let gone = gone.map(|to| to.min(lane.opened).min(lane.reach()));
        let gone = gone.filter(|to| *to >= lane.head);
        hot.lanes[at].is_gone = gone.is_some() && first.is_none();
        // What was tried or fixed is of the lane: it is waited for.
        let is_untouched = lane.failures == 0 && lane.accepted.is_none() && lane.batch.is_none();
        let Some(to) = gone.filter(|_| is_untouched) else { return };
        let (key, destination, from) = (hot.key.clone(), lane.destination, lane.head);
        self.write(Fact::Filtered(Filtered { key, destination, from, to }));
        self.rest_on_written(slot, destination);
    }

    /// Whether a lane takes an event that was released before the lane was opened.
    pub(super) fn takes_earlier(
        &self,
        destination: DestinationId,
        released: UnixMicros,
        event_type: &str,
    ) -> bool {
        let Some(to) = self.settings.destinations.get(&destination) else { return false };
        let in_time = match to.start {
            Start::Now => false,
            Start::Earliest => true,
            Start::At(at) => released >= at,
        };
        in_time && pattern::matches_any(&to.types, event_type)
    }
}
