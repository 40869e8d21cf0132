//! What hash links demand (contract `fifo`, decision 041): an event is released where its key stands at what was before
//! it; what waits goes over what never came only when waiting ends, and then says where its key stood; what still comes
//! of that is late.
//!
//! Looks for ways among all that waits, one link after another: it must not know how the core finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::{Conflict, Kind, Recognised, Released};
use sprag_core::id::{Hash, Place};
use sprag_core::links::Link;
use sprag_core::position::Position;
use sprag_core::settings::OnGap;

use super::event_history::{Demand, EventHistory, IngressFate};
use super::key_history::KeyHistory;
use super::newest::Described;
use super::policies::SourcePolicy;
use super::waited::{Crowd, Since};
use super::{Verdict, must};
use crate::links::NOTHING;

/// So much that never came is remembered.
const REMEMBERED: usize = 32;

/// Where a key stands, by what was released.
#[derive(Debug, Default)]
pub(crate) struct Links {
    now: Option<Now>,
    /// From where to where nothing came; before the first event, from nowhere.
    breaks: Vec<(Option<Arc<str>>, Arc<str>)>,
    /// What waits.
    pub(super) waiting: BTreeMap<Place, Waiting>,
    /// Events released over what never came.
    pub(crate) over_breaks: u64,
    /// Events that came late.
    pub(crate) late: u64,
    /// Releases where several were next.
    pub(crate) forks: u64,
    /// Events that waited and contradicted what there was.
    pub(crate) contradicted: u64,
}

#[derive(Debug, Clone)]
struct Now {
    before: Arc<str>,
    at: Arc<str>,
    by: Place,
    digest: Hash,
}

/// An event that waits, and since when.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    before: Arc<str>,
    after: Arc<str>,
    digest: Hash,
    since: Since,
}

impl Links {
    /// Whether it stands anywhere: what is missing behind that may be waited for without end.
    pub(super) fn stands(&self) -> bool {
        self.now.is_some()
    }

    /// Nothing of before says anything any more.
    pub(super) fn begin_anew(&mut self) {
        (self.now, self.breaks) = (None, Vec::new());
    }

    fn is_next(&self, before: &str) -> bool {
        self.now.as_ref().map_or(before == NOTHING, |now| *now.at == *before)
    }

    fn is_late(&self, before: &str, after: &str) -> bool {
        let touches = |(from, to): &(Option<Arc<str>>, Arc<str>)| {
            from.as_deref() == Some(before) || **to == *after
        };
        self.now.is_some() && self.breaks.iter().any(touches)
    }

    fn tells_the_newest(&self, before: &str, after: &str) -> Option<&Now> {
        self.now.as_ref().filter(|now| *now.before == *before && *now.at == *after)
    }

    pub(super) fn demand(&self, event: &Described<'_>) -> Demand {
        let Position::Link(Link { before, after, .. }) = event.position else {
            return Demand::Release(Kind::Event);
        };
        if self.is_next(before) {
            return Demand::Release(Kind::Event);
        }
        let newest = self.tells_the_newest(before, after).filter(|now| now.digest == event.digest);
        let mut waiting = self.waiting.iter();
        let same = waiting.find(|(_, waits)| {
            waits.before == *before && waits.after == *after && waits.digest == event.digest
        });
        if let Some(place) = newest.map(|now| now.by).or(same.map(|(place, _)| *place)) {
            return Demand::Duplicate(Some(place), Recognised::Position);
        }
        match self.is_late(before, after) {
            true => Demand::Release(Kind::Late),
            false => Demand::Hold,
        }
    }

    /// Nothing waits that is next, or late by now.
    pub(super) fn waits_in_vain(&self) -> Verdict {
        for (place, Waiting { before, after, .. }) in &self.waiting {
            must(!self.is_next(before) && !self.is_late(before, after), || {
                format!("{place} waits at {before}, and {:?} with {:?}", self.now, self.breaks)
            })?;
        }
        Ok(())
    }

    /// Whether what waits leads from one hash to another.
    fn leads(&self, from: &Arc<str>, to: &str) -> bool {
        let mut reached = BTreeSet::from([from.clone()]);
        loop {
            if reached.iter().any(|hash| **hash == *to) {
                return true;
            }
            let onwards = self.waiting.values().filter(|waits| reached.contains(&waits.before));
            let new: Vec<_> = onwards
                .map(|waits| waits.after.clone())
                .filter(|hash| !reached.contains(hash))
                .collect();
            if new.is_empty() {
                return false;
            }
            reached.extend(new);
        }
    }

    /// Whether it is the one of those that are next: one from which the others may still follow, then the first.
    fn is_its_turn(&self, place: Place) -> bool {
        let next: Vec<_> =
            self.waiting.iter().filter(|(_, waits)| self.is_next(&waits.before)).collect();
        let back = |(_, waits): &&(&Place, &Waiting)| self.leads(&waits.after, &waits.before);
        let turn = next.iter().find(back).or(next.first());
        turn.is_some_and(|(first, _)| **first == place)
    }

    /// Whether nothing that waits leads to where it begins, unless all of it goes round.
    fn begins_a_chain(&self, place: Place) -> bool {
        let Some(first) = self.waiting.get(&place) else { return false };
        let is_led_to = self.waiting.values().any(|waits| waits.after == first.before);
        !is_led_to || self.leads(&first.after, &first.before)
    }

    fn goes_on(&mut self, fact: &Released, link: &Link, digest: Hash) {
        let Link { before, after, .. } = link.clone();
        if fact.kind == Kind::Late {
            self.late += 1;
            return self.narrows(&before, &after);
        }
        let is_next = self.is_next(&before);
        let at = self.now.as_ref().map(|now| now.at.clone());
        self.over_breaks += u64::from(!is_next && at.is_some());
        if !is_next {
            self.breaks.push((at, before.clone()));
        }
        if self.breaks.len() > REMEMBERED {
            self.breaks.remove(0);
        }
        self.now = Some(Now { before, at: after, by: fact.event, digest });
    }

    /// The whole of what never came, else what it leads out of or into, of several the oldest.
    fn narrows(&mut self, before: &Arc<str>, after: &Arc<str>) {
        let is_all = |(from, to): &(Option<Arc<str>>, Arc<str>)| {
            from.as_ref() == Some(before) && to == after
        };
        if let Some(at) = self.breaks.iter().position(is_all) {
            self.breaks.remove(at);
            return;
        }
        let mut breaks = self.breaks.iter_mut().enumerate();
        let touched = breaks.find(|(_, (from, to))| from.as_ref() == Some(before) || to == after);
        let Some((at, (from, to))) = touched else { return };
        if from.as_ref() == Some(before) {
            *from = Some(after.clone());
        } else if from.is_none() && **before == *NOTHING {
            self.breaks.remove(at);
        } else {
            *to = before.clone();
        }
    }
}

impl KeyHistory {
    pub(super) fn waits_for_a_link(&mut self, place: Place, written: Option<u64>) {
        let EventHistory { position, digest, sent, .. } = &self.events[&place];
        if let Position::Link(Link { before, after, .. }) = position {
            let (before, after) = (before.clone(), after.clone());
            let waits =
                Waiting { before, after, digest: *digest, since: Since { sent: *sent, written } };
            self.links.waiting.insert(place, waits);
        }
    }

    pub(super) fn joins(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        must(fact.missing.as_slice().is_empty(), || format!("{fact:?} of links"))?;
        let Position::Link(link) = &event.position else { return Ok(()) };
        let is_next = self.links.is_next(&link.before);
        if event.fate != IngressFate::Held {
            let demand = self.demand_of(fact.event, source)?;
            must(demand == Demand::Release(fact.kind), || format!("{fact:?}, {demand:?} is due"))?;
        } else if fact.kind == Kind::Late {
            let next = self.links.waiting.values().any(|waits| self.links.is_next(&waits.before));
            must(self.links.is_late(&link.before, &link.after) && !next, || {
                format!("{fact:?} is not late, {:?}, {:?}", self.links.now, self.links.breaks)
            })?;
        } else if is_next {
            let several = self.links.waiting.values().filter(|waits| waits.before == link.before);
            let several = several.count() > 1;
            must(self.links.is_its_turn(fact.event), || {
                format!("{fact:?} before others of {:?}", self.links.waiting)
            })?;
            self.links.forks += u64::from(several);
        } else {
            self.goes_over(fact.event, source, uptime)?;
        }
        let stood = self.links.now.as_ref().map(|now| now.at.clone());
        let stood = stood.filter(|_| !is_next && fact.kind == Kind::Event);
        must(fact.broken_from == stood, || format!("{fact:?} where {stood:?} stood"))?;
        self.links.waiting.remove(&fact.event);
        self.links.goes_on(fact, link, event.digest);
        Ok(())
    }

    /// It goes although what leads to it never came: as the first of a chain, and not before its time; never under
    /// `halt`, but where its key begins.
    fn goes_over(&mut self, place: Place, source: &SourcePolicy, uptime: Option<u64>) -> Verdict {
        must(self.links.begins_a_chain(place), || {
            format!("{place} goes before what leads to it, of {:?}", self.links.waiting)
        })?;
        let next = self.links.waiting.values().find(|waits| self.links.is_next(&waits.before));
        must(next.is_none(), || format!("{place} goes before {next:?}, which is next"))?;
        let crowd: Crowd = self.links.waiting.values().map(|waits| waits.since).collect();
        let halts = source.on_gap == OnGap::Halt;
        let hurried = crowd.hurries(&place, source, (halts && self.links.stands(), uptime));
        self.hurried = self.hurried.take().or(hurried);
        crowd.ends_in_time(&place, source, (halts, uptime))
    }

    /// An event that waited tells what the newest told, with another body.
    pub(super) fn contradicts_the_newest(
        &mut self,
        fact: &Conflict,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        self.goes_over(fact.event, source, uptime)?;
        let waited = self.links.waiting.remove(&fact.event);
        let newest =
            waited.as_ref().and_then(|it| self.links.tells_the_newest(&it.before, &it.after));
        let is_so = newest.zip(waited.as_ref()).is_some_and(|(now, waited)| {
            let is_named = (now.by, now.digest) == (fact.other, fact.other_digest);
            is_named && now.digest != waited.digest
        });
        must(is_so, || format!("{fact:?} of {waited:?} behind {:?}", self.links.now))?;
        self.links.contradicted += 1;
        self.give(fact.event, IngressFate::Conflict);
        Ok(())
    }
}
