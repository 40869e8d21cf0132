//! Sources of contract `unordered`, and bursts of events for one of their keys.

use sprag_core::plan::{PlannedDestination, PlannedSource};
use sprag_core::settings::Contract;

use crate::dice::Dice;
use crate::schedule::{Instant, MILLISECOND};
use crate::workload::{Workload, make};

/// In many worlds what would keep the order of arrival keeps none. Ranges need an order: where the
/// first destination sends any, which takes every source, the world stays as it was.
pub(crate) fn draw(
    dice: &mut Dice,
    sources: &mut [PlannedSource],
    destinations: &mut [&mut PlannedDestination],
) {
    let sends_ranges = |to: &&mut PlannedDestination| to.settings.batch.is_some();
    let source = sources.iter_mut().find(|source| source.settings.contract == Contract::Arrival);
    let Some(source) = source.filter(|_| dice.chance(750)) else { return };
    if destinations.first().is_none_or(sends_ranges) {
        return;
    }
    source.settings.contract = Contract::Unordered;
    source.identity = format!("{:?}", source.settings.contract).into();
    for destination in destinations.iter_mut().filter(|to| sends_ranges(to)) {
        destination.from.retain(|name| *name != source.settings.name);
    }
}

/// More events of one key within a short time than may be under way at once.
pub(crate) fn add(dice: &mut Dice, workload: &mut Workload, length: Instant) {
    let is_unordered = |source: usize| workload.sources[source].contract == Contract::Unordered;
    let resources = workload.resources.iter().enumerate();
    let resources: Vec<usize> = resources
        .filter(|(_, resource)| is_unordered(resource.source))
        .map(|(number, _)| number)
        .collect();
    if resources.is_empty() || !dice.chance(600) {
        return;
    }
    let resource = dice.pick(&resources);
    let has_ids = workload.sources[workload.resources[resource].source].has_ids;
    let begins = dice.between(length / 4, length / 2);
    let step = dice.pick(&[0, MILLISECOND, 20 * MILLISECOND]);
    for number in 0..dice.between(70, 140) {
        let id = has_ids.then(|| format!("burst-{resource}-{}", dice.draw()));
        let position = sprag_core::position::Position::None;
        let mut post = make(dice, resource, id, position, begins + step * number);
        post.twist = Some("burst");
        workload.posts.push(post);
    }
}
