//! Sources of contract `causal`: nodes that hear of one another, and events that say what their node had heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::clocks::{Clock, Counter};
use sprag_core::plan::PlannedSource;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap};
use sprag_log::digest::sha256;

use crate::dice::Dice;
use crate::latest::Counted;
use crate::setting::HOLD_SPAN;

/// The highest counter there can be.
pub(crate) const HIGHEST_COUNTER: u64 = u64::MAX / 2 / 64;

/// Nodes of a key at the most.
pub(crate) const MOST_NODES: usize = 64;

/// How many events of each node are known.
type Knows = BTreeMap<Arc<str>, u64>;

/// What each node that writes of one resource has heard, its own events among it.
#[derive(Debug, Default)]
pub(crate) struct Nodes(Vec<(Arc<str>, Knows)>);

/// Adds one in a third of all worlds.
pub(crate) fn draw_source(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Option<(Arc<str>, Counted)> {
    let mut source = sources.first().cloned().filter(|_| dice.chance(350))?;
    source.settings.name = "replicas".into();
    source.settings.contract = Contract::Causal;
    source.settings.on_gap = if dice.chance(250) { OnGap::Halt } else { OnGap::Skip };
    source.identity = format!("{:?}", source.settings.contract).into();
    let name = source.settings.name.clone();
    sources.push(source);
    Some((name, Counted::Clocks))
}

impl Nodes {
    /// Those of a resource that is told of for the first time, or by others.
    pub(crate) fn begin(dice: &mut Dice) -> Self {
        let first = dice.below(1_000);
        let names = first..first + dice.between(2, 4);
        let names: Vec<Arc<str>> = names.map(|number| format!("n{number}").into()).collect();
        // Some wrote before Sprag was there, some more than any event may lie ahead; and heard of one another.
        let wrote = dice.chance(400);
        let mut begun = Knows::new();
        for name in names.iter().filter(|_| wrote) {
            begun.insert(name.clone(), dice.pick(&[0, 1, 7, 150, 3 * HOLD_SPAN]) + dice.below(5));
        }
        begun.retain(|_, count| *count > 0);
        Self(names.into_iter().map(|name| (name, begun.clone())).collect())
    }

    /// One of them writes, perhaps after it heard from another.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> Position {
        let at = dice.index(self.0.len());
        if dice.chance(450) {
            let heard = self.0[dice.index(self.0.len())].1.clone();
            for (node, count) in heard {
                let known = self.0[at].1.entry(node).or_default();
                *known = count.max(*known);
            }
        }
        let (name, knows) = &mut self.0[at];
        *knows.entry(name.clone()).or_default() += 1;
        clock(name, knows)
    }
}

fn clock(node: &str, knows: &Knows) -> Position {
    let counter = |(node, count): (&Arc<str>, &u64)| Counter { node: node.clone(), count: *count };
    let counters = knows.iter().map(counter).collect();
    Position::Clock(Clock::new(node, counters).expect("a few nodes, the own among them"))
}

/// A clock that cannot be, or that is not true.
pub(crate) fn poison(dice: &mut Dice, of: &Clock) -> Position {
    let of_counters = of.counters().iter();
    let mut knows: Knows =
        of_counters.map(|counter| (counter.node.clone(), counter.count)).collect();
    let own = of.node().clone();
    match dice.below(5) {
        0 => drop(knows.insert(own.clone(), HIGHEST_COUNTER + 1)),
        1 => drop(knows.insert(own.clone(), of.count() + dice.between(HOLD_SPAN + 50, 100_000))),
        // As many as there may be, and not those that others of its key know.
        2 => {
            let first = dice.below(1_000);
            let others = (first..).map(|number| (format!("other-{number}").into(), 1));
            knows.extend(others.take(MOST_NODES - knows.len()));
        }
        // It forgot what its node knew.
        3 => knows.retain(|node, _| *node == own),
        // It knows some that its causes do not, and not all that they do.
        _ => {
            for count in knows.values_mut() {
                *count += dice.below(3);
            }
            knows.retain(|node, _| *node == own || dice.chance(600));
        }
    }
    clock(&own, &knows)
}

/// A number that stands for the event of a node which a clock is of.
pub(crate) fn number(clock: &Clock) -> u64 {
    let hash = sha256(&[clock.node().as_bytes(), b" ", &clock.count().to_be_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    u64::from_be_bytes(first)
}
