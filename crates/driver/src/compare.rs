//! What passes between partitions and the turns in which keys are compared with what their sources have.

use sprag_core::chain::Digest;
use sprag_core::compares::Comparer;
use sprag_core::id::PartitionId;
use sprag_core::input::{Compared, Input};
use sprag_core::output::Output;
use sprag_core::time::Now;
use sprag_log::Log;

use crate::effect::Effect;
use crate::node::Node;
use crate::state::State;

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// A turn is wanted or not needed, was used, or led to something.
    pub(crate) fn about_compare(&mut self, partition: PartitionId, output: Output) {
        match output {
            Output::WantCompare(source) => self.compares.want(Comparer { source, partition }),
            Output::SpareCompare(source) => self.compares.spare(source),
            Output::Compare(compare) => {
                self.effects.push_back(Effect::Compare { partition, compare });
            }
            Output::BringTheirs(theirs) => self.effects.push_back(Effect::BringTheirs(theirs)),
            _ => {}
        }
    }

    /// Lets partitions compare a key whose turn has come.
    pub(crate) fn let_compare(&mut self, now: Now) -> bool {
        let mut progressed = false;
        while let Some(Comparer { source, partition }) = self.compares.poll(now.elapsed) {
            progressed = true;
            let at = usize::from(partition.0);
            self.owners[at].partition.handle(now, Input::MayCompare(source));
            self.put_out(now, at);
        }
        progressed
    }

    /// A comparison is over. Its turn is, whatever becomes of what was answered: the partition may have lost its
    /// term meanwhile, or have no room.
    pub fn compared(&mut self, now: Now, partition: PartitionId, compared: Box<Compared>) {
        let (source, outcome) = (compared.key.source, compared.outcome);
        self.compares.ended(now.elapsed, source, outcome, compared.retry_after);
        self.input(now, partition, Input::Compared(compared));
    }
}
