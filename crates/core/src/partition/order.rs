//! Releases: sequences, the chain, drains behind a filled gap, and the end of a wait.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Partition;
use super::batch::window;
use super::draft::Promise;
use super::states::is_out_of_place;
use crate::chain::{self, Digest};
use crate::contract;
use crate::fact::{
    AbandonReason, DependsOn, Fact, GapAbandoned, GapFilled, GapOpened, Invalid, InvalidReason,
    Kind, Late, Released,
};
use crate::held::HeldAt;
use crate::id::{DestinationId, Key, Place, Sequence};
use crate::input::Waiting;
use crate::limits;
use crate::position::Position;
use crate::ranges::{Range, Ranges};
use crate::record::{Essence, Order};
use crate::settings::{Contract, First, OnGap, SourceSettings};
use crate::slab::Slot;

/// What is said of a release beside its event.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) kind: Kind,
    /// What becomes of it as a late event; none: as its source wants it.
    pub(super) late: Option<Late>,
    /// The release that it undoes or repeats.
    pub(super) earlier: Option<Sequence>,
    /// The lanes it enters and those it does not; none: as configured.
    pub(super) lanes: Option<(Vec<DestinationId>, Vec<DestinationId>)>,
    /// What it names as missing; none: what is.
    pub(super) missing: Option<Ranges>,
}

impl Form {
    /// That of an event's first release.
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, late: None, earlier: None, lanes: None, missing: None }
    }
}

impl<D: Digest> Partition<D> {
    /// Gives an event the next sequence of its key and lets it enter its lanes.
    pub(super) fn release(
        &mut self,
        slot: Slot,
        key: &Key,
        event: Place,
        essence: &Essence,
        kind: Kind,
    ) -> Sequence {
        self.release_as(slot, key, event, essence, Form::of(kind))
    }

    /// Gives an event the next sequence of its key in any form.
    pub(super) fn release_as(
        &mut self,
        slot: Slot,
        key: &Key,
        event: Place,
        essence: &Essence,
        form: Form,
    ) -> Sequence {
        let kind = form.kind;
        self.visit(slot);
        self.jump(slot, key);
        let settings = self.settings.clone();
        let Some((hot, source)) = self.keys.get(slot).zip(settings.sources.get(&key.source)) else {
            return Sequence(0);
        };
        let sequence = hot.record.sequence.next();
        let previous = hot.record.hash;
        let missing = form.missing.unwrap_or_else(|| match kind {
            Kind::Event => hot.record.order.missing.clone(),
            Kind::Late | Kind::Compensation => Ranges::default(),
        });
        let entered = || settings.entered_by(source, &essence.event_type, kind);
        let (lanes, filtered) = form.lanes.unwrap_or_else(entered);
        let name = &source.name;
        let unordered = source.contract == Contract::Unordered;
        let hash = chain::event_hash(&self.digest, name, key, sequence, kind, essence, &previous);
        let released = Released {
            key: key.clone(),
            event,
            position: essence.position.clone(),
            sequence,
            kind,
            previous_hash: previous,
            hash,
            lanes: lanes.clone(),
            filtered,
            revision: settings.revision,
            missing,
            salt: None,
            refers_to: None,
            unordered,
            fresh: contract::fresh(&hot.record.order, &essence.position),
            concurrent: contract::is_concurrent(&hot.record.order, &essence.position, kind),
            causes: contract::causes(&hot.record.order, &essence.position, kind),
            broken_from: contract::broken_from(&hot.record.order, &essence.position, kind),
            passed: contract::passed(
                source,
                &hot.record.order,
                &essence.position,
                hot.record.begins(),
            ),
            late: form.late.unwrap_or_else(|| source.late(kind)),
            earlier: form.earlier,
            depends_on: self.depends_on(source, essence, kind, form.earlier),
        };
        let (late, depends_on) = (released.late, released.depends_on.clone());
        for destination in &released.filtered {
            *self.filtered.entry(*destination).or_default() += 1;
        }
        let place = self.write(Fact::Released(released));
        self.offer(slot, sequence, place, (&lanes, late, depends_on));
        sequence
    }

    /// Puts a released event at hand of the lanes that stand just before it: in an outage only of
    /// those that have none.
    fn offer(
        &mut self,
        slot: Slot,
        sequence: Sequence,
        released: Place,
        (lanes, late, depends_on): (&[DestinationId], Late, Option<Arc<DependsOn>>),
    ) {
        let recorded = self.decided_at();
        let (epoch, settings) = (self.epoch, self.settings.clone());
        if let Some(hot) = self.keys.get_mut(slot) {
            for at in 0..hot.lanes.len() {
                let destination = hot.lanes[at].id.destination;
                let entered = lanes.contains(&destination);
                let most = if self.outages.is_open(destination) {
                    limits::LANE_WINDOW_IN_OUTAGE
                } else {
                    window(&settings, &hot.record.lanes[at])
                };
                let depends_on = depends_on.clone();
                let waiting =
                    Waiting { sequence, released, recorded, epoch, entered, late, depends_on };
                hot.extend_window(at, waiting, most);
            }
        }
        self.supersede(slot);
        self.promise(Promise::Wake(slot));
    }

    /// Releases what waited for nothing but what was just released, and writes down what became
    /// of the gap.
    pub(super) fn drain(&mut self, slot: Slot, key: &Key) {
        self.drain_clocks(slot, key);
        self.drain_states(slot, key);
        self.drain_links(slot, key);
        let settled = self.settled(slot);
        while let Some((event, essence)) = self.next_held(slot, settled.as_ref()) {
            self.release(slot, key, event, &essence, Kind::Event);
        }
        let Some(source) = self.settings.sources.get(&key.source) else { return };
        let Some(order) = self.keys.get(slot).map(|hot| &hot.record.order) else { return };
        let (was, is) = (order.gap, head_gap(source, order));
        let passed = was.is_some_and(|was| is.is_none_or(|is| is.from > was.to));
        if passed {
            self.write(Fact::GapFilled(GapFilled { key: key.clone() }));
        }
        if let Some(missing) = is
            && (passed || was.is_none())
        {
            self.write(Fact::GapOpened(GapOpened { key: key.clone(), missing }));
        }
        self.arm_hold(slot);
    }

    /// Up to where the events of a key are settled by now; none where nothing settles.
    fn settled(&self, slot: Slot) -> Option<HeldAt> {
        let hot = self.keys.get(slot)?;
        let source = self.settings.sources.get(&hot.key.source)?;
        let settles = source.contract == Contract::Settle;
        settles.then(|| contract::settled(&hot.record.order, self.open).cloned()).flatten()
    }

    /// The held event that is next in order: of those that settled, or the one nothing before which is missing.
    fn next_held(&self, slot: Slot, settled: Option<&HeldAt>) -> Option<(Place, Essence)> {
        let order = &self.keys.get(slot)?.record.order;
        let held = match settled {
            Some(settled) => order.held.first_key_value().filter(|(at, _)| *at <= settled)?.1,
            None => order.held.get(&HeldAt::numbered(order.next?))?,
        };
        Some((held.event, held.essence.clone()))
    }

    /// Waiting for what is missing before a key's held events ends: it is abandoned, or, for a
    /// key that only begins, its lowest position becomes its base (DESIGN G2, K7). What settles is not
    /// given up by time, but released; nor is what need not wait under another table.
    pub(super) fn end_wait(&mut self, slot: Slot, reason: AbandonReason) {
        let Some(hot) = self.keys.get(slot) else { return };
        let key = hot.key.clone();
        let Some(source) = self.settings.sources.get(&key.source) else { return };
        if source.contract == Contract::Settle && reason == AbandonReason::Waited {
            return self.drain(slot, &key);
        }
        let is_out_of_place = is_out_of_place(source, &hot.record.order);
        let waits_for_ever = waits_for_ever(source, &hot.record.order);
        if is_out_of_place {
            self.drain(slot, &key);
        } else if !waits_for_ever {
            self.give_up_head(slot, &key, reason);
        }
    }

    /// What is missing before a key's held events is given up, or its base chosen, or the first that settles
    /// is released before its time; then it goes on.
    pub(super) fn give_up_head(&mut self, slot: Slot, key: &Key, reason: AbandonReason) {
        let Some(hot) = self.keys.get(slot) else { return };
        let Some(source) = self.settings.sources.get(&key.source).cloned() else { return };
        match head_gap(&source, &hot.record.order) {
            Some(missing) => {
                self.write(Fact::GapAbandoned(GapAbandoned { key: key.clone(), missing, reason }));
            }
            None if source.contract == Contract::Settle => self.release_first(slot, key),
            None if source.contract == Contract::Causal => self.release_in_vain(slot, key),
            None if source.contract == Contract::States => self.release_nearest(slot, key),
            None if source.contract == Contract::Link => self.release_over_break(slot, key),
            None => self.choose_base(slot, key, &source),
        }
        self.drain(slot, key);
    }

    fn release_first(&mut self, slot: Slot, key: &Key) {
        let first = self.keys.get(slot).and_then(|hot| hot.record.order.held.first_key_value());
        let Some((event, essence)) = first.map(|(_, held)| (held.event, held.essence.clone()))
        else {
            return;
        };
        self.release(slot, key, event, &essence, Kind::Event);
    }

    /// The lowest held position becomes the key's base; what lies before it counts as abandoned.
    fn choose_base(&mut self, slot: Slot, key: &Key, source: &SourceSettings) {
        let Some(hot) = self.keys.get(slot) else { return };
        let base = hot.record.order.held.first_key_value();
        let Some((base, event, essence)) =
            base.map(|(at, h)| (at.number, h.event, h.essence.clone()))
        else {
            return;
        };
        if let Some(first) = beginning(source.contract)
            && first < base
        {
            let missing = Range { from: first, to: base - 1 };
            let reason = AbandonReason::Start;
            self.write(Fact::GapAbandoned(GapAbandoned { key: key.clone(), missing, reason }));
        }
        debug_assert_eq!(essence.position, Position::Sequence(base));
        self.release(slot, key, event, &essence, Kind::Event);
        self.judge_held(slot, key);
    }

    /// The base of a waiting key was just released: what it holds is judged, in ascending order
    /// (DESIGN K4).
    pub(super) fn judge_held(&mut self, slot: Slot, key: &Key) {
        let Some(hot) = self.keys.get(slot) else { return };
        let Some(source) = self.settings.sources.get(&key.source) else { return };
        let poison = match source.contract {
            Contract::Fifo { .. } => contract::base_poison(source.hold_span, &hot.record.order),
            Contract::Causal => contract::clock_poison(source.hold_span, &hot.record.order),
            _ => return,
        };
        let poison: Vec<_> = poison
            .into_iter()
            .filter_map(|position| hot.record.order.held.get(&position))
            .map(|held| (held.event, held.essence.position.clone()))
            .collect();
        for (event, position) in poison {
            let reason = InvalidReason::BeyondSpan;
            self.write(Fact::Invalid(Invalid { key: key.clone(), event, position, reason }));
        }
    }
}

/// The missing positions that a key of this source waits for.
pub(super) fn head_gap(source: &SourceSettings, order: &Order) -> Option<Range> {
    match source.contract {
        Contract::Fifo { first } => contract::head_gap(first, order),
        Contract::Arrival
        | Contract::Unordered
        | Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => None,
    }
}

/// Whether a key waits for what is missing however long that takes (DESIGN G2): not for where it begins.
pub(super) fn waits_for_ever(source: &SourceSettings, order: &Order) -> bool {
    let misses = match source.contract {
        Contract::Causal => contract::lacks_any(order),
        Contract::States => contract::stands(source, order),
        Contract::Link => contract::tip(order).is_some(),
        _ => head_gap(source, order).is_some(),
    };
    misses && source.on_gap == OnGap::Halt
}

/// The position that follows all that a key has released; none where its base is not settled.
pub(super) fn next_position(source: &SourceSettings, order: &Order) -> Option<u64> {
    match source.contract {
        Contract::Fifo { first } => contract::next_position(first, order),
        Contract::Arrival
        | Contract::Unordered
        | Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => None,
    }
}

/// Where the positions of a key could have begun: what lies from there to its base is late when it
/// still comes (DESIGN K7; decision 006 for sources without a natural start).
fn beginning(contract: Contract) -> Option<u64> {
    match contract {
        Contract::Fifo { first: First::At(first) } => Some(first),
        Contract::Fifo { first: First::Any } => Some(0),
        Contract::Fifo { first: First::Strictly(_) }
        | Contract::Arrival
        | Contract::Unordered
        | Contract::Latest { .. }
        | Contract::Settle
        | Contract::Merge
        | Contract::Causal
        | Contract::States
        | Contract::Link => None,
    }
}
