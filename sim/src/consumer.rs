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
    /// How many events of a range it says it has processed.
    pub(crate) acknowledged: Option<u64>,
    /// After how long the answer is there, or the connection gone.
    pub(crate) after: Instant,
    pub(crate) name: &'static str,
}

/// How a whole destination fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Unreachable,
    Errors,
    Hangs,
    Throttles(Instant),
    Gone,
}

/// How often a destination misbehaves; per thousand.
#[derive(Debug, Clone, Copy)]
struct Manners {
    fails: u64,
    hangs: u64,
    acts_then_fails: u64,
    unreachable: u64,
    slow: Instant,
    drops: u64,
}

/// All consumers of a simulation, by the name of the destination.
#[derive(Debug)]
pub(crate) struct Consumers {
    manners: BTreeMap<String, Manners>,
    /// Resources a destination cannot process.
    broken: BTreeSet<(String, usize)>,
    /// Resources it never answers for.
    hung: BTreeSet<(String, usize)>,
    /// Destinations that fail for a while, in one way.
    failing: BTreeMap<String, (Instant, Failing)>,
    /// Destinations that are down for good, until everything is repaired.
    down: BTreeSet<String>,
    /// Destinations that are down for a while.
    down_until: BTreeMap<String, Instant>,
    dice: Dice,
    /// Whether chance plays a part still.
    pub(crate) moody: bool,
    /// Whether everything works from now on.
    repaired: bool,
    /// Resources of which a scenario has a destination refuse an event.
    refused: BTreeSet<(String, usize)>,
}

impl Consumers {
    pub(crate) fn new(mut dice: Dice, destinations: &[String], resources: usize) -> Self {
        let mut broken = BTreeSet::new();
        let mut hung = BTreeSet::new();
        let mut manners = BTreeMap::new();
        for destination in destinations {
            manners.insert(destination.clone(), draw_manners(&mut dice));
            if dice.chance(600) {
                let count = dice.between(1, 4);
                broken.extend((0..count).map(|_| (destination.clone(), dice.index(resources))));
            }
            if dice.chance(400) {
                let count = dice.between(1, 5);
                hung.extend((0..count).map(|_| (destination.clone(), dice.index(resources))));
            }
        }
        let several = destinations.len() > 1 && dice.chance(300);
        let down = several.then(|| destinations[dice.index(destinations.len())].clone());
        Self {
            manners,
            broken,
            hung,
            failing: BTreeMap::new(),
            down: down.into_iter().collect(),
            down_until: BTreeMap::new(),
            dice,
            moody: true,
            repaired: false,
            refused: BTreeSet::new(),
        }
    }

    /// They take everything well, but for what a scenario has them say.
    pub(crate) fn calm(dice: Dice) -> Self {
        Self {
            manners: BTreeMap::new(),
            broken: BTreeSet::new(),
            hung: BTreeSet::new(),
            failing: BTreeMap::new(),
            down: BTreeSet::new(),
            down_until: BTreeMap::new(),
            dice,
            moody: false,
            repaired: false,
            refused: BTreeSet::new(),
        }
    }

    /// A scenario has a destination refuse an event of a resource until everything is repaired.
    pub(crate) fn refuses(&mut self, destination: &str, resource: usize) {
        self.refused.insert((destination.to_owned(), resource));
    }

    /// Whether everything works.
    pub(crate) fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// A destination's process ends; it is back at `until`.
    pub(crate) fn die(&mut self, destination: &str, until: Instant) {
        self.down_until.insert(destination.to_owned(), until);
    }

    /// A destination fails for a while; says how.
    pub(crate) fn fail(&mut self, destination: &str, now: Instant) -> &'static str {
        let rest = self.dice.between(0, 4) * SECOND;
        let all = [
            (Failing::Unreachable, 20, "outage: unreachable"),
            (Failing::Errors, 20, "outage: errors"),
            (Failing::Hangs, 20, "outage: hangs"),
            (Failing::Throttles(rest), 6, "outage: throttles"),
            (Failing::Gone, 2, "outage: gone"),
        ];
        let (how, longest, name) = self.dice.pick(&all);
        let until = now + self.dice.between(SECOND, longest * SECOND);
        self.failing.insert(destination.to_owned(), (until, how));
        name
    }

    /// Everything works from now on.
    pub(crate) fn repair(&mut self) {
        (self.moody, self.repaired) = (false, true);
        self.broken.clear();
        self.hung.clear();
        self.refused.clear();
        self.failing.clear();
        self.down.clear();
        self.down_until.clear();
    }

    /// Whether a destination processes a resource, once chance plays no part.
    pub(crate) fn is_healthy(&self, destination: &str, resource: usize) -> bool {
        !self.down.contains(destination)
            && !self.broken.contains(&(destination.to_owned(), resource))
            && !self.hung.contains(&(destination.to_owned(), resource))
            && !self.refused.contains(&(destination.to_owned(), resource))
    }

    /// How an attempt is taken.
    pub(crate) fn take(&mut self, now: Instant, destination: &str, resource: usize) -> Conduct {
        let is_down = self.down.contains(destination)
            || self.down_until.get(destination).is_some_and(|until| *until > now);
        if is_down {
            return conduct("unreachable", Outcome::Unreachable, MILLISECOND);
        }
        let latency = self.dice.between(MILLISECOND, 30 * MILLISECOND);
        let failing = self.failing.get(destination).filter(|(until, _)| *until > now);
        if let Some((_, failing)) = failing.filter(|_| self.moody) {
            return fails_as(*failing, latency);
        }
        if self.hung.contains(&(destination.to_owned(), resource)) {
            return conduct("hung key", Outcome::Unknown, TIMEOUT);
        }
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
        if self.dice.chance(manners.drops) {
            let dropped = Some("this consumer has no use for it");
            return Conduct { dropped, ..conduct("drops", answered(200), latency) };
        }
        if slow > SECOND {
            return conduct("answers slowly", answered(200), slow);
        }
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
        slow: some(500, 1, 400) * MILLISECOND + some(150, 1, 2) * SECOND,
        drops: some(400, 5, 60),
    }
}

fn fails_as(failing: Failing, latency: Instant) -> Conduct {
    let name = "in an outage";
    match failing {
        Failing::Unreachable => conduct(name, Outcome::Unreachable, MILLISECOND),
        Failing::Errors => conduct(name, answered(503), latency),
        Failing::Hangs => conduct(name, Outcome::Unknown, TIMEOUT),
        Failing::Gone => conduct(name, answered(410), latency),
        Failing::Throttles(rest) => {
            let retry_after = (rest > 0).then(|| Duration::from_micros(rest));
            Conduct { retry_after, ..conduct(name, answered(429), latency) }
        }
    }
}

pub(crate) fn answered(status: u16) -> Outcome {
    Outcome::Answered { status }
}

pub(crate) fn conduct(name: &'static str, outcome: Outcome, after: Instant) -> Conduct {
    Conduct { outcome, retry_after: None, dropped: None, acknowledged: None, after, name }
}
