//! Clocks by facts alone: what an event's clock knows was released before it, or is given up and said so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::clocks::{Causes, Clock};
use sprag_core::fact::{Kind, Released};
use sprag_core::id::Key;
use sprag_core::ranges::Ranges;

type Event = (Arc<str>, u64);

#[derive(Debug, Default)]
struct Known {
    released: BTreeSet<Event>,
    given_up: BTreeSet<Event>,
    /// The nodes of which an event was released in its place.
    begun: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Causality(BTreeMap<Key, Known>);

impl Causality {
    pub(super) fn release(&mut self, released: &Released, clock: &Clock) {
        let known = self.0.entry(released.key.clone()).or_default();
        let own = (clock.node().clone(), clock.count());
        if released.kind == Kind::Late {
            assert!(known.given_up.remove(&own), "was not given up: {released:?}");
            assert!(released.causes.is_empty() && !released.concurrent, "{released:?}");
        } else {
            let missing = known.missing(clock);
            let begun = |(node, _): &&Event| known.begun.contains(node);
            let told = causes(&missing.iter().filter(begun).cloned().collect::<Vec<_>>());
            assert_eq!(released.causes, told, "{released:?}");
            let unknown = |(node, count): &Event| clock.of(node) < *count;
            assert_eq!(released.concurrent, known.released.iter().any(unknown), "{released:?}");
            known.given_up.extend(missing);
            known.begun.insert(clock.node().clone());
            assert!(!known.given_up.contains(&own), "was given up: {released:?}");
        }
        assert!(known.released.insert(own), "released twice: {released:?}");
    }

    pub(super) fn begin(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

impl Known {
    /// What a clock knows besides itself and neither came nor is given up.
    fn missing(&self, clock: &Clock) -> Vec<Event> {
        let events = clock
            .counters()
            .iter()
            .flat_map(|counter| (1..=counter.count).map(|count| (counter.node.clone(), count)));
        let own = (clock.node().clone(), clock.count());
        events
            .filter(|event| *event != own)
            .filter(|event| !self.released.contains(event) && !self.given_up.contains(event))
            .collect()
    }
}

fn causes(missing: &[Event]) -> Vec<Causes> {
    let mut by_node: BTreeMap<Arc<str>, Ranges> = BTreeMap::new();
    for (node, count) in missing {
        let one = sprag_core::ranges::Range::one(*count);
        by_node.entry(node.clone()).or_default().insert(one);
    }
    let of = |(node, ranges): (Arc<str>, Ranges)| {
        let causes = |range| Causes { node: node.clone(), range };
        ranges.as_slice().iter().copied().map(causes).collect::<Vec<_>>()
    };
    by_node.into_iter().flat_map(of).collect()
}
