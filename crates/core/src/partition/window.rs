//! Where the waiting events of a lane come from: a few at a time, from the log.
//!
//! A lane is a cursor (DESIGN F5); of what waits in it memory has a window, which a release fills and which
//! is read again where that is not at hand. Which of what was read are the lane's own is said by their
//! releases, but for what was released before the lane was opened (`visit`) and what it sends again
//! (`rewind`): that is decided here, by what is configured now.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Partition;
use super::batch::window;
use crate::chain::Digest;
use crate::destination::LaneRef;
use crate::fact::Late;
use crate::id::{LaneId, Sequence};
use crate::input::Waiting;
use crate::limits;
use crate::output::Output;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    pub(super) fn ask_backlog(&mut self, slot: Slot, at: usize) {
        let Some(hot) = self.keys.get(slot) else { return };
        if let Some(until) = hot.lanes[at].damaged_until.filter(|until| *until > self.now.elapsed) {
            self.set_timer(slot, at, until);
            return;
        }
        let record = &hot.record.lanes[at];
        let most = self.keeps(slot, at);
        // Where all that was looked for is gone, the oldest that is kept may be far away.
        let reach = if hot.lanes[at].is_gone { limits::BACKLOG_REACH } else { most as u64 };
        let to = Sequence(record.reach().0.min(record.head.0.saturating_add(reach - 1)));
        let (from, key, opened) = (record.head, hot.key.clone(), record.opened);
        let again = record.rewound.as_ref().map_or(Sequence(0), |rewind| rewind.until);
        if hot.lanes[at].asked {
            return;
        }
        let asked = self.seek(slot, at, |lane| {
            lane.asked = true;
            lane.window.clear();
            lane.id
        });
        let Some(id) = asked else { return };
        let lane = self.lane_ref(slot, id);
        self.outputs.push_back(Output::Backlog { lane, key, from, to, most, opened, again });
    }

    /// How many waiting events of a lane are asked for. While its destination is down no more than stay (`keep_next`): what is
    /// read for nothing, others wait for. Which are its own of those before it was opened, or of what it sends again, is judged
    /// many at a time; and a lane of an unordered key hands all of them to its strands at once.
    fn keeps(&self, slot: Slot, at: usize) -> usize {
        let Some(hot) = self.keys.get(slot) else { return limits::LANE_WINDOW };
        let (id, record) = (hot.lanes[at].id, &hot.record.lanes[at]);
        let feeds = hot.record.unordered && record.strand.is_none();
        let is_judged = record.head <= record.opened || record.rewound.is_some();
        let uses_more = feeds || is_judged || self.sends_ranges(self.lane_ref(slot, id));
        if self.is_down(id.destination) && !uses_more {
            limits::LANE_WINDOW_IN_OUTAGE
        } else {
            window(&self.settings, record)
        }
    }

    /// Waiting events of a lane came. Where its head is not among them (it cannot be read now, or
    /// is not committed yet), it asks again later, or when a commit wakes it.
    pub(super) fn backlog(
        &mut self,
        lane: LaneRef,
        mut events: Vec<Waiting>,
        looked: Option<Sequence>,
        earlier: &BTreeMap<Sequence, Arc<str>>,
    ) {
        let at = self.keys.get(lane.slot).and_then(|hot| hot.lane_at(lane.id()));
        let Some(at) = at else { return };
        self.seek(lane.slot, at, |lane| {
            lane.asked = false;
            lane.damaged_until = None;
        });
        if !self.settings.destinations.contains_key(&lane.destination) {
            // Which of them are its own is decided when it is configured again.
            return;
        }
        self.pass_gone(lane.slot, at, events.first().map(|event| event.sequence), looked);
        self.judge_entered(lane, at, &mut events, earlier);
        let Some(hot) = self.keys.get_mut(lane.slot) else { return };
        let most = window(&self.settings, &hot.record.lanes[at]);
        let head = hot.record.lanes[at].head;
        hot.lanes[at].window.clear();
        for event in events.into_iter().filter(|event| event.sequence >= head) {
            hot.extend_window(at, event, most);
        }
        hot.lanes[at].is_reread = true;
        if hot.lanes[at].window.is_empty() {
            self.set_timer(lane.slot, at, self.now.elapsed.after(limits::BACKLOG_RETRY));
        } else {
            self.wake_lane(lane.slot, at);
        }
        if !self.sends_ranges(lane) {
            self.keep_next(lane.slot, lane.id());
        }
    }

    /// Whether a lane needs more at hand than its next event when its turn comes.
    fn sends_ranges(&self, lane: LaneRef) -> bool {
        let to = self.settings.destinations.get(&lane.destination);
        let known = self.keys.get(lane.slot).and_then(|hot| hot.record.at(lane.id()));
        to.is_some_and(|to| to.batch.is_some()) || known.is_some_and(|lane| lane.batch.is_some())
    }

    /// While its destination is down a lane keeps its next event at hand and no more, also where more was read, or was
    /// there before and it was tried: in a long outage every lane in memory is looked at, and memory would fill with
    /// what does not move. A lane that waits with a whole range keeps that until it was tried.
    pub(super) fn keep_next(&mut self, slot: Slot, id: LaneId) {
        if !self.is_down(id.destination) {
            return;
        }
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let Some(at) = hot.lane_at(id) else { return };
        hot.head_of(at);
        let lane = &mut hot.lanes[at];
        lane.window.truncate(limits::LANE_WINDOW_IN_OUTAGE);
        // There may be more.
        lane.is_reread = false;
        lane.window.shrink_to(limits::LANE_WINDOW_IN_OUTAGE);
    }

    /// Waiting events of a lane are damaged on disk. Nobody writes them anew, so they are seldom looked at
    /// again, whatever else wakes the lane; an operator is told meanwhile.
    pub(super) fn backlog_is_damaged(&mut self, lane: LaneRef) {
        let until = self.now.elapsed.after(limits::DAMAGED_RETRY);
        let Some(hot) = self.keys.get_mut(lane.slot) else { return };
        let Some(at) = hot.lane_at(lane.id()) else { return };
        hot.lanes[at].damaged_until = Some(until);
        self.set_timer(lane.slot, at, until);
    }

    /// Which of a lane's waiting events are its own, as far as their releases do not say it.
    fn judge_entered(
        &self,
        lane: LaneRef,
        at: usize,
        events: &mut [Waiting],
        types: &BTreeMap<Sequence, Arc<str>>,
    ) {
        let hot = self.keys.get(lane.slot);
        let Some((hot, record)) = hot.map(|hot| (hot, &hot.record.lanes[at])) else { return };
        let source = self.settings.sources.get(&hot.key.source);
        let leads = source.is_some_and(|source| source.destinations.contains(&lane.destination));
        // What was tried was taken; behind what is sent again that is what the lane stood at.
        let tried = record.failures > 0 || record.accepted.is_some();
        let tried = [tried.then_some(record.head), record.tried_before()];
        let fixed = record.batch.unwrap_or_default();
        for event in events {
            let sequence = event.sequence;
            let was_taken = tried.contains(&Some(sequence)) || sequence <= fixed;
            let event_type = types.get(&sequence);
            if record.sends_again(sequence) {
                // Without a type it is kept no longer.
                let takes = |of: &Arc<str>| self.takes_type(lane.destination, of);
                let is_asked_for = was_taken || event_type.is_some_and(takes);
                // What never entered and would not now is not history of this lane.
                let may_enter = leads && event.late != Late::Aside;
                event.entered = is_asked_for && (event.entered || may_enter);
                continue;
            }
            // What has a strand has it because it entered.
            event.entered |= lane.strand.is_some() || was_taken || sequence <= record.sent;
            let takes = |of: &Arc<str>| self.takes_earlier(lane.destination, event.recorded, of);
            event.entered |= event.late != Late::Aside && event_type.is_some_and(takes);
        }
    }
}
