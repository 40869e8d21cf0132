//! Vector clocks: the position under contract `causal`, and what a key has come to of each node's events.
//!
//! A clock names the node that wrote its event and says how many events of the key that node knew of each node, its
//! own event among them. Must not know: settings, what waits.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::fields::push_name;
use crate::limits;
use crate::ranges::{Range, Ranges};

/// How many events of one node are known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// The node, 1 to [`limits::NODE_BYTES`] bytes.
    pub node: Arc<str>,
    /// How many; never 0, which is the same as not naming the node.
    pub count: u64,
}

/// The clock of an event: its counters ascend by node, each once and at least one of them the own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock {
    counters: Arc<[Counter]>,
    own: usize,
}

/// Why counters are no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockProblem {
    /// More than [`limits::CLOCK_NODES`].
    TooMany,
    /// The name of a node is empty or longer than [`limits::NODE_BYTES`].
    Node,
    /// A node comes twice.
    Twice,
    /// Its node is not among its counters, or has counted no event.
    NoOwn,
}

impl Clock {
    /// Puts counters in order. A counter of 0 is as none.
    ///
    /// # Errors
    /// When they are not as [`Clock`] says.
    pub fn new(node: &str, mut counters: Vec<Counter>) -> Result<Self, ClockProblem> {
        if counters.len() > limits::CLOCK_NODES {
            return Err(ClockProblem::TooMany);
        }
        let named = |name: &str| (1..=limits::NODE_BYTES).contains(&name.len());
        if !named(node) || !counters.iter().all(|counter| named(&counter.node)) {
            return Err(ClockProblem::Node);
        }
        counters.sort_by(|one, other| one.node.cmp(&other.node));
        if counters.windows(2).any(|pair| pair[0].node == pair[1].node) {
            return Err(ClockProblem::Twice);
        }
        counters.retain(|counter| counter.count > 0);
        let own = counters.iter().position(|counter| *counter.node == *node);
        own.map(|own| Self { counters: counters.into(), own }).ok_or(ClockProblem::NoOwn)
    }

    /// The node that wrote the event.
    #[must_use]
    pub fn node(&self) -> &Arc<str> {
        &self.counters[self.own].node
    }

    /// Which of its node's events it is, from 1.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counters[self.own].count
    }

    /// Which of the counters is that of its node.
    #[must_use]
    pub fn own(&self) -> usize {
        self.own
    }

    /// The counters, ascending by node.
    #[must_use]
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// The counters of the other nodes.
    pub fn others(&self) -> impl Iterator<Item = &Counter> {
        let own = self.own;
        self.counters.iter().enumerate().filter(move |(at, _)| *at != own).map(|(_, other)| other)
    }

    /// How many events of a node it knows.
    #[must_use]
    pub fn of(&self, node: &str) -> u64 {
        let found = self.counters.binary_search_by(|counter| (*counter.node).cmp(node));
        found.map_or(0, |at| self.counters[at].count)
    }

    /// All it knows together: that of an event is higher than that of every event it knows.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.counters.iter().fold(0, |sum, counter| sum.saturating_add(counter.count))
    }

    /// Whether this event is the other, or one that the other's clock knows.
    #[must_use]
    pub fn is_known_to(&self, other: &Self) -> bool {
        other.of(self.node()) >= self.count()
    }

    /// `a=3,b=1;a`: the counters, then the node; names are percent-encoded as in a URL.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for counter in self.counters() {
            if !text.is_empty() {
                text.push(',');
            }
            push_name(&mut text, &counter.node);
            text.push_str(&alloc::format!("={}", counter.count));
        }
        text.push(';');
        push_name(&mut text, self.node());
        text
    }
}

/// Events of one node that a clock knows and that did not come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Causes {
    /// The node.
    pub node: Arc<str>,
    /// Which of its events.
    pub range: Range,
}

/// What a key has come to of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNode {
    /// Its name.
    pub name: Arc<str>,
    /// Up to here its events are released or given up.
    pub count: u64,
    /// Those of them that were given up and did not come since.
    pub given_up: Ranges,
    /// The counters of its last released event, one per node in the order of [`Seen`]; zeros before the first.
    pub knows: Vec<u64>,
}

/// What a key has come to of all nodes, ascending by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(Vec<KnownNode>);

impl Seen {
    /// Of a key that released nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Takes nodes as they were; none where they do not ascend, or what one knows is not one counter per node.
    #[must_use]
    pub fn of(nodes: Vec<KnownNode>) -> Option<Self> {
        let ascend = nodes.windows(2).all(|pair| pair[0].name < pair[1].name);
        let square = nodes.iter().all(|node| node.knows.len() == nodes.len());
        (ascend && square && !nodes.is_empty()).then_some(Self(nodes))
    }

    /// Ascending by name.
    #[must_use]
    pub fn nodes(&self) -> &[KnownNode] {
        &self.0
    }

    fn node(&self, name: &str) -> Option<&KnownNode> {
        self.find(name).ok().map(|at| &self.0[at])
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|node| (*node.name).cmp(name))
    }

    /// Up to where the events of a node are released or given up.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.node(name).map_or(0, |node| node.count)
    }

    /// Whether one of a node's own events was released in its place: what is missing of it is known from then on. As a key
    /// under `fifo`, a node may have written long before Sprag was there.
    #[must_use]
    pub fn has_begun(&self, name: &str) -> bool {
        self.find(name).is_ok_and(|at| self.0[at].knows.get(at).is_some_and(|own| *own > 0))
    }

    /// Whether its place is gone past: it is released or given up.
    #[must_use]
    pub fn is_behind(&self, clock: &Clock) -> bool {
        clock.count() <= self.count(clock.node())
    }

    /// Whether it was given up and did not come since.
    #[must_use]
    pub fn was_given_up(&self, clock: &Clock) -> bool {
        self.node(clock.node()).is_some_and(|node| node.given_up.contains(clock.count()))
    }

    /// Whether it is the next of its node, and all it knows besides is released or given up.
    #[must_use]
    pub fn is_ready(&self, clock: &Clock) -> bool {
        clock.count() == self.count(clock.node()).saturating_add(1)
            && clock.others().all(|other| other.count <= self.count(&other.node))
    }

    /// Whether it knows less than the last event of its node that was released.
    #[must_use]
    pub fn shrinks(&self, clock: &Clock) -> bool {
        let Some(own) = self.node(clock.node()) else { return false };
        self.0.iter().zip(&own.knows).any(|(node, known)| clock.of(&node.name) < *known)
    }

    /// How many nodes there would be with it.
    #[must_use]
    pub fn nodes_with(&self, clock: &Clock) -> usize {
        let new = clock.counters().iter().filter(|counter| self.find(&counter.node).is_err());
        self.0.len() + new.count()
    }

    /// Whether an event was released that it does not know. As that does not know it either, for then it had been
    /// released before, the two are concurrent.
    #[must_use]
    pub fn has_concurrent(&self, clock: &Clock) -> bool {
        self.0.iter().filter(|node| node.name != *clock.node()).any(|node| {
            let unknown = clock.of(&node.name).saturating_add(1);
            let is_inside = |range: &Range| range.from <= unknown && node.count <= range.to;
            node.count >= unknown && !node.given_up.as_slice().iter().any(is_inside)
        })
    }

    /// What it knows besides itself and is neither released nor given up, ascending by node.
    #[must_use]
    pub fn missing(&self, clock: &Clock) -> Vec<Causes> {
        let missing = |counter: &Counter| {
            let is_own = u64::from(counter.node == *clock.node());
            let (from, to) = (self.count(&counter.node).saturating_add(1), counter.count - is_own);
            let range = Range { from, to };
            (from <= to).then(|| Causes { node: counter.node.clone(), range })
        };
        clock.counters().iter().filter_map(missing).collect()
    }

    /// What of that is missing of nodes that have begun: a gap, where the rest only came before they did.
    #[must_use]
    pub fn lacks(&self, clock: &Clock) -> Vec<Causes> {
        let mut missing = self.missing(clock);
        missing.retain(|causes| self.has_begun(&causes.node));
        missing
    }

    /// The event was released in its place: what it knows and did not come is given up.
    pub fn pass(&mut self, clock: &Clock) {
        let missing = self.missing(clock);
        for counter in clock.counters() {
            self.know(&counter.node);
        }
        for Causes { node, range } in missing {
            if let Ok(at) = self.find(&node) {
                self.0[at].given_up.insert(range);
                self.0[at].given_up.merge_oldest(limits::NODE_RANGES);
            }
        }
        for node in &mut self.0 {
            node.count = node.count.max(clock.of(&node.name));
        }
        let knows = self.0.iter().map(|node| clock.of(&node.name)).collect();
        if let Ok(own) = self.find(clock.node()) {
            self.0[own].knows = knows;
        }
    }

    /// The event was released after it had been given up.
    pub fn came_late(&mut self, clock: &Clock) {
        if let Ok(at) = self.find(clock.node()) {
            self.0[at].given_up.remove(clock.count());
            self.0[at].given_up.merge_oldest(limits::NODE_RANGES);
        }
    }

    fn know(&mut self, name: &Arc<str>) {
        let Err(at) = self.find(name) else { return };
        for node in &mut self.0 {
            node.knows.insert(at, 0);
        }
        let knows = alloc::vec![0; self.0.len() + 1];
        let name = name.clone();
        self.0.insert(at, KnownNode { name, count: 0, given_up: Ranges::default(), knows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(text: &str) -> Vec<Counter> {
        let counter = |part: &str| {
            let (node, count) = part.split_once('=').unwrap();
            Counter { node: node.into(), count: count.parse().unwrap() }
        };
        text.split(',').map(counter).collect()
    }

    fn clock(text: &str) -> Clock {
        let (all, node) = text.split_once(';').unwrap();
        Clock::new(node, counters(all)).unwrap()
    }

    fn seen(clocks: &[&str]) -> Seen {
        let mut seen = Seen::default();
        clocks.iter().for_each(|text| seen.pass(&clock(text)));
        seen
    }

    #[test]
    fn counters_are_in_order_each_once_and_bounded() {
        let some = clock("b c=2,a=1,z=0;a");
        assert_eq!((some.text().as_str(), some.count(), some.sum()), ("a=1,b%20c=2;a", 1, 3));
        assert_eq!((some.of("b c"), some.of("z"), some.of("other")), (2, 0, 0));
        let of = |node: &str, text: &str| Clock::new(node, counters(text));
        assert_eq!(of("a", "a=1,b=1,a=2"), Err(ClockProblem::Twice));
        assert_eq!(of("a", "a=0,b=1"), Err(ClockProblem::NoOwn));
        assert_eq!(of("c", "b=1"), Err(ClockProblem::NoOwn));
        assert_eq!(of("", "b=1"), Err(ClockProblem::Node));
        assert_eq!(of("b", "b=1,=1"), Err(ClockProblem::Node));
        let long = "n".repeat(limits::NODE_BYTES + 1);
        assert_eq!(of("b", &alloc::format!("b=1,{long}=1")), Err(ClockProblem::Node));
        assert!(of(&long[1..], &alloc::format!("{}=1", &long[1..])).is_ok());
        let many = |count| {
            let counter =
                |number: usize| Counter { node: alloc::format!("{number}").into(), count: 1 };
            Clock::new("0", (0..count).map(counter).collect())
        };
        assert_eq!(many(limits::CLOCK_NODES + 1), Err(ClockProblem::TooMany));
        assert!(many(limits::CLOCK_NODES).is_ok());
    }

    #[test]
    fn an_event_is_ready_behind_all_it_knows() {
        let seen = seen(&["a=1;a", "a=1,b=1;b"]);
        let is_ready = |text: &str| seen.is_ready(&clock(text));
        assert!(is_ready("a=2;a") && is_ready("a=1,b=2;b") && is_ready("c=1;c"));
        assert!(!is_ready("a=3;a") && !is_ready("a=2,b=2;b") && !is_ready("b=1,a=1;b"));
        assert!(seen.is_behind(&clock("b=1;b")) && !seen.is_behind(&clock("b=2;b")));
    }

    #[test]
    fn concurrent_is_what_does_not_know_a_released_event() {
        let seen = seen(&["a=1;a", "a=1,b=1;b"]);
        let is = |text: &str| seen.has_concurrent(&clock(text));
        assert!(is("a=2;a"), "it does not know b's");
        assert!(is("c=1;c") && !is("a=2,b=1;a") && !is("a=1,b=2;b"));
    }

    /// What was given up was never released: not to know it makes nothing concurrent, until it comes.
    #[test]
    fn what_was_given_up_is_late_and_concurrent_to_none() {
        let mut seen = seen(&["a=1;a", "a=1,b=2,c=3;b"]);
        let given_up = |seen: &Seen, name| seen.node(name).unwrap().given_up.clone();
        assert_eq!(given_up(&seen, "b").as_slice(), [Range::one(1)]);
        assert_eq!(given_up(&seen, "c").as_slice(), [Range { from: 1, to: 3 }]);
        assert!(!seen.has_concurrent(&clock("a=1,b=3;b")));
        assert!(seen.was_given_up(&clock("c=2;c")) && !seen.was_given_up(&clock("b=2;b")));
        seen.came_late(&clock("c=2;c"));
        assert!(!seen.was_given_up(&clock("c=2;c")) && seen.has_concurrent(&clock("a=1,b=3;b")));
        assert!(!seen.has_concurrent(&clock("a=1,b=3,c=3;b")));
    }

    #[test]
    fn what_is_missing_is_what_a_clock_knows_besides_itself() {
        let seen = seen(&["a=1;a"]);
        let cause = |node: &str, from, to| Causes { node: node.into(), range: Range { from, to } };
        assert_eq!(seen.missing(&clock("a=3,b=2;a")), [cause("a", 2, 2), cause("b", 1, 2)]);
        assert_eq!(seen.missing(&clock("a=2;a")), []);
    }

    /// A node has begun once an event of its own was released: what others know of it before is no gap.
    #[test]
    fn what_a_node_lacks_is_known_once_it_has_begun() {
        let seen = seen(&["a=3,b=7;b"]);
        assert!(seen.has_begun("b") && !seen.has_begun("a") && !seen.has_begun("c"));
        let lacks = |text: &str| seen.lacks(&clock(text)).len();
        assert_eq!(
            (lacks("a=9;a"), lacks("a=9,b=9;b"), lacks("c=5;c"), lacks("b=9,c=5;c")),
            (0, 1, 0, 1)
        );
    }

    /// Late events split what was given up; it stays bounded.
    #[test]
    fn what_was_given_up_is_bounded_whatever_comes_late() {
        let mut seen = seen(&["a=1000;a"]);
        for count in (2..1000).step_by(2) {
            seen.came_late(&clock(&alloc::format!("a={count};a")));
        }
        assert_eq!(seen.nodes()[0].given_up.as_slice().len(), limits::NODE_RANGES);
    }

    #[test]
    fn no_node_knows_less_than_it_did() {
        let seen = seen(&["a=1;a", "a=1,b=1;b", "0=1,a=1,b=2;b"]);
        let shrinks = |text: &str| seen.shrinks(&clock(text));
        assert!(shrinks("b=3,a=1;b") && shrinks("b=3,0=1;b") && !shrinks("0=1,a=1,b=3;b"));
        assert!(!shrinks("a=2;a") && !shrinks("c=1;c"));
        assert_eq!((seen.nodes_with(&clock("a=1,c=1,d=1;d")), seen.nodes().len()), (5, 3));
        assert!(Seen::of(seen.nodes().to_vec()).is_some() && Seen::of(Vec::new()).is_none());
        assert!(Seen::of(seen.nodes()[1..].to_vec()).is_none(), "not one counter per node");
    }
}
