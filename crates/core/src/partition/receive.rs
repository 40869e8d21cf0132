//! What becomes of an arriving event, from its judgement to the facts and the promised answer.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Partition;
use super::draft::Promise;
use super::keys::ticket_of;
use crate::chain::{Digest, Fingerprint};
use crate::contract::{self, Evidence, Judgement};
use crate::destination::End;
use crate::fact::{
    AbandonReason, Conflict, Duplicate, Fact, GapOpened, Held, HoldReason, Ignored, Invalid,
    InvalidReason, Kind, Received, Recognised, Stale,
};
use crate::id::{Hash, Key, Place, Sequence, SourceId};
use crate::input::{Arrival, Input, Ticket};
use crate::output::{Answer, Busy, DraftBody, Output, Rejection, Status};
use crate::position::Position;
use crate::recent::{Prior, Seen};
use crate::record::Essence;
use crate::settings::{Contract, OnGap, OnLate, SourceSettings};
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// It is an event's turn: load its key, look up what is forgotten, judge, write, promise.
    pub(super) fn take_in(&mut self, arrival: Box<Arrival>, seen: &Seen) {
        if self.waits_behind_late(&arrival, seen) {
            return;
        }
        if seen.through < self.recent.floor() && !self.waits_for_key(&arrival.key) {
            let key = arrival.key.clone();
            self.look_up(arrival);
            // What was read of history is read anew then, should it be late still.
            return self.end_recall(&key);
        }
        let key = arrival.key.clone();
        let waiting = || Input::Receive { arrival: arrival.clone(), seen: *seen };
        let Some(slot) = self.slot_or_load(&key, waiting) else { return };
        let Some(judgement) = self.judge(slot, &arrival, seen) else {
            // Its source is not configured here: nothing can be decided, and nobody waits in vain.
            let answer = Answer::Unavailable;
            self.outputs.push_back(Output::Answer { ticket: arrival.ticket, answer });
            return self.end_recall(&key);
        };
        let known = matches!(judgement, Judgement::Duplicate { by: Recognised::Id, .. });
        if !arrival.in_time && !known {
            let answer = Answer::Rejected(Rejection::OutsideTolerance);
            self.outputs.push_back(Output::Answer { ticket: arrival.ticket, answer });
            return self.end_recall(&key);
        }
        let (position, before) = (arrival.position.clone(), self.old_positions(slot));
        if self.is_to_be_placed(&key, &judgement) {
            if !self.go_to_place(slot, arrival, seen) {
                return;
            }
        } else {
            self.settle(slot, *arrival, judgement);
        }
        self.notice_reset(slot, key.clone(), position, before);
        self.end_recall(&key);
    }

    /// Whether it is late and its source wants it in its place.
    fn is_to_be_placed(&self, key: &Key, judgement: &Judgement) -> bool {
        let source = self.settings.sources.get(&key.source);
        // Elsewhere it has no place among those that were released, and is a dead letter.
        let wants_it = source.is_some_and(|source| {
            let is_placed = matches!(source.contract, Contract::Fifo { .. } | Contract::Settle);
            is_placed && source.on_late == OnLate::Compensate
        });
        wants_it && *judgement == Judgement::Release(Kind::Late)
    }

    fn judge(&mut self, slot: Slot, arrival: &Arrival, seen: &Seen) -> Option<Judgement> {
        let recorded = self.decided_at();
        let (by_id, by_position) = self.priors(arrival, seen);
        let source = self.settings.sources.get(&arrival.key.source)?;
        let order = &self.keys.get(slot)?.record.order;
        // Positions of before they began anew are others (DESIGN K9).
        let by_position = by_position.filter(|prior| order.since < prior.event);
        let identity = matches!(arrival.position, Position::Timestamp(_)).then(|| {
            let id = arrival.id.as_deref();
            Fingerprint::of_event(&self.digest, &arrival.key, id, &arrival.digest)
        });
        let evidence = Evidence {
            identity,
            unreadable: arrival.key.name.is_empty(),
            position: &arrival.position,
            event_type: &arrival.event_type,
            digest: arrival.digest,
            by_id: by_id.as_ref(),
            by_position: by_position.as_ref(),
            recorded,
        };
        Some(contract::judge(source, self.settings.key_backlog, order, &evidence))
    }

    /// What is known of the arrival's id and position: here, or as looked up (DESIGN F4).
    fn priors(&mut self, arrival: &Arrival, seen: &Seen) -> (Option<Prior>, Option<Prior>) {
        let (digest, key) = (&self.digest, &arrival.key);
        let id = arrival.id.as_ref();
        let by_id = id.map(|id| self.fingerprints.of_id(digest, key, id));
        let by_position = self.fingerprints.of_position(digest, key, &arrival.position);
        let recent = |fingerprint| self.recent.get(fingerprint).copied();
        (by_id.and_then(recent).or(seen.by_id), by_position.and_then(recent).or(seen.by_position))
    }

    /// Writes down what the judgement means and promises the answer.
    fn settle(&mut self, slot: Slot, arrival: Arrival, judgement: Judgement) {
        let ticket = arrival.ticket;
        let (status, event, sequence) = match judgement {
            Judgement::Full => {
                let answer = Answer::Busy(Busy::KeyBacklog);
                self.outputs.push_back(Output::Answer { ticket, answer });
                return;
            }
            Judgement::Duplicate { original, sequence, by, altered } => {
                self.write_duplicate(arrival, original, by, altered);
                (Status::Duplicate, original, sequence)
            }
            Judgement::Conflict { other, other_digest } => {
                let event = self.write_conflict(arrival, other, other_digest);
                (Status::Conflict, Some(event), None)
            }
            Judgement::Invalid(reason) => {
                (Status::Invalid, Some(self.write_invalid(arrival, reason)), None)
            }
            Judgement::Stale => (Status::Stale, Some(self.write_stale(slot, arrival)), None),
            Judgement::Hold(reason) => {
                let from = self.filling.facts.len();
                let event = self.hold(slot, arrival, reason);
                let (status, sequence) = self.became(event, from);
                (status, Some(event), sequence)
            }
            Judgement::Release(kind) => {
                let (event, sequence) = self.release_arrival(slot, arrival, kind);
                (released_status(kind), Some(event), Some(sequence))
            }
        };
        self.promise(Promise::Answer(ticket, Answer::Event { status, event, sequence }));
    }

    pub(super) fn write_received(&mut self, arrival: Arrival) -> (Place, Essence) {
        let body = DraftBody::Arrived(arrival.ticket);
        let depends_on = self.dependency_of(&arrival);
        let received = Received {
            key: arrival.key,
            id: arrival.id,
            position: arrival.position,
            event_type: arrival.event_type,
            content_type: arrival.content_type,
            headers: arrival.headers,
            digest: arrival.digest,
            size: arrival.size,
            body: 0,
            origin: arrival.origin,
            depends_on,
        };
        self.write_event(received, body)
    }

    /// An event is kept, with its body.
    pub(super) fn write_event(&mut self, received: Received, body: DraftBody) -> (Place, Essence) {
        let essence = Essence::of(&received);
        let index = u32::try_from(self.filling.bodies.len()).unwrap_or(u32::MAX);
        self.filling.bodies.push(body);
        // What an event says beside its body is bounded but for the headers that are kept of it.
        let headers = received.headers.iter().map(|header| header.value.len() as u64);
        self.filling.body_bytes += u64::from(received.size) + headers.sum::<u64>();
        (self.write(Fact::Received(Received { body: index, ..received })), essence)
    }

    fn write_duplicate(
        &mut self,
        arrival: Arrival,
        original: Option<Place>,
        by: Recognised,
        altered: bool,
    ) {
        self.write(Fact::Duplicate(Duplicate {
            key: arrival.key,
            id: arrival.id,
            position: arrival.position,
            digest: arrival.digest,
            original,
            by,
            altered,
        }));
    }

    fn write_conflict(&mut self, arrival: Arrival, other: Place, other_digest: Hash) -> Place {
        let key = arrival.key.clone();
        let (event, _) = self.write_received(arrival);
        self.write(Fact::Conflict(Conflict { key, event, other, other_digest }));
        event
    }

    fn write_invalid(&mut self, arrival: Arrival, reason: InvalidReason) -> Place {
        let (key, position) = (arrival.key.clone(), arrival.position.clone());
        let (event, _) = self.write_received(arrival);
        self.write(Fact::Invalid(Invalid { key, event, position, reason }));
        event
    }

    fn write_stale(&mut self, slot: Slot, arrival: Arrival) -> Place {
        let (key, position) = (arrival.key.clone(), arrival.position.clone());
        let newest = self.keys.get(slot).map(|hot| hot.record.sequence).unwrap_or_default();
        let (event, _) = self.write_received(arrival);
        self.write(Fact::Stale(Stale { key, event, position, newest }));
        event
    }

    /// The event waits; with too many waiting, the wait of its key ends (DESIGN G2).
    fn hold(&mut self, slot: Slot, arrival: Arrival, reason: HoldReason) -> Place {
        let key = arrival.key.clone();
        let (event, _) = self.write_received(arrival);
        let Some(source) = self.settings.sources.get(&key.source).cloned() else { return event };
        let deadline = self.open.after(source.hold_wait);
        self.write(Fact::Held(Held { key: key.clone(), event, reason, deadline }));
        let Some(hot) = self.keys.get(slot) else { return event };
        if let Some(missing) = super::order::head_gap(&source, &hot.record.order)
            && hot.record.order.gap.is_none()
        {
            self.write(Fact::GapOpened(GapOpened { key, missing }));
        }
        self.arm_hold(slot);
        self.end_crowded_waits(slot, &source);
        event
    }

    /// With more than `hold.events` waiting, waits end until no more than that are left; only
    /// under `skip` (DESIGN G2).
    fn end_crowded_waits(&mut self, slot: Slot, source: &SourceSettings) {
        if source.on_gap == OnGap::Halt {
            return;
        }
        let held = |partition: &Self| {
            partition.keys.get(slot).map_or(0, |hot| hot.record.order.held.len())
        };
        let mut waiting = held(self);
        while waiting > source.hold_events {
            self.end_wait(slot, AbandonReason::Full);
            let left = held(self);
            debug_assert!(left < waiting, "the end of a wait releases or dead-letters something");
            if left >= waiting {
                return;
            }
            waiting = left;
        }
    }

    /// What an event that had to wait became by the end of the same step, of which the frame has these facts
    /// and those behind.
    fn became(&self, event: Place, from: usize) -> (Status, Option<Sequence>) {
        let mut written = self.filling.facts.iter().skip(from);
        let became = written.find_map(|fact| match fact {
            Fact::Released(released) if released.event == event => {
                Some((released_status(released.kind), Some(released.sequence)))
            }
            Fact::Stale(stale) if stale.event == event => Some((Status::Stale, None)),
            Fact::Conflict(conflict) if conflict.event == event => Some((Status::Conflict, None)),
            Fact::Invalid(invalid) if invalid.event == event => Some((Status::Invalid, None)),
            _ => None,
        });
        became.unwrap_or((Status::Held, None))
    }

    fn release_arrival(&mut self, slot: Slot, arrival: Arrival, kind: Kind) -> (Place, Sequence) {
        let key = arrival.key.clone();
        let (event, essence) = self.write_received(arrival);
        let order = self.keys.get(slot).map(|hot| &hot.record.order);
        let unsettled = order.is_some_and(|order| contract::begins(order, &essence.position));
        let sequence = self.release(slot, &key, event, &essence, kind);
        if unsettled {
            self.judge_held(slot, &key);
        }
        self.drain(slot, &key);
        (event, sequence)
    }

    /// An event of a type that its source does not accept: a line of history, nothing else.
    pub(super) fn ignore(
        &mut self,
        ticket: Ticket,
        source: SourceId,
        id: Option<Arc<str>>,
        event_type: Arc<str>,
        digest: Hash,
    ) {
        self.write(Fact::Ignored(Ignored { source, id, event_type, digest }));
        let answer = Answer::Event { status: Status::Ignored, event: None, sequence: None };
        self.promise(Promise::Answer(ticket, answer));
    }

    /// While it is recovering, a partition can make nothing durable.
    pub(super) fn refuse(&mut self, input: Input) {
        if let Some(ticket) = ticket_of(&input) {
            self.outputs.push_back(Output::Answer { ticket, answer: Answer::Unavailable });
        }
        match input {
            Input::Ended(ended) => self.forget_attempt(ended.attempt),
            Input::Granted(grant) => {
                self.outputs.push_back(Output::Return { lane: grant.lane, end: End::Unused });
            }
            Input::MayFetch(wanted) => {
                self.outputs.push_back(Output::SpareFetch(wanted.source));
            }
            Input::MayCompare(source) => self.outputs.push_back(Output::SpareCompare(source)),
            Input::Asked(ask) => self.tell_unknown(ask),
            Input::Breaker { destination, is_open } => self.note_breaker(destination, is_open),
            Input::Foreign { place, fact } => self.foreign(place, &fact),
            _ => {}
        }
    }
}

fn released_status(kind: Kind) -> Status {
    match kind {
        Kind::Event | Kind::Compensation => Status::Released,
        Kind::Late => Status::Late,
    }
}
