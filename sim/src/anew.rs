//! Providers that begin to count anew: positions of long ago under new ids and with new bodies
//! (DESIGN K9).

use std::collections::BTreeMap;

use sprag_core::position::Position;

use crate::dice::Dice;
use crate::schedule::{Instant, MILLISECOND};
use crate::workload::{Workload, make};

/// In one of two worlds, some resources are counted from their beginning again.
pub(crate) fn add(dice: &mut Dice, workload: &mut Workload, length: Instant) {
    if !dice.chance(500) {
        return;
    }
    for _ in 0..dice.between(1, 3) {
        let resource = dice.index(workload.resources.len());
        count_anew(dice, workload, resource, length);
    }
}

/// Where a position stands among those of its resource, where it stands anywhere.
fn told_at(position: &Position) -> Option<u64> {
    match position {
        Position::Clock(clock) => Some(clock.sum()),
        position => position.number(),
    }
}

fn count_anew(dice: &mut Dice, workload: &mut Workload, resource: usize, length: Instant) {
    let begins = dice.between(length / 4, length);
    let told = workload.posts.iter().filter(|post| {
        post.resource == resource && post.at < begins && post.twist != Some("poison")
    });
    let told: BTreeMap<u64, _> =
        told.filter_map(|post| Some((told_at(&post.position)?, post.position.clone()))).collect();
    let told: Vec<_> = told.into_values().collect();
    if told.is_empty() {
        return;
    }
    let has_ids = workload.sources[workload.resources[resource].source].has_ids;
    let step = dice.pick(&[0, MILLISECOND, 20 * MILLISECOND, 300 * MILLISECOND]);
    for number in 0..dice.between(15, 60) {
        // It may begin again more than once: what comes at a time when it cannot is a repeat.
        let position = told[usize::try_from(number).unwrap_or(0) % told.len()].clone();
        let id = has_ids.then(|| format!("anew-{resource}-{}", dice.draw()));
        let mut post = make(dice, resource, id, position, begins + step * number);
        post.twist = Some("counts anew");
        workload.posts.push(post);
    }
}
