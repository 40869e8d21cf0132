//! Events that belong to no resource: their key cannot be read, and they come under the empty one.

use sprag_core::position::Position;
use sprag_core::settings::Contract;

use crate::dice::Dice;
use crate::schedule::{Instant, SECOND};
use crate::workload::{Resource, Workload, make};

/// In one of two worlds, sources send what cannot be read.
pub(crate) fn add(dice: &mut Dice, workload: &mut Workload, length: Instant) {
    if !dice.chance(500) {
        return;
    }
    for source in 0..workload.sources.len() {
        workload.resources.push(Resource { source, name: "".into() });
        let resource = workload.resources.len() - 1;
        for _ in 0..dice.between(1, 6) {
            send(dice, workload, resource, length);
        }
    }
}

fn send(dice: &mut Dice, workload: &mut Workload, resource: usize, length: Instant) {
    let source = &workload.sources[workload.resources[resource].source];
    // A position may be readable where a key is not.
    let position = match source.contract {
        Contract::Fifo { .. } => {
            dice.pick(&[None, Some(1)]).map_or(Position::None, Position::Sequence)
        }
        Contract::Arrival
        | Contract::Unordered
        | Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => Position::None,
    };
    let id = source.has_ids.then(|| format!("unreadable-{resource}-{}", dice.draw()));
    let at = dice.below(length);
    let mut post = make(dice, resource, id, position.clone(), at);
    (post.is_unreadable, post.twist) = (true, Some("unreadable"));
    post.in_time = !dice.chance(100);
    while dice.chance(300) {
        let mut repeat = post.clone();
        repeat.at += dice.between(0, 10 * SECOND);
        if dice.chance(250) {
            let other = make(dice, resource, None, position.clone(), repeat.at);
            (repeat.body, repeat.digest) = (other.body, other.digest);
        }
        workload.posts.push(repeat);
    }
    workload.posts.push(post);
}
