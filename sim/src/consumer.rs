//! The consumers: answer, fail, hang, act and then fail to answer, die with their connections.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::fact::Outcome;

use crate::dice::Dice;
use crate::schedule::{Instant, MILLISECOND, SECOND};

/// After this the dispatcher gives up on an answer.
const TIMEOUT: Instant = 3 * SECOND;

/// How a consumer takes one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conduct {
    pub(crate) outcome: Outcome,
    pub(crate) retry_after: Option<Duration>,
    /// Why it drops the event (`sprag-drop`).
    pub(crate) dropped: Option<&'static str>,
    /// After how long the answer is there, or the connection gone.
    pub(crate) after: Instant,
    pub(crate) name: &'static str,
}

/// How often a destination misbehaves; per thousand.
#[derive(Debug, Clone, Copy)]
struct Manners {
    fails: u64,
    hangs: u64,
    acts_then_fails: u64,
    unreachable: u64,
    slow: Instant,
}

/// All consumers of a simulation, by the name of the destination.
#[derive(Debug)]
pub(crate) struct Consumers {
    manners: BTreeMap<String, Manners>,
    /// Resources a destination cannot process.
    broken: BTreeSet<(String, usize)>,
    /// Destinations that are down for good, until everything is repaired.
    down: BTreeSet<String>,
    /// Destinations that are down for a while.
    down_until: BTreeMap<String, Instant>,
    dice: Dice,
    /// Whether chance plays a part still.
    pub(crate) moody: bool,
}

impl Consumers {
    pub(crate) fn new(mut dice: Dice, destinations: &[String], resources: usize) -> Self {
        let mut broken = BTreeSet::new();
        let mut manners = BTreeMap::new();
        for destination in destinations {
            manners.insert(destination.clone(), draw_manners(&mut dice));
            if dice.chance(600) {
                let count = dice.between(1, 4);
                broken.extend((0..count).map(|_| (destination.clone(), dice.index(resources))));
            }
        }
        let several = destinations.len() > 1 && dice.chance(300);
        let down = several.then(|| destinations[dice.index(destinations.len())].clone());
        Self {
            manners,
            broken,
            down: down.into_iter().collect(),
            down_until: BTreeMap::new(),
            dice,
            moody: true,
        }
    }

    /// A destination's process ends; it is back at `until`.
    pub(crate) fn die(&mut self, destination: &str, until: Instant) {
        self.down_until.insert(destination.to_owned(), until);
    }

    /// Everything works from now on.
    pub(crate) fn repair(&mut self) {
        self.moody = false;
        self.broken.clear();
        self.down.clear();
        self.down_until.clear();
    }

    /// Whether a destination processes a resource, once chance plays no part.
    pub(crate) fn is_healthy(&self, destination: &str, resource: usize) -> bool {
        !self.down.contains(destination)
            && !self.broken.contains(&(destination.to_owned(), resource))
    }

    /// How an attempt is taken.
    pub(crate) fn take(&mut self, now: Instant, destination: &str, resource: usize) -> Conduct {
        let is_down = self.down.contains(destination)
            || self.down_until.get(destination).is_some_and(|until| *until > now);
        if is_down {
            return conduct("unreachable", Outcome::Unreachable, MILLISECOND);
        }
        let latency = self.dice.between(MILLISECOND, 30 * MILLISECOND);
        if self.broken.contains(&(destination.to_owned(), resource)) {
            return conduct("broken key", answered(500), latency);
        }
        let manners = self.manners.get(destination).copied().filter(|_| self.moody);
        let Some(manners) = manners else { return conduct("answers", answered(200), latency) };
        self.take_with(manners, latency)
    }

    fn take_with(&mut self, manners: Manners, latency: Instant) -> Conduct {
        if self.dice.chance(manners.unreachable) {
            return conduct("unreachable", Outcome::Unreachable, MILLISECOND);
        }
        if self.dice.chance(manners.hangs) {
            return conduct("hangs", Outcome::Unknown, TIMEOUT);
        }
        if self.dice.chance(manners.acts_then_fails) {
            return conduct("acts, then fails to answer", Outcome::Unknown, latency);
        }
        if self.dice.chance(manners.fails) {
            let status = self.dice.pick(&[500, 500, 503, 429, 301, 400, 410]);
            let mut conduct = conduct("fails", answered(status), latency);
            if status == 503 || status == 429 {
                let seconds = self.dice.between(1, 3);
                conduct.retry_after = Some(Duration::from_secs(seconds));
                conduct.name = "fails and says when to retry";
            }
            return conduct;
        }
        let slow = self.dice.between(0, manners.slow);
        conduct("answers", answered(self.dice.pick(&[200, 200, 204])), latency + slow)
    }
}

fn draw_manners(dice: &mut Dice) -> Manners {
    let mut some = |chance: u64, low: u64, high: u64| {
        if dice.chance(chance) { dice.between(low, high) } else { 0 }
    };
    Manners {
        fails: some(700, 10, 250),
        hangs: some(400, 2, 15),
        acts_then_fails: some(600, 5, 100),
        unreachable: some(400, 5, 100),
        slow: some(500, 1, 400) * MILLISECOND,
    }
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status }
}

fn conduct(name: &'static str, outcome: Outcome, after: Instant) -> Conduct {
    Conduct { outcome, retry_after: None, dropped: None, after, name }
}
