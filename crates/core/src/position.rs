//! What a source says about order. Which position pairs with which contract is rule K6.

use alloc::format;
use alloc::string::{String, ToString};

use crate::chain::Digest;
use crate::clocks::Clock;
use crate::fields::Fields;
use crate::instant::instant_text;
use crate::limits;

/// What a source says about the order of an event.
///
/// Stored as a tag and at most [`crate::limits::POSITION_BYTES`] bytes, so that the positions of
/// later contracts (clock, link) are new variants with new tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Position {
    /// The source says nothing: contracts `arrival` and `unordered`.
    #[default]
    None,
    /// A number counted by the source per key, without gaps: contracts `fifo` and `latest`.
    Sequence(u64),
    /// A number that grows with every change of the resource, perhaps in jumps: contract `latest`.
    Version(u64),
    /// An instant in nanoseconds since 1970 (DESIGN K3): contract `latest`.
    Timestamp(u64),
    /// How new each field of the event is: contract `merge`.
    Fields(Fields),
    /// What its node knew of the events of all nodes: contract `causal`.
    Clock(Clock),
}

impl Position {
    /// The number it is compared by; none where there is no position.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::None | Self::Fields(_) | Self::Clock(_) => None,
            Self::Sequence(number) | Self::Version(number) | Self::Timestamp(number) => {
                Some(*number)
            }
        }
    }

    /// The number an event of it stands by while it waits; 0 where it has none.
    #[must_use]
    pub fn standing(&self) -> u64 {
        match self {
            Self::Clock(clock) => clock.sum(),
            position => position.number().unwrap_or_default(),
        }
    }

    /// Whether no two events of a key have it: an instant may be that of several (DESIGN K3).
    #[must_use]
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Sequence(_) | Self::Version(_) | Self::Clock(_))
    }

    /// Whether both are the position of one event: of clocks, the same event of the same node.
    #[must_use]
    pub fn names_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clock(one), Self::Clock(other)) => {
                (one.count(), one.node()) == (other.count(), other.node())
            }
            _ => self == other,
        }
    }

    /// The text of the `sprag-position` header and of the chain (DESIGN C1, C4): the position's, or its digest
    /// where that is longer than a header may be.
    #[must_use]
    pub fn header_text(&self, digest: &impl Digest) -> String {
        let text = self.text();
        match text.len() <= limits::POSITION_BYTES {
            true => text,
            false => format!("sha256:{}", digest.sha256(&[text.as_bytes()])),
        }
    }

    /// The position as text; none is empty, an instant is RFC 3339 in UTC with nine digits of a second.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Sequence(number) | Self::Version(number) => number.to_string(),
            Self::Timestamp(nanoseconds) => instant_text(*nanoseconds),
            Self::Fields(fields) => fields.text(),
            Self::Clock(clock) => clock.text(),
        }
    }
}
