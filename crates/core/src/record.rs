//! What a partition knows durably of one key: the sum of the key's facts.
//!
//! A record is what the state store keeps of a cold key. It holds nothing that is only true in
//! one process (attempts under way, timers): that is `partition::hot`.

mod covered;
mod essence;
mod machine;
mod rewind;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::chain::Fingerprint;
use crate::clocks::Seen;
use crate::fact::{
    DestinationDeclared, DestinationPaused, DestinationRetired, Fact, PauseReason, Restored,
    SourceDeclared, Toll,
};
use crate::fields::KnownField;
pub use crate::held::{HeldAt, HeldEvent, Tie};
use crate::id::{DestinationId, FrameNumber, Hash, LaneId, Place, Sequence, SourceId};
use crate::limits;
use crate::links::Tip;
use crate::ranges::{Range, Ranges};
use crate::time::{OpenMicros, UnixMicros};

pub use essence::Essence;
pub use machine::Machine;
pub use rewind::Rewind;

/// The durable state of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRecord {
    /// The sequence of the last released event; 0 before the first.
    pub sequence: Sequence,
    /// Hₙ of the last released event; zeros before the first (DESIGN C1).
    pub hash: Hash,
    /// The place of the newest fact about the key.
    pub newest: Place,
    /// The frame in which all of this was last said in one fact; 0 before the first time. What
    /// history says of the key before it can be deleted (DESIGN D6).
    pub carried: FrameNumber,
    /// Whether an operator paused the key.
    pub paused: bool,
    /// What its positions add up to.
    pub order: Order,
    /// The jumps of restores that its sequences lie behind (DESIGN D10).
    pub jumped: u64,
    /// Sequences passed over by such jumps, ascending: all that a lane still has before it, and the newest behind
    /// ([`limits::JUMPS`]).
    pub jumps: Vec<Range>,
    /// When something was last written down about it.
    pub active: UnixMicros,
    /// Whether it is a tombstone: what is known of a key that is forgotten (DESIGN D8).
    pub forgotten: bool,
    /// It began behind this floor: what lies before may have been given before it was forgotten for
    /// good. 0 where it did not.
    pub boundary: Sequence,
    /// Its lanes, in the order of their destinations' numbers, each followed by its strands in the
    /// order of their events.
    pub lanes: Vec<Lane>,
    /// Whether its events have no order: its lanes send nothing themselves, but each event in a
    /// strand of its own (decision record 012).
    pub unordered: bool,
}

/// What the positions of a key add up to under its contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The next position in order; none until the key's base is settled, and under `arrival`.
    pub next: Option<u64>,
    /// The highest position released; 0 before the first.
    pub highest: u64,
    /// Positions given up that did not come since.
    pub abandoned: Ranges,
    /// Positions given up since the last release: the next one's `sprag-missing` (DESIGN G3).
    pub missing: Ranges,
    /// The missing positions the key waits for, as last written down.
    pub gap: Option<Range>,
    /// Events that wait, in the order they would be released.
    pub held: BTreeMap<HeldAt, HeldEvent>,
    /// Old positions with new ids that came one after another (DESIGN K9).
    pub old: u32,
    /// Where its positions began anew: what lies before says nothing about positions behind. The
    /// place of no fact where they never did.
    pub since: Place,
    /// The events released at the newest instant, as far as remembered (DESIGN K3); empty where
    /// positions are no instants.
    pub instant: Vec<Fingerprint>,
    /// What else its contract has come to.
    pub reached: Reached,
}

impl Order {
    /// The newest position released; none before the first.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.next.map(|next| next.saturating_sub(1))
    }
}

/// What a contract needs to know of the events it released besides their highest number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reached {
    /// Nothing.
    #[default]
    Nothing,
    /// Events of the newest instant up to this rank are released (contract `settle`).
    Settled {
        /// The highest of their ranks.
        rank: u32,
    },
    /// How new each field is, ascending by name (contract `merge`).
    Fields(Vec<KnownField>),
    /// How many events of each node came, and what the last of each knew (contract `causal`).
    Clock(Seen),
    /// The state it is in (contract `states`).
    State(Box<Machine>),
    /// Where its hash links lead (contract `fifo`).
    Link(Box<Tip>),
}

/// What a key waits for by time. Each is a queue of the state store, the earliest due first
/// (DESIGN F5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The end of a wait for missing positions, by open time.
    Holds,
    /// The end of a wait for a consumer's acknowledgement, by open time.
    Acknowledgements,
    /// The next attempt in a lane to this destination, by recorded time.
    Lanes(DestinationId),
    /// What waits in a lane to this destination, by when it began to wait without progress, in
    /// recorded time: the oldest are given up when too much waits (rule D9).
    Backlogs(DestinationId),
    /// No queue of what waits but every key there is, due at once: for visits.
    Keys,
}

/// A key's place in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The queue.
    pub queue: Queue,
    /// When, in microseconds of the queue's time; 0 is at once.
    pub at: u64,
}

/// How a lane behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LaneMode {
    /// It delivers.
    #[default]
    Active,
    /// It stopped at an event and keeps it (DESIGN L4).
    Halted,
    /// The event it stopped at and all that follow are dead letters.
    Parked,
    /// It was halted and delivers again up to and including `until`; a new failure halts it.
    DrainingHalted {
        /// The last event that had waited.
        until: Sequence,
    },
    /// It was parked and delivers again up to and including `until`; a new failure parks it.
    DrainingParked {
        /// The last event that had waited.
        until: Sequence,
    },
}

impl LaneMode {
    /// Whether a lane in this mode attempts deliveries.
    #[must_use]
    pub fn delivers(self) -> bool {
        !matches!(self, Self::Halted | Self::Parked)
    }
}

/// Why a lane settled an event without delivering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OmitReason {
    /// The destination does not take it.
    Filtered,
    /// It is a dead letter.
    Dead,
    /// A newer event took its place (DESIGN C5).
    Skipped,
    /// Its sequence is not given here: it may have been given before the log was restored from a
    /// backup (DESIGN D10).
    Restored,
    /// Its sequence is not given again: it may have been given before the key was forgotten for good
    /// (DESIGN D8).
    Boundary,
}

/// What a consumer accepted with 202 and acknowledges later; meanwhile its lane stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acceptance {
    /// The event, or the first of several.
    pub sequence: Sequence,
    /// The last of several; none where the try carried the event itself.
    pub last: Option<Sequence>,
    /// Which try of the event it was.
    pub number: u32,
    /// Whether the lane had gone past the event.
    pub out_of_order: bool,
    /// When that try was sent.
    pub started: UnixMicros,
    /// The open time at which waiting ends.
    pub until: OpenMicros,
}

/// A range of events that a lane settled without delivering (DESIGN C2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omission {
    /// The sequences.
    pub range: Range,
    /// Why.
    pub reason: OmitReason,
    /// Whether ranges were merged into it, so that not all of it was omitted (DESIGN C4).
    pub merged: bool,
}

/// A lane as a cursor over the released events of its key (DESIGN F5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Where it leads.
    pub destination: DestinationId,
    /// How it behaves.
    pub mode: LaneMode,
    /// The next event to settle.
    pub head: Sequence,
    /// The last event that entered; the lane is past it when nothing waits.
    pub tail: Sequence,
    /// The last event that was delivered in order: `sprag-previous-sequence`; 0 before the first.
    pub delivered: Sequence,
    /// Up to here events were released before the lane was opened: which of them are its own is
    /// decided when it comes to them. 0 where it began with an event that entered.
    pub opened: Sequence,
    /// Events that wait in it; of those before it was opened, all that are not passed yet.
    pub waiting: u64,
    /// Bytes of the bodies of what entered. Each event that is settled takes its share with it, the
    /// same for all that wait: an exact sum would need every body's length again.
    pub bytes: u64,
    /// What was settled without delivery since then: `sprag-omitted` (DESIGN C2).
    pub omitted: Vec<Omission>,
    /// Tries of the head that were not acknowledged.
    pub failures: u32,
    /// When the head is due, by recorded time; 0 is at once. Of a lane of an unordered key, which has
    /// no head of its own: when it had its turn; 0 before the first.
    pub due: UnixMicros,
    /// What counts towards giving the head up.
    pub toll: Toll,
    /// The open time of the head's last failure; 0 before the first.
    pub failed_at: OpenMicros,
    /// Dead letters behind the head that an operator sent again, in that order; each is tried
    /// once (DESIGN L4).
    pub redrives: Vec<Sequence>,
    /// What its consumer has and has not acknowledged yet: nothing is sent meanwhile.
    pub accepted: Option<Box<Acceptance>>,
    /// The last event of the range at its head that the next attempt carries (rule L9); none while
    /// that is not fixed.
    pub batch: Option<Sequence>,
    /// The last event at or behind the head that its consumer may have got; 0 where none.
    pub sent: Sequence,
    /// Since when something waits in it without progress, by recorded time; of no meaning where
    /// nothing waits.
    pub since: UnixMicros,
    /// The event of a strand, the only one that was ever in it; none is a lane.
    pub strand: Option<Sequence>,
    /// That it sends history again; none while it does not.
    pub rewound: Option<Box<Rewind>>,
    /// What it was opened or set back over: what of that it sent need never have entered it. None
    /// where it was neither. At most [`limits::COVERED`] ranges, the oldest merged.
    pub covered: Option<Box<Ranges>>,
    /// The event at its head whose wait for another resource ended in vain; 0 where none did.
    pub unmet: Sequence,
}

impl Lane {
    /// A lane whose first event is `head`: those before it are none of its own (DESIGN C2).
    #[must_use]
    pub fn new(destination: DestinationId, head: Sequence) -> Self {
        let before = Range { from: 1, to: head.0.saturating_sub(1) };
        let omitted = Omission { range: before, reason: OmitReason::Filtered, merged: false };
        Self {
            destination,
            mode: LaneMode::Active,
            head,
            tail: Sequence(head.0.saturating_sub(1)),
            delivered: Sequence::default(),
            opened: Sequence::default(),
            waiting: 0,
            bytes: 0,
            omitted: if head.0 > 1 { Vec::from([omitted]) } else { Vec::new() },
            failures: 0,
            due: UnixMicros::default(),
            toll: Toll::default(),
            failed_at: OpenMicros::default(),
            redrives: Vec::new(),
            accepted: None,
            batch: None,
            sent: Sequence::default(),
            since: UnixMicros::default(),
            strand: None,
            rewound: None,
            covered: None,
            unmet: Sequence::default(),
        }
    }

    /// A lane of a key that began behind a floor: none of what lies before that is known (DESIGN D8).
    #[must_use]
    pub fn behind(destination: DestinationId, head: Sequence, floor: Sequence) -> Self {
        let mut lane = Self::new(destination, head);
        if floor > Sequence(0) && floor < head {
            let before = Range { from: 1, to: floor.0 };
            let known = Range { from: floor.0 + 1, to: head.0 - 1 };
            let reason = OmitReason::Boundary;
            lane.omitted = Vec::from([Omission { range: before, reason, merged: false }]);
            if known.from <= known.to {
                let reason = OmitReason::Filtered;
                lane.omitted.push(Omission { range: known, reason, merged: false });
            }
        }
        lane
    }

    /// A strand in which an event waits whose body has so many bytes.
    #[must_use]
    pub fn strand(destination: DestinationId, event: Sequence, bytes: u64) -> Self {
        let (tail, strand) = (event, Some(event));
        Self {
            head: event,
            tail,
            strand,
            waiting: 1,
            bytes,
            omitted: Vec::new(),
            ..Self::new(destination, event)
        }
    }

    /// A strand for a dead letter that an operator sent again.
    #[must_use]
    pub fn redriven(destination: DestinationId, event: Sequence) -> Self {
        let strand = Self::strand(destination, event, 0);
        Self { head: event.next(), waiting: 0, redrives: Vec::from([event]), ..strand }
    }

    /// Which lane or strand of its key it is.
    #[must_use]
    pub fn id(&self) -> LaneId {
        LaneId { destination: self.destination, strand: self.strand }
    }

    /// Whether it is a strand whose event is settled.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.strand.is_some() && !self.has_backlog() && self.redrives.is_empty()
    }

    /// Whether it stands at an event that only an operator moves.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        !self.mode.delivers() && self.has_backlog()
    }

    /// Whether events wait in it.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.head <= self.tail
    }

    /// What its consumer has and has not acknowledged yet.
    #[must_use]
    pub fn accepted(&self) -> Option<Acceptance> {
        self.accepted.as_deref().copied()
    }

    /// Whether it has something to attempt, now or when due.
    #[must_use]
    pub fn has_work(&self) -> bool {
        (self.mode.delivers() && self.has_backlog()) || !self.redrives.is_empty()
    }
}

/// Since when something waits in a lane or its strands without progress.
#[must_use]
pub fn oldest(lanes: &[Lane]) -> Option<UnixMicros> {
    lanes.iter().filter(|lane| lane.has_backlog()).map(|lane| lane.since).min()
}

impl KeyRecord {
    /// Whether the key has something to do by itself: events that wait, lanes to serve.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.dues().next().is_some()
    }

    /// Its places in the queues of the state store, at most one in each. A key that only an
    /// arrival or an operator moves has none.
    pub fn dues(&self) -> impl Iterator<Item = Due> {
        let deadline = self.order.held.values().map(|held| held.deadline).min();
        let hold = deadline.map(|deadline| Due { queue: Queue::Holds, at: deadline.0 });
        let until = self.lanes.iter().filter_map(|lane| Some(lane.accepted()?.until)).min();
        let accepted = until.map(|until| Due { queue: Queue::Acknowledgements, at: until.0 });
        let due = |lane: &Lane| if lane.redrives.is_empty() { lane.due.0 } else { 0 };
        let to = self.lanes.chunk_by(|one, next| one.destination == next.destination);
        let lanes = to.filter(|_| !self.paused).filter_map(move |lanes| {
            let lane = lanes.first()?;
            let at = lanes.iter().filter(|lane| self.sends(lane)).map(due).min()?;
            // Behind what was due when it had its turn, however many of its events are (decision 012).
            let turn = if self.unordered { lane.due.0 } else { 0 };
            Some(Due { queue: Queue::Lanes(lane.destination), at: at.max(turn) })
        });
        let to = self.lanes.chunk_by(|one, next| one.destination == next.destination);
        let backlogs = to.filter_map(|lanes| {
            let queue = Queue::Backlogs(lanes.first()?.destination);
            Some(Due { queue, at: oldest(lanes)?.0 })
        });
        hold.into_iter().chain(accepted).chain(lanes).chain(backlogs)
    }

    /// Whether one of its lanes or strands has something to send, now or when due. A lane of an
    /// unordered key does while an event that waits in it finds a free strand.
    #[must_use]
    pub fn sends(&self, lane: &Lane) -> bool {
        let feeds = self.unordered && lane.strand.is_none();
        let may = !feeds || self.has_free_strand(lane.destination);
        may && lane.accepted.is_none() && lane.has_work()
    }

    /// The lane to a destination.
    #[must_use]
    pub fn lane(&self, destination: DestinationId) -> Option<&Lane> {
        self.at(destination.into())
    }

    /// The strand of the lane to a destination in which an event is.
    #[must_use]
    pub fn strand(&self, destination: DestinationId, event: Sequence) -> Option<&Lane> {
        self.at(LaneId { destination, strand: Some(event) })
    }

    pub(crate) fn at(&self, id: LaneId) -> Option<&Lane> {
        self.index_of(id).map(|at| &self.lanes[at])
    }

    /// Where a lane or strand stands among `lanes`.
    #[must_use]
    pub fn index_of(&self, id: LaneId) -> Option<usize> {
        self.lanes.binary_search_by_key(&id, Lane::id).ok()
    }

    /// The lane to a destination and its strands; empty where there is none.
    #[must_use]
    pub fn lanes_to(&self, destination: DestinationId) -> &[Lane] {
        let from = self.lanes.partition_point(|lane| lane.destination < destination);
        let to = self.lanes.partition_point(|lane| lane.destination <= destination);
        &self.lanes[from..to]
    }

    /// What of its lanes sends an event: of an unordered key the event's strand, none where it has
    /// none; else the lane.
    #[must_use]
    pub fn sender_of(&self, destination: DestinationId, event: Sequence) -> LaneId {
        LaneId { destination, strand: self.unordered.then_some(event) }
    }

    /// Whether an event that waits in a lane of an unordered key may get a strand.
    #[must_use]
    pub fn has_free_strand(&self, destination: DestinationId) -> bool {
        self.lanes_to(destination).len() <= limits::STRANDS
    }

    /// Whether it waits for nothing at all, so that it may be forgotten: not for time, an arrival or an
    /// operator.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let is_idle = |lane: &Lane| {
            !lane.has_backlog() && lane.redrives.is_empty() && lane.accepted.is_none()
        };
        let waits = !self.order.held.is_empty() || self.order.gap.is_some();
        !self.forgotten && !self.paused && !waits && self.lanes.iter().all(is_idle)
    }

    /// What is kept of it once it is forgotten. With its place in the chain, the order and the lanes it
    /// goes on as if it had never been; of one that never released an event nothing is kept.
    #[must_use]
    pub fn tombstone(&self) -> Self {
        if self.begins() {
            return Self { forgotten: true, ..Self::default() };
        }
        Self { forgotten: true, ..self.clone() }
    }

    /// A key of which nothing is known, in a bucket with this floor.
    #[must_use]
    pub fn behind(floor: Sequence) -> Self {
        Self { sequence: floor, boundary: floor, ..Self::default() }
    }

    /// Whether nothing is known of it: no fact was written down, or it was forgotten for good.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.newest == Place::default() || (self.forgotten && self.begins())
    }

    /// Whether none of its events was released yet.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.hash == Hash::default()
    }
}

/// What is known of no key: the sources and destinations that history knows, and which destinations
/// are paused, kept by partition 0 (DESIGN F6, F7); and by every partition that its log was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// The sources by number.
    pub sources: BTreeMap<SourceId, SourceDeclared>,
    /// The destinations by number.
    pub destinations: BTreeMap<DestinationId, DestinationDeclared>,
    /// Those of them that are retired.
    pub retired: BTreeSet<DestinationId>,
    /// The destinations that are paused.
    pub paused: BTreeSet<DestinationId>,
    /// Those of them that are because they say that they are gone (DESIGN L3).
    pub gone: BTreeSet<DestinationId>,
    /// The last restore of the log; none where it never was.
    pub restored: Option<Restored>,
}

impl Directory {
    /// Takes in a fact; says whether it was one of the directory's.
    pub fn evolve(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::SourceDeclared(declared) => {
                self.sources.insert(declared.source, declared.clone());
            }
            Fact::DestinationDeclared(declared) => {
                self.destinations.insert(declared.destination, declared.clone());
            }
            Fact::DestinationRetired(retired) => {
                self.retired.insert(retired.destination);
            }
            Fact::DestinationPaused(paused) => {
                self.paused.insert(paused.destination);
                if paused.reason == PauseReason::Gone {
                    self.gone.insert(paused.destination);
                } else {
                    self.gone.remove(&paused.destination);
                }
            }
            Fact::DestinationResumed(resumed) => {
                self.paused.remove(&resumed.destination);
                self.gone.remove(&resumed.destination);
            }
            Fact::Restored(restored) => self.restored = Some(*restored),
            _ => return false,
        }
        true
    }

    /// The facts that add up to this directory.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let sources = self.sources.values().cloned().map(Fact::SourceDeclared);
        let destinations = self.destinations.values().cloned().map(Fact::DestinationDeclared);
        let retired = self.retired.iter().map(|destination| {
            Fact::DestinationRetired(DestinationRetired { destination: *destination })
        });
        let paused = self.paused.iter().map(|destination| self.pause_of(*destination));
        let restored = self.restored.map(Fact::Restored);
        sources.chain(destinations).chain(retired).chain(paused).chain(restored).collect()
    }

    /// The fact that says a destination is paused, and why.
    #[must_use]
    pub fn pause_of(&self, destination: DestinationId) -> Fact {
        let is_gone = self.gone.contains(&destination);
        let reason = if is_gone { PauseReason::Gone } else { PauseReason::Operator };
        Fact::DestinationPaused(DestinationPaused { destination, reason })
    }
}
