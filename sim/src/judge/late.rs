//! Late events: where each may go, by what was configured (rules G4, C5). One that is to be a dead letter is sent
//! nowhere but at an operator's word; one that is to go aside goes to that destination and to no other.

use std::collections::BTreeMap;

use sprag_core::fact::{Attempted, Kind, Late, LateDead, Released};
use sprag_core::id::{DestinationId, SourceId};
use sprag_core::pattern::Pattern;
use sprag_core::settings::{OnLate, Settings, SourceSettings};

use super::key_history::KeyHistory;
use super::{Verdict, must};

/// Destinations and the types they take.
pub(crate) type Takers = BTreeMap<DestinationId, Vec<Pattern>>;

/// Where the events of a source went under one configuration.
#[derive(Debug)]
pub(crate) struct Leads {
    /// The destinations that take from it.
    pub(crate) takers: Takers,
    on_late: OnLate,
    /// The one that gets late events alone.
    aside: Takers,
}

impl Leads {
    pub(crate) fn of(settings: &Settings, source: &SourceSettings) -> Self {
        let types = |to: &DestinationId| (*to, settings.destinations[to].types.clone());
        let aside = match &source.on_late {
            OnLate::To(to) => Some(types(to)),
            OnLate::Deliver | OnLate::DeadLetter | OnLate::Compensate => None,
        };
        Self {
            takers: source.destinations.iter().map(types).collect(),
            on_late: source.on_late,
            aside: aside.into_iter().collect(),
        }
    }

    /// What a destination takes of it, if anything.
    pub(crate) fn types_of(&self, to: DestinationId) -> Option<&Vec<Pattern>> {
        self.takers.get(&to).or_else(|| self.aside.get(&to))
    }

    /// Whether these are the lanes of an event of this type. Where its source wants it in its place, it may have
    /// found none.
    pub(crate) fn fit(&self, released: &Released, event_type: &str, found_none: bool) -> bool {
        let takes = |types: &[Pattern]| types.iter().any(|of| of.matches(event_type));
        let is_late = released.kind == Kind::Late;
        let (candidates, late) = match self.on_late {
            OnLate::To(_) if is_late => (&self.aside, Late::Aside),
            OnLate::DeadLetter if is_late => (&self.takers, Late::Dead),
            // With too much to undo it is a dead letter, and for no other reason.
            OnLate::Compensate if is_late && released.late == Late::Dead && found_none => {
                (&self.takers, Late::Dead)
            }
            OnLate::Compensate if is_late => (&self.takers, Late::InPlace),
            _ => (&self.takers, Late::Delivered),
        };
        let enters = |to: &DestinationId| candidates.get(to).is_some_and(|types| takes(types));
        // Whatever might have got it and does not is named.
        let mut all: Vec<DestinationId> =
            self.takers.keys().chain(candidates.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        let (lanes, filtered): (Vec<_>, Vec<_>) = all.into_iter().partition(enters);
        released.lanes == lanes && released.filtered == filtered && released.late == late
    }
}

/// What sources ever wanted done with late events.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    of: BTreeMap<SourceId, Vec<OnLate>>,
}

impl Wanted {
    /// A process starts with this, or reloads it.
    pub(crate) fn started(&mut self, source: SourceId, on_late: OnLate) {
        self.of.entry(source).or_default().push(on_late);
    }

    /// Whether a late event of a source may ever be sent to a destination in its turn.
    pub(crate) fn may_be_sent(&self, source: SourceId, to: DestinationId) -> bool {
        let mut ways = self.of.get(&source).into_iter().flatten();
        ways.any(|way| {
            matches!(way, OnLate::Deliver | OnLate::Compensate) || *way == OnLate::To(to)
        })
    }

    /// Whether late events of a source may be dead letters.
    pub(crate) fn may_die(&self, source: SourceId) -> bool {
        self.of.get(&source).is_some_and(|ways| {
            ways.iter().any(|way| matches!(way, OnLate::DeadLetter | OnLate::Compensate))
        })
    }
}

impl KeyHistory {
    /// An attempt in its turn carries no event that is to be a dead letter, nor one that goes aside to another.
    pub(crate) fn carries_what_is_sent(&self, fact: &Attempted) -> Verdict {
        if fact.out_of_order {
            return Ok(());
        }
        let last = fact.batch.map_or(fact.sequence, |batch| batch.last).0;
        for (sequence, released) in self.released.range(fact.sequence.0..=last) {
            let is_sent = match released.late {
                Late::Delivered | Late::InPlace => true,
                Late::Dead => false,
                Late::Aside => released.lanes.contains(&fact.destination),
            };
            must(is_sent, || format!("{sequence} came late and is sent: {fact:?}"))?;
        }
        Ok(())
    }

    /// A lane came to a late event that is to be a dead letter.
    pub(crate) fn die_late(&mut self, fact: &LateDead) -> Verdict {
        let sequence = fact.sequence.0;
        let late = self.released.get(&sequence).map(|released| released.late);
        must(late == Some(Late::Dead), || format!("{late:?} dies: {fact:?}"))?;
        self.lane_of(fact.destination, sequence)?.die_late(sequence)
    }
}
