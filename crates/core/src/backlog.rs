//! How much may wait for a destination over all partitions (rule D9, decision 014): when operators
//! are told, and which partition is to free how much.
//!
//! Must not know: which lanes are given up. That is the partition's `overflow`.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::id::DestinationId;
use crate::time::ElapsedMicros;

/// How full a destination's backlog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Below half of the limit.
    #[default]
    Low,
    /// At half of it or above.
    Half,
    /// At four fifths or above.
    High,
    /// At the limit: the oldest of what waits is given up.
    Full,
}

impl Level {
    /// What so many bytes of a limit are.
    #[must_use]
    pub fn of(bytes: u64, limit: u64) -> Self {
        let (bytes, limit) = (u128::from(bytes), u128::from(limit));
        match bytes {
            _ if bytes >= limit => Self::Full,
            _ if bytes * 5 >= limit * 4 => Self::High,
            _ if bytes * 2 >= limit => Self::Half,
            _ => Self::Low,
        }
    }

    /// The share of the limit it begins at, in per cent.
    #[must_use]
    pub fn percent(self) -> u8 {
        match self {
            Self::Low => 0,
            Self::Half => 50,
            Self::High => 80,
            Self::Full => 100,
        }
    }
}

/// A partition's share of what waits for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Bytes that wait.
    pub bytes: u64,
    /// Whether it is giving up already.
    pub is_overflowing: bool,
}

/// Compares what waits with the limit.
#[derive(Debug, Default)]
pub struct Watch {
    levels: BTreeMap<DestinationId, Level>,
    next: ElapsedMicros,
    is_full: bool,
}

impl Watch {
    /// What waits is added up so often: a limit is passed by no more than what comes meanwhile.
    pub const EVERY: Duration = Duration::from_millis(100);

    /// Whether it is time to look; then not again for a while.
    pub fn is_due(&mut self, now: ElapsedMicros) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now.after(Self::EVERY);
            self.is_full = false;
        }
        is_due
    }

    /// When to look although nothing else happens: while a limit is reached.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        self.is_full.then_some(self.next)
    }

    /// Looks at one destination. Says what to tell operators, where that changed, and which partition
    /// is to free how many bytes.
    pub fn look(
        &mut self,
        destination: DestinationId,
        limit: u64,
        shares: &[Share],
    ) -> (Option<Level>, Option<(usize, u64)>) {
        let bytes: u64 = shares.iter().map(|share| share.bytes).fold(0, u64::saturating_add);
        let level = Level::of(bytes, limit);
        let before = self.levels.insert(destination, level).unwrap_or_default();
        self.is_full |= level == Level::Full;
        let told = (level != before).then_some(level);
        let is_busy = shares.iter().any(|share| share.is_overflowing);
        if level < Level::Full || is_busy {
            return (told, None);
        }
        // A little more than the excess, so that it is not done for every event anew.
        let excess = bytes.saturating_sub(limit - limit / 16).max(1);
        let most = (0..).zip(shares).max_by_key(|(_, share)| share.bytes);
        (told, most.map(|(partition, share)| (partition, excess.min(share.bytes.max(1)))))
    }

    /// There is no limit any more.
    pub fn forget(&mut self) {
        self.levels.clear();
        self.is_full = false;
    }

    /// How full a destination's backlog was at the last look.
    #[must_use]
    pub fn level(&self, destination: DestinationId) -> Level {
        self.levels.get(&destination).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(bytes: u64) -> Share {
        Share { bytes, is_overflowing: false }
    }

    #[test]
    fn operators_are_told_at_half_at_four_fifths_and_at_the_limit_once_each() {
        let (mut watch, to) = (Watch::default(), DestinationId(1));
        let told = [49, 50, 79, 80, 99, 100, 100, 79, 10]
            .map(|bytes| watch.look(to, 100, &[share(bytes)]).0);
        let expected = [
            None,
            Some(Level::Half),
            None,
            Some(Level::High),
            None,
            Some(Level::Full),
            None,
            Some(Level::Half),
            Some(Level::Low),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_partition_with_most_frees_the_excess_and_a_little_more() {
        let (mut watch, to) = (Watch::default(), DestinationId(1));
        let (_, freed) = watch.look(to, 160, &[share(50), share(100), share(20)]);
        assert_eq!(freed, Some((1, 20)));
        let busy = Share { bytes: 100, is_overflowing: true };
        assert_eq!(watch.look(to, 160, &[share(70), busy]).1, None);
        assert_eq!(watch.look(to, 160, &[share(70), share(80)]).1, None);
    }

    #[test]
    fn levels_begin_at_their_shares() {
        for level in [Level::Low, Level::Half, Level::High, Level::Full] {
            let percent = u64::from(level.percent());
            assert_eq!(Level::of(percent, 100), level);
            assert!(percent == 0 || Level::of(percent - 1, 100) < level);
        }
    }

    #[test]
    fn it_looks_so_often_and_without_other_cause_only_while_a_limit_is_reached() {
        let (mut watch, to) = (Watch::default(), DestinationId(1));
        let at = |millis: u64| ElapsedMicros(millis * 1_000);
        assert!(watch.is_due(at(0)));
        assert!(!watch.is_due(at(99)));
        assert!(watch.is_due(at(100)));
        assert_eq!(watch.deadline(), None);
        watch.look(to, 100, &[share(99)]);
        assert_eq!((watch.deadline(), watch.level(to)), (None, Level::High));
        watch.look(to, 100, &[share(100)]);
        watch.look(DestinationId(2), 100, &[share(1)]);
        assert_eq!((watch.deadline(), watch.level(to)), (Some(at(200)), Level::Full));
        assert!(watch.is_due(at(200)));
        assert_eq!(watch.deadline(), None, "the look that is due says it anew");
        watch.look(to, 100, &[share(100)]);
        watch.forget();
        assert_eq!((watch.deadline(), watch.level(to)), (None, Level::Low));
    }

    #[test]
    fn no_number_overflows() {
        let (mut watch, to) = (Watch::default(), DestinationId(1));
        let (_, freed) = watch.look(to, u64::MAX, &[share(u64::MAX), share(u64::MAX)]);
        assert_eq!(freed, Some((1, u64::MAX / 16)));
        assert_eq!(Level::of(u64::MAX, 1), Level::Full);
    }
}
