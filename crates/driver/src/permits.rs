//! What passes between partitions and destinations, and what rates let in (DESIGN F7, L8).

use sprag_core::chain::Digest;
use sprag_core::id::{DestinationId, PartitionId, SourceId};
use sprag_core::input::{Command, Input, Ticket};
use sprag_core::output::{Answer, Busy, Output};
use sprag_core::time::Now;
use sprag_log::Log;

use crate::effect::Effect;
use crate::node::{GONE_TICKET, Node};
use crate::owner::Stage;
use crate::state::State;

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// A request for a permit, one taken back, or a permit that comes back.
    pub(crate) fn about_permit(&mut self, now: Now, output: &Output) {
        let id = match output {
            Output::Request(request) | Output::Withdraw(request) => request.lane.destination,
            Output::Return { lane, .. } => lane.destination,
            _ => return,
        };
        let Some(destination) = self.destinations.get_mut(&id) else { return };
        match output {
            Output::Request(request) => destination.request(*request),
            Output::Withdraw(request) => destination.withdraw_lane(*request),
            Output::Return { lane, end } => destination.give_back(now.elapsed, *lane, *end),
            _ => {}
        }
        self.tell_breaker(now, id);
        if matches!(output, Output::Return { .. })
            && self.settings.as_ref().is_some_and(|known| !known.destinations.contains_key(&id))
        {
            self.let_destinations_go(now);
        }
    }

    /// Partitions learn that a breaker opened or closed before the next outcome is theirs to judge.
    fn tell_breaker(&mut self, now: Now, destination: DestinationId) {
        let machine = self.destinations.get_mut(&destination);
        let changed = machine.and_then(|machine| machine.poll_breaker());
        let Some(is_open) = changed else { return };
        for owner in &mut self.owners {
            owner.partition.handle(now, Input::Breaker { destination, is_open });
        }
    }

    /// Hands permits out, each destination in its own order.
    pub(crate) fn grant(&mut self, now: Now) -> bool {
        let mut progressed = false;
        let ids: Vec<_> = self.destinations.keys().copied().collect();
        for id in ids {
            while let Some(grant) =
                self.destinations.get_mut(&id).and_then(|to| to.poll_grant(now.elapsed))
            {
                progressed = true;
                let at = usize::from(grant.lane.partition.0);
                self.owners[at].partition.handle(now, Input::Granted(grant));
                self.put_out(now, at);
            }
            progressed |= self.pause_gone(now, id);
        }
        progressed
    }

    /// A destination that says it is gone is paused, once history can say so.
    fn pause_gone(&mut self, now: Now, id: DestinationId) -> bool {
        let serves = self.is_declared && matches!(self.owners[0].stage, Stage::Serving);
        let is_gone = self.destinations.get(&id).is_some_and(|to| to.is_gone());
        if !is_gone || self.is_pausing || !serves {
            return false;
        }
        self.is_pausing = true;
        let command = Command::PauseGone(id);
        self.input(now, PartitionId(0), Input::Command { ticket: GONE_TICKET, command });
        true
    }

    /// Whether an event may come in; if not, it is answered.
    pub(crate) fn admit(
        &mut self,
        now: Now,
        ticket: Ticket,
        source: SourceId,
        partition: PartitionId,
    ) -> bool {
        let Err(retry_after) = self.intake.admit(now.elapsed, source, partition) else {
            return true;
        };
        let answer = Answer::Busy(Busy::Rate { retry_after });
        self.effects.push_back(Effect::Answer { ticket, answer });
        false
    }
}
