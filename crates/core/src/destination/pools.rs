//! The permits that are out, in two pools: `concurrency`, and the slow pool (DESIGN D4).
//!
//! Must not know: which lanes wait, why a permit is given.

use alloc::collections::{BTreeMap, BTreeSet};

use super::lane::LaneRef;
use super::strands::Strands;
use crate::time::ElapsedMicros;

/// Where a permit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// `concurrency`.
    Usual,
    /// `slow_concurrency`.
    Slow,
}

/// A permit that is out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permit {
    pub(super) pool: Pool,
    /// Whether its lane got a 2xx lately.
    pub(super) is_proven: bool,
    /// Whether its lane was drawn by lot.
    pub(super) by_lot: bool,
    pub(super) granted: ElapsedMicros,
    pub(super) slow_at: ElapsedMicros,
}

/// The permits of a destination.
#[derive(Debug)]
pub(super) struct Pools {
    concurrency: usize,
    slow_concurrency: usize,
    /// The same, but for permits that were out when there were to be fewer.
    most: (usize, usize),
    permits: BTreeMap<LaneRef, Permit>,
    strands: Strands,
    /// Permits of `concurrency`: all, and those of lanes that are not proven.
    usual: usize,
    unproven: usize,
    /// When those will be slow.
    turns_slow: BTreeSet<(ElapsedMicros, LaneRef)>,
    /// Those that are, and find no room in the slow pool.
    stuck: BTreeSet<(ElapsedMicros, LaneRef)>,
}

impl Pools {
    pub(super) fn new(concurrency: usize, slow_concurrency: usize) -> Self {
        Self {
            concurrency,
            slow_concurrency,
            most: (concurrency, slow_concurrency),
            permits: BTreeMap::new(),
            strands: Strands::default(),
            usual: 0,
            unproven: 0,
            turns_slow: BTreeSet::new(),
            stuck: BTreeSet::new(),
        }
    }

    /// Other sizes. What is out beyond them is not taken back.
    pub(super) fn resize(&mut self, concurrency: usize, slow_concurrency: usize) {
        (self.concurrency, self.slow_concurrency) = (concurrency, slow_concurrency);
        self.settle();
    }

    /// What is out beyond the sizes becomes less and not more.
    fn settle(&mut self) {
        let (usual, slow) = (self.in_use(Pool::Usual), self.in_use(Pool::Slow));
        self.most = (self.concurrency.max(usual), self.slow_concurrency.max(slow));
    }

    pub(super) fn in_use(&self, pool: Pool) -> usize {
        match pool {
            Pool::Usual => self.usual,
            Pool::Slow => self.permits.len() - self.usual,
        }
    }

    pub(super) fn strands(&self) -> &Strands {
        &self.strands
    }

    pub(super) fn out(&self) -> usize {
        self.permits.len()
    }

    /// Whether as many are out as may be in both pools together: permits that stay out beyond the size
    /// of one pool after other settings leave as many less for the other.
    pub(super) fn is_full(&self) -> bool {
        self.out() >= self.concurrency.saturating_add(self.slow_concurrency)
    }

    pub(super) fn slow_concurrency(&self) -> usize {
        self.slow_concurrency
    }

    /// Places left in the slow pool.
    pub(super) fn slow_room(&self) -> usize {
        self.slow_concurrency.saturating_sub(self.in_use(Pool::Slow))
    }

    /// How many lanes that are not proven may hold a permit of `concurrency` at most, so that no
    /// more than half stay there if all of them hang; `wanted` places of the slow pool are not
    /// theirs.
    fn unproven_most(&self, wanted: usize) -> usize {
        (self.concurrency / 2).max(1) + self.slow_room().saturating_sub(wanted)
    }

    pub(super) fn takes_unproven(&self, wanted: usize) -> bool {
        self.unproven < self.unproven_most(wanted)
    }

    /// Whether a lane that struggles may take a place of the slow pool and leave enough for those
    /// that are not proven.
    pub(super) fn takes_struggling(&self) -> bool {
        self.slow_room() > 0 && self.unproven < self.unproven_most(0)
    }

    pub(super) fn give(&mut self, lane: LaneRef, permit: Permit) {
        if permit.pool == Pool::Usual {
            self.usual += 1;
            self.unproven += usize::from(!permit.is_proven);
            self.turns_slow.insert((permit.slow_at, lane));
        }
        self.strands.add(lane);
        let before = self.permits.insert(lane, permit);
        debug_assert!(before.is_none(), "a lane has one permit: {lane:?}");
    }

    pub(super) fn take_back(&mut self, lane: LaneRef) -> Option<Permit> {
        let permit = self.permits.remove(&lane)?;
        self.strands.remove(lane);
        if permit.pool == Pool::Usual {
            self.leave_usual(lane, permit);
        }
        self.settle();
        Some(permit)
    }

    fn leave_usual(&mut self, lane: LaneRef, permit: Permit) {
        self.usual -= 1;
        self.unproven -= usize::from(!permit.is_proven);
        self.turns_slow.remove(&(permit.slow_at, lane));
        self.stuck.remove(&(permit.slow_at, lane));
    }

    /// When the next attempt turns slow.
    pub(super) fn turns_slow_at(&self) -> Option<ElapsedMicros> {
        self.turns_slow.first().map(|(at, _)| *at)
    }

    /// Notices which attempts are slow by now.
    pub(super) fn tick(&mut self, now: ElapsedMicros) {
        while let Some((at, lane)) = self.turns_slow.first().copied().filter(|(at, _)| *at <= now) {
            self.turns_slow.remove(&(at, lane));
            self.stuck.insert((at, lane));
        }
    }

    /// Whether a slow attempt waits for a place in the slow pool, and there is one.
    pub(super) fn can_move(&self) -> bool {
        !self.stuck.is_empty() && self.slow_room() > 0
    }

    /// The attempt that is slow for longest leaves `concurrency`.
    pub(super) fn move_one(&mut self) {
        let Some((_, lane)) = self.stuck.first().copied() else { return };
        let Some(permit) = self.permits.get_mut(&lane) else { return };
        permit.pool = Pool::Slow;
        let permit = *permit;
        self.leave_usual(lane, permit);
    }

    /// Counts and sets say the same.
    pub(super) fn assert_counts(&self) {
        let usual = self.permits.values().filter(|permit| permit.pool == Pool::Usual);
        let unproven = usual.clone().filter(|permit| !permit.is_proven).count();
        assert_eq!((usual.count(), unproven), (self.usual, self.unproven));
        assert_eq!(self.turns_slow.len() + self.stuck.len(), self.usual);
        assert!(self.usual <= self.most.0, "{} in concurrency", self.usual);
        assert!(self.in_use(Pool::Slow) <= self.most.1, "slow pool over its cap");
    }
}
