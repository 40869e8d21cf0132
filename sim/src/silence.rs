//! Providers of which nothing is heard for long: their keys are forgotten meanwhile (DESIGN D8).

use crate::dice::{Dice, Seed};
use crate::schedule::Instant;
use crate::setting::Setting;
use crate::workload::Workload;

/// The stream of chance that decides which keys are forgotten, and which resources fall silent.
const FORGETTING_DICE: u64 = 40;
/// The stream of chance that decides how many tombstones are kept.
const TOMBSTONES_DICE: u64 = 41;

/// How long nothing is heard of a resource.
#[derive(Debug, Clone, Copy)]
enum Silence {
    Never,
    /// For most of the time: what would have come is sent at its end, in the same order.
    Long,
    /// For good: all there is comes at the beginning.
    Forever,
}

/// Decides whether keys are forgotten; gives what decides on, if they are.
pub(crate) fn draw(seed: &Seed, setting: &mut Setting) -> Option<Dice> {
    let mut dice = Dice::new(seed, FORGETTING_DICE);
    let forgets = setting.draw_forgetting(&mut dice, &mut Dice::new(seed, TOMBSTONES_DICE));
    forgets.then_some(dice)
}

/// Where keys are forgotten, some resources fall silent.
pub(crate) fn add(dice: Option<Dice>, workload: &mut Workload, length: Instant) {
    let Some(mut dice) = dice else { return };
    let (from, to) = (length / 8, length - length / 8);
    let all = [Silence::Never, Silence::Never, Silence::Never, Silence::Long, Silence::Forever];
    let silent: Vec<Silence> = workload.resources.iter().map(|_| dice.pick(&all)).collect();
    for post in &mut workload.posts {
        match silent[post.resource] {
            Silence::Long if (from..length).contains(&post.at) => {
                post.at = to + (post.at - from) * (length - to) / (length - from);
            }
            Silence::Forever if post.at < length => post.at /= 8,
            _ => {}
        }
    }
}
