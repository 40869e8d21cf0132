//! What comes in: every event of the outside world that a partition acts on.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::chain::Fingerprint;
use crate::destination::{Grant, LaneRef};
use crate::fact::{
    DeadLetter, DependsOn, Fact, Late, Origin, Outcome, Received, RefillOutcome, Released,
    StoredHeader,
};
use crate::id::{
    DestinationId, Epoch, FrameNumber, Hash, Key, PartitionId, Place, Sequence, SourceId,
};
use crate::position::Position;
use crate::ranges::Ranges;
use crate::recent::Seen;
use crate::record::{KeyRecord, Queue};
use crate::refill::Wanted;
use crate::settings::Settings;
use crate::time::{OpenMicros, UnixMicros};

/// Names a request that waits for an answer. The outside chooses it, once per process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names an attempt: its number counts within the epoch (DESIGN F10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The term in which it was made.
    pub epoch: Epoch,
    /// 1, 2, 3… within the term.
    pub number: u64,
}

/// Names an ask for missing positions: its number counts within the epoch, as an attempt's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId {
    /// The term in which it was made.
    pub epoch: Epoch,
    /// 1, 2, 3… within the term.
    pub number: u64,
}

/// An event as verified and extracted; its body stays outside under the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// The resource. No resource has an empty name (DESIGN K1): that stands for an event whose key,
    /// type or position cannot be read, and which is to be a dead letter all the same.
    pub key: Key,
    /// The source's id of the event.
    pub id: Option<Arc<str>>,
    /// What the source says about its order.
    pub position: Position,
    /// Its type; empty where the source names none.
    pub event_type: Arc<str>,
    /// Its content type; empty when absent.
    pub content_type: Arc<str>,
    /// The headers to keep.
    pub headers: Vec<StoredHeader>,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// Its body's length in bytes.
    pub size: u32,
    /// Whether its signature lies within the tolerance; if not, it is only answered when its id
    /// is known (DESIGN section 5).
    pub in_time: bool,
    /// How it came.
    pub origin: Origin,
    /// The name of another resource that it refers to, of the source that its own depends on; none where it names
    /// none.
    pub depends_on: Option<Arc<str>>,
}

/// A released event of history, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// Its release.
    pub released: Released,
    /// How it came.
    pub received: Received,
    /// Its body; none where it is kept no longer.
    pub body: Option<Arc<[u8]>>,
}

/// A released event as a lane sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its `released` fact.
    pub released: Place,
    /// When it was released.
    pub recorded: UnixMicros,
    /// The term in which it was released.
    pub epoch: Epoch,
    /// Whether it entered the lane; if not, the lane goes past it.
    pub entered: bool,
    /// What its source wanted done with it, where it came late.
    pub late: Late,
    /// What a lane waits for, beside its turn, before it sends it.
    pub depends_on: Option<Arc<DependsOn>>,
}

impl Waiting {
    /// Whether the lane sends it when it comes to it.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.entered && self.late != Late::Dead
    }
}

/// A place in a queue of the state store, whose order is by due time, then by key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PageCursor {
    /// The due time, in the queue's time.
    pub due: u64,
    /// The key; none lies before every key of that time.
    pub key: Option<Key>,
}

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Stop the lanes of a key.
    PauseKey(Key),
    /// Let them go on.
    ResumeKey(Key),
    /// Send dead letters again: the whole stopped lane in order, or one event it has passed.
    Redrive {
        /// The resource.
        key: Key,
        /// The lane's destination.
        destination: DestinationId,
        /// An event the lane has passed, sent out of order.
        passed: Option<Sequence>,
    },
    /// As a redrive of an event the lane has passed, but its body is gone (DESIGN D6): refused, for
    /// that reason or one that a redrive would be refused for in any case.
    RedriveGone {
        /// The resource.
        key: Key,
        /// The lane's destination.
        destination: DestinationId,
        /// The event.
        passed: Sequence,
    },
    /// Set a lane back: it sends what it has settled again, in order (decision record 037).
    Rewind {
        /// The resource.
        key: Key,
        /// The lane's destination.
        destination: DestinationId,
        /// The first event.
        from: Sequence,
        /// The last event; of what the lane has not settled nothing is sent before its turn.
        until: Sequence,
    },
    /// Let the positions of a key begin anew: what it holds is released in order, what is missing
    /// is given up.
    Rebase(Key),
    /// Give the positions up that a key waits for, whatever `on_gap` says; what it counts goes on.
    GiveUpGap {
        /// The resource.
        key: Key,
        /// The first of them. A key that waits for others by now, or for none, gives up nothing: who is not sure that a
        /// first request was done may make it again.
        from: u64,
    },
    /// Give a dead letter up for good.
    Drop {
        /// The resource.
        key: Key,
        /// What is given up.
        letter: DeadLetter,
    },
    /// A consumer acknowledges an event that it accepted with 202.
    Acknowledge {
        /// The resource.
        key: Key,
        /// The lane's destination.
        destination: DestinationId,
        /// The first event.
        from: Sequence,
        /// The last event.
        to: Sequence,
    },
    /// Stop attempts to a destination. Only partition 0 takes it.
    PauseDestination(DestinationId),
    /// Stop attempts to a destination that says it is gone (DESIGN L3). Only partition 0 takes it.
    PauseGone(DestinationId),
    /// Let them go on. Only partition 0 takes it.
    ResumeDestination(DestinationId),
    /// Write down a source or destination seen for the first time. Only partition 0 takes it.
    Declare(Vec<Fact>),
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub attempt: AttemptId,
    /// How.
    pub outcome: Outcome,
    /// What the consumer asked for with `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Why the consumer drops the event, with a 2xx and `sprag-drop` (DESIGN L3); of what is longer
    /// than [`TEXT_BYTES`](crate::limits::TEXT_BYTES) the beginning is kept.
    pub dropped: Option<Arc<str>>,
    /// How many events of a range, from its first on, the consumer says it has processed
    /// (`sprag-acknowledged`, rule L9); none where it does not say.
    pub acknowledged: Option<u64>,
    /// How long it took.
    pub took: Duration,
}

impl Ended {
    /// How many events it acknowledges, of what was sent from the first on: of a range as many as it says, else all with
    /// a 2xx. `is_accepted`: it says only that the consumer has them, and will acknowledge them by itself.
    #[must_use]
    pub fn acknowledges(
        &self,
        sequence: Sequence,
        last: Option<Sequence>,
        is_accepted: bool,
    ) -> u64 {
        let is_whole = self.outcome.is_acknowledged() && self.dropped.is_none() && !is_accepted;
        let Some(last) = last else { return u64::from(is_whole) };
        let length = last.0.saturating_sub(sequence.0).saturating_add(1);
        match self.acknowledged {
            Some(said) => said.min(length),
            None if is_whole => length,
            None => 0,
        }
    }
}

/// An ask for missing positions is over: every event that it brought is answered by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Which.
    pub id: FetchId,
    /// Whose positions.
    pub source: SourceId,
    /// What came of it.
    pub outcome: RefillOutcome,
    /// Events that it brought.
    pub events: u32,
    /// What was asked for with `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Of what was asked for, the positions of which the source said that there is none.
    pub none: Ranges,
}

/// Names a comparison: its number counts within the epoch, as an attempt's does.
pub type CompareId = FetchId;

/// A question for what the authority has of a key is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which.
    pub id: CompareId,
    /// The resource.
    pub key: Key,
    /// What is younger than this makes the answer void; as it was asked.
    pub quiet: UnixMicros,
    /// What came of it.
    pub outcome: RefillOutcome,
    /// The position that the authority has; none where it did not say one.
    pub theirs: Option<Position>,
    /// All that it answered, where that is to come in as an event.
    pub body: Option<Arc<[u8]>>,
    /// What was asked for with `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// A lane asks whether a resource has settled its first event in the lane's destination (decision 042).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The partition that asks: there the answer goes.
    pub from: PartitionId,
    /// The resource whose lane asks.
    pub asker: Key,
    /// Where its lane leads.
    pub destination: DestinationId,
    /// When it asked, in the open time of its partition.
    pub made: OpenMicros,
    /// Until when it waits at the most for what is not there.
    pub until: OpenMicros,
    /// The resource that is asked about.
    pub of: Key,
    /// The resource whose partition it is for: that one, or the last of those that wait for each other from it on.
    pub reached: Key,
    /// How many these are.
    pub steps: u8,
    /// Of these the first, by the end of its wait and its name, whose wait is over: it goes on by itself.
    pub over: Option<(OpenMicros, Key)>,
}

/// What a lane that asked is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// The other resource has settled its first event there, durably, or has nothing to settle there.
    Met,
    /// Its first event there is on its way; or that cannot be known now.
    Pending,
    /// It released nothing to that destination, or only an operator moves its lane.
    NotYet,
}

/// One thing that happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// An event came in.
    Receive {
        /// The event.
        arrival: Box<Arrival>,
        /// What older frames know of it.
        seen: Seen,
    },
    /// An event came in whose type its source does not accept.
    Ignore {
        /// Who waits for the answer.
        ticket: Ticket,
        /// The source.
        source: SourceId,
        /// The source's id of the event.
        id: Option<Arc<str>>,
        /// The type.
        event_type: Arc<str>,
        /// SHA-256 of the body.
        digest: Hash,
    },
    /// A request was refused; nobody waits for this to be durable.
    Refuse {
        /// The source it was meant for.
        source: SourceId,
        /// The code of the problem it was answered with.
        code: Arc<str>,
        /// Who sent it.
        peer: Arc<str>,
        /// SHA-256 of its body; none when that was not read.
        digest: Option<Hash>,
    },
    /// A cold key that was asked for; none when nothing is known of it.
    Loaded {
        /// The key.
        key: Key,
        /// What the state store has of it.
        record: Option<Box<KeyRecord>>,
    },
    /// A page of waiting keys, that was asked for.
    Page {
        /// The queue it was read from.
        queue: Queue,
        /// Keys in the order of their due time.
        keys: Vec<(Key, KeyRecord)>,
        /// The first place behind them, due or not; none at the end of the queue.
        next: Option<PageCursor>,
    },
    /// Idle keys that were asked for, and tombstones beyond how many are kept.
    Idle {
        /// Keys about which nothing was written down for long, in their order.
        keys: Vec<(Key, KeyRecord)>,
        /// The first key of the source that was not looked at; none: all were.
        next: Option<Key>,
        /// The oldest tombstones, by fingerprint, with the last sequence of each.
        beyond: Vec<(Fingerprint, Sequence)>,
    },
    /// An event of which older history cannot be read now.
    NotLookedUp(Box<Arrival>),
    /// What a key released, as it was asked for.
    Recalled {
        /// The resource.
        key: Key,
        /// The last sequence that was wanted.
        to: Sequence,
        /// What is kept of it, ascending; none while it cannot be read.
        page: Option<Vec<Recalled>>,
    },
    /// Released events of a lane that were asked for, contiguous: from its head on, or from the
    /// oldest that is kept. None when they cannot be read.
    Backlog {
        /// The lane.
        lane: LaneRef,
        /// The events.
        events: Vec<Waiting>,
        /// The last sequence that was looked for, where history could be read: what is not among
        /// the events up to the first of them, or to here, is kept no longer.
        looked: Option<Sequence>,
        /// Whether what stands there is not what was written: reading it again mends nothing.
        damaged: bool,
        /// The types of those that were released before the lane was opened, where their release
        /// says nothing of it; of those that are no longer kept, none.
        earlier: BTreeMap<Sequence, Arc<str>>,
    },
    /// A lane may attempt.
    Granted(Grant),
    /// An attempt ended.
    Ended(Ended),
    /// A key may ask for its missing positions.
    MayFetch(Wanted),
    /// An ask for missing positions is over.
    Fetched(Fetched),
    /// A key of a source may be compared.
    MayCompare(SourceId),
    /// A comparison is over.
    Compared(Box<Compared>),
    /// A lane of another partition, or of this one, asks about a key of this one.
    Asked(Box<Ask>),
    /// What a lane asked is answered.
    Told {
        /// What it asked.
        ask: Box<Ask>,
        /// The answer.
        word: Word,
    },
    /// More waits for a destination than may (rule D9).
    Overflow {
        /// The destination.
        destination: DestinationId,
        /// Bytes that this partition is to free.
        bytes: u64,
    },
    /// The breaker of a destination opened or closed.
    Breaker {
        /// The destination.
        destination: DestinationId,
        /// Whether it is open now.
        is_open: bool,
    },
    /// A frame is durable.
    Committed(FrameNumber),
    /// The state store holds everything up to and including this frame.
    Stored(FrameNumber),
    /// An operator's command.
    Command {
        /// Who waits for the answer.
        ticket: Ticket,
        /// What is asked for.
        command: Command,
    },
    /// A fact of another partition that concerns this one.
    Foreign {
        /// Where it stands.
        place: Place,
        /// What it says.
        fact: Box<Fact>,
    },
    /// Other settings, from now on. Every number in them must be durable in the history of
    /// partition 0 by now (DESIGN F6).
    Settings(Arc<Settings>),
    /// Nothing but that time has passed.
    Tick,
}

impl Input {
    /// Whether it is kept for a partition that takes nothing now ([`Partition::is_full`]). An ask is not: a lane
    /// that hears nothing asks again, and while a disk hangs those asks would be all there is.
    ///
    /// [`Partition::is_full`]: crate::partition::Partition::is_full
    #[must_use]
    pub const fn waits_for_room(&self) -> bool {
        !matches!(self, Self::Asked(_))
    }
}
