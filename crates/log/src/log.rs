//! The one interface of every engine: requests go in, completions come out, nothing blocks.
//!
//! - **In**: [`Log::submit`]. Claims, appends and trims are carried out in the order they were
//!   submitted; queries at any time between.
//! - **Out**: [`Log::complete`], until it returns none. Appends of a partition complete in order.
//!
//! What the rest relies on: a completed append is durable; a failed one may or may not be on disk
//! (DESIGN D1), and after it every append of that epoch fails until the partition is claimed
//! again; after a claim completed, no append of an older epoch ever succeeds.

use std::{fmt, io};

use sprag_core::fact::{Fact, Received};
use sprag_core::id::{Epoch, FrameNumber, Hash, Key, PartitionId, Place, Sequence};
use sprag_core::retention::{DeadBodies, Segment};
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::body::Body;
use crate::chain::{BrokenLink, Tip};
use crate::codec::{DecodeError, TooLarge};
use crate::frame::FrameDraft;
use crate::lookup::Wanted;

/// An engine that keeps frames.
pub trait Log {
    /// Hands over a request; its completion comes from [`Log::complete`] later.
    fn submit(&mut self, request: Request);

    /// The next completion, none when nothing has completed.
    fn complete(&mut self) -> Option<Completion>;

    /// Whether a frame handed over now would be written at once. While one batch syncs, a frame
    /// that waits gets fuller, and fewer frames cost less; asking is up to the asker.
    fn is_idle(&self) -> bool {
        true
    }

    /// What it takes on disk; nothing where it is not on one.
    fn size(&self) -> LogSize {
        LogSize::default()
    }

    /// Whether a lookup could find anything, answered from memory. `false` is certain for all
    /// that is durable; `true` only means that [`Query::Find`] must be asked. Dedupe asks this
    /// for every event, so it must cost next to nothing.
    fn may_contain(&self, partition: PartitionId, wanted: &Wanted) -> bool {
        let _ = (partition, wanted);
        true
    }
}

/// What is asked of a log.
#[derive(Debug, Clone)]
pub enum Request {
    /// Begins a new term of a partition: [`Completion::Claimed`].
    Claim {
        /// The partition.
        partition: PartitionId,
    },
    /// Appends a frame, durably: [`Completion::Appended`]. Several may wait.
    Append {
        /// The frame.
        draft: FrameDraft,
    },
    /// Deletes history before a frame, as far as whole segments allow: [`Completion::Trimmed`].
    Trim {
        /// The partition.
        partition: PartitionId,
        /// The first frame that must stay.
        before: FrameNumber,
    },
    /// Writes a sealed segment anew without some of its bodies (DESIGN D6):
    /// [`Completion::Rewritten`]. Facts, hashes and places stay as they are. One at a time.
    Rewrite {
        /// The segment.
        segment: u64,
        /// What is left out.
        dead: DeadBodies,
    },
    /// Begins a new segment, so that what was written until now can grow old:
    /// [`Completion::Sealed`]. An engine without segments has nothing to do.
    Seal,
    /// Reads: [`Completion::Answered`].
    Query {
        /// What the completion is recognised by; chosen by the asker.
        ticket: Ticket,
        /// What is asked.
        query: Query,
    },
}

/// Ties an answer to its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(pub u64);

/// A question about durable history. It never sees an append that has not completed.
#[derive(Debug, Clone)]
pub enum Query {
    /// Frames in order, with facts but without bodies: [`Answer::Frames`].
    Frames {
        /// The partition.
        partition: PartitionId,
        /// The first frame wanted.
        from: FrameNumber,
        /// How many frames at the most, and no more than [`READ_FRAMES`](crate::limits::READ_FRAMES).
        most: usize,
        /// Bytes of frame heads after which the answer ends; at least one frame comes.
        bytes: usize,
    },
    /// A received event with its body, by the place of its `received` fact: [`Answer::Event`].
    Event {
        /// The place.
        place: Place,
    },
    /// A fact by its place: [`Answer::Fact`].
    Fact {
        /// The place.
        place: Place,
    },
    /// Facts by id, position or sequence (DESIGN F3): [`Answer::Found`].
    Find {
        /// The partition of all the keys.
        partition: PartitionId,
        /// What is looked for, at most [`crate::limits::WANTED`] things.
        wanted: Vec<Wanted>,
        /// Frames behind this one are not looked at.
        up_to: FrameNumber,
    },
    /// `released` facts of a key by a range of sequences, ascending, as far as they are still
    /// kept: [`Answer::Sequences`].
    Sequences {
        /// The partition of the key.
        partition: PartitionId,
        /// The key.
        key: Key,
        /// The first sequence.
        from: Sequence,
        /// The last sequence.
        to: Sequence,
        /// Most facts wanted. Of the range, the first [`crate::limits::WANTED`] are looked for.
        most: usize,
    },
    /// Sealed segments, oldest first, at most [`crate::limits::SUMMARIES`]:
    /// [`Answer::Segments`]. An engine without segments has none.
    Segments {
        /// Only those with a higher number.
        after: u64,
    },
}

/// What the log takes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSize {
    /// Segments, the open one among them.
    pub segments: usize,
    /// Segments that were rewritten without bodies that had expired.
    pub rewritten: usize,
    /// Bytes of history in them.
    pub bytes: u64,
    /// When the newest of the oldest sealed segment was recorded; none while none is sealed.
    pub oldest: Option<UnixMicros>,
    /// Damaged places for which something could not be read since it was opened: at most
    /// [`crate::limits::DAMAGES`].
    pub damaged: usize,
}

/// What came of a request.
#[derive(Debug)]
pub enum Completion {
    /// Of [`Request::Claim`].
    Claimed {
        /// The partition.
        partition: PartitionId,
        /// The new term.
        result: Result<Claim, ClaimError>,
    },
    /// Of [`Request::Append`].
    Appended {
        /// The partition.
        partition: PartitionId,
        /// The frame.
        number: FrameNumber,
        /// The frame's hash, durable.
        result: Result<Hash, AppendError>,
    },
    /// Of [`Request::Trim`].
    Trimmed {
        /// The partition.
        partition: PartitionId,
        /// The oldest frame that is left; one more than the last when none is.
        result: Result<FrameNumber, io::Error>,
    },
    /// Of [`Request::Rewrite`].
    Rewritten {
        /// The segment.
        segment: u64,
        /// By how many bytes it is smaller. After an error it is as it was.
        result: Result<u64, io::Error>,
    },
    /// Of [`Request::Seal`]. After an error it is as after a failed append.
    Sealed(Result<(), io::Error>),
    /// Of [`Request::Query`].
    Answered {
        /// The ticket of the query.
        ticket: Ticket,
        /// The answer.
        result: Result<Answer, ReadError>,
    },
}

/// A new term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Greater than every epoch claimed before, of any partition, and than that of any frame.
    pub epoch: Epoch,
    /// The partition's last frame; its fields are zeros when there is none.
    pub tip: Tip,
    /// The oldest frame that is kept; one more than the last when none is.
    pub oldest: FrameNumber,
}

/// Why a partition could not be claimed; it can be tried again.
#[derive(Debug)]
pub enum ClaimError {
    /// The log has no such partition.
    NoSuchPartition,
    /// The claim could not be made durable.
    Failed(io::Error),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPartition => formatter.write_str("the log has no such partition"),
            Self::Failed(error) => write!(formatter, "the claim could not be written: {error}"),
        }
    }
}

impl std::error::Error for ClaimError {}

/// Why a frame was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// Its epoch is not the partition's: nothing was written.
    Fenced,
    /// Its number is not the next: nothing was written.
    OutOfOrder {
        /// The number that would have been next.
        expected: FrameNumber,
    },
    /// It does not fit the format: nothing was written.
    TooLarge(TooLarge),
    /// The disk is full. Whether the frame is on disk is unknown (DESIGN D1).
    NoSpace,
    /// The disk failed. Whether the frame is on disk is unknown (DESIGN D1).
    Failed(io::Error),
}

impl AppendError {
    /// Whether the frame may be on disk all the same.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NoSpace | Self::Failed(_))
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced => formatter.write_str("another term has begun"),
            Self::OutOfOrder { expected } => write!(formatter, "frame {} is next", expected.0),
            Self::TooLarge(error) => write!(formatter, "{error}"),
            Self::NoSpace => formatter.write_str("the disk is full"),
            Self::Failed(error) => write!(formatter, "the disk failed: {error}"),
        }
    }
}

impl std::error::Error for AppendError {}

/// What came of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Query::Frames`].
    Frames(Frames),
    /// Of [`Query::Event`].
    Event(Box<StoredEvent>),
    /// Of [`Query::Fact`].
    Fact(Box<StoredFact>),
    /// Of [`Query::Find`].
    Found(Found),
    /// Of [`Query::Sequences`].
    Sequences(Vec<StoredFact>),
    /// Of [`Query::Segments`].
    Segments(Vec<Segment>),
}

/// Frames in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// The partition.
    pub partition: PartitionId,
    /// The frames, in order and each following the one before.
    pub frames: Vec<ReadFrame>,
    /// Whether the last of them, or the frame before the first wanted, is the partition's last.
    pub end: bool,
}

/// A frame without its bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFrame {
    /// Its number.
    pub number: FrameNumber,
    /// The term it was written in.
    pub epoch: Epoch,
    /// When it was decided.
    pub recorded: UnixMicros,
    /// How long the partition's ingress had been open.
    pub open: OpenMicros,
    /// The hash of the frame it follows.
    pub predecessor: Hash,
    /// Its own hash.
    pub hash: Hash,
    /// What happened.
    pub facts: Vec<Fact>,
}

/// A received event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its permanent id.
    pub place: Place,
    /// When it was recorded.
    pub recorded: UnixMicros,
    /// What is known of it.
    pub received: Received,
    /// Its body, as received.
    pub body: Body,
}

/// A fact and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// Where it stands.
    pub place: Place,
    /// The term it was written in.
    pub epoch: Epoch,
    /// When it was recorded.
    pub recorded: UnixMicros,
    /// The fact.
    pub fact: Fact,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last frame that was looked at: a fact in it or before it would have been found, unless
    /// it was trimmed.
    pub through: FrameNumber,
    /// For each thing wanted, in the same order: the facts, oldest first, at most
    /// [`crate::limits::FOUND_FACTS`].
    pub facts: Vec<Vec<StoredFact>>,
}

/// Why a query has no answer.
#[derive(Debug)]
pub enum ReadError {
    /// The log has no such partition.
    NoSuchPartition,
    /// It was trimmed.
    Trimmed {
        /// The oldest frame that is left.
        oldest: FrameNumber,
    },
    /// The event is known, its body is not kept any more (DESIGN D6).
    BodyDropped,
    /// There is no such frame or fact, or the fact is none that was asked for.
    Missing,
    /// The query asks for more than [`crate::limits::WANTED`] things.
    TooMuch,
    /// What is on disk is not what was written.
    Corrupt(Corruption),
    /// The disk failed.
    Failed(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPartition => formatter.write_str("the log has no such partition"),
            Self::Trimmed { oldest } => write!(formatter, "history begins at frame {}", oldest.0),
            Self::BodyDropped => {
                formatter.write_str("the body is older than retention keeps bodies: it was deleted")
            }
            Self::Missing => formatter.write_str("there is nothing at that place"),
            Self::TooMuch => formatter.write_str("too much is asked at once"),
            Self::Corrupt(corruption) => write!(formatter, "{corruption}"),
            Self::Failed(error) => write!(formatter, "the log cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Bytes of the log that are not what was written. Never read as data, never repaired by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The segment; 0 in engines that have none.
    pub segment: u64,
    /// Where in it the damaged thing begins, in bytes.
    pub offset: u64,
    /// The frame, where it is known.
    pub frame: Option<(PartitionId, FrameNumber)>,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What is wrong with bytes of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// They do not read.
    Decode(DecodeError),
    /// They read, but do not follow what stands before them.
    Link(BrokenLink),
    /// Something that must be there is not.
    Absent(&'static str),
}

impl fmt::Display for Corruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "corruption in segment {} at byte {}", self.segment, self.offset)?;
        if let Some((partition, number)) = self.frame {
            write!(formatter, " (frame {}-{})", partition.0, number.0)?;
        }
        match &self.damage {
            Damage::Decode(error) => write!(formatter, ": {error}"),
            Damage::Link(broken) => write!(formatter, ": {broken}"),
            Damage::Absent(what) => write!(formatter, ": {what}"),
        }
    }
}

impl std::error::Error for Corruption {}
