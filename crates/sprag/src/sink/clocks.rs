//! What a consumer remembers of a key's clocks (contract `causal`): an event comes behind all it knows, and says so
//! where it does not know what came before.
//!
//! Written from what the guide promises, from the consumer's side alone: it must not know how the gateway decides.

use sprag_core::ranges::Range;
use std::collections::BTreeMap;

/// A clock as `sprag-position` has it: `a=3,b=1;a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockText {
    /// How many events of each node it knows, its own among them.
    pub counters: BTreeMap<String, u64>,
    /// The node that wrote the event.
    pub node: String,
}

impl ClockText {
    /// Reads it; none when the position is none, or was too long for a header.
    pub(super) fn read(position: &str) -> Option<Self> {
        let (counters, node) = position.split_once(';')?;
        let counter = |text: &str| {
            let (node, count) = text.split_once('=')?;
            Some((node.to_owned(), count.parse().ok()?))
        };
        let counters: BTreeMap<_, _> = counters.split(',').map(counter).collect::<Option<_>>()?;
        counters.contains_key(node).then(|| Self { counters, node: node.to_owned() })
    }
}

/// Events that did not come, by node, as `sprag-missing` has them: `a=3-5,b=8`. None when it is no such list, or
/// not a whole one.
pub(super) fn causes(text: &str) -> Option<BTreeMap<String, Range>> {
    let of = |text: &str| {
        let (node, range) = text.split_once('=')?;
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some((node.to_owned(), Range { from: from.parse().ok()?, to: to.parse().ok()? }))
    };
    text.split(',').map(of).collect()
}

/// What came of a key.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// By node, up to where its events came or were named as missing.
    passed: BTreeMap<String, u64>,
    /// By node, the last of its events that came in its place.
    came: BTreeMap<String, u64>,
    /// Whether a node seems to have counted anew.
    anew: bool,
}

/// What a delivery says of its causes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) clock: &'a ClockText,
    /// None where it cannot be told.
    pub(super) missing: Option<&'a BTreeMap<String, Range>>,
    pub(super) concurrent: bool,
}

impl Clocks {
    /// The first thing that is wrong with an event that came in its place, if anything is. `is_whole`: everything that the
    /// key released before it came here. A node that counts anew says that its key may have been begun anew, which
    /// only the gateway knows: then nothing is judged any more.
    pub(super) fn follow(&mut self, told: Told<'_>, is_whole: bool) -> Option<String> {
        let own = told.clock.counters.get(&told.clock.node).copied().unwrap_or_default();
        self.anew |= self.came.get(&told.clock.node).is_some_and(|came| own <= *came);
        let wrong = if is_whole && !self.anew { self.wrong(told) } else { None };
        for (node, count) in &told.clock.counters {
            let passed = self.passed.entry(node.clone()).or_default();
            *passed = (*passed).max(*count);
        }
        self.came.insert(told.clock.node.clone(), own);
        wrong
    }

    fn wrong(&self, told: Told<'_>) -> Option<String> {
        let missing = told.missing?;
        for (node, count) in &told.clock.counters {
            // Where a node begins is not told.
            if !self.came.contains_key(node) {
                continue;
            }
            // Of its own node it comes behind the one before it.
            let needs = count - u64::from(*node == told.clock.node);
            let passed = self.passed.get(node).copied().unwrap_or_default();
            let named = missing.get(node).filter(|range| range.from <= passed + 1);
            if needs > passed && named.is_none_or(|range| range.to < needs) {
                return Some(format!("knows event {needs} of node {node}, which did not come"));
            }
        }
        let knows = |node: &str| told.clock.counters.get(node).copied().unwrap_or_default();
        let others = self.came.iter().filter(|(node, _)| **node != told.clock.node);
        let unknown = others.into_iter().find(|(node, count)| knows(node) < **count);
        match unknown {
            Some((node, count)) if !told.concurrent => Some(format!(
                "does not know event {count} of node {node}, which came before, and is not called concurrent"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> ClockText {
        ClockText::read(text).unwrap()
    }

    fn follow(clocks: &mut Clocks, text: &str, missing: &str, concurrent: bool) -> Option<String> {
        let missing = if missing.is_empty() { Some(BTreeMap::new()) } else { causes(missing) };
        let clock = clock(text);
        clocks.follow(Told { clock: &clock, missing: missing.as_ref(), concurrent }, true)
    }

    #[test]
    fn clocks_and_lists_of_causes_are_read_or_not() {
        assert_eq!(clock("a%20b=3,c=1;c").counters["a%20b"], 3);
        for text in ["", "7", "sha256:00", "a=1", "a=1;b", "a=x;a", "a;a"] {
            assert_eq!(ClockText::read(text), None, "{text}");
        }
        assert_eq!(causes("a=3-5,b=8").unwrap()["a"], Range { from: 3, to: 5 });
        assert_eq!(causes("3-5"), None);
        assert_eq!(causes("a=3;more"), None);
    }

    #[test]
    fn an_event_that_comes_before_what_it_knows_is_told() {
        let mut clocks = Clocks::default();
        assert_eq!(follow(&mut clocks, "a=1;a", "", false), None);
        let early = follow(&mut clocks, "a=2,b=1;b", "", false).unwrap();
        assert!(early.contains("knows event 2 of node a"), "{early}");
        let mut clocks = Clocks::default();
        assert_eq!(follow(&mut clocks, "a=1;a", "", false), None);
        assert_eq!(
            follow(&mut clocks, "a=3,b=1;b", "a=2-3", false),
            None,
            "it says what is missing"
        );
        assert_eq!(follow(&mut clocks, "a=4,b=1;a", "", false), None);
        let began = follow(&mut clocks, "a=4,b=1,c=9;c", "", false);
        assert_eq!(began, None, "where c began is not told");
        assert_eq!(follow(&mut clocks, "a=1;a", "", false), None, "it begins anew");
    }

    #[test]
    fn an_event_that_does_not_know_what_came_before_says_so() {
        let mut clocks = Clocks::default();
        assert_eq!(follow(&mut clocks, "a=1;a", "", false), None);
        assert_eq!(follow(&mut clocks, "b=1;b", "", true), None);
        let unmarked = follow(&mut clocks, "b=2;b", "", false).unwrap();
        assert!(unmarked.contains("does not know event 1 of node a"), "{unmarked}");
    }
}
