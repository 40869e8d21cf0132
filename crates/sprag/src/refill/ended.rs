//! How asking the API of a source ended: what the core is told of it, and what an operator may want to know.

use std::time::Duration;

use sprag_core::fact::RefillOutcome;

use super::asker::NoAnswer;

/// How an ask or a pass ended.
pub(super) struct Ended {
    pub(super) outcome: RefillOutcome,
    /// When the source wants to be asked again at the earliest, if it said so.
    pub(super) retry_after: Option<Duration>,
    pub(super) detail: String,
}

impl Ended {
    pub(super) fn with(outcome: RefillOutcome, detail: impl Into<String>) -> Self {
        Self { outcome, retry_after: None, detail: detail.into() }
    }

    /// It came no further than is allowed, or than there is room.
    pub(super) fn cut(detail: impl Into<String>) -> Self {
        Self::with(RefillOutcome::Cut, detail)
    }
}

impl From<NoAnswer> for Ended {
    fn from(none: NoAnswer) -> Self {
        Self::with(none.outcome, none.detail)
    }
}
