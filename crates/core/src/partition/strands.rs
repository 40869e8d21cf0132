//! Strands: the events of an unordered source are sent beside each other (`unordered`, decision 012).
//!
//! **What a strand is.** A lane for a single event. The lane itself sends nothing: it is the cursor
//! over what has no strand yet, and feeds the strands. Each of these asks for permits, fails, waits
//! for its next try, is accepted, stops and is redriven as a lane does, by the same code, so what
//! holds of a lane's head holds of each of up to [`STRANDS`](limits::STRANDS) events.
//!
//! ```text
//!   released ──▶ nothing waits and a strand is free? ──yes──▶ strand ──▶ settled: the strand is gone
//!                     │ no                                      ▲  │
//!                     ▼                strands-taken            │  └──▶ stopped: it keeps its place
//!                waits in the lane ─────────────────────────────┘       until an operator moves it
//! ```
//!
//! - **Taking.** Whether an event is unordered stands in its `released`, so evolving needs no
//!   configuration. Where none waits in the lane it takes a free strand with its release. What waited
//!   takes one by `strands-taken`, as soon as it is committed, known to have entered, and one is free.
//! - **Ending.** A strand is gone with the fact that settles its event: a quiet key has none. An
//!   attempt that is still under way then (its event was acknowledged by a request of its own) is
//!   *outlived*: its end is written down, brings the permit back, and changes nothing.
//! - **A dead letter sent again** gets a strand of its own too, beside the others.
//!
//! **Who may write what.** Whoever writes of an event in a lane may write of one in a strand; the
//! sequence says which. Only the lane's own turn (`wake_lane`) writes `strands-taken`.
//!
//! **Never two attempts of an event at once**: a strand has one under way, there is one strand of an
//! event, and while an outlived attempt is under way no dead letter of its sequence is sent.
//! **Never more than 64 under way**: beyond that many strands each counts what is under way first.
//!
//! **A key is one key** to others, however many of its events fail (promise 3, D4):
//! - *At its destination.* What is known of a lane holds of its strands. One that failed makes all of
//!   them struggle until one is acknowledged, those that were never tried too: they start in the slow
//!   pool, one in turn with other lanes, and a probe is for them as if each had been tried as often as
//!   the lane failed one after another.
//! - *In memory*, where it is short: keys that are due wait outside. An ordered lane that fails waits
//!   for its next try, and its key leaves. Of 64 strands one is always due or under way: without more,
//!   such a key would never leave. So a lane of an unordered key has *one turn a round* (`waiting`):
//!   all its strands that are due may ask; with the first that is not acknowledged the turn is over.
//!   They take back what they asked for and rest, what is under way ends, the key leaves, and its place
//!   in the queue is not before that end, so the round that is read does not find it again. Strands
//!   ask in the order in which they are due, so that in the next turn it is another's turn.
//! - `attempted` says when a turn was over, by the time that lanes are due by, in which rounds are
//!   counted; the lane's own due time, which it has no other use for, keeps it.
//!
//! What that costs others: a round passes an unordered key as any other, for as long as it waits for a
//! permit and then at most two timeouts, because a second attempt may have begun just before the first
//! ended. Where nothing due waits outside, or memory has plenty of room, nothing rests.
//!
//! **Crashes.** Before `strands-taken` is durable the event waits in the lane and nothing of it was
//! sent, for what a strand sends rests on that frame. After it, recovery finds the strand with what
//! its tries came to; one that had left is sent again and says so.

use alloc::vec::Vec;

use super::Partition;
use super::draft::Promise;
use super::evolve::settle_head;
use super::hot::{Hot, LaneHot, Ongoing, Requested};
use super::letter::drain;
use crate::chain::Digest;
use crate::fact::{Fact, Outcome, Redriven, StrandsTaken};
use crate::id::{DestinationId, LaneId, Sequence};
use crate::input::AttemptId;
use crate::limits;
use crate::output::Output;
use crate::record::{KeyRecord, Lane};
use crate::slab::Slot;
use crate::time::UnixMicros;

impl<D: Digest> Partition<D> {
    /// Lets what waits in a lane of an unordered key take the strands that are free, as far as it is
    /// at hand and committed.
    pub(super) fn take_strands(&mut self, slot: Slot, at: usize) {
        let committed = self.committed;
        let Some(hot) = self.keys.get_mut(slot).filter(|hot| feeds(&hot.record, at)) else {
            return;
        };
        let destination = hot.record.lanes[at].destination;
        let tail = hot.record.lanes[at].tail;
        let free = (limits::STRANDS + 1).saturating_sub(hot.record.lanes_to(destination).len());
        if hot.head_of(at).is_none() {
            return;
        }
        let at_hand = hot.lanes[at].window.iter().take(free);
        let ready = at_hand.take_while(|waiting| {
            waiting.is_sent() && waiting.sequence <= tail && waiting.released.frame <= committed
        });
        let Some(to) = ready.last().map(|last| last.sequence) else { return };
        let (key, from) = (hot.key.clone(), hot.record.lanes[at].head);
        self.write(Fact::StrandsTaken(StrandsTaken { key, destination, from, to }));
        let written = self.taken.next();
        let lanes = self.keys.get_mut(slot).map(|hot| hot.lanes.iter_mut());
        for lane in lanes.into_iter().flatten().filter(|lane| lane.id.destination == destination) {
            if lane.id.strand.is_some_and(|event| (from..=to).contains(&event)) {
                lane.rests_on = written;
            }
        }
        self.promise(Promise::Wake(slot));
    }

    /// Wakes the lanes of an unordered key and then its strands.
    pub(super) fn wake_strands(&mut self, slot: Slot) {
        for id in self.keys.get(slot).map_or(Vec::new(), Hot::by_due) {
            if let Some(at) = self.keys.get(slot).and_then(|hot| hot.lane_at(id)) {
                self.wake_lane(slot, at);
            }
        }
    }

    /// What is known of a lane is other than it was: its strands that have asked for a permit ask as
    /// what they are now, and behind others.
    pub(super) fn ask_anew(&mut self, slot: Slot, to: DestinationId) {
        let now = self.now.elapsed;
        for id in self.keys.get(slot).map_or(Vec::new(), Hot::by_due) {
            let hot = self.keys.get(slot);
            let Some((hot, at)) = hot.and_then(|hot| Some((hot, hot.lane_at(id)?))) else { return };
            let (standing, before) = (hot.standing(at, now), hot.lanes[at].requested);
            let Some(before) = before.filter(|_| id.destination == to) else { continue };
            let requested = Requested { standing, ..before };
            self.seek(slot, at, |lane| lane.requested = Some(requested));
            let lane = self.lane_ref(slot, id);
            self.outputs.push_back(Output::Withdraw(before.of(lane)));
            self.outputs.push_back(Output::Request(requested.of(lane)));
        }
    }

    /// Whether a strand waits until its lane's next turn.
    pub(super) fn rests(&self, slot: Slot, at: usize) -> bool {
        let hot = self.keys.get(slot).filter(|hot| hot.record.unordered);
        hot.is_some_and(|hot| self.had_turn(&hot.record, hot.lanes[at].id.destination))
    }

    /// Whether a lane of an unordered key has had its turn, while keys outside memory are due for the
    /// same destination and memory has no plenty of room.
    pub(super) fn had_turn(&self, record: &KeyRecord, to: DestinationId) -> bool {
        let turn = record.lane(to).filter(|_| record.unordered).map(|lane| lane.due);
        turn.is_some_and(|turn| self.is_over_for_now(to, turn))
    }

    /// What a failed attempt of a strand says of its lane's turn.
    pub(super) fn turn_of(&self, id: LaneId, outcome: Outcome) -> Option<UnixMicros> {
        (id.strand.is_some() && !outcome.is_acknowledged()).then_some(self.steady)
    }

    /// Where a lane has had its turn, its strands take back what they asked for: others are to get in.
    pub(super) fn end_turn(&mut self, slot: Slot, to: DestinationId) {
        let over = self.keys.get(slot).is_some_and(|hot| self.had_turn(&hot.record, to));
        if !over {
            return;
        }
        self.moves.turns_over += 1;
        let again = self.now.elapsed.after(limits::TURN_LOOK);
        for at in 0..self.keys.get(slot).map_or(0, |hot| hot.lanes.len()) {
            let is_its = self.keys.get(slot).is_some_and(|hot| hot.lanes[at].id.destination == to);
            if is_its && self.withdraw(slot, at) {
                self.set_timer(slot, at, again);
            }
        }
    }

    /// Strands whose events are settled are gone, and what was to wake them with them.
    pub(super) fn end_strands(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get_mut(slot).filter(|hot| hot.record.unordered) else { return };
        // Nothing is sent that could name them.
        let lanes = hot.record.lanes.iter_mut().filter(|lane| lane.strand.is_none());
        lanes.for_each(|lane| lane.omitted.clear());
        while let Some(at) =
            self.keys.get(slot).and_then(|hot| hot.record.lanes.iter().position(Lane::is_spent))
        {
            self.release_hold(slot, at);
            let Some(hot) = self.keys.get_mut(slot) else { return };
            hot.record.lanes.remove(at);
            let lane = hot.lanes.remove(at);
            hot.outlived.extend(lane.attempt.map(|ongoing| (lane.id, *ongoing)));
        }
    }

    /// A lane or strand is about to go: its timers end, and what it asked for is withdrawn.
    pub(super) fn release_hold(&mut self, slot: Slot, at: usize) {
        let Some(lane) = self.keys.get(slot).map(|hot| &hot.lanes[at]) else { return };
        let (id, timer, until) = (lane.id, lane.timer, lane.waits_until);
        timer.map(|timer| self.timers.remove(&(timer, slot, id)));
        until.map(|until| self.acceptances.remove(&(until, slot, id)));
        let requested = self.seek(slot, at, |lane| {
            lane.asked = false;
            lane.requested.take()
        });
        if let Some(Some(requested)) = requested {
            self.outputs.push_back(Output::Withdraw(requested.of(self.lane_ref(slot, id))));
        }
    }
}

/// Whether a lane of an unordered key has something that may take a strand.
pub(super) fn feeds(record: &KeyRecord, at: usize) -> bool {
    let lane = &record.lanes[at];
    let is_feeder = record.unordered && lane.strand.is_none();
    is_feeder && lane.has_backlog() && record.has_free_strand(lane.destination)
}

impl Hot {
    /// What waits in a lane up to an event moves into strands of its own, as long as one is free.
    pub(super) fn take_strands(&mut self, destination: DestinationId, to: Sequence) {
        let Some(at) = self.lane_at(destination.into()) else { return };
        while feeds(&self.record, at) && self.record.lanes[at].head <= to {
            let waiting = self.head_of(at).cloned();
            let lane = &mut self.record.lanes[at];
            let (event, before, since) = (lane.head, lane.bytes, lane.since);
            let turn = lane.due;
            settle_head(lane);
            lane.due = turn;
            let strand = Lane { since, ..Lane::strand(destination, event, before - lane.bytes) };
            let at = self.insert_strand(strand);
            self.lanes[at].window.extend(waiting);
        }
    }

    /// A new strand begins; its destination knows of it what it knows of its lane.
    fn insert_strand(&mut self, strand: Lane) -> usize {
        let id = strand.id();
        let acknowledged =
            self.lane_at(id.destination.into()).map(|at| self.lanes[at].acknowledged);
        let at = self.record.lanes.partition_point(|lane| lane.id() < id);
        self.record.lanes.insert(at, strand);
        let acknowledged = acknowledged.flatten();
        self.lanes.insert(at, LaneHot { acknowledged, ..LaneHot::new(id) });
        at
    }

    /// How often a lane, or that of a strand, failed one after another, whatever the events were: of a
    /// key that came into memory, as often as its most tried strand, until one is acknowledged.
    pub(super) fn failing(&self, id: LaneId) -> u32 {
        let Some(at) = self.lane_at(id.destination.into()) else { return 0 };
        let lane = &self.lanes[at];
        if id.strand.is_none() || lane.acknowledged.is_some() {
            return lane.failing;
        }
        let tried = self.record.lanes_to(id.destination).iter().map(|lane| lane.failures).max();
        lane.failing.max(tried.unwrap_or_default())
    }

    /// An attempt ended: well, or badly, when so many had been made.
    /// Says whether that changed how often its lane failed.
    pub(super) fn note_outcome(
        &mut self,
        id: LaneId,
        attempt: AttemptId,
        failed: Option<u64>,
    ) -> bool {
        let at = self.lane_at(id.destination.into());
        let Some(lane) = at.map(|at| &mut self.lanes[at]) else { return false };
        let before = lane.failing;
        match failed {
            None => lane.failing = 0,
            Some(made) if attempt.number > lane.counted => {
                (lane.failing, lane.counted) = (lane.failing.saturating_add(1), made);
            }
            Some(_) => {}
        }
        lane.failing != before
    }

    /// Its lanes, then its strands, what is due for longest first: where permits are few no event of
    /// the key is tried again before another's first try.
    fn by_due(&self) -> Vec<LaneId> {
        let place = |lane: &Lane| (lane.strand.is_some(), lane.due, lane.id());
        let mut lanes: Vec<_> = self.record.lanes.iter().map(place).collect();
        lanes.sort_unstable();
        lanes.into_iter().map(|(_, _, id)| id).collect()
    }

    /// The lane that a strand is of; of a lane, itself.
    pub(super) fn lane_of(&self, at: usize) -> usize {
        let destination = self.lanes[at].id.destination;
        self.lanes.partition_point(|lane| lane.id < destination.into())
    }

    /// Whether as many events of a lane are under way as may be.
    pub(super) fn is_crowded(&self, destination: DestinationId) -> bool {
        if !self.record.unordered {
            return false;
        }
        let outlived = self.outlived.iter().filter(|(id, _)| id.destination == destination).count();
        if self.record.lanes_to(destination).len() + outlived <= limits::STRANDS + 1 {
            return false;
        }
        let strands = self.lanes.iter().filter(|lane| lane.id.destination == destination);
        strands.filter(|lane| lane.attempt.is_some()).count() + outlived >= limits::STRANDS
    }

    /// Whether an attempt of a strand's event is under way that a strand before it left behind.
    pub(super) fn is_outlived(&self, id: LaneId) -> bool {
        self.outlived.iter().any(|(outlived, _)| *outlived == id)
    }

    /// An attempt that its strand did not live to see the end of.
    pub(super) fn take_outlived(&mut self, attempt: AttemptId) -> Option<Ongoing> {
        let at = self.outlived.iter().position(|(_, ongoing)| ongoing.id == attempt)?;
        Some(self.outlived.swap_remove(at).1)
    }

    /// Of what an operator sends again, a dead letter gets a strand; what stopped goes on.
    pub(super) fn redrive_strands(&mut self, redriven: &Redriven) {
        let to = redriven.destination;
        let strands = match redriven.passed {
            Some(event) if self.record.strand(to, event).is_none() => {
                self.insert_strand(Lane::redriven(to, event));
                return;
            }
            Some(event) => Vec::from([self.record.sender_of(to, event)]),
            None => self.stopped_strands(to),
        };
        let at: Vec<_> = strands.into_iter().filter_map(|id| self.lane_at(id)).collect();
        at.into_iter().for_each(|at| drain(&mut self.record.lanes[at]));
    }

    /// The strands of a lane that stand at what only an operator moves.
    fn stopped_strands(&self, destination: DestinationId) -> Vec<LaneId> {
        let lanes = self.record.lanes_to(destination).iter();
        lanes.filter(|lane| lane.strand.is_some() && lane.is_stopped()).map(Lane::id).collect()
    }
}
