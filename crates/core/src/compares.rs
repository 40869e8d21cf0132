//! How often a source may be asked for what it has of a key, to compare: in [`crate::turns`] with a rate of their own, so
//! that comparing never takes the turn of what is known to be missing. A partition waits for one turn of a source at a time.
//!
//! Must not know: keys, positions, what a question is made of.

use crate::id::{PartitionId, SourceId};
use crate::rate::Rate;
use crate::settings::SourceSettings;
use crate::turns::{Turns, Waiter};

/// A partition that wants to compare a key of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Comparer {
    /// The source.
    pub source: SourceId,
    /// The partition.
    pub partition: PartitionId,
}

/// The comparisons of all sources.
pub type Compares = Turns<Comparer>;

impl Waiter for Comparer {
    const KEEPS_ITS_PLACE: bool = true;

    fn rate(source: &SourceSettings) -> Option<Rate> {
        source.reconcile.map(|reconcile| reconcile.rate)
    }

    fn source(&self) -> SourceId {
        self.source
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }

    fn may_be_in_vain(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::RefillOutcome;
    use crate::time::ElapsedMicros;
    use alloc::vec::Vec;
    use core::time::Duration;

    const SOURCE: SourceId = SourceId(1);
    const OTHER: SourceId = SourceId(2);
    const ONE: Rate = Rate { count: 1, period: Duration::from_secs(1) };
    const SECOND: u64 = 1_000_000;

    fn of(source: SourceId, partition: u16) -> Comparer {
        Comparer { source, partition: PartitionId(partition) }
    }

    fn compares(count: u32) -> Compares {
        let rate = Rate { count, period: Duration::from_secs(1) };
        let mut compares = Compares::of(&[(SOURCE, rate), (OTHER, ONE)]);
        (0..8).for_each(|at| compares.want(of(SOURCE, at)));
        compares
    }

    fn poll(compares: &mut Compares, at: u64) -> Option<u16> {
        compares.poll(ElapsedMicros(at)).map(|next| next.partition.0)
    }

    #[test]
    fn partitions_ask_in_turn_and_so_many_at_a_time() {
        let mut compares = compares(100);
        compares.want(of(SOURCE, 0));
        let let_go: Vec<_> = core::iter::from_fn(|| poll(&mut compares, 0)).collect();
        assert_eq!((let_go, compares.deadline()), (alloc::vec![0, 1, 2, 3], None));
        compares.ended(ElapsedMicros(0), SOURCE, RefillOutcome::Unreachable, None);
        compares.want(of(SOURCE, 0));
        assert_eq!(poll(&mut compares, 0), Some(4));
        compares.forget(PartitionId(5));
        compares.spare(SOURCE);
        assert_eq!(poll(&mut compares, 0), Some(6));
    }

    #[test]
    fn no_more_leave_than_the_rate_allows() {
        let mut compares = compares(2);
        assert_eq!((poll(&mut compares, 0), poll(&mut compares, 0)), (Some(0), Some(1)));
        assert_eq!(compares.deadline(), Some(ElapsedMicros(SECOND / 2)));
        assert_eq!(poll(&mut compares, SECOND / 2 - 1), None);
        assert_eq!(poll(&mut compares, SECOND / 2), Some(2));
    }

    #[test]
    fn a_source_that_is_asked_too_often_rests_and_others_do_not() {
        let mut compares = compares(100);
        compares.want(of(OTHER, 0));
        assert_eq!(poll(&mut compares, 0), Some(0));
        let retry_after = Some(Duration::from_secs(5));
        let throttled = RefillOutcome::Answered { status: 429 };
        compares.ended(ElapsedMicros(0), SOURCE, throttled, retry_after);
        assert_eq!(compares.poll(ElapsedMicros(0)), Some(of(OTHER, 0)));
        assert_eq!(compares.deadline(), Some(ElapsedMicros(5 * SECOND)));
        assert_eq!(poll(&mut compares, 5 * SECOND), Some(1));
    }
}
