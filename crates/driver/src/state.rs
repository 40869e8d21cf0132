//! The state store: records of keys, written behind the log (DESIGN section 3).
//!
//! It can be lost at any time; what it holds is rebuilt from the log. Requests and completions
//! never block, and a store works them off in order (see [`State::submit`]). Must not know: how records are stored.

use std::collections::BTreeMap;

use sprag_core::chain::Fingerprint;
use sprag_core::fact::{DeadLetter, Outcome};
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, Sequence};
use sprag_core::input::PageCursor;
use sprag_core::output::{IdleRequest, PageRequest};
use sprag_core::partition::Head;
use sprag_core::record::{KeyRecord, Queue};
use sprag_core::time::UnixMicros;

/// A store of key records.
pub trait State {
    /// Hands over a request. Completions come in the order of requests, but for loads directly behind a batch: what
    /// is asked of keys may be answered before that is written, since none of them is in it.
    fn submit(&mut self, request: StateRequest);

    /// The next completion, if one is there.
    fn complete(&mut self) -> Option<StateCompletion>;
}

/// What a store is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateRequest {
    /// What does it reflect of a partition?
    Open(PartitionId),
    /// Forget all of a partition: it is ahead of the log, so it belongs to another one.
    Clear(PartitionId),
    /// The records of these keys; of one that has none its tombstone, found by its fingerprint
    /// ([`Fingerprint::of_key`]).
    Load(PartitionId, Vec<Key>),
    /// Idle keys of a source, and the oldest tombstones beyond as many as are kept (DESIGN D8). A
    /// store looks at [`IDLE_LOOKED`](sprag_core::limits::IDLE_LOOKED) keys and brings no more than
    /// [`IDLE_KEYS`](sprag_core::limits::IDLE_KEYS) of them.
    Idle(PartitionId, IdleRequest),
    /// Keys of one queue ([`KeyRecord::dues`]) that are due, the earliest first. A store keeps a
    /// row for each place in a queue, in the queue's order, so that a page costs what it brings.
    Page(PartitionId, PageRequest),
    /// The records of these keys and their dead letters that no lane stands at: what retention
    /// judges by; and tombstones by their fingerprints. Answered with the number it came with.
    Survey(PartitionId, u64, Vec<Key>, Vec<Fingerprint>),
    /// Take in a batch, whole or not at all.
    Write(PartitionId, Box<Batch>),
}

/// What a store answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateCompletion {
    /// To [`StateRequest::Open`]; a fresh or unreadable store reflects nothing.
    Opened(PartitionId, Head),
    /// To [`StateRequest::Load`]; a record that is unknown is none.
    Loaded(PartitionId, Vec<(Key, Option<KeyRecord>)>),
    /// To [`StateRequest::Survey`].
    Surveyed(PartitionId, u64, Vec<Surveyed>, BTreeMap<Fingerprint, KeyRecord>),
    /// To [`StateRequest::Idle`].
    Idle {
        /// The partition.
        partition: PartitionId,
        /// The keys in their order.
        keys: Vec<(Key, KeyRecord)>,
        /// The first key of the source that was not looked at; none: all were.
        next: Option<Key>,
        /// The tombstones: those idle for longest first, with the last sequence of each.
        beyond: Vec<(Fingerprint, Sequence)>,
    },
    /// To [`StateRequest::Page`].
    Paged {
        /// The partition.
        partition: PartitionId,
        /// The queue.
        queue: Queue,
        /// The keys in the order of their due time.
        keys: Vec<(Key, KeyRecord)>,
        /// The first place behind them, due or not; none at the end of the queue.
        next: Option<PageCursor>,
    },
    /// To [`StateRequest::Write`]: everything up to this frame is in the store.
    Written(PartitionId, FrameNumber),
    /// To [`StateRequest::Write`] that failed, with the batch: it can be tried again.
    NotWritten(PartitionId, Box<Batch>),
}

/// What a store has of a key for retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The key.
    pub key: Key,
    /// Its record, or its tombstone; none when it is unknown.
    pub record: Option<KeyRecord>,
    /// Its dead letters in lanes: their sequences, and when they became that.
    pub letters: Vec<(Sequence, UnixMicros)>,
}

/// Keys that changed, and what else a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What the store reflects afterwards.
    pub head: Head,
    /// The records, each key once; their order means nothing. One that is forgotten leaves the store: its tombstone is beside.
    pub records: Vec<(Key, KeyRecord)>,
    /// Tombstones that came, and that are gone.
    pub tombstones: Vec<(Fingerprint, Option<KeyRecord>)>,
    /// The passed dead letters that came and went, and the lanes that stopped, in order.
    pub letters: Vec<LetterChange>,
}

/// Why an event is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterReason {
    /// Its lane gave it up and went on.
    GivenUp,
    /// More waited for its destination than may, and it was among the oldest.
    BacklogFull,
    /// It came late, and its source wants such events as dead letters.
    Late,
    /// It contradicts an event with its position.
    Conflict,
    /// Its position is impossible.
    Invalid,
}

impl LetterReason {
    /// Its name in API and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GivenUp => "given-up",
            Self::BacklogFull => "backlog-full",
            Self::Late => "late",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        }
    }
}

/// A dead letter that no lane stands at: operators list these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The fact that made it one.
    pub place: Place,
    /// When.
    pub recorded: UnixMicros,
    /// The resource.
    pub key: Key,
    /// Which event.
    pub letter: DeadLetter,
    /// Why.
    pub reason: LetterReason,
}

/// A change of the list of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterChange {
    /// One more.
    Added(Letter),
    /// Delivered or dropped.
    Removed(Key, DeadLetter),
    /// History before this frame was deleted, and with it what made these dead letters.
    Trimmed(FrameNumber),
    /// Those of a lane from one event to another are on their way again, in order.
    Again {
        /// The resource.
        key: Key,
        /// Where the lane leads.
        destination: DestinationId,
        /// The first event.
        from: Sequence,
        /// The last.
        until: Sequence,
    },
    /// All that follows in a lane may be one: the lane stopped.
    Stopped(Stop),
}

/// That a lane stopped. Records say where it stands, not when and why it came to stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// When.
    pub recorded: UnixMicros,
    /// The resource.
    pub key: Key,
    /// Where the lane leads.
    pub destination: DestinationId,
    /// The event that was given up: of an unordered source its strand stopped, else the lane.
    pub sequence: Sequence,
    /// What came of the last try.
    pub outcome: Outcome,
}
