//! What history says of one key, replayed with the rules K3–K5, K7, G1–G4 in their plainest form:
//! every fact must be the one that these rules demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fact::{
    AbandonReason, Conflict, Duplicate, GapAbandoned, InvalidReason, Kind, LaneOpened, Late,
    Received, Recognised, Released, Rewound, Stale,
};
use sprag_core::id::{DestinationId, Hash, Place};
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap, Start};

use super::causal::Causal;
use super::chain::{self, Link};
use super::compensation::Applied;
use super::dependencies::InVain;
use super::event_history::{Demand, EventHistory, HIGHEST, IngressFate, version};
use super::lane_history::LaneHistory;
use super::links::Links;
use super::machine::Machine;
use super::merged::Merged;
use super::newest::{Described, Newest};
use super::policies::{Policies, SourcePolicy};
use super::row::Row;
use super::settled::Settled;
use super::{Verdict, must};
use crate::workload::type_of;

/// A key by its facts.
#[derive(Debug, Default)]
pub(crate) struct KeyHistory {
    pub(crate) events: BTreeMap<Place, EventHistory>,
    pub(crate) released: BTreeMap<u64, Released>,
    /// The recorded time of each release.
    pub(super) released_at: BTreeMap<u64, u64>,
    /// By destination; of an unordered source each event is a lane of its own, by its sequence.
    pub(crate) lanes: BTreeMap<(DestinationId, u64), LaneHistory>,
    /// Whether its events have no order.
    pub(crate) is_unordered: bool,
    pub(crate) paused: bool,
    /// Whether it is the empty key, of events that belong to no resource.
    pub(crate) is_no_resource: bool,
    pub(crate) in_vain: InVain,
    /// How often its positions began anew.
    pub(crate) rebases: u64,
    /// How often an operator gave up what it waits for.
    pub(super) given_up: BTreeMap<u64, u64>,
    /// How often it was said to count anew.
    pub(crate) resets: u64,
    pub(crate) row: Row,
    /// What only a rebase of the same frame allows, if it was done.
    pub(super) hurried: Option<String>,
    /// Repeats by what they were.
    pub(crate) duplicates: BTreeMap<Hash, u64>,
    pub(super) ids: BTreeMap<Arc<str>, Place>,
    /// Positions of released events.
    pub(super) positions: BTreeMap<u64, Place>,
    pub(crate) held: BTreeMap<u64, Place>,
    /// The next position in order, once the base is settled.
    pub(crate) next: Option<u64>,
    /// The last position released in order.
    pub(super) last: Option<u64>,
    pub(super) abandoned: Vec<(u64, u64)>,
    /// What it had when authorities had another position, and which.
    pub(crate) differences: BTreeSet<(u64, u64)>,
    /// Positions given up because their source has none.
    pub(crate) gone: Vec<(u64, u64)>,
    pub(super) gap: Option<(u64, u64)>,
    pub(super) newest: Newest,
    pub(crate) settled: Settled,
    pub(crate) merged: Merged,
    pub(crate) causal: Causal,
    pub(crate) machine: Machine,
    pub(crate) applied: Applied,
    pub(crate) links: Links,
    /// Events released at the instant of the one before.
    pub(crate) at_once: u64,
    pub(crate) sequence: u64,
    pub(super) hash: Hash,
    /// The times of its last fact that is none of forgetting: recorded, and handed over.
    pub(super) active: Option<(u64, Option<u64>)>,
    pub(super) is_forgotten: bool,
    /// What was released before it was last forgotten.
    pub(crate) forgotten_through: u64,
    /// The floor that it began behind.
    pub(crate) boundary: u64,
}

impl KeyHistory {
    fn demand(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        let known = event.id.and_then(|id| self.ids.get(id));
        let known = known.filter(|place| {
            let then = self.events.get(place).map_or(0, |event| event.recorded);
            source.memory.knows_id(then, event.recorded)
        });
        if let Some(place) = known {
            return Demand::Duplicate(Some(*place), Recognised::Id);
        }
        if source.contract == Contract::Settle && !self.is_no_resource {
            let known = event.id.and_then(|id| self.ids.get(id)).copied();
            return self.demand_of_settle(source, event, known);
        }
        self.demand_by_position(source, event)
    }

    fn demand_by_position(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        if self.is_no_resource {
            return Demand::Invalid;
        }
        let Described { position, digest, .. } = *event;
        let position = match (source.contract, position) {
            (Contract::Fifo { .. }, Position::Sequence(position)) => *position,
            (Contract::Latest { .. }, _) => return self.demand_of_latest(source, event),
            (Contract::Settle, _) => return self.demand_of_settle(source, event, None),
            (Contract::Merge, _) => return self.merged.demand(source, event),
            (Contract::Causal, _) => return self.demand_of_causal(source, event),
            (Contract::States, _) => return self.machine.demand(source, event),
            (Contract::Link, _) => return self.links.demand(event),
            _ => return Demand::Release(Kind::Event),
        };
        if position > HIGHEST || source.first().is_some_and(|first| position < first) {
            return Demand::Invalid;
        }
        let taken = self.held.get(&position).or_else(|| self.positions.get(&position));
        match taken {
            Some(place) => self.demand_of_taken(*place, digest),
            None => self.demand_of_new(source, position),
        }
    }

    /// Whether what was done is what is demanded, or what is left of it once the fact of the other
    /// event is deleted (F4): which of both it is depends on when that is.
    fn is_due(&self, done: Demand, demand: Demand, source: &SourcePolicy, recorded: u64) -> bool {
        let (Demand::Duplicate(Some(other), _) | Demand::Conflict(other)) = demand else {
            return done == demand;
        };
        let other = self.events.get(&other).filter(|other| other.fate != IngressFate::Held);
        let gone = other.is_some_and(|other| source.memory.may_be_gone(other.recorded, recorded));
        if source.contract == Contract::Settle {
            let instead = [Demand::Stale, Demand::Duplicate(None, Recognised::Position)];
            return done == demand || (gone && instead.contains(&done));
        }
        let instead = match (source.contract, demand) {
            (
                Contract::Latest { .. },
                Demand::Conflict(_) | Demand::Duplicate(_, Recognised::Position),
            ) => Demand::Stale,
            _ => Demand::Duplicate(None, Recognised::Position),
        };
        done == demand || (gone && done == instead)
    }

    /// The position is that of another event (K5).
    pub(super) fn demand_of_taken(&self, place: Place, digest: Hash) -> Demand {
        match self.events.get(&place).is_some_and(|event| event.digest == digest) {
            true => Demand::Duplicate(Some(place), Recognised::Position),
            false => Demand::Conflict(place),
        }
    }

    /// An event is kept: it must be none that the rules call a repeat.
    pub(crate) fn received(
        &mut self,
        place: Place,
        fact: &Received,
        source: &SourcePolicy,
        sent: Option<u64>,
        recorded: u64,
    ) -> Verdict {
        let Some(sent) = sent else { return Err(format!("{place} was never sent")) };
        let Received { position, digest, .. } = fact;
        let described = Described { id: fact.id.as_ref(), position, digest: *digest, recorded };
        let demand = self.demand(source, &described);
        let fits = !matches!(demand, Demand::Duplicate(..))
            || self.is_due(Demand::Stale, demand, source, recorded);
        must(fits, || format!("{place} is kept although {demand:?}"))?;
        if let Some(id) = &fact.id {
            self.ids.insert(id.clone(), place);
        }
        let event = EventHistory {
            id: fact.id.clone(),
            position: fact.position.clone(),
            digest: fact.digest,
            content_type: fact.content_type.clone(),
            fate: IngressFate::Open,
            sent,
            recorded,
        };
        self.events.insert(place, event);
        Ok(())
    }

    /// What the rules demand of an event that is kept and has no fate yet; its own id is known by
    /// now.
    pub(super) fn demand_of(&self, place: Place, source: &SourcePolicy) -> Result<Demand, String> {
        let event = self.events.get(&place).filter(|event| event.fate == IngressFate::Open);
        let Some(event) = event else { return Err(format!("{place} has a fate already")) };
        Ok(self.demand_by_position(source, &event.described()))
    }

    pub(super) fn give(&mut self, place: Place, fate: IngressFate) {
        if let Some(event) = self.events.get_mut(&place) {
            event.fate = fate;
        }
    }

    pub(crate) fn conflict(
        &mut self,
        fact: &Conflict,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        if self.has_waited(fact.event) {
            if source.contract == Contract::Link {
                return self.contradicts_the_newest(fact, source, uptime);
            }
            return self.became_a_conflict(fact);
        }
        let demand = self.demand_of(fact.event, source)?;
        let other = self.events.get(&fact.other).map(|event| event.digest);
        must(demand == Demand::Conflict(fact.other) && other == Some(fact.other_digest), || {
            format!("{fact:?}, {demand:?} is due")
        })?;
        let event = &self.events[&fact.event];
        let goes_back = matches!(event.position, Position::State { .. });
        if event.id.is_some() && (goes_back || self.is_behind(&event.position)) {
            self.row.grow();
        }
        self.give(fact.event, IngressFate::Conflict);
        Ok(())
    }

    /// Impossible on arrival, or when the base of a waiting key was chosen (K4).
    pub(crate) fn invalid(
        &mut self,
        place: Place,
        reason: InvalidReason,
        source: &SourcePolicy,
    ) -> Verdict {
        must(self.is_no_resource == (reason == InvalidReason::Unreadable), || {
            format!("{place} is invalid: {reason:?}")
        })?;
        if self.is_held(place) {
            self.was_impossible(place, source)?;
        } else {
            let demand = self.demand_of(place, source)?;
            must(demand == Demand::Invalid, || format!("{place} is invalid, {demand:?} is due"))?;
        }
        self.give(place, IngressFate::Invalid);
        Ok(())
    }

    fn has_waited(&self, place: Place) -> bool {
        self.events.get(&place).is_some_and(|event| event.fate == IngressFate::Held)
    }

    /// Older than what was released: kept, not delivered.
    pub(crate) fn stale(&mut self, fact: &Stale, source: &SourcePolicy) -> Verdict {
        if self.has_waited(fact.event) {
            return self.became_stale(fact);
        }
        let demand = self.demand_of(fact.event, source)?;
        let EventHistory { position, recorded, .. } = &self.events[&fact.event];
        let is_its_own = *position == fact.position;
        let is_due = self.is_due(Demand::Stale, demand, source, *recorded);
        must(is_due && is_its_own && fact.newest.0 == self.sequence, || {
            format!("{fact:?} after sequence {}, {demand:?} is due", self.sequence)
        })?;
        if self.events[&fact.event].id.is_some() {
            self.row.grow();
        }
        self.give(fact.event, IngressFate::Stale);
        Ok(())
    }

    pub(crate) fn duplicate(
        &mut self,
        fact: &Duplicate,
        source: &SourcePolicy,
        recorded: u64,
    ) -> Verdict {
        let Duplicate { position, digest, .. } = fact;
        let described = Described { id: fact.id.as_ref(), position, digest: *digest, recorded };
        let demand = self.demand(source, &described);
        let done = Demand::Duplicate(fact.original, fact.by);
        must(self.is_due(done, demand, source, recorded), || {
            format!("{fact:?}, {demand:?} is due")
        })?;
        let original = fact.original.and_then(|place| self.events.get(&place));
        let altered = original.is_some_and(|original| original.digest != fact.digest);
        *self.duplicates.entry(fact.digest).or_default() += 1;
        if fact.by == Recognised::Position && fact.id.is_some() && self.is_behind(position) {
            self.row.grow();
        }
        must(altered == fact.altered, || format!("{fact:?} is flagged wrongly"))
    }

    /// A lane is opened over all that was released.
    pub(crate) fn open(&mut self, opened: &LaneOpened) -> Verdict {
        must(opened.through.0 == self.sequence, || {
            format!("{opened:?} although {} was released", self.sequence)
        })?;
        if !self.is_unordered {
            let lane = self.lanes.entry((opened.destination, 0)).or_default();
            return lane.open(self.boundary, self.sequence);
        }
        for sequence in self.boundary + 1..=self.sequence {
            let lane = self.lanes.entry((opened.destination, sequence)).or_default();
            lane.open(sequence - 1, sequence)?;
        }
        Ok(())
    }

    /// An operator sets a lane back; a key that has none there gets one.
    pub(crate) fn rewind(&mut self, fact: &Rewound) -> Verdict {
        let (from, until) = (fact.from.0, fact.until.0);
        must(!self.is_unordered && from > self.boundary, || {
            format!("{fact:?} of {}", self.boundary)
        })?;
        let released = self.released.range(from..=until).map(|(sequence, _)| *sequence).collect();
        let lane = self.lanes.entry((fact.destination, 0)).or_default();
        lane.rewind((from, until), released, self.sequence)
    }

    /// Whether a lane that was opened may go past an event: one that came too early, or of a type
    /// that its destination did not always take.
    pub(crate) fn may_pass(
        &self,
        sequence: u64,
        to: DestinationId,
        policies: &Policies,
    ) -> Verdict {
        let Some(released) = self.released.get(&sequence) else {
            // Nothing has a sequence up to its floor but what was forgotten.
            if sequence <= self.boundary {
                return Ok(());
            }
            return Err(format!("{sequence} is passed and was never released"));
        };
        let event_type = self.events.get(&released.event).map(|event| type_of(&event.digest));
        let early = match policies.start_of(to) {
            Some(Start::At(at)) => {
                self.released_at.get(&sequence).is_none_or(|released| *released < at.0)
            }
            _ => false,
        };
        let always = event_type.is_some_and(|event_type| policies.always_takes(to, event_type));
        // What never entered goes where its source does not lead neither, and what goes aside to no other.
        let is_led = released.late != Late::Aside && policies.always_leads(released.key.source, to);
        let always = always && (is_led || released.lanes.contains(&to));
        must(early || !always || policies.bodies_go, || {
            format!("{sequence} is filtered although {to:?} takes its type")
        })
    }

    /// An event gets its sequence, next in the chain and in its lanes.
    pub(crate) fn release(
        &mut self,
        fact: &Released,
        source: &SourcePolicy,
        (uptime, recorded): (Option<u64>, u64),
    ) -> Verdict {
        let Some(event) = self.events.get(&fact.event).cloned() else {
            return Err(format!("{} is released but was not received", fact.event));
        };
        self.sequence += 1;
        must(fact.sequence.0 == self.sequence, || {
            format!("{} gets sequence {}, {} is due", fact.event, fact.sequence.0, self.sequence)
        })?;
        self.is_unordered = source.contract == Contract::Unordered;
        must(fact.unordered == self.is_unordered, || format!("an order is claimed: {fact:?}"))?;
        self.applied.released(fact, &event)?;
        match fact.earlier {
            None => {
                self.in_its_place(fact, &event, source, uptime)?;
                self.carries_missing(fact, source)?;
            }
            Some(earlier) => self.is_again(fact, earlier.0)?,
        }
        let link = Link {
            source: &source.name,
            key: &fact.key.name,
            sequence: self.sequence,
            position: &event.position,
            kind: fact.kind,
            content_type: &event.content_type,
            id: event.id.as_deref().unwrap_or_default(),
            previous: self.hash,
            digest: event.digest,
        };
        must(fact.previous_hash == self.hash && fact.hash == chain::hash(&link), || {
            format!("{} breaks the chain", fact.event)
        })?;
        self.hash = fact.hash;
        match fact.kind {
            // What is undone or repeated was counted when it came.
            _ if fact.earlier.is_some() => {}
            Kind::Compensation => {}
            Kind::Event => self.row.end(),
            Kind::Late if matches!(event.position, Position::Timestamp(_) | Position::Link(_)) => {}
            // What was passed while it waited came long before.
            Kind::Late if event.fate == IngressFate::Held => {}
            Kind::Late if event.id.is_some() => self.row.grow(),
            Kind::Late => {}
        }
        self.give(fact.event, IngressFate::Released(self.sequence, fact.kind));
        self.released.insert(self.sequence, fact.clone());
        self.released_at.insert(self.sequence, recorded);
        for destination in &fact.lanes {
            let apart = self.apart(self.sequence);
            let lane = self.lanes.entry((*destination, apart)).or_default();
            lane.enter(self.sequence)?;
        }
        for destination in &fact.filtered {
            let apart = self.apart(self.sequence);
            let lane = self.lanes.entry((*destination, apart)).or_default();
            lane.filter(self.sequence)?;
        }
        Ok(())
    }

    fn in_its_place(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        must(event.position == fact.position, || format!("{fact:?} has another position"))?;
        if let Contract::Latest { .. } = source.contract {
            return self.is_newest(fact, event, source);
        }
        if source.contract == Contract::Merge {
            return self.brings_something_newer(fact, event, source);
        }
        if source.contract == Contract::Causal {
            return self.comes_behind_its_causes(fact, event, source, uptime);
        }
        if source.contract == Contract::States {
            return self.is_a_step(fact, event, source, uptime);
        }
        if source.contract == Contract::Link {
            return self.joins(fact, event, source, uptime);
        }
        if source.contract == Contract::Settle && event.position != Position::None {
            return self.settles_in_its_place(fact, event, source, uptime);
        }
        let Position::Sequence(position) = event.position else {
            return must(event.fate == IngressFate::Open, || format!("{fact:?} again"));
        };
        if event.fate == IngressFate::Held {
            if self.next.is_none() {
                self.begins_in_time(source, uptime);
            }
            self.held.remove(&position);
            let begins = self.next.is_none() && self.held.range(..position).next().is_none();
            must(begins || self.next == Some(position), || {
                format!("{position} is released, {:?} is due", self.next)
            })?;
            must(fact.kind == Kind::Event, || format!("{position} was held and is late"))?;
        } else {
            let demand = self.demand_of(fact.event, source)?;
            must(demand == Demand::Release(fact.kind), || {
                format!("{position} is released, {demand:?} is due")
            })?;
        }
        self.positions.insert(position, fact.event);
        if fact.kind == Kind::Event {
            self.next = Some(position + 1);
        }
        Ok(())
    }

    fn is_newest(
        &mut self,
        fact: &Released,
        event: &EventHistory,
        source: &SourcePolicy,
    ) -> Verdict {
        let demand = self.demand_of(fact.event, source)?;
        must(demand == Demand::Release(fact.kind) && fact.missing.as_slice().is_empty(), || {
            format!("{fact:?}, {demand:?} is due")
        })?;
        if let Some(number) = version(&event.position) {
            self.positions.insert(number, fact.event);
        }
        self.at_once += u64::from(self.newest.released(&event.described())?);
        Ok(())
    }

    /// `sprag-missing` names exactly what was given up just before (G3).
    fn carries_missing(&mut self, fact: &Released, source: &SourcePolicy) -> Verdict {
        let Position::Sequence(position) = fact.position else { return Ok(()) };
        let mut expected = None;
        if fact.kind == Kind::Event {
            let strict = source.first().filter(|_| source.is_strict());
            let from = self.last.map(|last| last + 1).or(strict);
            expected = from.filter(|from| *from < position).map(|from| (from, position - 1));
            self.last = Some(position);
        }
        // Neighbouring gaps that were given up one after another are one range.
        let ranges = fact.missing.as_slice();
        let named = ranges.first().zip(ranges.last()).map(|(one, other)| (one.from, other.to));
        must(named == expected && ranges.len() <= 1, || {
            format!("{position} says {:?} is missing, {expected:?} is", fact.missing)
        })
    }

    pub(crate) fn gap_opened(&mut self, from: u64, to: u64, source: &SourcePolicy) -> Verdict {
        let strict = source.first().filter(|_| source.is_strict());
        let lowest = self.held.first_key_value().map(|(position, _)| *position);
        let expected = self.next.or(strict).zip(lowest).map(|(next, lowest)| (next, lowest - 1));
        self.gap = Some((from, to));
        must(expected == self.gap, || format!("gap {from}-{to} opens, {expected:?} is open"))
    }

    pub(crate) fn gap_filled(&mut self) -> Verdict {
        let filled = self.gap.take().is_some_and(|(_, to)| self.next.is_some_and(|n| n > to));
        must(filled, || "a gap is called filled that is not".to_owned())
    }

    /// Missing positions are given up: not before their time, and never under `halt`.
    pub(crate) fn abandon(
        &mut self,
        fact: &GapAbandoned,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let (from, to) = (fact.missing.from, fact.missing.to);
        let strict = source.first().filter(|_| source.is_strict());
        let lowest = self.held.first_key_value().map(|(position, _)| *position);
        let begins = match fact.reason {
            // Without a natural start, everything below the base is late (decision 006).
            AbandonReason::Start => source.first().or(Some(0)).filter(|_| self.next.is_none()),
            AbandonReason::Rebased | AbandonReason::Gone | AbandonReason::Operator => {
                self.next.or(strict)
            }
            AbandonReason::Waited | AbandonReason::Full => {
                self.next.or(strict).filter(|_| source.on_gap == OnGap::Skip)
            }
        };
        // Of what its source has none of, only that is given up.
        let in_part = fact.reason == AbandonReason::Gone && lowest.is_some_and(|it| it > to);
        must(begins == Some(from) && (lowest == Some(to + 1) || in_part), || {
            format!("{from}-{to} is given up, {begins:?} to before {lowest:?} is missing")
        })?;
        match fact.reason {
            AbandonReason::Rebased => self.hurried = Some(format!("{from}-{to} is given up")),
            AbandonReason::Start => self.begins_in_time(source, uptime),
            AbandonReason::Gone => self.gone.push((from, to)),
            AbandonReason::Operator => {}
            AbandonReason::Waited | AbandonReason::Full => self.waited_enough(source, uptime)?,
        }
        self.abandoned.push((from, to));
        self.gap = None;
        self.next = Some(to + 1);
        Ok(())
    }

    /// Waiting ends after `hold.wait` of open time since the first event beyond, or with
    /// `hold.events` waiting (G1, G2).
    pub(crate) fn waited_enough(&self, source: &SourcePolicy, uptime: Option<u64>) -> Verdict {
        let waiting = self.held.values().filter_map(|place| self.events.get(place));
        let since = waiting.map(|event| event.sent).min();
        let waited = uptime.zip(since).map(|(now, since)| now.saturating_sub(since));
        let enough = waited.is_none_or(|waited| waited >= source.hold_wait)
            || self.held.len() >= source.hold_events;
        must(enough, || {
            format!("given up after {waited:?} µs of open time with {} held", self.held.len())
        })
    }
}
