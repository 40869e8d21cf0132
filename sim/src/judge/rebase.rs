//! What history says of a key whose positions begin anew, or seem to (rule K9).

use sprag_core::fact::{Fact, GapAbandoned, Origin};
use sprag_core::position::Position;

use super::key_history::KeyHistory;
use super::newest::Newest;
use super::policies::SourcePolicy;
use super::row::Row;
use super::{Verdict, must};

impl KeyHistory {
    /// The base of a waiting key is chosen when it waited enough, or as its positions begin anew.
    pub(super) fn begins_in_time(&mut self, source: &SourcePolicy, uptime: Option<u64>) {
        if let Err(what) = self.waited_enough(source, uptime) {
            self.hurried.get_or_insert(what);
        }
    }

    /// Whether the key has gone past this position.
    pub(super) fn is_behind(&self, position: &Position) -> bool {
        let is_before = |next| position.number().is_some_and(|number| number < next);
        let has_reached =
            || self.newest.has_reached(position) || self.settled.has_reached(position);
        self.next.map_or_else(has_reached, is_before) || self.causal.is_behind(position)
    }

    /// The positions of the key begin anew (K9): nothing of those before is held any more, and
    /// nothing of them says anything about those to come.
    pub(crate) fn rebase(&mut self, asked: u64) -> Verdict {
        self.rebases += 1;
        must(self.rebases <= asked, || {
            format!("positions begin anew {} times, {asked} were asked for", self.rebases)
        })?;
        must(self.holds().is_empty(), || format!("rebased, {:?} are held still", self.holds()))?;
        (self.next, self.last, self.gap, self.hurried) = (None, None, None, None);
        (self.newest, self.row) = (Newest::default(), Row::default());
        self.settled.begin_anew();
        self.merged.begin_anew();
        self.causal.begin_anew();
        self.machine.begin_anew();
        self.applied.begin_anew();
        self.links.begin_anew();
        self.positions.clear();
        self.abandoned.clear();
        Ok(())
    }

    /// An operator gave up what the key waits for (G2): no more often than it was asked for.
    pub(super) fn gap_given_up(
        &mut self,
        fact: &GapAbandoned,
        source: &SourcePolicy,
        asked: u64,
    ) -> Verdict {
        let from = fact.missing.from;
        let given_up = self.given_up.entry(from).or_default();
        *given_up += 1;
        must(*given_up <= asked, || {
            format!("{given_up} gaps from {from} are given up, {asked} were asked for")
        })?;
        self.abandon(fact, source, None)
    }

    /// Nothing but what a rebase does itself comes between its first and its last fact, and a
    /// source that seems to count anew is told of at once.
    pub(crate) fn may_go_on(&self, fact: &Fact) -> Verdict {
        // What a late event does in its lanes belongs to its release.
        let is_owed = match fact {
            Fact::SequenceReset(_) | Fact::LateDead(_) | Fact::Unmet(_) => true,
            // As does what is repeated behind it.
            Fact::Received(received) => received.origin == Origin::Again,
            Fact::Released(released) => released.earlier.is_some(),
            _ => false,
        };
        must(is_owed || self.row.is_settled(), || {
            format!("a sequence reset is due, not {fact:?}")
        })?;
        let Some(hurried) = &self.hurried else { return Ok(()) };
        let is_rebase = matches!(
            fact,
            Fact::Rebased(_)
                | Fact::GapAbandoned(_)
                | Fact::GapOpened(_)
                | Fact::Released(_)
                | Fact::Invalid(_)
                | Fact::Stale(_)
                | Fact::Conflict(_)
                // What a release does to the key's lanes.
                | Fact::LaneOpened(_)
                | Fact::LaneEnded(_)
                | Fact::Filtered(_)
                | Fact::LateDead(_)
                | Fact::Unmet(_)
        );
        must(is_rebase, || format!("{hurried}, then {fact:?}"))
    }

    /// A frame ends: what began in it is complete.
    pub(crate) fn frame_ends(&self) -> Verdict {
        must(self.row.is_settled(), || "a sequence reset is due".to_owned())?;
        self.causal.nothing_could_go()?;
        self.machine.waits_in_vain()?;
        self.applied.frame_ends()?;
        self.links.waits_in_vain()?;
        self.hurried.clone().map_or(Ok(()), Err)
    }
}
