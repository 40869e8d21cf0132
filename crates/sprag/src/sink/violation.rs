//! What a gateway can do wrong, as a consumer sees it.

use serde_json::{Value, json};
use std::fmt;

/// Which promise a delivery breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViolationKind {
    /// A header that DESIGN section 5 demands is absent or unreadable.
    Malformed,
    /// `webhook-signature` or `sprag-signature` does not match, or its time is off (rule C3).
    Signature,
    /// The hashes do not follow from the delivery and its predecessor (rule C1).
    Chain,
    /// An event came before its predecessor was acknowledged, or after its successor, or with a
    /// position that is not above those before it (promise 2).
    Order,
    /// Events are missing without an account of them in `sprag-omitted` (rule C2, promise 1).
    Loss,
    /// Positions are missing without being named in `sprag-missing` (rule G3).
    UnnamedGap,
    /// A sequence came again with another body, hash or id (promise 5).
    RepeatDiffers,
    /// A sequence came again without `sprag-redelivery: true` (rule L5).
    UnflaggedRedelivery,
}

impl ViolationKind {
    /// All kinds, for summaries.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Signature,
        Self::Chain,
        Self::Order,
        Self::Loss,
        Self::UnnamedGap,
        Self::RepeatDiffers,
        Self::UnflaggedRedelivery,
    ];

    /// As lines and summaries have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Chain => "chain",
            Self::Order => "order",
            Self::Loss => "loss",
            Self::UnnamedGap => "unnamed-gap",
            Self::RepeatDiffers => "repeat-differs",
            Self::UnflaggedRedelivery => "unflagged-redelivery",
        }
    }
}

/// One broken promise, with the delivery that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub kind: ViolationKind,
    /// The `webhook-id` of the delivery; empty when it has none.
    pub id: String,
    /// What was expected and what came.
    pub detail: String,
}

impl Violation {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "violation": self.kind.as_str(), "id": self.id, "detail": self.detail })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = if self.id.is_empty() { "(no id)" } else { &self.id };
        write!(formatter, "{}: {id}: {}", self.kind.as_str(), self.detail)
    }
}
