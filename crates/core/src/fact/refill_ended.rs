//! An ask for missing positions is over.

use crate::id::Key;
use crate::ranges::Range;

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Origin {
    /// Its source posted it.
    #[default]
    Posted,
    /// It was asked for, because its position was missing.
    Refilled,
    /// It came before, and is released once more because of a late one (decision 040).
    Again,
    /// It is what the authority has of its key, of which the newest event did not come (decision 044).
    Reconciled,
}

/// See [`Fact::RefillEnded`](super::Fact::RefillEnded). It changes nothing of its key: what came of the
/// events has facts of its own, and when to ask again is known in memory only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefillEnded {
    /// The resource.
    pub key: Key,
    /// The positions that were asked for.
    pub asked: Range,
    /// Which ask it was, counted from the last one that brought something.
    pub attempt: u32,
    /// What came of it.
    pub outcome: RefillOutcome,
    /// The events that it brought; all of them were durable before.
    pub events: u32,
}

/// What came of an ask for missing positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefillOutcome {
    /// Everything that the source has of them was read.
    Whole,
    /// A part of it was read: there was more than a bound allows, or it could not be taken in.
    Cut,
    /// The answer was another one than 200 to 299.
    Answered {
        /// Its status.
        status: u16,
    },
    /// There was no connection.
    Unreachable,
    /// No address may be connected to, or what would be asked for may not be.
    Refused,
    /// What was answered is not what is configured.
    Unreadable,
    /// The answer did not come to its end in time.
    Unfinished,
}

impl RefillOutcome {
    /// Whether the source says that it is asked too often.
    #[must_use]
    pub fn is_throttled(self) -> bool {
        self == Self::Answered { status: 429 }
    }

    /// Its name in history and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Cut => "cut",
            Self::Answered { status: 429 } => "throttled",
            Self::Answered { status: 500.. } => "failed",
            Self::Answered { .. } => "declined",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::Unfinished => "unfinished",
        }
    }
}
