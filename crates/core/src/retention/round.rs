//! Whose turn it is: a round of looks through the segments. Must not know what a look finds.

use super::Segment;
use crate::time::UnixMicros;

/// A round: from the oldest segment to the newest that was old enough when it began, each is looked at once. One in which much
/// waits may take longer to look at than until it may be looked at again: those behind it would never have their turn. And
/// what becomes old enough meanwhile is the next round's: it comes to an end, whatever comes in.
#[derive(Debug)]
pub(super) struct Round {
    /// Segments whose newest frame is older than this belong to it.
    expired: UnixMicros,
    /// The last that was looked at for its bodies; 0 before the first.
    last: u64,
    /// The oldest of all, once it was looked at for deletion: where it stays, it does until the next round.
    tried: Option<u64>,
}

impl Round {
    pub(super) fn new(expired: UnixMicros) -> Self {
        Self { expired, last: 0, tried: None }
    }

    /// Whether nothing was looked at in it.
    pub(super) fn is_untouched(&self) -> bool {
        self.last == 0 && self.tried.is_none()
    }

    /// Whether there may be more of it behind a segment.
    pub(super) fn goes_on_behind(&self, segment: &Segment) -> bool {
        segment.newest < self.expired
    }

    /// Which of these is looked at next, oldest first, and whether for deletion: so is the oldest of all, where they begin
    /// with it (`from_first`) and it is older than `old`.
    pub(super) fn next<'s>(
        &self,
        segments: &'s [Segment],
        from_first: bool,
        old: UnixMicros,
        may_look: impl Fn(&Segment) -> bool,
    ) -> Option<(&'s Segment, bool)> {
        let goes = |first: &&Segment| first.newest < old && self.tried != Some(first.number);
        let oldest = segments.first().filter(|_| from_first).filter(goes);
        let has_bodies = |segment: &&Segment| {
            segment.newest < self.expired && segment.kept != Some(0) && segment.number > self.last
        };
        let oldest = oldest.filter(|first| may_look(first)).map(|first| (first, true));
        let mut rest = segments.iter().filter(has_bodies).filter(|segment| may_look(segment));
        oldest.or_else(|| rest.next().map(|segment| (segment, false)))
    }

    /// A segment has its turn.
    pub(super) fn take(&mut self, segment: u64, deletes: bool) {
        if deletes {
            self.tried = Some(segment);
        } else {
            self.last = self.last.max(segment);
        }
    }
}
