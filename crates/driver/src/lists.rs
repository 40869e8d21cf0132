//! What passes between the node and whoever reads the lists of whole sources.

use sprag_core::chain::Digest;
use sprag_core::lists::ListRead;
use sprag_core::time::Now;
use sprag_log::Log;

use crate::effect::Effect;
use crate::node::Node;
use crate::state::State;

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Has lists read that are due. What comes of them goes to all partitions: not before all of them serve.
    pub(crate) fn let_read(&mut self, now: Now) -> bool {
        let mut progressed = false;
        while self.is_serving()
            && let Some(asked) = self.lists.poll(now)
        {
            progressed = true;
            self.effects.push_back(Effect::ReadList(asked));
        }
        progressed
    }

    /// A pass over a list is over. Everything it brought was answered before.
    pub fn list_read(&mut self, now: Now, read: &ListRead) {
        self.lists.ended(now.elapsed, read);
    }
}
