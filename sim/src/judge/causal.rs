//! What contract `causal` demands: an event is released behind everything its clock knows, or says what of that is given
//! up; what does not know of everything before it is called concurrent; nothing waits that could go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::clocks::{Causes, Clock, Counter};
use sprag_core::fact::{Kind, Recognised, Released};
use sprag_core::id::Place;
use sprag_core::position::Position;
use sprag_core::ranges::Range;
use sprag_core::settings::OnGap;

use super::deliveries::Deliveries;
use super::event_history::{Demand, EventHistory, IngressFate};
use super::history::History;
use super::key_history::KeyHistory;
use super::newest::Described;
use super::policies::SourcePolicy;
use super::{Verdict, must};
use crate::causal::{HIGHEST_COUNTER, MOST_NODES};

/// An event as its node counts it.
type Named = (Arc<str>, u64);

/// Where an event stands among those that are ready at the same moment.
type Standing = (u64, Arc<str>, Place);

/// What a key has of events with clocks.
#[derive(Debug, Default)]
pub(crate) struct Causal {
    /// Of each node, up to where its events were released or given up.
    passed: BTreeMap<Arc<str>, u64>,
    released: BTreeMap<Named, Place>,
    /// Of each node, what was given up; some of it came later.
    given_up: BTreeMap<Arc<str>, Vec<Range>>,
    /// The clock of the last event of each node that was released in its place.
    last: BTreeMap<Arc<str>, Clock>,
    pub(super) waiting: BTreeMap<Place, Clock>,
    /// Where the event stands that was released last.
    stood: Option<Standing>,
    /// Events that were called concurrent, that waited in vain, that waited and went, and that were passed.
    pub(crate) concurrent: u64,
    pub(crate) in_vain: u64,
    pub(crate) in_their_turn: u64,
    pub(crate) untrue: u64,
}

fn standing(clock: &Clock, place: Place) -> Standing {
    let sum = clock.counters().iter().map(|one| one.count).sum();
    (sum, clock.node().clone(), place)
}

fn named(clock: &Clock) -> Named {
    (clock.node().clone(), clock.count())
}

impl Causal {
    /// What was known says nothing any more.
    pub(super) fn begin_anew(&mut self) {
        self.passed.clear();
        self.released.clear();
        self.given_up.clear();
        self.last.clear();
    }

    fn passed(&self, node: &str) -> u64 {
        self.passed.get(node).copied().unwrap_or_default()
    }

    /// Whether the place of an event is gone past.
    pub(super) fn is_behind(&self, position: &Position) -> bool {
        let Position::Clock(clock) = position else { return false };
        clock.count() <= self.passed(clock.node())
    }

    fn was_given_up(&self, clock: &Clock) -> bool {
        let ranges = self.given_up.get(clock.node()).into_iter().flatten();
        let is_in = ranges.into_iter().any(|range| range.contains(clock.count()));
        is_in && !self.released.contains_key(&named(clock))
    }

    /// What a clock knows besides its own event and is neither released nor given up.
    fn missing(&self, clock: &Clock) -> Vec<Causes> {
        let mut missing = Vec::new();
        for counter in clock.counters() {
            let to = counter.count - u64::from(counter.node == *clock.node());
            let from = self.passed(&counter.node) + 1;
            if from <= to {
                missing.push(Causes { node: counter.node.clone(), range: Range { from, to } });
            }
        }
        missing
    }

    /// What of that is missing of nodes of which an event was released in its place: of others nobody knows where
    /// they began.
    fn lacks(&self, clock: &Clock) -> Vec<Causes> {
        let mut missing = self.missing(clock);
        missing.retain(|causes| self.last.contains_key(&causes.node));
        missing
    }

    /// Whether an event is the first of those that are ready since the last release.
    fn is_first_of_the_ready(&self, clock: &Clock, place: Place) -> bool {
        let at = standing(clock, place);
        let others =
            self.waiting.iter().filter(|(other, of)| **other != place && self.is_ready(of));
        let mut others = others.map(|(other, of)| standing(of, *other));
        others.all(|other| other > at || self.stood.as_ref().is_some_and(|stood| other < *stood))
    }

    fn shrinks(&self, clock: &Clock) -> bool {
        let last = self.last.get(clock.node());
        last.is_some_and(|last| last.counters().iter().any(|one| clock.of(&one.node) < one.count))
    }

    fn is_too_many(&self, clock: &Clock) -> bool {
        let known = self.passed.keys();
        let all: BTreeSet<_> = known.chain(clock.counters().iter().map(|one| &one.node)).collect();
        all.len() > MOST_NODES
    }

    /// Whether a counter lies far beyond what is known of its node, by these others among it.
    fn is_beyond(&self, clock: &Clock, span: u64, others: &[&Clock]) -> bool {
        let begun = |one: &&Counter| self.last.contains_key(&one.node);
        clock.counters().iter().filter(begun).any(|one| {
            let highest = others.iter().map(|other| other.of(&one.node)).max().unwrap_or(0);
            one.count > self.passed(&one.node).max(highest).saturating_add(span)
        })
    }

    fn is_ready(&self, clock: &Clock) -> bool {
        clock.count() == self.passed(clock.node()) + 1 && self.missing(clock).is_empty()
    }

    fn waits_as(&self, clock: &Clock) -> Option<Place> {
        let is_it = |(_, other): &(&Place, &Clock)| named(other) == named(clock);
        self.waiting.iter().find(is_it).map(|(place, _)| *place)
    }

    /// Nothing of what waits could go, or never can.
    pub(super) fn nothing_could_go(&self) -> Verdict {
        let could = |clock: &&Clock| {
            let impossible = self.shrinks(clock) || self.is_too_many(clock);
            let is_next = clock.count() == self.passed(clock.node()) + 1;
            self.is_ready(clock)
                || clock.count() <= self.passed(clock.node())
                || (is_next && impossible)
        };
        let stays = self.waiting.values().find(could);
        must(stays.is_none(), || format!("{stays:?} waits and need not"))
    }

    fn pass(&mut self, clock: &Clock, missing: Vec<Causes>) {
        for Causes { node, range } in missing {
            self.given_up.entry(node).or_default().push(range);
        }
        for one in clock.counters() {
            let passed = self.passed.entry(one.node.clone()).or_default();
            *passed = one.count.max(*passed);
        }
        self.last.insert(clock.node().clone(), clock.clone());
    }

    /// Whether a released event is not known to a clock of another node.
    fn is_concurrent(&self, clock: &Clock) -> bool {
        let is_unknown = |(node, count): &Named| node != clock.node() && clock.of(node) < *count;
        self.released.keys().any(is_unknown)
    }
}

impl KeyHistory {
    pub(super) fn demand_of_causal(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        let Position::Clock(clock) = event.position else { return Demand::Release(Kind::Event) };
        let causal = &self.causal;
        if clock.counters().iter().any(|one| one.count > HIGHEST_COUNTER) {
            return Demand::Invalid;
        }
        if let Some(place) = causal.waits_as(clock) {
            return self.demand_of_taken(place, event.digest);
        }
        if causal.is_behind(event.position) {
            return match causal.released.get(&named(clock)) {
                Some(place) => self.demand_of_taken(*place, event.digest),
                None if causal.was_given_up(clock) => Demand::Release(Kind::Late),
                None => Demand::Duplicate(None, Recognised::Position),
            };
        }
        if causal.shrinks(clock) || causal.is_too_many(clock) {
            return Demand::Invalid;
        }
        if causal.is_ready(clock) {
            return Demand::Release(Kind::Event);
        }
        let others: Vec<&Clock> = causal.waiting.values().collect();
        let is_beyond = causal.is_beyond(clock, source.hold_span, &others);
        if is_beyond { Demand::Invalid } else { Demand::Hold }
    }

    /// One that waited is impossible: by what was released since, or as the key began with another.
    pub(super) fn was_in_vain(&mut self, place: Place, span: u64) -> Verdict {
        let Some(clock) = self.causal.waiting.remove(&place) else {
            return Err(format!("{place} is invalid and did not wait"));
        };
        let causal = &self.causal;
        let at = standing(&clock, place);
        let waiting = causal.waiting.iter();
        let lower = waiting.filter(|(place, other)| standing(other, **place) < at);
        let lower: Vec<&Clock> = lower.map(|(_, other)| other).collect();
        let is_far = causal.is_beyond(&clock, span, &lower);
        must(causal.shrinks(&clock) || causal.is_too_many(&clock) || is_far, || {
            format!("{place} waited and is invalid: {clock:?}")
        })
    }

    pub(super) fn comes_behind_its_causes(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        must(fact.missing.as_slice().is_empty(), || format!("{fact:?} misses numbers"))?;
        let Position::Clock(clock) = &event.position else {
            return must(event.fate == IngressFate::Open, || format!("{fact:?} again"));
        };
        let waited = event.fate == IngressFate::Held;
        if !waited {
            let demand = self.demand_of(fact.event, source)?;
            must(demand == Demand::Release(fact.kind), || format!("{fact:?}, {demand:?} is due"))?;
        }
        let missing = self.causal.missing(clock);
        if waited && fact.kind == Kind::Event && !missing.is_empty() {
            if let Err(what) = self.waited_in_vain(fact.event, clock, source, uptime) {
                self.hurried.get_or_insert(what);
            }
            self.causal.in_vain += 1;
        }
        if waited && fact.kind == Kind::Event && missing.is_empty() {
            must(self.causal.is_first_of_the_ready(clock, fact.event), || {
                format!("{fact:?} goes before others that are ready")
            })?;
        }
        if waited {
            let waits = self.causal.waiting.remove(&fact.event).is_some();
            must(waits, || format!("{fact:?} does not wait"))?;
        }
        if fact.kind == Kind::Late {
            let may = self.causal.was_given_up(clock);
            must(may && fact.causes.is_empty() && !fact.concurrent, || {
                format!("{fact:?} is late and was not given up, or says more")
            })?;
            self.causal.untrue += u64::from(waited);
        } else {
            let told = self.causal.lacks(clock);
            must(fact.causes == told, || format!("{fact:?}, {told:?} is missing"))?;
            let concurrent = self.causal.is_concurrent(clock);
            must(fact.concurrent == concurrent, || {
                format!("{fact:?} is concurrent: {concurrent}, beside {:?}", self.causal.released)
            })?;
            self.causal.concurrent += u64::from(concurrent);
            self.causal.in_their_turn += u64::from(waited && missing.is_empty());
            self.causal.pass(clock, missing);
        }
        self.causal.stood = Some(standing(clock, fact.event));
        let again = self.causal.released.insert(named(clock), fact.event);
        must(again.is_none(), || format!("{fact:?} is released again"))
    }

    /// It, or one that knows it, waited long enough; or too many wait. Nothing it knows waits still.
    fn waited_in_vain(
        &self,
        place: Place,
        clock: &Clock,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let waiting = &self.causal.waiting;
        let knows = |(other, of): &(&Place, &Clock)| **other == place || clock.is_known_to(of);
        let behind: Vec<(&Place, &Clock)> = waiting.iter().filter(knows).collect();
        let before = |(other, of): (&Place, &Clock)| {
            let is_lower = standing(of, *other) < standing(clock, place);
            is_lower && behind.iter().all(|(_, behind)| of.is_known_to(behind))
        };
        must(!waiting.iter().any(before), || format!("{place} goes before what it knows"))?;
        let is_full = waiting.len() > source.hold_events;
        let halts = source.on_gap == OnGap::Halt;
        let misses = waiting.values().any(|clock| !self.causal.lacks(clock).is_empty());
        must(!halts || !misses, || format!("{place} goes although its key halts"))?;
        let sent = behind.iter().filter_map(|(other, _)| self.events.get(*other));
        let sent = sent.map(|event| event.sent);
        let waited = uptime.zip(sent.min()).map(|(now, since)| now.saturating_sub(since));
        must(is_full || waited.is_none_or(|waited| waited >= source.hold_wait), || {
            format!("{place} goes in vain after {waited:?} µs of open time")
        })
    }
}

/// No consumer's order has an event before one that its clock knows, but for those that came late.
pub(crate) fn causes_come_first(history: &History, deliveries: &Deliveries) -> Verdict {
    for (resource, key) in &history.keys {
        if key.rebases > 0 || key.boundary > 0 {
            continue;
        }
        let told = deliveries.told.range((*resource, 0)..=(*resource, u64::MAX));
        let told = told.filter(|(_, told)| told.kind == Kind::Event);
        let clocks: Vec<(u64, &Clock)> = told
            .filter_map(|((_, sequence), told)| match &told.position {
                Position::Clock(clock) => Some((*sequence, clock)),
                _ => None,
            })
            .collect();
        for (at, (sequence, clock)) in clocks.iter().enumerate() {
            let early = clocks[..at].iter().find(|(_, before)| clock.is_known_to(before));
            must(early.is_none(), || {
                format!("resource {resource}: {early:?} was told before {sequence}, which it knows")
            })?;
        }
    }
    Ok(())
}
