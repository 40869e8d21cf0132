//! A key in memory: its durable record and what is true of it in this process only.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::depends::Dependency;
use super::jump;
use super::names::Named;
use super::refill::Refill;
use crate::destination::{LaneRef, Request, Standing, Urgency};
use crate::id::{DestinationId, FrameNumber, Key, LaneId, Place, Sequence};
use crate::input::{AttemptId, Waiting};
use crate::limits;
use crate::rate::Bucket;
use crate::record::{Essence, KeyRecord, Lane};
use crate::settings::Ack;
use crate::time::{ElapsedMicros, OpenMicros, UnixMicros};

/// Lanes of a key from which its lists grow by more than one: a key with so many has strands.
const FEW_LANES: usize = 8;

/// A key in memory.
#[derive(Debug)]
pub(super) struct Hot {
    pub(super) key: Key,
    /// [`Key::number`]: asked for whenever another key is looked for near it.
    number: u64,
    pub(super) record: KeyRecord,
    /// The event whose `received` fact was the key's last: the next fact says what became of it.
    /// Few keys have one at a time, and it is large.
    pub(super) arriving: Option<Box<Arriving>>,
    /// One per lane and strand of the record, in the same order.
    pub(super) lanes: Vec<LaneHot>,
    /// Attempts under way whose strands are gone: their events are settled.
    pub(super) outlived: Vec<(LaneId, Ongoing)>,
    /// The open time at which waiting for the head gap ends, while a timer runs for it.
    pub(super) hold_timer: Option<OpenMicros>,
    /// Whether what it holds may be out of place: it was loaded, or its settings are others.
    pub(super) judges_anew: bool,
    /// How far asking for the head gap has come; none where it is not asked for, as with most keys.
    pub(super) refill: Option<Box<Refill>>,
    /// When it came into memory with events that waited in its lanes; none where it came without.
    pub(super) came: Option<ElapsedMicros>,
}

/// An event between its `received` fact and the fact that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arriving {
    pub(super) event: Place,
    pub(super) recorded: UnixMicros,
    pub(super) essence: Essence,
    /// The rank it settled with; none where it did not.
    pub(super) rank: Option<u32>,
}

/// A lane in memory.
#[derive(Debug)]
pub(super) struct LaneHot {
    pub(super) id: LaneId,
    /// Released events, contiguous from the head once it is not empty; those that did not enter
    /// the lane are passed when it comes to them.
    pub(super) window: VecDeque<Waiting>,
    /// Whether its waiting events were asked for and have not come yet.
    pub(super) asked: bool,
    /// Whether they were read from the log since the last attempt: more is not to be had now.
    pub(super) is_reread: bool,
    /// Whether all that was looked for last is kept no longer.
    pub(super) is_gone: bool,
    /// Until when they are not asked for again: what stands in the log is not what was written.
    pub(super) damaged_until: Option<ElapsedMicros>,
    /// The permit that was asked for and has not come yet.
    pub(super) requested: Option<Requested>,
    /// The attempt under way: at most one (DESIGN promise 2). Of all lanes in memory few have one.
    pub(super) attempt: Option<Box<Ongoing>>,
    /// The frame of its last outcome, or of the operator's last command: nothing leaves before it
    /// is committed (DESIGN D1, F11).
    pub(super) rests_on: FrameNumber,
    /// When it wakes by itself.
    pub(super) timer: Option<ElapsedMicros>,
    /// When its head is due, in elapsed time; the record has it in recorded time.
    pub(super) due: ElapsedMicros,
    /// Whether its last attempt failed or was slow, and when it got its last 2xx (DESIGN D4).
    pub(super) struggles: bool,
    pub(super) acknowledged: Option<ElapsedMicros>,
    /// How often its attempts failed one after another since a 2xx to any of its events, where those of
    /// strands that were under way beside each other count once; and the last attempt that was counted
    /// with. An event behind one that was given up, or one sent again, does not begin as if nothing were
    /// known of its key: else such a lane takes every probe of an open breaker (DESIGN D4, L2).
    pub(super) failing: u32,
    pub(super) counted: u64,
    /// What its rate leaves (DESIGN L8).
    pub(super) bucket: Bucket,
    /// When its wait for an acknowledgement ends, while a timer runs for it.
    pub(super) waits_until: Option<OpenMicros>,
    /// The other resource that its head refers to, and what is known of that; none where nothing was asked.
    pub(super) dependency: Option<Box<Dependency>>,
}

/// A permit that was asked for: [`Request`] but for the lane, which is the one that has this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requested {
    pub(super) urgency: Urgency,
    pub(super) standing: Standing,
}

impl Requested {
    /// As its destination was told of it.
    pub(super) fn of(self, lane: LaneRef) -> Request {
        Request { urgency: self.urgency, lane, standing: self.standing }
    }
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ongoing {
    pub(super) id: AttemptId,
    pub(super) tried: Tried,
    pub(super) started: UnixMicros,
    /// From when on it is slow.
    pub(super) slow_at: ElapsedMicros,
}

/// What stands at a lane's head and is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// Events up to this one did not enter the lane.
    Filtered { to: Sequence },
    /// A late event that is to be a dead letter.
    Dead,
}

/// What was tried, as far as the meaning of its outcome depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    pub(super) sequence: Sequence,
    /// The last event of a range; none for an event by itself.
    pub(super) last: Option<Sequence>,
    pub(super) number: u32,
    pub(super) out_of_order: bool,
    /// Whether its failure counts for nothing (DESIGN L2).
    pub(super) probe: bool,
    /// What acknowledges it: as configured when it was sent.
    pub(super) ack: Ack,
}

impl LaneHot {
    pub(super) fn new(id: LaneId) -> Self {
        Self {
            id,
            window: VecDeque::new(),
            asked: false,
            is_reread: false,
            is_gone: false,
            damaged_until: None,
            requested: None,
            attempt: None,
            rests_on: FrameNumber::default(),
            timer: None,
            due: ElapsedMicros::default(),
            struggles: false,
            acknowledged: None,
            failing: 0,
            counted: 0,
            bucket: Bucket::default(),
            waits_until: None,
            dependency: None,
        }
    }

    /// The attempt under way.
    pub(super) fn attempt(&self) -> Option<Ongoing> {
        self.attempt.as_deref().copied()
    }

    /// Whether its next events were found damaged when they were last looked at.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged_until.is_some() && self.window.is_empty()
    }

    /// Whether it is on its way to a permit: it asked for one, or for the events it needs to.
    pub(super) fn is_seeking(&self) -> bool {
        self.asked || self.requested.is_some()
    }
}

impl Named for Hot {
    fn key(&self) -> &Key {
        &self.key
    }

    fn number(&self) -> u64 {
        self.number
    }
}

impl Hot {
    /// A key with what the state store has of it.
    pub(super) fn new(key: Key, record: KeyRecord) -> Self {
        let lanes = record.lanes.iter().map(|lane| LaneHot::new(lane.id())).collect();
        let (arriving, outlived, hold_timer, refill) = (None, Vec::new(), None, None);
        let (judges_anew, came, number) = (false, None, key.number());
        Self {
            key,
            number,
            record,
            arriving,
            lanes,
            outlived,
            hold_timer,
            judges_anew,
            refill,
            came,
        }
    }

    /// Takes in what a fact says the key's record is. Decided here, it is that already; read from a
    /// log whose beginning is gone, all before it was said of an unknown key.
    pub(super) fn restore(&mut self, record: &KeyRecord, place: Place, recorded: UnixMicros) {
        let lanes = record.lanes.iter().map(Lane::id);
        if !lanes.clone().eq(self.lanes.iter().map(|lane| lane.id)) {
            self.lanes = lanes.map(LaneHot::new).collect();
        }
        // History before keys were forgotten did not say when something was last written down.
        let is_known = record.active > UnixMicros(0);
        let active = if is_known { record.active } else { recorded };
        self.record = KeyRecord { newest: place, carried: place.frame, active, ..record.clone() };
    }

    /// Takes in what a key of which no record was kept goes on with. Where nothing was known of it, its
    /// positions begin anew: what lies before says nothing about them (DESIGN K7).
    pub(super) fn give_back(&mut self, record: &KeyRecord, place: Place, recorded: UnixMicros) {
        self.restore(record, place, recorded);
        self.record.forgotten = false;
        if record.begins() {
            self.record.order.since = place;
        }
    }

    /// What its destination is told of a lane when it asks now.
    pub(super) fn standing(&self, at: usize, now: ElapsedMicros) -> Standing {
        let (record, lane) = (&self.record.lanes[at], &self.lanes[at]);
        // What failed at the head says nothing about an event that goes out of order.
        let head = Some(record).filter(|lane| lane.redrives.is_empty());
        let (counted, tries) = head.map_or((0, 0), |lane| (lane.toll.failures, lane.failures));
        let failing = self.failing(lane.id);
        let lately = |at: ElapsedMicros| now.since(at) < limits::PROVEN_FOR;
        if lane.struggles || counted > 0 || failing > 0 {
            Standing::Struggling { tries: tries.max(failing), since: now }
        } else if lane.acknowledged.is_some_and(lately) {
            Standing::Proven
        } else {
            Standing::Unproven
        }
    }

    /// How far asking for the head gap has come.
    pub(super) fn refill(&self) -> Option<Refill> {
        self.refill.as_deref().copied()
    }

    /// Where a lane or strand stands in the record and here.
    pub(super) fn lane_at(&self, id: LaneId) -> Option<usize> {
        self.record.index_of(id)
    }

    /// Whether a lane or one of its strands is on its way to a permit.
    pub(super) fn is_seeking(&self, destination: DestinationId) -> bool {
        let Some(first) = self.lane_at(destination.into()) else { return false };
        let lanes = self.lanes[first..].iter();
        let mut lanes = lanes.take_while(|lane| lane.id.destination == destination);
        lanes.any(LaneHot::is_seeking)
    }

    /// When the first of a lane and its strands is due that has something to send.
    pub(super) fn due_to(&self, destination: DestinationId) -> Option<ElapsedMicros> {
        let first = self.lane_at(destination.into())?;
        let lanes = self.record.lanes_to(destination).iter().zip(&self.lanes[first..]);
        let sending = lanes.filter(|(record, _)| self.record.sends(record));
        sending.map(|(_, lane)| lane.due).min()
    }

    /// The lane to a destination, which begins at `head` when there was none.
    pub(super) fn lane_or_new(&mut self, destination: DestinationId, head: Sequence) -> &mut Lane {
        let at = self.record.lanes.partition_point(|lane| lane.destination < destination);
        if self.record.lanes.get(at).is_none_or(|lane| lane.destination != destination) {
            let floor = self.record.boundary;
            self.insert_lane(at, Lane::behind(destination, head, floor));
        }
        &mut self.record.lanes[at]
    }

    /// Whether nothing of it is on its way, into its order or to a destination.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_at_rest =
            |lane: &LaneHot| lane.attempt.is_none() && !lane.is_seeking() && lane.timer.is_none();
        let is_told = self.arriving.is_none() && self.outlived.is_empty() && self.refill.is_none();
        is_told && self.lanes.iter().all(is_at_rest) && self.record.is_idle()
    }

    /// A new lane. A list makes room for four when it grows by one, and nearly every key has one
    /// lane for good: of a hundred thousand keys that would be a hundred megabytes of nothing.
    fn insert_lane(&mut self, at: usize, lane: Lane) {
        if self.lanes.len() < FEW_LANES {
            self.record.lanes.reserve_exact(1);
            self.lanes.reserve_exact(1);
        }
        self.lanes.insert(at, LaneHot::new(lane.destination.into()));
        self.record.lanes.insert(at, lane);
    }

    /// The lane to a destination is opened over what was released before.
    pub(super) fn open_lane(&mut self, destination: DestinationId, through: Sequence) {
        let at = self.record.lanes.partition_point(|lane| lane.destination < destination);
        if self.record.lanes.get(at).is_none_or(|lane| lane.destination != destination) {
            let floor = self.record.boundary;
            let mut lane = Lane::opened(destination, through);
            jump::begin(&mut lane, floor.next(), floor);
            self.insert_lane(at, lane);
        }
    }

    /// The lane to a destination is over, with its strands.
    pub(super) fn end_lane(&mut self, destination: DestinationId) {
        self.record.lanes.retain(|lane| lane.destination != destination);
        self.lanes.retain(|lane| lane.id.destination != destination);
    }

    /// Puts a released event at the end of a lane's window, if it follows what is there.
    pub(super) fn extend_window(&mut self, at: usize, waiting: Waiting, most: usize) {
        let lane = &self.record.lanes[at];
        let is_foreign = lane.strand.is_some_and(|event| event != waiting.sequence);
        let is_foreign =
            is_foreign || (lane.reach() < lane.tail && waiting.sequence > lane.reach());
        if !lane.has_backlog() || is_foreign {
            return;
        }
        if lane.head == waiting.sequence {
            self.lanes[at].window.clear();
        }
        let follows = match self.lanes[at].window.back() {
            Some(last) => last.sequence.next() == waiting.sequence,
            None => self.record.lanes[at].head == waiting.sequence,
        };
        let window = &mut self.lanes[at].window;
        if follows && window.len() < most {
            // A ring that grows by itself begins with room for four.
            if most == 1 && window.capacity() == 0 {
                window.reserve_exact(1);
            }
            window.push_back(waiting);
        }
    }

    /// Whether it is known that the event at the lane's head entered it.
    pub(super) fn knows_head(&self, at: usize) -> bool {
        let (record, window) = (&self.record.lanes[at], &self.lanes[at].window);
        let head = window.iter().find(|waiting| waiting.sequence == record.head);
        record.failures > 0 || head.is_some_and(|head| head.entered)
    }

    /// What stands at the lane's head and is not sent; none when the head is, or is not at hand.
    pub(super) fn passed_head(&mut self, at: usize) -> Option<Passed> {
        let head = self.head_of(at)?;
        let (entered, is_sent) = (head.entered, head.is_sent());
        let tail = self.record.lanes[at].reach();
        if entered {
            let is_dead = !is_sent && self.record.lanes[at].has_backlog();
            return is_dead.then_some(Passed::Dead);
        }
        let window = self.lanes[at].window.iter();
        let run = window.take_while(|waiting| !waiting.entered && waiting.sequence <= tail);
        run.last().map(|last| Passed::Filtered { to: last.sequence })
    }

    /// Drops what the lane has gone past; says what stands at its head, if that is at hand.
    pub(super) fn head_of(&mut self, at: usize) -> Option<&Waiting> {
        let head = self.record.lanes[at].head;
        let window = &mut self.lanes[at].window;
        while window.front().is_some_and(|waiting| waiting.sequence < head) {
            window.pop_front();
        }
        window.front().filter(|waiting| waiting.sequence == head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SourceId;
    use alloc::sync::Arc;

    #[test]
    fn a_key_has_room_for_the_lanes_it_has_and_no_more() {
        let key = Key { source: SourceId(1), name: Arc::from("cus_1") };
        let mut hot = Hot::new(key, KeyRecord::default());
        for (lanes, destination) in [(1, 7), (2, 3)] {
            hot.lane_or_new(DestinationId(destination), Sequence(1));
            assert_eq!((hot.lanes.capacity(), hot.record.lanes.capacity()), (lanes, lanes));
        }
        let destinations: Vec<u32> = hot.lanes.iter().map(|lane| lane.id.destination.0).collect();
        assert_eq!(destinations, [3, 7]);
    }
}
