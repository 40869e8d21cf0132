//! `coalesce`: a newer event takes the place of older ones that wait in a lane.
//!
//! Whenever an event enters a lane or an attempt ends, all that waits but the newest is passed,
//! unless it is under way: what was sent is seen to its end first. A head that waits for another resource
//! (`depends_on`) is seen to its end too.

use alloc::vec::Vec;

use super::evolve::{forget_failures, forget_sent, keep_waiting, lane_mut, omit};
use super::hot::Hot;
use super::{Partition, depends};
use crate::chain::Digest;
use crate::fact::{Fact, Superseded};
use crate::ranges::Range;
use crate::record::{KeyRecord, LaneMode, OmitReason};
use crate::settings::Contract;
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Passes what stands at the head of a key's lanes and did not enter them, then what newer
    /// events supersede.
    pub(super) fn supersede(&mut self, slot: Slot) {
        for at in 0..self.keys.get(slot).map_or(0, |hot| hot.lanes.len()) {
            self.pass_unsent(slot, at);
        }
        let Some(hot) = self.keys.get(slot) else { return };
        let source = self.settings.sources.get(&hot.key.source);
        let coalesces = source
            .is_some_and(|source| matches!(source.contract, Contract::Latest { coalesce: true }));
        if !coalesces {
            return;
        }
        let superseded: Vec<_> =
            (0..hot.lanes.len()).filter_map(|at| superseded(hot, at)).collect();
        for fact in superseded {
            let destination = fact.destination;
            self.write(Fact::Superseded(fact));
            self.rest_on_written(slot, destination);
        }
    }
}

/// What the newest event of a lane supersedes. A lane that an operator has to look at keeps what it
/// stopped at; what is not known to have entered is not called superseded.
fn superseded(hot: &Hot, at: usize) -> Option<Superseded> {
    let is_known = hot.knows_head(at);
    let lane = &hot.record.lanes[at];
    let idle = is_known && hot.lanes[at].attempt.is_none() && lane.accepted.is_none();
    // What an operator sends again is sent.
    let idle = idle && lane.mode == LaneMode::Active && lane.rewound.is_none();
    let idle = idle && depends::may_be_superseded(&hot.lanes[at], lane);
    // What was released before the lane was opened may be none of its own: then it is no newer one.
    let is_own = lane.tail > lane.opened;
    (idle && is_own && lane.head < lane.tail).then(|| Superseded {
        key: hot.key.clone(),
        destination: lane.destination,
        from: lane.head,
        by: lane.tail,
    })
}

/// The lane goes on with the event that took the place of its oldest. A wait after a failure goes
/// on: it spares the consumer, whatever the event.
pub(super) fn note(record: &mut KeyRecord, superseded: &Superseded) {
    let Some(lane) = lane_mut(record, superseded.destination.into()) else { return };
    let passed = Range { from: superseded.from.0, to: superseded.by.0.saturating_sub(1) };
    omit(lane, passed, OmitReason::Skipped);
    lane.head = superseded.by;
    keep_waiting(lane, 1);
    forget_sent(lane);
    lane.batch = None;
    lane.failures = 0;
    forget_failures(lane);
}
