//! What history says of a lane that sends again what it had settled: where it stood, and when it is through.

use std::collections::BTreeSet;

use super::super::{Verdict, must};
use super::LaneHistory;

impl LaneHistory {
    /// An operator has it send again what it had settled: all of that is as if the lane were opened over it,
    /// and what waits stays behind (promises 2 and 4).
    pub(crate) fn rewind(
        &mut self,
        (from, until): (u64, u64),
        released: BTreeSet<u64>,
        newest: u64,
    ) -> Verdict {
        if self.tail == 0 {
            self.tail = newest;
        }
        let rests = !self.is_stopped() && self.range.is_none() && self.accepted.is_none();
        let head = self.head();
        must(
            rests && self.rewound.is_none() && from <= until && until < head.max(newest + 1),
            || format!("set back to {from} to {until}, {head} stands: {:?}", self.mode),
        )?;
        let waits = released.iter().find(|one| self.awaits(**one));
        must(waits.is_none(), || format!("{waits:?} waits still and is sent again"))?;
        for sequence in &released {
            self.fates.remove(sequence);
            self.superseded.remove(sequence);
            self.acknowledged.remove(sequence);
        }
        self.rewound = Some(until);
        self.redriven.retain(|sequence| *sequence < from);
        self.stood = (head, std::mem::take(&mut self.failures));
        self.failing_since = None;
        self.again.extend(released.iter().copied());
        self.undecided.extend(released);
        self.end_rewind();
        Ok(())
    }

    /// What it sends again may be over by now.
    pub(super) fn end_rewind(&mut self) {
        let head = self.head();
        let is_over = self.rewound.take_if(|until| *until < head).is_some();
        if is_over && self.stood.0 == head {
            self.failures = self.stood.1;
        }
    }

    /// The event that an attempt may have been of whose outcome was lost with a process: the head, behind
    /// what is sent again that which was the head before.
    pub(crate) fn stands_or_stood(&self) -> u64 {
        self.rewound.map_or(self.head(), |_| self.stood.0)
    }

    /// Whether it ever sent an event again that it had settled.
    pub(crate) fn was_set_back(&self, sequence: u64) -> bool {
        self.again.contains(&sequence)
    }
}
