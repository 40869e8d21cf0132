//! What contract `settle` demands: in their order by instant, rank and id, and not before what may come before
//! them had its time to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::{Kind, Recognised, Released};
use sprag_core::id::Place;
use sprag_core::position::Position;

use super::event_history::{Demand, EventHistory, HIGHEST, IngressFate};
use super::key_history::KeyHistory;
use super::newest::{Described, Identity, identity};
use super::policies::SourcePolicy;
use super::{Verdict, must};
use crate::settle::rank;
use crate::workload::type_of;

/// Events of one instant that a key remembers (K3).
const REMEMBERED: usize = 64;

/// What an event that settled may wait longer: until its post was taken, its partition served, and its key was in
/// memory. What only ends when a key is quiet takes longer. Uptime is counted here, also while a partition does not
/// serve: where a disk failed every few seconds it served for less than 2 of 48 s (seed 782).
const SLACK: u64 = 80_000_000;

/// Where an event stands: instant, rank, id, and its place.
type Standing = (u64, u32, Arc<str>, Place);

/// What a key has of events that settle.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The newest instant released in its place, and its highest rank.
    newest: Option<(u64, u32)>,
    /// The events released of that instant, in the order they were.
    at_once: Vec<Identity>,
    /// What waits, the uptime when its provider first sent it, and when it was written down that it waits.
    pub(crate) waiting: BTreeMap<Standing, (u64, Option<u64>)>,
    /// Events that were released in another order than they came in.
    pub(crate) sorted: u64,
    /// Events of one instant that only their ranks told apart.
    pub(crate) ranked: u64,
}

impl Settled {
    /// Whether something at this instant or a newer one was released.
    pub(crate) fn has_reached(&self, position: &Position) -> bool {
        position.number().zip(self.newest).is_some_and(|(number, (newest, _))| number <= newest)
    }

    /// The newest instant released in its place.
    pub(super) fn newest_instant(&self) -> Option<u64> {
        self.newest.map(|(instant, _)| instant)
    }

    /// Nothing released before says anything any more.
    pub(super) fn begin_anew(&mut self) {
        (self.newest, self.at_once) = (None, Vec::new());
    }

    fn is_at_once(&self, event: &Described<'_>) -> bool {
        let is_newest = self.newest.map(|(instant, _)| instant) == event.position.number();
        is_newest && self.at_once.contains(&identity(event))
    }

    fn remember(&mut self, event: &Described<'_>) {
        self.at_once.push(identity(event));
        let beyond = self.at_once.len().saturating_sub(REMEMBERED);
        self.at_once.drain(..beyond);
    }
}

fn standing(place: Place, event: &EventHistory) -> Standing {
    let instant = event.position.number().unwrap_or_default();
    let id = event.id.clone().unwrap_or_else(|| "".into());
    (instant, rank(type_of(&event.digest)), id, place)
}

impl KeyHistory {
    /// `known` is the event with the same id, if there was one.
    pub(super) fn demand_of_settle(
        &self,
        source: &SourcePolicy,
        event: &Described<'_>,
        known: Option<Place>,
    ) -> Demand {
        let Position::Timestamp(instant) = *event.position else {
            return Demand::Release(Kind::Event);
        };
        let latest = u128::from(event.recorded + source.max_ahead) * 1_000;
        if instant > HIGHEST || u128::from(instant) > latest {
            return Demand::Invalid;
        }
        let rank = rank(type_of(&event.digest));
        let is_behind = self.settled.newest.is_some_and(|newest| (instant, rank) < newest);
        let is_newest = self.settled.newest.is_some_and(|(newest, _)| newest == instant);
        let waits = known.is_some_and(|known| self.holds().contains(&known));
        let is_known = known.is_some() && (is_behind || is_newest || waits);
        if self.settled.is_at_once(event) || is_known {
            return match known {
                Some(place) => Demand::Duplicate(Some(place), Recognised::Id),
                None => Demand::Duplicate(None, Recognised::Position),
            };
        }
        if !is_behind {
            return Demand::Hold;
        }
        // Whatever came so long ago may be forgotten, and its instant was no more than so far ahead.
        let forgotten = (instant / 1_000).saturating_add(source.memory.facts);
        match forgotten < event.recorded.saturating_add(source.max_ahead) {
            true => Demand::Stale,
            false => Demand::Release(Kind::Late),
        }
    }

    pub(super) fn settles(&mut self, place: Place, uptime: Option<u64>) {
        let event = &self.events[&place];
        self.settled.waiting.insert(standing(place, event), (event.sent, uptime));
    }

    /// One that waited is the first of those that wait, and one of them that sorts no earlier waited long
    /// enough. One that did not wait is late.
    pub(super) fn settles_in_its_place(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        must(fact.missing.as_slice().is_empty(), || format!("{fact:?} misses something"))?;
        if event.fate != IngressFate::Held {
            let demand = self.demand_of(fact.event, source)?;
            must(demand == Demand::Release(fact.kind), || format!("{fact:?}, {demand:?} is due"))?;
            if event.position.number() == self.settled.newest.map(|(instant, _)| instant) {
                self.settled.remember(&event.described());
            }
            return Ok(());
        }
        let at = standing(fact.event, event);
        let first = self.settled.waiting.first_key_value().map(|(first, _)| first.clone());
        must(fact.kind == Kind::Event && first.as_ref() == Some(&at), || {
            format!("{fact:?}, {first:?} is the first that settles")
        })?;
        if let Err(what) = self.settled_long_enough(source, uptime) {
            self.hurried.get_or_insert(what);
        }
        let since = self.settled.waiting.get(&at).and_then(|(_, since)| *since);
        let waited = uptime.zip(since).map(|(now, since)| now.saturating_sub(since));
        must(waited.is_none_or(|waited| waited <= source.longest_wait + SLACK), || {
            format!("{fact:?} settled for {waited:?} µs of open time")
        })?;
        let (instant, rank) = (at.0, at.1);
        must(self.settled.newest.is_none_or(|newest| newest <= (instant, rank)), || {
            format!("{fact:?} behind {:?}", self.settled.newest)
        })?;
        self.settled.waiting.remove(&at);
        let came_before = |(other, _): (&Standing, _)| other.3.frame < fact.event.frame;
        self.settled.sorted += u64::from(self.settled.waiting.iter().any(came_before));
        if self.settled.newest.is_none_or(|(newest, _)| newest != instant) {
            self.settled.at_once.clear();
        } else {
            self.settled.ranked += u64::from(self.settled.newest != Some((instant, rank)));
        }
        self.settled.newest = Some((instant, rank));
        self.settled.remember(&event.described());
        Ok(())
    }

    /// All of what waits sorts no earlier than its first: any of it may be the one that had its time.
    fn settled_long_enough(&self, source: &SourcePolicy, uptime: Option<u64>) -> Verdict {
        let since = self.settled.waiting.values().map(|(sent, _)| *sent).min();
        let waited = uptime.zip(since).map(|(now, since)| now.saturating_sub(since));
        let is_full = self.settled.waiting.len() > source.hold_events;
        must(is_full || waited.is_none_or(|waited| waited >= source.hold_wait), || {
            format!("settled after {waited:?} µs of open time")
        })
    }

    /// Everything that waits, of any contract.
    pub(crate) fn holds(&self) -> BTreeSet<Place> {
        let settling = self.settled.waiting.keys().map(|standing| standing.3);
        let clocks = self.causal.waiting.keys().copied();
        let ahead = self.machine.waiting.keys().copied();
        let linked = self.links.waiting.keys().copied();
        let others = settling.chain(clocks).chain(ahead).chain(linked);
        self.held.values().copied().chain(others).collect()
    }
}
