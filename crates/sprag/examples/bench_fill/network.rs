//! What stands where consumers are: every attempt ends at once, answered 200 or 410, or not connected.
//! Must not know: events.

use std::sync::Arc;
use std::time::Duration;

use sprag::node::{Network, NodeHandle};
use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, PartitionId};
use sprag_core::input::{AttemptId, Ended};
use sprag_core::lists::ListAsk;
use sprag_core::output::{Attempt, Compare, Fetch, Theirs};
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::Notice;
use tokio::sync::{Semaphore, mpsc};

use super::ANSWERED;

/// Ends attempts.
pub(crate) struct Ending {
    pub(crate) node: NodeHandle,
    /// Gets a place back for each attempt that was answered.
    pub(crate) permits: Arc<Semaphore>,
    /// How every attempt ends.
    pub(crate) outcome: Outcome,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

impl Network for Ending {
    fn deliver(
        &mut self,
        partition: PartitionId,
        attempt: Box<Attempt>,
        _: ReleasedEvent,
        _: Vec<ReleasedEvent>,
    ) {
        let outcome = self.outcome;
        let took = Duration::from_micros(100);
        let (attempt, retry_after, dropped, acknowledged) = (attempt.id, None, None, None);
        let ended = Ended { attempt, outcome, retry_after, dropped, acknowledged, took };
        self.node.ended(partition, ended);
        if self.outcome == ANSWERED {
            self.permits.add_permits(1);
        }
    }

    fn abort(&mut self, _: PartitionId, _: AttemptId) {
        // It has ended already.
    }

    fn fetch(&mut self, _: PartitionId, _: Box<Fetch>) {
        // No source is asked for anything.
    }

    fn compare(&mut self, _: PartitionId, _: Box<Compare>) {
        // No source is compared.
    }

    fn bring_theirs(&mut self, _: Box<Theirs>) {
        // Nor has it anything.
    }

    fn read_list(&mut self, _: ListAsk) {
        // No source has a list.
    }

    fn newest_outcome(&self, _: DestinationId) -> Option<Outcome> {
        Some(self.outcome)
    }

    fn notice(&mut self, notice: Notice) {
        // After the start nobody listens.
        let _ = self.notices.send(notice);
    }
}
