//! What contract `merge` demands: what brings anything newer is released and names it; what does not is stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::fact::{Kind, Released};
use sprag_core::fields::{At, Fields};
use sprag_core::position::Position;

use super::event_history::{Demand, EventHistory, HIGHEST};
use super::key_history::KeyHistory;
use super::newest::Described;
use super::policies::SourcePolicy;
use super::{Verdict, must};

/// Fields of a key at the most.
const MOST: usize = 64;

/// The newest version of each field, by what was released.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    known: BTreeMap<Arc<str>, At>,
    /// Events of which only a part was newer.
    pub(crate) partly: u64,
}

impl Merged {
    fn newer(&self, fields: &Fields) -> Vec<Arc<str>> {
        let is_newer = |name: &Arc<str>, at| self.known.get(name).is_none_or(|known| *known < at);
        let fields = fields.as_slice().iter();
        fields.filter(|f| is_newer(&f.name, f.at)).map(|f| f.name.clone()).collect()
    }

    /// What was known says nothing any more.
    pub(super) fn begin_anew(&mut self) {
        self.known.clear();
    }

    pub(super) fn demand(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        let Position::Fields(fields) = event.position else {
            return Demand::Release(Kind::Event);
        };
        let latest = (event.recorded + source.max_ahead) * 1_000;
        let may_be = |at| match at {
            At::Version(number) => number <= HIGHEST,
            At::Instant(number) => number <= HIGHEST.min(latest),
        };
        let possible = fields.as_slice().iter().all(|field| may_be(field.at));
        let new = fields.as_slice().iter().filter(|field| !self.known.contains_key(&field.name));
        if !possible || self.known.len() + new.count() > MOST {
            return Demand::Invalid;
        }
        match self.newer(fields).is_empty() {
            true => Demand::Stale,
            false => Demand::Release(Kind::Event),
        }
    }
}

impl KeyHistory {
    pub(super) fn brings_something_newer(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
    ) -> Verdict {
        let demand = self.demand_of(fact.event, source)?;
        must(demand == Demand::Release(fact.kind), || format!("{fact:?}, {demand:?} is due"))?;
        let Position::Fields(fields) = &event.position else { return Ok(()) };
        let newer = self.merged.newer(fields);
        must(fact.fresh == newer, || format!("{fact:?}, {newer:?} is newer"))?;
        self.merged.partly += u64::from(newer.len() < fields.as_slice().len());
        for field in fields.as_slice().iter().filter(|field| newer.contains(&field.name)) {
            self.merged.known.insert(field.name.clone(), field.at);
        }
        Ok(())
    }
}
