//! What passes between partitions and the turns in which sources are asked for missing positions.

use sprag_core::chain::Digest;
use sprag_core::id::PartitionId;
use sprag_core::input::{Fetched, Input};
use sprag_core::output::Output;
use sprag_core::time::Now;
use sprag_log::Log;

use crate::effect::Effect;
use crate::node::Node;
use crate::state::State;

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// A turn is wanted, taken back or not needed, or was used.
    pub(crate) fn about_refill(&mut self, partition: PartitionId, output: Output) {
        match output {
            Output::WantFetch(wanted) => self.refills.want(wanted),
            Output::WithdrawFetch(wanted) => self.refills.withdraw(&wanted),
            Output::SpareFetch(source) => self.refills.spare(source),
            Output::Fetch(fetch) => self.effects.push_back(Effect::Fetch { partition, fetch }),
            _ => {}
        }
    }

    /// Lets keys ask whose turn has come.
    pub(crate) fn let_fetch(&mut self, now: Now) -> bool {
        let mut progressed = false;
        while let Some(wanted) = self.refills.poll(now.elapsed) {
            progressed = true;
            let at = usize::from(wanted.partition.0);
            self.owners[at].partition.handle(now, Input::MayFetch(wanted));
            self.put_out(now, at);
        }
        progressed
    }

    /// An ask is over. Everything it brought was answered before.
    pub fn fetched(&mut self, now: Now, partition: PartitionId, fetched: Fetched) {
        let Fetched { source, outcome, retry_after, .. } = fetched;
        self.refills.ended(now.elapsed, source, outcome, retry_after);
        self.input(now, partition, Input::Fetched(fetched));
    }
}
