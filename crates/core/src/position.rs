//! What a source says about order. Which position pairs with which contract is rule K6.

use alloc::string::{String, ToString};

/// What a source says about the order of an event.
///
/// Stored as a tag and at most [`crate::limits::POSITION_BYTES`] bytes, so that the positions of
/// later contracts (timestamp, version, clock, link) are new variants with new tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Position {
    /// The source says nothing: contract `arrival`.
    #[default]
    None,
    /// A number counted by the source per key: contract `fifo`.
    Sequence(u64),
}

impl Position {
    /// The text of the `sprag-position` header and of the chain (DESIGN C1); none is empty.
    #[must_use]
    pub fn header_text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Sequence(sequence) => sequence.to_string(),
        }
    }
}
