//! What contract `states` demands: only steps of the table are released; what skips ahead waits for what lies between,
//! and for nothing else; what goes back is stale where it says that it is older, else a conflict.
//!
//! Walks the table of the workload, which it reads in its own way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::{Conflict, Kind, Released, Stale};
use sprag_core::fields::At;
use sprag_core::id::{Hash, Place};
use sprag_core::position::Position;
use sprag_core::settings::OnGap;

use super::event_history::{Demand, EventHistory, HIGHEST, IngressFate};
use super::key_history::KeyHistory;
use super::newest::Described;
use super::policies::SourcePolicy;
use super::waited::{Crowd, Since};
use super::{Verdict, must};
use crate::states::{ALLOW, INITIAL};

/// The state of a resource, by what was released.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    now: Option<Now>,
    /// What waits, and since when.
    pub(super) waiting: BTreeMap<Place, Waiting>,
    /// Events released over states that never came.
    pub(crate) passed_over: u64,
    /// Events that waited and never were next.
    pub(crate) left_behind: u64,
}

/// An event that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    state: Arc<str>,
    at: Option<At>,
    digest: Hash,
    since: Since,
}

#[derive(Debug, Clone)]
struct Now {
    state: Arc<str>,
    at: Option<At>,
    by: Place,
    digest: Hash,
}

fn number(at: Option<At>) -> u64 {
    match at {
        Some(At::Version(number) | At::Instant(number)) => number,
        None => 0,
    }
}

fn is_known(state: &str) -> bool {
    ALLOW.iter().any(|(known, _)| *known == state)
}

/// The states that may follow one; before the first, those that a resource begins with.
fn after(state: Option<&str>) -> &'static [&'static str] {
    match state {
        None => INITIAL,
        Some(state) => ALLOW.iter().find(|(from, _)| *from == state).map_or(&[], |(_, to)| to),
    }
}

/// In how many steps each state is come to.
fn steps(from: Option<&str>) -> BTreeMap<&'static str, usize> {
    let mut steps = BTreeMap::new();
    let mut reached: Vec<&'static str> = after(from).to_vec();
    for count in 1.. {
        let new: BTreeSet<_> = reached.into_iter().filter(|s| !steps.contains_key(s)).collect();
        if new.is_empty() {
            break;
        }
        steps.extend(new.iter().map(|state| (*state, count)));
        reached = new.into_iter().flat_map(|state| after(Some(state))).copied().collect();
    }
    steps
}

/// What a state is for the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Step,
    Ahead,
    Old,
    Contradiction,
}

impl Machine {
    fn state(&self) -> Option<&str> {
        self.now.as_ref().map(|now| &*now.state)
    }

    fn means(&self, state: &str, at: Option<At>, digest: Hash) -> Means {
        let Some(now) = &self.now else {
            return if INITIAL.contains(&state) { Means::Step } else { Means::Ahead };
        };
        let is_same = &*now.state == state;
        if let (Some(then), Some(at)) = (now.at, at) {
            if at < then {
                return Means::Old;
            }
            // A version belongs to one change, and that has one body (K5).
            if at == then && matches!(at, At::Version(_)) {
                let is_it = is_same && now.digest == digest;
                return if is_it { Means::Old } else { Means::Contradiction };
            }
        }
        if after(Some(&now.state)).contains(&state) {
            Means::Step
        } else if is_same {
            Means::Old
        } else if steps(Some(&now.state)).contains_key(state) {
            Means::Ahead
        } else {
            Means::Contradiction
        }
    }

    /// Whether it is in a state: what is missing behind it may be waited for without end.
    pub(super) fn stands(&self) -> bool {
        self.now.is_some()
    }

    /// Nothing of before says anything any more.
    pub(super) fn begin_anew(&mut self) {
        self.now = None;
    }

    pub(super) fn demand(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        let Position::State { state, at } = event.position else {
            return Demand::Release(Kind::Event);
        };
        let latest = (event.recorded + source.max_ahead) * 1_000;
        let may_be = match at {
            None => true,
            Some(At::Version(number)) => *number <= HIGHEST,
            Some(At::Instant(number)) => *number <= HIGHEST.min(latest),
        };
        if !may_be || !is_known(state) {
            return Demand::Invalid;
        }
        match (self.means(state, *at, event.digest), &self.now) {
            (Means::Step, _) => Demand::Release(Kind::Event),
            (Means::Ahead, _) => Demand::Hold,
            (Means::Old, _) => Demand::Stale,
            (Means::Contradiction, Some(now)) => Demand::Conflict(now.by),
            (Means::Contradiction, None) => Demand::Hold,
        }
    }

    /// Nothing waits that is next, and nothing that never will be.
    pub(super) fn waits_in_vain(&self) -> Verdict {
        for (place, Waiting { state, at, digest, .. }) in &self.waiting {
            let means = self.means(state, *at, *digest);
            must(means == Means::Ahead, || {
                format!("{place} waits with {state}, which is {means:?} behind {:?}", self.now)
            })?;
        }
        Ok(())
    }

    /// Whether it is the first of those that wait which are a step.
    fn is_first_step(&self, place: Place, at: Option<At>) -> bool {
        let earlier = |(other, waits): (&Place, &Waiting)| {
            let means = self.means(&waits.state, waits.at, waits.digest);
            means == Means::Step && (number(waits.at), *other) < (number(at), place)
        };
        !self.waiting.iter().any(earlier)
    }

    /// Whether it goes first when waiting ends: the oldest, then the one with the fewest states between.
    fn goes_first(&self, place: Place) -> bool {
        let steps = steps(self.state());
        let stands = |(other, waits): (&Place, &Waiting)| {
            let far = steps.get(&*waits.state).copied().unwrap_or(usize::MAX);
            (number(waits.at), far, *other)
        };
        self.waiting.iter().map(stands).min().is_some_and(|(_, _, first)| first == place)
    }

    /// Whether these are the states of a shortest way; what was before nothing was known is not known.
    fn passes(&self, passed: &[Arc<str>], to: &str, begins: bool) -> bool {
        if self.now.is_none() && !begins {
            return passed.is_empty();
        }
        let count = steps(self.state()).get(to).map_or(0, |steps| steps - 1);
        let mut at = self.state();
        let way = passed.iter().map(|state| &**state).chain([to]).collect::<Vec<_>>();
        let follows = way.iter().all(|state| {
            let follows = after(at).contains(state);
            at = Some(state);
            follows
        });
        passed.len() == count && (follows || count == 0)
    }
}

impl KeyHistory {
    pub(super) fn waits_for_states(&mut self, place: Place, written: Option<u64>) {
        let EventHistory { position, digest, sent, .. } = &self.events[&place];
        if let Position::State { state, at } = position {
            let (state, at, digest) = (state.clone(), *at, *digest);
            let since = Since { sent: *sent, written };
            self.machine.waiting.insert(place, Waiting { state, at, digest, since });
        }
    }

    pub(super) fn is_a_step(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let is_plain = fact.kind == Kind::Event && fact.missing.as_slice().is_empty();
        must(is_plain, || format!("{fact:?} under a table"))?;
        let Position::State { state, at } = &event.position else { return Ok(()) };
        let is_step = self.machine.means(state, *at, event.digest) == Means::Step;
        if event.fate == IngressFate::Held {
            match is_step {
                true => must(self.machine.is_first_step(fact.event, *at), || {
                    format!("{fact:?} before others that are next")
                })?,
                false => self.ends_its_wait(fact, event, source, uptime)?,
            }
        } else {
            let demand = self.demand_of(fact.event, source)?;
            must(demand == Demand::Release(fact.kind), || format!("{fact:?}, {demand:?} is due"))?;
        }
        let begins = self.hash == Hash::default();
        let names_them = self.machine.passes(&fact.passed, state, begins);
        must(names_them && (!is_step || fact.passed.is_empty()), || {
            format!("{fact:?} behind {:?}", self.machine.now)
        })?;
        self.machine.passed_over += u64::from(!fact.passed.is_empty());
        self.machine.waiting.remove(&fact.event);
        self.machine.now =
            Some(Now { state: state.clone(), at: *at, by: fact.event, digest: event.digest });
        Ok(())
    }

    /// It goes although states between are missing: in its turn, and not before its time; never under `halt`, but
    /// where the resource begins.
    fn ends_its_wait(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let Position::State { state, at } = &event.position else { return Ok(()) };
        let is_ahead = self.machine.means(state, *at, event.digest) == Means::Ahead;
        must(is_ahead && self.machine.goes_first(fact.event), || {
            format!("{fact:?} behind {:?}, of {:?}", self.machine.now, self.machine.waiting)
        })?;
        let halts = source.on_gap == OnGap::Halt && self.machine.now.is_some();
        let crowd: Crowd = self.machine.waiting.values().map(|waits| waits.since).collect();
        let hurried = crowd.hurries(fact, source, (halts, uptime));
        self.hurried = self.hurried.take().or(hurried);
        crowd.ends_in_time(fact, source, (halts, uptime))
    }

    /// An event that waited never will be next: it is older by now.
    pub(super) fn became_stale(&mut self, fact: &Stale) -> Verdict {
        let waited = self.machine.waiting.remove(&fact.event);
        let means = waited.map(|it| self.machine.means(&it.state, it.at, it.digest));
        must(means == Some(Means::Old) && fact.newest.0 == self.sequence, || {
            format!("{fact:?} waited, and is {means:?} behind {:?}", self.machine.now)
        })?;
        self.machine.left_behind += 1;
        self.give(fact.event, IngressFate::Stale);
        Ok(())
    }

    /// An event that waited never will be next: no way leads there any more.
    pub(super) fn became_a_conflict(&mut self, fact: &Conflict) -> Verdict {
        let waited = self.machine.waiting.remove(&fact.event);
        let means = waited.map(|it| self.machine.means(&it.state, it.at, it.digest));
        let by = self.machine.now.as_ref().map(|now| now.by);
        let digest = self.events.get(&fact.other).map(|other| other.digest);
        let names_it = by == Some(fact.other) && digest == Some(fact.other_digest);
        must(means == Some(Means::Contradiction) && names_it, || {
            format!("{fact:?} waited, and is {means:?} behind {:?}", self.machine.now)
        })?;
        self.machine.left_behind += 1;
        self.give(fact.event, IngressFate::Conflict);
        Ok(())
    }
}
