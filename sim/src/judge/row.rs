//! Old positions with new ids that come one after another, as rule K9 counts them.

use super::{Verdict, must};

/// So many of them say that a source seems to count anew, by K9.
const OLD_POSITIONS: u32 = 20;

/// A row of them.
#[derive(Debug, Default)]
pub(crate) struct Row {
    length: u32,
    /// Whether history must say so next.
    due: bool,
}

impl Row {
    /// One more.
    pub(crate) fn grow(&mut self) {
        self.length += 1;
        self.due |= self.length == OLD_POSITIONS;
    }

    /// Something else came in its place.
    pub(crate) fn end(&mut self) {
        self.length = 0;
    }

    /// History says that the source seems to count anew: once, and at once.
    pub(crate) fn told(&mut self) -> Verdict {
        let is_due = std::mem::take(&mut self.due);
        must(is_due, || format!("a sequence reset after {} old positions", self.length))
    }

    /// Whether history owes a word.
    pub(crate) fn is_settled(&self) -> bool {
        !self.due
    }
}
