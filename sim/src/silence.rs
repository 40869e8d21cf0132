//! Providers of which nothing is heard for long: their keys are forgotten meanwhile (DESIGN D8).

use crate::dice::Dice;
use crate::schedule::Instant;
use crate::workload::Workload;

/// Where keys are forgotten, some resources are silent for most of the time: what would have come is
/// sent at its end, in the same order.
pub(crate) fn add(dice: &mut Dice, workload: &mut Workload, length: Instant) {
    let (from, to) = (length / 8, length - length / 8);
    let silent: Vec<bool> = workload.resources.iter().map(|_| dice.chance(300)).collect();
    for post in &mut workload.posts {
        if silent[post.resource] && (from..length).contains(&post.at) {
            post.at = to + (post.at - from) * (length - to) / (length - from);
        }
    }
}
