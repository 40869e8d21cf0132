//! Ranges of events that one attempt carries (`batch = N`, rule L9, decision 011).
//!
//! **The range is a fact before it is sent.** A lane to such a destination that may send fixes the
//! events at its head, up to N that all entered it, as `batched`; only then it asks for a permit. The
//! fact stays in the record until something of the range is settled, so a retry, a restart and a
//! redrive send the same range. What is acknowledged of it goes; the rest is fixed anew.
//!
//! **Crashes.** Before the fact is durable nothing was sent, and another range may be fixed. After it,
//! whatever became of the attempt, recovery finds the same range.

use super::draft::Promise;
use super::hot::{Hot, Tried};
use super::{Partition, depends};
use crate::chain::Digest;
use crate::fact::{Batch, Batched, Fact, Toll};
use crate::id::Sequence;
use crate::input::{Ended, Waiting};
use crate::limits;
use crate::record::{Lane, LaneMode};
use crate::settings::Settings;
use crate::slab::Slot;
use crate::time::OpenMicros;

/// The range at the head of a lane.
pub(super) enum AtHead {
    /// It is fixed, and at hand.
    Fixed(Sequence),
    /// It can be fixed up to this event.
    Open(Sequence),
    /// More of the lane must be read from the log.
    Unread,
    /// It cannot be read now.
    Unreadable,
}

impl<D: Digest> Partition<D> {
    /// Fixes the range at the head of a lane; the lane goes on once that is durable.
    pub(super) fn fix_range(&mut self, slot: Slot, at: usize, to: Sequence) {
        let Some(hot) = self.keys.get(slot) else { return };
        let lane = &hot.record.lanes[at];
        let (key, destination, from) = (hot.key.clone(), lane.destination, lane.head);
        self.write(Fact::Batched(Batched { key, destination, from, to }));
        let written = self.taken.next();
        if let Some(hot) = self.keys.get_mut(slot) {
            hot.lanes[at].rests_on = written;
        }
        self.promise(Promise::Wake(slot));
    }
}

/// Waiting events that a lane keeps at hand: those of the next range, and all of one that was fixed
/// when longer ones were configured.
pub(super) fn window(settings: &Settings, lane: &Lane) -> usize {
    let batch = settings.destinations.get(&lane.destination).and_then(|to| to.batch);
    let fixed = lane.batch.map_or(0, |to| to.0.saturating_sub(lane.head.0).saturating_add(1));
    let fixed = usize::try_from(fixed).unwrap_or(limits::BATCH_EVENTS);
    batch.unwrap_or_default().max(fixed).clamp(limits::LANE_WINDOW, limits::BATCH_EVENTS)
}

/// What stands at a lane's head, whose first event is at hand.
pub(super) fn at_head(hot: &Hot, at: usize, most: usize) -> AtHead {
    let (record, lane) = (&hot.record.lanes[at], &hot.lanes[at]);
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let wanted = match record.batch {
        Some(to) => to,
        None => Sequence(record.reach().0.min(record.head.0.saturating_add(most - 1))),
    };
    let joins = |waiting: &&Waiting| {
        waiting.is_sent() && (record.batch.is_some() || depends::goes_along(lane, record, waiting))
    };
    let entered = lane.window.iter().take_while(joins);
    let entered = entered.last().map_or(record.head, |last| last.sequence);
    let is_whole = lane.window.back().is_some_and(|last| last.sequence >= wanted);
    match (record.batch, is_whole || lane.is_reread) {
        (_, false) => AtHead::Unread,
        (Some(to), true) if entered >= to => AtHead::Fixed(to),
        (Some(_), true) => AtHead::Unreadable,
        (None, true) => AtHead::Open(entered.min(wanted)),
    }
}

/// What an answer acknowledges of a range that was tried.
pub(super) fn part(tried: Tried, ended: &Ended, is_accepted: bool) -> Option<Batch> {
    let last = tried.last?;
    let acknowledged = ended.acknowledges(tried.sequence, tried.last, is_accepted);
    Some(Batch { last, acknowledged })
}

/// A lane as it is once a part of what was tried is settled.
pub(super) fn rest_of(lane: &Lane, tried: Tried, batch: Option<Batch>) -> Lane {
    let mut rest = lane.clone();
    let settled = batch.map_or(0, |batch| batch.acknowledged);
    if settled > 0 && !tried.out_of_order {
        (rest.toll, rest.failures) = (Toll::default(), 0);
        rest.failed_at = OpenMicros::default();
        rest.head = rest.head.max(Sequence(tried.sequence.0 + settled));
        // What had stopped is through: the rest was never redriven.
        if let LaneMode::DrainingHalted { until } | LaneMode::DrainingParked { until } = rest.mode
            && rest.head > until
        {
            rest.mode = LaneMode::Active;
        }
    }
    rest
}

/// Whether all of a range is acknowledged.
pub(super) fn is_whole(tried: Tried, batch: Option<Batch>) -> bool {
    batch.is_some_and(|batch| tried.sequence.0 + batch.acknowledged > batch.last.0)
}
