//! Sources whose events refer to resources of another source, or of their own (`depends_on`, decision 042): in a third of
//! the worlds. Every resource has one that its events refer to, some in a circle, some to one that never says anything; one
//! event in four refers to none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::id::{DestinationId, Hash};
use sprag_core::settings::Contract;

use crate::dice::{Dice, Seed};
use crate::judge::history::History;
use crate::judge::lane_history::LaneHistory;
use crate::setting::Setting;
use crate::workload::{Post, Workload};
use crate::world::World;

/// The stream of chance that decides it.
const DEPENDS_DICE: u64 = 86;

/// What events refer to: all of a resource to another, or one by itself, told by its body, to that of this name.
#[derive(Debug, Clone, Default)]
pub(crate) struct References {
    of_resources: BTreeMap<usize, usize>,
    pub(crate) of_events: BTreeMap<Hash, Arc<str>>,
}

/// Which source depends on which, if any does.
pub(crate) fn draw(seed: &Seed, setting: &mut Setting, workload: &Workload) -> References {
    let dice = &mut Dice::new(seed, DEPENDS_DICE);
    let ordered = |source: &&mut sprag_core::plan::PlannedSource| {
        source.settings.contract != Contract::Unordered
    };
    let mut sources: Vec<_> = setting.plan.sources.iter_mut().filter(ordered).collect();
    if sources.is_empty() || !dice.chance(350) {
        return References::default();
    }
    let (from, to) = (dice.index(sources.len()), dice.index(sources.len()));
    let other = sources[to].settings.name.clone();
    let wait = Duration::from_millis(dice.between(100, 3_000));
    let own = sources[from].settings.name.clone();
    sources[from].depends_on = Some((other.clone(), wait));
    References::among(dice, workload, &own, &other)
}

impl References {
    fn among(dice: &mut Dice, workload: &Workload, own: &Arc<str>, other: &Arc<str>) -> Self {
        let of = |name: &Arc<str>| {
            let is_of = |at: &usize| workload.sources[workload.resources[*at].source].name == *name;
            (0..workload.resources.len()).filter(is_of).collect::<Vec<_>>()
        };
        let (own, others) = (of(own), of(other));
        if others.is_empty() {
            return Self::default();
        }
        let of_resources =
            own.into_iter().map(|at| (at, others[dice.index(others.len())])).collect();
        Self { of_resources, ..Self::default() }
    }
}

impl World {
    /// Whether a resource refers to one that a destination does not process in this phase and has settled nothing of, itself or
    /// through others: that is on its way, and is waited for.
    pub(crate) fn waits_for_what_fails(
        &self,
        history: &History,
        to: DestinationId,
        resource: usize,
    ) -> bool {
        let is_settled = |resource: usize| {
            let lane = history.keys.get(&resource).and_then(|key| key.lanes.get(&(to, 0)));
            lane.is_some_and(LaneHistory::has_settled)
        };
        let next = |at: &usize| self.references.of_resources.get(at).copied();
        let row = std::iter::successors(next(&resource), next);
        let mut row = row.take(self.resources.len()).take_while(|at| !is_settled(*at));
        row.any(|at| !self.is_served(to, at))
    }

    /// The name of the resource that an event refers to.
    pub(crate) fn refers_to(&self, post: &Post) -> Option<Arc<str>> {
        let References { of_resources, of_events } = &self.references;
        let refers = !post.digest.0[1].is_multiple_of(4);
        let other = of_resources.get(&post.resource).filter(|_| refers);
        let name = other.map(|other| &self.resources[*other].name);
        name.or_else(|| of_events.get(&post.digest)).cloned()
    }
}
