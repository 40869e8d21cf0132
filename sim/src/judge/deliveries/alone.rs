//! Deliveries of unordered sources: each event is judged by itself, and how many are under way beside
//! each other.

use sprag_core::id::DestinationId;

use super::{Arrived, Deliveries, PAUSE_GRACE, Seen};
use crate::judge::commands::{Asked, Commands};
use crate::judge::policies::Policies;
use crate::judge::{Verdict, must};
use crate::workload::type_of;

impl Deliveries {
    /// By what an event is judged: its lane, or where there is no order itself.
    pub(super) fn lane_of(
        &self,
        to: DestinationId,
        resource: usize,
        sequence: u64,
    ) -> (DestinationId, usize, u64) {
        let apart = self.unordered.contains(&resource);
        (to, resource, if apart { sequence } else { 0 })
    }

    /// How many of an unordered key's events are under way beside one.
    pub(crate) fn others(&self, to: DestinationId, resource: usize) -> usize {
        let lanes = self.lanes.range((to, resource, 1)..=(to, resource, u64::MAX));
        lanes.filter(|(_, seen)| seen.under_way).count()
    }

    /// No more than 64 of them are.
    pub(super) fn beside(&self, (to, resource, _): (DestinationId, usize, u64)) -> Verdict {
        let others = self.others(to, resource);
        must(others < 64, || format!("sent while {others} others of its key are under way"))
    }
}

impl Seen {
    /// An event of an unordered source: it waits for no other, and only for what it says itself.
    pub(super) fn alone(
        &mut self,
        arrived: &Arrived<'_>,
        policies: &Policies,
        commands: &Commands,
        begun: u64,
    ) -> Verdict {
        let attempt = arrived.attempt;
        let sequence = attempt.sequence.0;
        let claims = attempt.previous.0 > 0 || !attempt.omitted.is_empty();
        must(attempt.out_of_order && !claims, || format!("claims an order: {attempt:?}"))?;
        let asked = Asked::RedrivePassed(arrived.resource, attempt.destination, sequence);
        if commands.may_have(asked) {
            return Ok(());
        }
        self.waits(arrived)?;
        let settled = self.settled.get(&sequence);
        let settled = settled.is_some_and(|since| arrived.uptime > since + PAUSE_GRACE);
        let acknowledged = self.acknowledged.get(&sequence);
        let acknowledged = acknowledged.is_some_and(|epoch| *epoch >= attempt.id.epoch);
        must(!settled && !acknowledged, || "sent again after it was acknowledged".to_owned())?;
        if let Some((until, _, epoch, before)) = self.not_before.take()
            && (epoch, before) == (attempt.id.epoch, begun)
        {
            must(arrived.at >= until, || "sent before Retry-After allows".to_owned())?;
        }
        let event_type = type_of(&arrived.event.event.received.digest);
        must(policies.may_take(attempt.destination, event_type), || {
            "sent although its destination never took its type".to_owned()
        })?;
        self.sent.insert(sequence, arrived.uptime);
        Ok(())
    }
}
