//! What is polled: everything a partition asks the outside to do.
//!
//! Outputs that promise something (answers, attempts) leave only after the facts they rest on
//! are committed (DESIGN D1, D2, F11).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::chain::Fingerprint;
use crate::destination::{End, LaneRef, Request};
use crate::fact::Fact;
use crate::id::{DestinationId, Epoch, FrameNumber, Key, Place, Sequence, SourceId};
use crate::input::{Arrival, Ask, AttemptId, CompareId, FetchId, PageCursor, Ticket, Word};
use crate::position::Position;
use crate::ranges::Range;
use crate::record::{KeyRecord, Omission, Queue};
use crate::refill::Wanted;
use crate::time::{OpenMicros, UnixMicros};
use crate::totals::Totals;

/// What an arriving event is told it became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It got its sequence.
    Released,
    /// It got its sequence after its place was given up.
    Late,
    /// It waits for what is missing before it.
    Held,
    /// It was known already.
    Duplicate,
    /// It contradicts an event with its position: dead-lettered.
    Conflict,
    /// Its position is impossible: dead-lettered.
    Invalid,
    /// It is older than what its key released.
    Stale,
    /// Its type is not accepted.
    Ignored,
}

/// Why a request is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Busy {
    /// Too many events of this key wait behind its gap.
    KeyBacklog,
    /// Too many keys are under way in memory.
    Keys,
    /// Too many inputs wait for this key to be loaded.
    Loading,
    /// More come in than a rate of the source or the partition allows (DESIGN L8).
    Rate {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why a command cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// Nothing is known of the key.
    UnknownKey,
    /// The key has no lane to that destination.
    UnknownLane,
    /// The destination is not known.
    UnknownDestination,
    /// The lane delivers: there is nothing to redrive.
    NotStopped,
    /// The event is no dead letter the lane has passed.
    NotPassed,
    /// The event is under way again already.
    AlreadyRedriven,
    /// As many passed events as a lane allows are under way again.
    TooManyRedriven,
    /// Only the event a stopped lane stands at, or one it has passed, can be dropped.
    NotDroppable,
    /// The event's body is older than retention keeps bodies: there is nothing to send (D6).
    BodyGone,
    /// The signature is older or newer than allowed and its id is not known.
    OutsideTolerance,
    /// The event is not one that the consumer has and has not acknowledged.
    NotWaiting,
    /// The lane has no such event.
    UnknownEvent,
    /// The destination acknowledges with its answers.
    NotExplicit,
    /// The lane is not at rest: an attempt is under way, or it is set back already.
    LaneBusy,
    /// The lane has stopped: it is redriven first.
    Stopped,
    /// The events of the key have no order: its lanes cannot be set back.
    Unordered,
    /// Nothing of this is settled.
    NothingToReplay,
    /// The key waits for no position.
    NoGap,
}

/// The answer to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Durable. What became of the event.
    Event {
        /// What it became.
        status: Status,
        /// The event it is, or repeats; none where that is no longer known or was not kept.
        event: Option<Place>,
        /// The sequence of that event, when it has one.
        sequence: Option<Sequence>,
    },
    /// Durable. The command was carried out.
    Done,
    /// Durable. What was acknowledged had its fate before.
    Settled,
    /// Not taken, nothing written: try later.
    Busy(Busy),
    /// Cannot be made durable now; whether it was is unknown: try again.
    Unavailable,
    /// Not carried out, nothing written.
    Rejected(Rejection),
}

/// One try to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name, for its end.
    pub id: AttemptId,
    /// The resource.
    pub key: Key,
    /// Where to.
    pub destination: DestinationId,
    /// The event's sequence; of a range its first.
    pub sequence: Sequence,
    /// The last event of the range it carries (rule L9); none where it carries the event itself.
    pub last: Option<Sequence>,
    /// The `released` facts of the events behind the first, as far as the lane has them at hand.
    pub others: Vec<Place>,
    /// The event's `released` fact, when the lane has it at hand.
    pub released: Option<Place>,
    /// Which try of this event in this lane it is, from 1.
    pub number: u32,
    /// Whether the event may have been sent before (DESIGN F11).
    pub redelivery: bool,
    /// Whether the lane has gone past the event, or its key's events have no order.
    pub out_of_order: bool,
    /// The last event the lane delivered in order; 0 before the first.
    pub previous: Sequence,
    /// What was settled without delivery since then.
    pub omitted: Vec<Omission>,
    /// Whether it waited in vain for another resource (decision 042).
    pub unmet: bool,
}

/// An ask for missing positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Its name, for its end.
    pub id: FetchId,
    /// The resource.
    pub key: Key,
    /// The positions that are missing; of many the first.
    pub asked: Range,
    /// Which ask it is, counted from the last one that brought something.
    pub attempt: u32,
}

/// A question for what the authority has of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// Its name, for its end.
    pub id: CompareId,
    /// The resource.
    pub key: Key,
    /// What is younger than this makes the answer void.
    pub quiet: UnixMicros,
}

/// What the authority has of a key, which is newer than what was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theirs {
    /// The resource.
    pub key: Key,
    /// Its position there.
    pub position: Position,
    /// All that was answered.
    pub body: Arc<[u8]>,
}

/// A frame to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its number.
    pub number: FrameNumber,
    /// The term it is written in.
    pub epoch: Epoch,
    /// Its recorded time.
    pub recorded: UnixMicros,
    /// The partition's open time.
    pub open: OpenMicros,
    /// Its facts.
    pub facts: Vec<Fact>,
    /// Its bodies, in the order its `received` facts number them.
    pub bodies: Vec<DraftBody>,
}

/// A body of a frame to append. The core looks into none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftBody {
    /// That of an event that came in.
    Arrived(Ticket),
    /// That of an event of history, as it was brought.
    Again(Arc<[u8]>),
}

/// The keys that changed, as they are once `through` is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The newest frame the records reflect.
    pub through: FrameNumber,
    /// The records, each key once; their order means nothing. Of a key that is forgotten, its tombstone stands beside them.
    pub records: Vec<(Key, KeyRecord)>,
    /// The recorded time of that frame.
    pub recorded: UnixMicros,
    /// The partition's open time in that frame.
    pub open: OpenMicros,
    /// The directory as facts; but in partition 0 at most that the log was restored.
    pub directory: Vec<Fact>,
    /// What the partition's keys add up to.
    pub totals: Totals,
    /// Tombstones that came, and that are gone, by the fingerprints of their keys.
    pub tombstones: Vec<(Fingerprint, Option<KeyRecord>)>,
}

/// A page of waiting keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The queue to read.
    pub queue: Queue,
    /// The first place wanted.
    pub from: PageCursor,
    /// The last due time wanted, in the queue's time.
    pub until: u64,
    /// How many keys at the most.
    pub keys: usize,
}

/// A page of idle keys (DESIGN D8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleRequest {
    /// Of this source.
    pub source: SourceId,
    /// From this key on; none: from its first.
    pub from: Option<Key>,
    /// About which nothing was written down since.
    pub until: UnixMicros,
    /// How many tombstones are kept: of those beyond, the oldest are wanted.
    pub tombstones: usize,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Answer a request.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// Deliver an event.
    Attempt(Box<Attempt>),
    /// Break an attempt off; its end is still reported.
    Abort(AttemptId),
    /// Ask a destination for a permit.
    Request(Request),
    /// Take back what was asked of a destination: the lane leaves memory. A permit that is granted
    /// meanwhile comes back by itself.
    Withdraw(Request),
    /// Give a destination's permit back.
    Return {
        /// The lane it was granted to.
        lane: LaneRef,
        /// What became of it.
        end: End,
    },
    /// Load a cold key.
    Load(Key),
    /// Look up what older frames know of an event, and bring it again.
    LookUp(Box<Arrival>),
    /// Load waiting keys, the earliest due first.
    Page(PageRequest),
    /// Find idle keys, and tombstones that are too many.
    FindIdle(IdleRequest),
    /// Tell an operator: the positions of a key seem to begin anew (DESIGN K9).
    SequenceReset(Key),
    /// A key wants to ask for its missing positions: let it, in its turn.
    WantFetch(Wanted),
    /// It does not want to any more, and has not been let.
    WithdrawFetch(Wanted),
    /// It was let and does not need to any more: another may.
    SpareFetch(SourceId),
    /// Ask a source for missing positions, bring what comes, and say when all of it is answered.
    Fetch(Box<Fetch>),
    /// A key of a source wants to be compared: let it, in its turn.
    WantCompare(SourceId),
    /// It was let and does not need to any more: another may.
    SpareCompare(SourceId),
    /// Ask a source what it has of a key, and say what it answered.
    Compare(Box<Compare>),
    /// Bring in what the authority has, as an event whose id is its position: once.
    BringTheirs(Box<Theirs>),
    /// Read what a key released, with the events and their bodies.
    Recall {
        /// The resource.
        key: Key,
        /// The first sequence wanted.
        from: Sequence,
        /// The last sequence wanted.
        to: Sequence,
    },
    /// Find waiting events of a lane.
    Backlog {
        /// The lane.
        lane: LaneRef,
        /// Its key.
        key: Key,
        /// The first sequence wanted.
        from: Sequence,
        /// The last sequence wanted.
        to: Sequence,
        /// The most events wanted.
        most: usize,
        /// Up to here events were released before the lane was opened: their types are wanted too
        /// where their release says nothing of the lane.
        opened: Sequence,
        /// Up to here events are sent again: the types are wanted of those that are kept, whatever their
        /// releases say.
        again: Sequence,
    },
    /// Bring a lane's ask to the partition of the key that it has reached.
    Ask(Box<Ask>),
    /// Bring the answer back to the partition that asked.
    Tell {
        /// What it asked.
        ask: Box<Ask>,
        /// The answer.
        word: Word,
    },
    /// Bring a committed fact to every other partition and to the destinations.
    Forward {
        /// Where it stands.
        place: Place,
        /// What it says.
        fact: Box<Fact>,
    },
}
