//! What is asked of a partition: pictures of its keys, for operators and judges.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::strands::feeds;
use super::{Moves, Partition, Phase, depends};
use crate::chain::Digest;
use crate::fact::Released;
use crate::id::{DestinationId, Epoch, FrameNumber, Key, PartitionId, Sequence};
use crate::limits;
use crate::record::{Directory, KeyRecord, LaneMode};
use crate::time::{ElapsedMicros, Now, OpenMicros, UnixMicros};
use crate::totals::Totals;

/// Why a lane does not deliver at this moment. Of what a lane's strands wait for, the first here is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitsFor {
    /// Nothing waits in it.
    Nothing,
    /// The consumer's answer.
    Answer,
    /// The consumer's acknowledgement of what it accepted, for so long of open time at the most.
    Acknowledgement(Duration),
    /// A free slot of its destination.
    Permit,
    /// The destination to work again: its breaker is open (DESIGN L2).
    Breaker,
    /// Its rate, by elapsed time (DESIGN L8).
    Rate(ElapsedMicros),
    /// Its events to be read from the log.
    Backlog,
    /// Its key's next turn: one of its key's events failed, and keys that are due wait outside memory
    /// (`unordered`).
    Turn,
    /// The time of its next try, by elapsed time.
    Retry(ElapsedMicros),
    /// The log to be mended: its events are damaged on disk.
    Unreadable,
    /// Another resource that its head refers to (`depends_on`), for so long of open time at the most; none: that is on
    /// its way, and is waited for.
    Resource(Option<Duration>),
    /// An operator to redrive or drop what it stopped at.
    Redrive,
    /// An operator to resume the key.
    KeyResumed,
    /// An operator to resume the destination.
    DestinationResumed,
    /// A commit.
    Commit,
    /// One of its strands: as many events as may be are under way or stopped (`unordered`).
    Strand,
}

/// A lane as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneView {
    /// Its destination.
    pub destination: DestinationId,
    /// The event of a strand; none is the lane itself.
    pub strand: Option<Sequence>,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Whether it asked its destination for a permit; paused, it keeps its place.
    pub has_asked: bool,
}

/// A key as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// Its durable state, with facts that may not be committed yet.
    pub record: KeyRecord,
    /// When waiting for its head gap ends, in open time.
    pub hold_deadline: Option<OpenMicros>,
    /// Its lanes and strands, in the record's order.
    pub lanes: Vec<LaneView>,
}

impl<D: Digest> Partition<D> {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The term it decides in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether it decides.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// The newest durable frame.
    #[must_use]
    pub fn committed(&self) -> FrameNumber {
        self.committed
    }

    /// The newest frame taken.
    #[must_use]
    pub fn taken(&self) -> FrameNumber {
        self.taken
    }

    /// The newest recorded time.
    #[must_use]
    pub fn recorded(&self) -> UnixMicros {
        self.recorded
    }

    /// Its open time.
    #[must_use]
    pub fn open_time(&self) -> OpenMicros {
        self.open
    }

    /// Whether the frame being filled takes no more inputs before it is taken: it is full, or what
    /// comes now would be told to have come when its first fact did, which is too long ago.
    #[must_use]
    pub fn is_full(&self, now: Now) -> bool {
        let age = self.filling.times.map(|times| now.clock.since(times.recorded));
        self.filling.is_full() || age.is_some_and(|age| age > limits::FRAME_AGE)
    }

    /// To how many destinations what was released may leave soon: for those it is kept at hand (DESIGN L6). What
    /// entered no lane is not, nor is what only destinations get that are down: it waits, and is read when they are
    /// there again.
    #[must_use]
    pub fn wanted_soon(&self, released: &Released) -> usize {
        released.lanes.iter().filter(|destination| !self.is_down(**destination)).count()
    }

    /// Everything up to this frame must be looked up by the driver (DESIGN F4).
    #[must_use]
    pub fn recent_floor(&self) -> FrameNumber {
        self.recent.floor()
    }

    /// The sources and destinations history knows. Whole in partition 0 only.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Ids and positions in memory, by which repeats are known without asking (DESIGN F4).
    #[must_use]
    pub fn recent_ids(&self) -> usize {
        self.recent.len()
    }

    /// Keys in memory.
    #[must_use]
    pub fn hot_keys(&self) -> usize {
        self.names.len()
    }

    /// How keys came into memory and left it since the process began.
    #[must_use]
    pub fn moves(&self) -> Moves {
        self.moves
    }

    /// What its keys add up to, those outside memory included.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Events that did not enter a lane for their type, since the process began.
    #[must_use]
    pub fn filtered(&self) -> &BTreeMap<DestinationId, u64> {
        &self.filtered
    }

    /// Keys in memory that wait for missing positions, with how many events each holds.
    pub fn held(&self) -> impl Iterator<Item = (&Key, &KeyRecord)> {
        let hot = self.keys.iter().map(|(_, hot)| hot);
        hot.filter(|hot| !hot.record.order.held.is_empty()).map(|hot| (&hot.key, &hot.record))
    }

    /// Lanes in memory that have events to settle: where they lead, and when the first of these
    /// events was released.
    pub fn heads(&self) -> impl Iterator<Item = (DestinationId, UnixMicros)> {
        let lanes = self.keys.iter().flat_map(|(_, hot)| hot.lanes.iter().zip(&hot.record.lanes));
        lanes.filter_map(|(lane, record)| {
            let head = lane.window.front().filter(|head| head.sequence == record.head)?;
            Some((lane.id.destination, head.recorded))
        })
    }

    /// What the lanes of the keys in memory wait for: one with strands for what that of them does that
    /// is next to its consumer.
    pub fn waits(&self) -> impl Iterator<Item = (DestinationId, WaitsFor)> {
        self.keys.iter().flat_map(|(_, hot)| {
            let lanes = hot.lanes.iter().enumerate().filter(|(_, lane)| lane.id.strand.is_none());
            lanes.map(|(first, lane)| {
                let to = lane.id.destination;
                let all = first..first + hot.record.lanes_to(to).len();
                let waits = all.map(|at| self.waits_for(hot, at));
                let next = waits.filter(|waits| *waits != WaitsFor::Nothing).min();
                (to, next.unwrap_or(WaitsFor::Nothing))
            })
        })
    }

    /// Every key in memory with its record.
    pub fn records(&self) -> impl Iterator<Item = (&Key, &KeyRecord)> {
        self.keys.iter().map(|(_, hot)| (&hot.key, &hot.record))
    }

    /// A key in memory as it is; none when it is not in memory.
    #[must_use]
    pub fn view(&self, key: &Key) -> Option<KeyView> {
        let hot = self.keys.get(self.slot_of(key)?)?;
        let lanes = (0..hot.lanes.len()).map(|at| LaneView {
            destination: hot.lanes[at].id.destination,
            strand: hot.lanes[at].id.strand,
            waits_for: self.waits_for(hot, at),
            has_asked: hot.lanes[at].requested.is_some(),
        });
        Some(KeyView {
            record: hot.record.clone(),
            hold_deadline: hot.hold_timer,
            lanes: lanes.collect(),
        })
    }

    fn waits_for(&self, hot: &super::hot::Hot, at: usize) -> WaitsFor {
        let (lane, record) = (&hot.lanes[at], &hot.record.lanes[at]);
        if lane.attempt.is_some() {
            return WaitsFor::Answer;
        }
        if !record.has_backlog() && record.redrives.is_empty() {
            return WaitsFor::Nothing;
        }
        if let Some(accepted) = record.accepted() {
            return WaitsFor::Acknowledgement(accepted.until.since(self.open));
        }
        if hot.record.paused {
            return WaitsFor::KeyResumed;
        }
        if self.directory.paused.contains(&record.destination) {
            return WaitsFor::DestinationResumed;
        }
        if hot.record.unordered && record.strand.is_none() {
            return match feeds(&hot.record, at) {
                false => WaitsFor::Strand,
                true if lane.is_damaged() => WaitsFor::Unreadable,
                true if lane.asked || lane.window.is_empty() => WaitsFor::Backlog,
                true => WaitsFor::Commit,
            };
        }
        let rate_at = self.rate_at(hot, at);
        match record.mode {
            LaneMode::Halted | LaneMode::Parked => WaitsFor::Redrive,
            _ if lane.requested.is_some() && self.is_down(record.destination) => WaitsFor::Breaker,
            _ if lane.requested.is_some() => WaitsFor::Permit,
            _ if lane.is_damaged() && record.redrives.is_empty() => WaitsFor::Unreadable,
            _ if lane.asked => WaitsFor::Backlog,
            _ if lane.due > self.now.elapsed => WaitsFor::Retry(lane.due),
            _ if rate_at > self.now.elapsed => WaitsFor::Rate(rate_at),
            _ if self.had_turn(&hot.record, record.destination) => WaitsFor::Turn,
            _ if lane.window.is_empty() && record.redrives.is_empty() => WaitsFor::Backlog,
            _ if let Some(left) = depends::left(lane, record, self.open) => {
                WaitsFor::Resource(left)
            }
            _ => WaitsFor::Commit,
        }
    }

    /// When a lane's rate lets its next attempt go.
    fn rate_at(&self, hot: &super::hot::Hot, at: usize) -> ElapsedMicros {
        let lane = &hot.lanes[hot.lane_of(at)];
        let destination = self.settings.destinations.get(&lane.id.destination);
        let rate = destination.and_then(|destination| destination.key_rate);
        rate.map(|rate| lane.bucket.next(rate)).unwrap_or_default()
    }

    /// What must hold of a key in memory.
    pub(super) fn assert_key(&self, slot: crate::slab::Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        let broken = crate::invariants::broken(&hot.record);
        assert_eq!(broken, None, "{:?}: {:?}", hot.key, hot.record);
        assert_eq!(hot.lanes.len(), hot.record.lanes.len(), "lanes of {:?}", hot.key);
        for (lane, record) in hot.lanes.iter().zip(&hot.record.lanes) {
            assert_eq!(lane.id, record.id());
            assert!(lane.window.len() <= limits::BATCH_EVENTS.max(limits::LANE_WINDOW));
            let known = |id| self.attempts.contains_key(&id);
            assert!(lane.attempt().is_none_or(|ongoing| known(ongoing.id)), "{:?}", hot.key);
            let sends = lane.attempt.is_some() || lane.requested.is_some();
            let is_feeder = hot.record.unordered && record.strand.is_none();
            assert!(!(is_feeder && sends), "a lane without order sends: {:?}", hot.key);
        }
    }

    /// What must hold of the partition as a whole.
    pub(crate) fn assert_counts(&self) {
        self.keys.iter().for_each(|(slot, _)| self.assert_key(slot));
        assert_eq!(self.keys.iter().count(), self.names.len());
        assert!(self.in_flight.len() <= limits::FRAMES_IN_FLIGHT);
        assert_eq!(self.taken.0, self.committed.0 + self.in_flight.len() as u64);
        let under_way = self.keys.iter().flat_map(|(_, hot)| &hot.lanes);
        let under_way = under_way.filter(|lane| lane.attempt.is_some()).count();
        let outlived: usize = self.keys.iter().map(|(_, hot)| hot.outlived.len()).sum();
        assert_eq!(under_way + outlived, self.attempts.len());
        let timers = self.keys.iter().flat_map(|(slot, hot)| {
            hot.lanes.iter().filter_map(move |lane| Some((lane.timer?, slot, lane.id)))
        });
        assert_eq!(timers.collect::<BTreeSet<_>>(), self.timers);
        self.assert_seeking();
    }
}
