//! Adds up what waits for each destination over all partitions and carries what follows. What that is
//! is the core's `backlog`.

use sprag_core::backlog::{Level, Share};
use sprag_core::chain::Digest;
use sprag_core::id::DestinationId;
use sprag_core::input::Input;
use sprag_core::partition::Partition;
use sprag_core::time::Now;
use sprag_log::Log;

use crate::effect::{BacklogLevel, Effect, Notice};
use crate::node::Node;
use crate::state::State;

fn share<D: Digest>(partition: &Partition<D>, destination: DestinationId) -> Share {
    Share {
        bytes: partition.totals().backlog_of(destination).bytes,
        is_overflowing: partition.is_overflowing(destination),
    }
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Looks whether more waits for a destination than may; says whether anything follows.
    pub(crate) fn watch_backlogs(&mut self, now: Now) -> bool {
        let Some(limit) = self.plan.destination_backlog else {
            self.watch.forget();
            return false;
        };
        if !self.is_serving() || !self.watch.is_due(now.elapsed) {
            return false;
        }
        let destinations: Vec<_> = self.destinations.keys().copied().collect();
        let mut progressed = false;
        for destination in destinations {
            let shares: Vec<_> =
                self.owners.iter().map(|owner| share(&owner.partition, destination)).collect();
            let (told, excess) = self.watch.look(destination, limit, &shares);
            if let Some(level) = told {
                self.tell_backlog(destination, level, limit);
            }
            if let Some((at, bytes)) = excess {
                let partition = self.owners[at].partition.id();
                self.input(now, partition, Input::Overflow { destination, bytes });
                progressed = true;
            }
        }
        progressed
    }

    fn tell_backlog(&mut self, destination: DestinationId, level: Level, limit: u64) {
        let bytes = self.backlog(destination).bytes;
        let settings = self.settings.as_ref();
        let name = settings.and_then(|settings| settings.destinations.get(&destination));
        let Some(name) = name.map(|settings| settings.name.clone()) else { return };
        let level = BacklogLevel { name, level, bytes, limit };
        self.effects.push_back(Effect::Notice(Notice::Backlog(level)));
    }

    /// How full what waits for a destination is, at the last look.
    #[must_use]
    pub fn backlog_level(&self, destination: DestinationId) -> Level {
        self.watch.level(destination)
    }
}
