//! The judge of comparisons: how sources are asked what they have, and that each difference is one.
//!
//! No more questions than the rate allows and no more under way than may be. What history says of a difference was
//! said by the authority, is another position than the key's newest, and the key was at rest.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::Reconciled;
use sprag_core::id::SourceId;
use sprag_core::rate::Rate;
use sprag_core::settings::Contract;

use super::key_history::KeyHistory;
use super::lane_history::LaneHistory;
use super::policies::SourcePolicy;
use super::{Verdict, must};
use crate::schedule::Instant;

/// Questions of one source that may be under way.
const UNDER_WAY: usize = 4;

/// What was asked and said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    under_way: BTreeMap<SourceId, usize>,
    /// When questions of a source left, within the last period of its rate.
    left: BTreeMap<SourceId, Vec<Instant>>,
    said: BTreeSet<(usize, u64)>,
}

impl Said {
    /// The process is gone, and what it knew of rates.
    pub(crate) fn disconnected(&mut self) {
        self.under_way.clear();
        self.left.clear();
    }

    /// A source is asked.
    pub(crate) fn asked(&mut self, now: Instant, source: SourceId, rate: Rate) -> Verdict {
        let under_way = self.under_way.entry(source).or_default();
        *under_way += 1;
        must(*under_way <= UNDER_WAY, || format!("{under_way} questions are under way"))?;
        let period = Instant::try_from(rate.period.as_micros()).unwrap_or(Instant::MAX);
        let left = self.left.entry(source).or_default();
        left.retain(|at| *at + period > now);
        left.push(now);
        // As many at once as in a period.
        let most = 2 * usize::try_from(rate.count).unwrap_or(usize::MAX);
        must(left.len() <= most, || format!("{} questions in a period", left.len()))
    }

    /// A question is over.
    pub(crate) fn ended(&mut self, source: SourceId) {
        if let Some(under_way) = self.under_way.get_mut(&source) {
            *under_way = under_way.saturating_sub(1);
        }
    }

    /// An authority says that a resource has this position.
    pub(crate) fn said(&mut self, resource: usize, theirs: u64) {
        self.said.insert((resource, theirs));
    }
}

impl KeyHistory {
    /// The authority has another position than the key, which is at rest.
    pub(super) fn differs(
        &mut self,
        (resource, source): (usize, &SourcePolicy),
        fact: &Reconciled,
        said: &Said,
    ) -> Verdict {
        let (ours, theirs) = (fact.ours.number(), fact.theirs.number());
        let known = theirs.is_some_and(|theirs| said.said.contains(&(resource, theirs)));
        must(known, || format!("{fact:?}, and no authority said so"))?;
        must(ours != theirs, || format!("{fact:?} is no difference"))?;
        self.differences.extend(ours.zip(theirs));
        let newest = match source.contract {
            Contract::Fifo { .. } => self.next.map(|next| next.saturating_sub(1)),
            Contract::Settle => self.settled.newest_instant(),
            _ => self.newest.number(),
        };
        must(newest == ours, || format!("{fact:?}, and {newest:?} was released last"))?;
        must(self.holds().is_empty() && !self.paused, || {
            format!("{fact:?} of a key with held events {:?}, paused {}", self.holds(), self.paused)
        })?;
        let busy = self.lanes.values().find(|lane: &&LaneHistory| lane.is_busy());
        must(busy.is_none(), || format!("{fact:?} of a key with undelivered events: {busy:?}"))
    }
}
