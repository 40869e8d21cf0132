//! Attempts: what came of them, what that means, and what counts towards giving up.

use alloc::sync::Arc;

use crate::id::{DestinationId, Key, Sequence};
use crate::time::{OpenMicros, UnixMicros};

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The consumer answered with this HTTP status.
    Answered {
        /// The status code; 200 … 299 acknowledges.
        status: u16,
    },
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// The address is not allowed by the destination (DESIGN section 5, `allow`).
    Refused,
    /// Sent, perhaps applied, not answered in time or the connection broke (DESIGN L1).
    Unknown,
    /// The event's body cannot be read from the log.
    Unreadable,
    /// Accepted with 202, and not acknowledged in time (`ack = "explicit"`).
    Unacknowledged,
}

impl Outcome {
    /// Whether it acknowledges the event.
    #[must_use]
    pub fn is_acknowledged(self) -> bool {
        matches!(self, Self::Answered { status: 200..=299 })
    }

    /// Whether its consumer may have got the event.
    #[must_use]
    pub fn was_sent(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Refused | Self::Unreadable)
    }

    /// Whether it says that the event is taken but not done: an acknowledgement of its own follows
    /// where the destination is configured so.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self == Self::Answered { status: 202 }
    }

    /// Whether the consumer asks to be sent less, which is no failure (DESIGN L3).
    #[must_use]
    pub fn is_throttled(self) -> bool {
        self == Self::Answered { status: 429 }
    }

    /// Whether the consumer says that it will never take this (DESIGN L3).
    #[must_use]
    pub fn is_gone(self) -> bool {
        self == Self::Answered { status: 410 }
    }
}

/// What an attempt's outcome means for its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// The event is delivered; the lane goes on.
    Delivered,
    /// The event is tried again when due.
    Retry {
        /// When, by the recorded clock.
        due: UnixMicros,
    },
    /// Given up: the lane stops and keeps the event (DESIGN L4).
    Halted,
    /// Given up: the event and all that follow become dead letters, in order.
    Parked,
    /// Given up, or dropped by its consumer: the event is a dead letter; the lane goes on.
    Dead,
    /// The consumer has it and acknowledges it later; the lane stays.
    Accepted {
        /// The open time at which waiting for the acknowledgement ends.
        until: OpenMicros,
    },
}

/// What counts towards giving up of the failures of a lane's head (DESIGN L2): not the failures
/// that opened its destination's breaker, not probes, no 429, and no time while the breaker was
/// open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Toll {
    /// Failures that count.
    pub failures: u32,
    /// For how long it fails, in microseconds of open time that count.
    pub time: u64,
}

/// What an attempt that carried a range of events was of (rule L9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The last event of the range; its first is the attempt's.
    pub last: Sequence,
    /// How many events, from the first on, the answer acknowledged. The consequence is that of the
    /// others.
    pub acknowledged: u64,
}

/// See [`Fact::Attempted`](super::Fact::Attempted).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The resource.
    pub key: Key,
    /// The lane's destination.
    pub destination: DestinationId,
    /// The event's sequence.
    pub sequence: Sequence,
    /// Which try it was of this event in this lane, from 1.
    pub number: u32,
    /// Whether the lane had gone past the event (DESIGN L4).
    pub out_of_order: bool,
    /// When it was sent.
    pub started: UnixMicros,
    /// How long it took, in microseconds.
    pub took: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What that means for the lane.
    pub consequence: Consequence,
    /// What counts towards giving up, with this one; none after a success, and in history that
    /// counted every failure and all time since the first.
    pub toll: Option<Toll>,
    /// Why the consumer dropped the event, in its words (`sprag-drop`, DESIGN L3).
    pub dropped: Option<Arc<str>>,
    /// The range it carried; none where it carried the event itself.
    pub batch: Option<Batch>,
    /// When it ended, by the time that lanes are due by: then its lane had had its turn. Only of an
    /// event in a strand that was not acknowledged (decision record 012).
    pub turn: Option<UnixMicros>,
}
