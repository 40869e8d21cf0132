//! What a lane was led over of its key's history: where it was opened over what was released before, and where it was set back.
//!
//! Of these events it may have sent what never entered it; a late event that undoes them is undone there as well.

use super::Lane;
use crate::id::{DestinationId, Sequence};
use crate::limits;
use crate::ranges::Range;

impl Lane {
    /// A lane over what was released before it: from the first event to this.
    #[must_use]
    pub fn opened(destination: DestinationId, through: Sequence) -> Self {
        let lane = Self::new(destination, Sequence(1));
        let mut lane = Self { tail: through, opened: through, waiting: through.0, ..lane };
        lane.cover(Sequence(1), through);
        lane
    }

    /// It is led over what was released before, whether that entered it or not.
    pub fn cover(&mut self, from: Sequence, to: Sequence) {
        if to < from {
            return;
        }
        let covered = self.covered.get_or_insert_default();
        covered.insert(Range { from: from.0, to: to.0 });
        covered.merge_oldest(limits::COVERED);
    }

    /// Whether it was led over an event.
    #[must_use]
    pub fn covers(&self, sequence: Sequence) -> bool {
        self.covered.as_ref().is_some_and(|covered| covered.contains(sequence.0))
    }
}
