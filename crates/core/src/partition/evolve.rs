//! How facts add up to the state of a key: the only code that changes a record.
//!
//! The same code runs when a fact is decided and when it is recovered. It reads no configuration,
//! no clock and no randomness (DESIGN F6).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Partition;
use super::acknowledge::accepted;
use super::draft::Times;
use super::evolve_order::{
    abandon, count_old_positions, hold, leave, remember_instant, take_event,
};
use super::hot::{Arriving, Hot};
use super::{depends, jump, letter, overflow, rewind, supersede};
use crate::chain::{Digest, Fingerprint};
use crate::contract;
use crate::fact::{
    Acknowledged, Attempted, Batched, Consequence, Fact, Filtered, Kind, LateDead, Origin,
    Received, Released, Toll,
};
use crate::id::{DestinationId, LaneId, Place, Sequence};
use crate::limits;
use crate::position::Position;
use crate::ranges::{Range, Ranges};
use crate::recent::Prior;
use crate::record::{
    Acceptance, Essence, KeyRecord, Lane, LaneMode, Machine, Omission, OmitReason, Order, Reached,
};
use crate::slab::Slot;
use crate::time::{OpenMicros, UnixMicros, micros};
use crate::totals::Totals;

impl<D: Digest> Partition<D> {
    /// Takes in one fact, decided or recovered.
    pub(super) fn evolve(&mut self, place: Place, times: Times, fact: &Fact) {
        self.directory.evolve(fact);
        self.totals.evolve(fact);
        self.evolve_tombstones(place, fact);
        let Some(key) = fact.key() else { return };
        let slot = self.slot_or_new(key);
        let head = self.head_of_lane(slot, fact);
        self.count(slot, fact, Totals::without);
        self.evolve_key(slot, place, times, fact);
        self.end_strands(slot);
        self.note_forgotten(slot, place, fact);
        self.count(slot, fact, Totals::with);
        for destination in fact.lanes() {
            self.moved.insert(*destination, place.frame);
        }
        self.note_progress(slot, fact, head, times);
    }

    /// Where the one lane stands that a fact may move; none for a release, which moves no head.
    fn head_of_lane(&self, slot: Slot, fact: &Fact) -> Option<Sequence> {
        let [destination] = fact.lanes() else { return None };
        self.keys.get(slot)?.record.lane(*destination).map(|lane| lane.head)
    }

    /// What waits in a lane that moved waits anew. What was given up for its age is no progress.
    fn note_progress(&mut self, slot: Slot, fact: &Fact, head: Option<Sequence>, times: Times) {
        if matches!(fact, Fact::Released(_) | Fact::BacklogDropped(_)) {
            return;
        }
        let [destination] = fact.lanes() else { return };
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let lane = hot.record.lanes.iter_mut().find(|lane| lane.destination == *destination);
        if let Some(lane) = lane.filter(|lane| Some(lane.head) != head) {
            lane.since = times.recorded;
        }
    }

    /// Counts the lanes that a fact may change, before it does and after.
    fn count(&mut self, slot: Slot, fact: &Fact, change: fn(&mut Totals, DestinationId, &[Lane])) {
        let Some(hot) = self.keys.get(slot) else { return };
        // What is left of history may lack what facts before one that says all of a key build upon.
        if let Fact::Carried(_) | Fact::Forgotten(_) | Fact::Returned(_) = fact {
            let lanes = &hot.record.lanes;
            for to in lanes.chunk_by(|one, next| one.destination == next.destination) {
                change(&mut self.totals, to[0].destination, to);
            }
            return;
        }
        for destination in fact.lanes() {
            change(&mut self.totals, *destination, hot.record.lanes_to(*destination));
        }
    }

    fn evolve_key(&mut self, slot: Slot, place: Place, times: Times, fact: &Fact) {
        self.dirty.insert(slot);
        self.touched.push(slot);
        let Some(hot) = self.keys.get_mut(slot) else { return };
        hot.record.newest = place;
        if hot.record.forgotten && hot.record.begins() {
            // Nothing was kept of it: it is as one that never was.
            hot.record = KeyRecord { newest: place, ..KeyRecord::default() };
        }
        // That a source was asked is no sign of life of a key.
        let tells_of_before =
            matches!(fact, Fact::Carried(_) | Fact::Forgotten(_) | Fact::Returned(_));
        let is_no_news = matches!(fact, Fact::RefillEnded(_) | Fact::Reconciled(_));
        if !tells_of_before && !is_no_news {
            hot.record.active = times.recorded;
            hot.record.forgotten = false;
        }
        count_old_positions(hot, fact);
        match fact {
            Fact::Received(received) => receive(hot, place, times, received),
            Fact::Released(released) => {
                let Some(arriving) = release(hot, times, released) else { return };
                self.remember_released(slot, place, released, &arriving);
                return;
            }
            Fact::LaneOpened(opened) => hot.open_lane(opened.destination, opened.through),
            Fact::LaneEnded(ended) => hot.end_lane(ended.destination),
            Fact::Carried(carried) => hot.restore(&carried.record, place, times.recorded),
            Fact::Forgotten(forgotten) => hot.restore(&forgotten.record, place, times.recorded),
            Fact::Returned(returned) => hot.give_back(&returned.record, place, times.recorded),
            Fact::Rebased(_) => hot.record.order = Order { since: place, ..Order::default() },
            Fact::Jumped(jumped) => jump::note(&mut hot.record, jumped),
            _ => evolve_record(hot, times, fact),
        }
        pass_what_is_not_sent(&mut hot.record);
        if let Fact::Received(received) = fact {
            self.remember_received(place, times, received);
        }
    }

    /// The id of a received event is known from now on (DESIGN D3).
    fn remember_received(&mut self, place: Place, times: Times, received: &Received) {
        // What is undone or repeated is known by its original, whose answer a repeat shares (DESIGN D2).
        let Some(id) = received.id.as_ref().filter(|_| received.origin != Origin::Again) else {
            return;
        };
        let fingerprint = self.fingerprints.of_id(&self.digest, &received.key, id);
        let prior = Prior {
            event: place,
            digest: received.digest,
            sequence: Sequence(0),
            recorded: times.recorded,
        };
        self.recent.insert(place.frame, fingerprint, prior);
    }

    /// The position of a released event is taken from now on.
    fn remember_released(
        &mut self,
        slot: Slot,
        place: Place,
        released: &Released,
        arriving: &Arriving,
    ) {
        if released.earlier.is_some() {
            return;
        }
        let key = &released.key;
        if let Position::Timestamp(_) = released.position {
            let (id, body) = (arriving.essence.id.as_deref(), &arriving.essence.digest);
            let identity = Fingerprint::of_event(&self.digest, key, id, body);
            let order = self.keys.get_mut(slot).map(|hot| &mut hot.record.order);
            if let Some(order) = order.filter(|order| order.newest() == released.position.number())
            {
                remember_instant(order, identity);
            }
        }
        if let Some(id) = &arriving.essence.id {
            let fingerprint = self.fingerprints.of_id(&self.digest, key, id);
            self.recent.set_sequence(fingerprint, released.event, released.sequence);
        }
        let position = self.fingerprints.of_position(&self.digest, key, &released.position);
        let Some(fingerprint) = position else { return };
        let prior = Prior {
            event: released.event,
            digest: arriving.essence.digest,
            sequence: released.sequence,
            recorded: arriving.recorded,
        };
        self.recent.insert(place.frame, fingerprint, prior);
    }
}

/// Lanes go past what is not given, and behind what they send again.
fn pass_what_is_not_sent(record: &mut KeyRecord) {
    jump::pass(record);
    if rewind::pass(record) {
        // Since a lane was set back, a jump may have come to begin where it stood.
        jump::pass(record);
    }
}

fn receive(hot: &mut Hot, place: Place, times: Times, received: &Received) {
    let (essence, rank) = (Essence::of(received), None);
    let arriving = Arriving { event: place, recorded: times.recorded, essence, rank };
    hot.arriving = Some(Box::new(arriving));
}

/// The event gets its sequence; gives back what was known of it.
fn release(hot: &mut Hot, times: Times, released: &Released) -> Option<Arriving> {
    let arriving = take_event(hot, released.event, &released.position, times.recorded)?;
    let record = &mut hot.record;
    let (begins, boundary) = (record.begins(), record.boundary);
    record.sequence = released.sequence;
    record.unordered |= released.unordered;
    record.hash = released.hash;
    // What is undone or repeated moves no position.
    let position = released.position.number().filter(|_| released.earlier.is_none());
    if let Some(position) = position {
        let order = &mut record.order;
        if order.abandoned.remove(position) {
            // What comes in the middle of a range makes two of it.
            order.abandoned.merge_oldest(limits::ABANDONED_RANGES);
        }
        order.highest = order.highest.max(position);
        if released.kind == Kind::Event {
            if order.newest() != Some(position) {
                order.instant = Vec::new();
            }
            order.next = Some(position.saturating_add(1));
            order.missing = Ranges::default();
            order.reached = match arriving.rank {
                Some(rank) => Reached::Settled { rank },
                None => Reached::Nothing,
            };
        }
    }
    match &released.position {
        Position::Fields(fields) => {
            contract::take_in(&mut record.order, fields, &released.fresh, released.event);
        }
        Position::Clock(clock) => contract::take_clock(&mut record.order, clock, released.kind),
        Position::State { state, at } => {
            let (state, event, digest) = (state.clone(), released.event, arriving.essence.digest);
            let machine = Machine { state, at: *at, event, digest };
            record.order.reached = Reached::State(Box::new(machine));
        }
        Position::Link(link) => {
            let event = (released.event, arriving.essence.digest);
            contract::take_link(&mut record.order, link, released.kind, event);
        }
        _ => {}
    }
    let jumps = core::mem::take(&mut hot.record.jumps);
    for destination in &released.lanes {
        let head = if begins { Sequence(1) } else { released.sequence };
        let lane = hot.lane_or_new(*destination, head);
        if begins {
            jump::begin(lane, released.sequence, boundary);
        }
        enter(lane, &jumps, released.sequence, arriving.essence.size, times.recorded);
        // Behind what waits it waits, however many strands are free.
        if released.unordered && lane.head == released.sequence {
            hot.take_strands(*destination, released.sequence);
        }
    }
    hot.record.jumps = jumps;
    Some(arriving)
}

/// The event enters a lane. What was released since the lane was last entered was not for it.
fn enter(lane: &mut Lane, jumps: &[Range], sequence: Sequence, size: u32, recorded: UnixMicros) {
    if !lane.has_backlog() {
        lane.since = recorded;
    }
    if !lane.has_backlog() && lane.head < sequence {
        let passed = Range { from: lane.head.0, to: sequence.0.saturating_sub(1) };
        jump::omit_filtered(lane, passed, jumps);
        lane.head = sequence;
    }
    lane.tail = sequence;
    lane.waiting += 1;
    lane.bytes = lane.bytes.saturating_add(u64::from(size));
}

fn evolve_record(hot: &mut Hot, times: Times, fact: &Fact) {
    match fact {
        Fact::Held(held) => hold(hot, held),
        Fact::Conflict(conflict) => {
            let arrived = hot.arriving.take_if(|arriving| arriving.event == conflict.event);
            if arrived.is_none() {
                leave(&mut hot.record.order, conflict.event);
            }
        }
        Fact::Invalid(invalid) => {
            take_event(hot, invalid.event, &invalid.position, times.recorded);
        }
        Fact::Stale(stale) => {
            take_event(hot, stale.event, &stale.position, times.recorded);
        }
        Fact::Superseded(superseded) => supersede::note(&mut hot.record, superseded),
        Fact::Filtered(filtered) => pass_filtered(&mut hot.record, filtered),
        Fact::LateDead(dead) => pass_dead(&mut hot.record, dead),
        Fact::Unmet(unmet) => depends::note(&mut hot.record, unmet),
        Fact::GapOpened(opened) => hot.record.order.gap = Some(opened.missing),
        Fact::GapFilled(_) => hot.record.order.gap = None,
        Fact::GapAbandoned(abandoned) => abandon(&mut hot.record, abandoned),
        Fact::Attempted(attempted) => attempt(&mut hot.record, times.open, attempted),
        Fact::Acknowledged(acknowledged) => acknowledge(&mut hot.record, acknowledged),
        Fact::BacklogDropped(dropped) => overflow::note(&mut hot.record, dropped),
        Fact::Batched(batched) => fix_range(&mut hot.record, batched),
        Fact::StrandsTaken(taken) => hot.take_strands(taken.destination, taken.to),
        Fact::Redriven(redriven) => letter::redrive(hot, redriven),
        Fact::Rewound(rewound) => rewind::note(hot, rewound),
        Fact::Dropped(dropped) => letter::drop(&mut hot.record, dropped),
        Fact::KeyPaused(_) => hot.record.paused = true,
        Fact::KeyResumed(_) => hot.record.paused = false,
        _ => {}
    }
}

pub(super) fn lane_mut(record: &mut KeyRecord, id: LaneId) -> Option<&mut Lane> {
    let at = record.index_of(id)?;
    Some(&mut record.lanes[at])
}

fn attempt(record: &mut KeyRecord, open: OpenMicros, attempted: &Attempted) {
    let lane = lane_mut(record, attempted.destination.into());
    if let Some((lane, turn)) = lane.zip(attempted.turn) {
        lane.due = turn;
    }
    let id = record.sender_of(attempted.destination, attempted.sequence);
    let Some(lane) = lane_mut(record, id) else { return };
    lane.accepted = None;
    if attempted.out_of_order {
        // What was acknowledged meanwhile is settled: then its attempt changes nothing any more.
        let waits = |sequence: &Sequence| *sequence == attempted.sequence;
        match accepted(attempted) {
            Some(accepted) => lane.accepted = Some(Box::new(accepted)),
            None => lane.redrives.retain(|sequence| !waits(sequence)),
        }
        return;
    }
    let last = attempted.batch.map_or(attempted.sequence, |batch| batch.last);
    if let Some(batch) = attempted.batch {
        deliver_part(lane, Sequence(attempted.sequence.0 + batch.acknowledged));
    }
    if last < lane.head {
        return;
    }
    if attempted.outcome.was_sent() {
        lane.sent = lane.sent.max(last);
    }
    match attempted.consequence {
        // Of a range only a part: the rest is a new one.
        Consequence::Delivered if attempted.batch.is_some() => {}
        Consequence::Delivered => deliver(lane, attempted.sequence),
        Consequence::Accepted { .. } => {
            let rest = accepted(attempted).filter(|rest| rest.sequence >= lane.head);
            let rest =
                rest.or(accepted(attempted).map(|all| Acceptance { sequence: lane.head, ..all }));
            lane.accepted = rest.map(Box::new);
        }
        Consequence::Retry { due } => fail_head(lane, open, attempted, due),
        Consequence::Halted => {
            fail_head(lane, open, attempted, UnixMicros::default());
            lane.mode = LaneMode::Halted;
        }
        Consequence::Parked => {
            fail_head(lane, open, attempted, UnixMicros::default());
            lane.mode = LaneMode::Parked;
        }
        Consequence::Dead => {
            while lane.head <= last && lane.has_backlog() {
                omit(lane, Range::one(lane.head.0), OmitReason::Dead);
                settle_head(lane);
            }
        }
    }
}

/// The events before `rest` are delivered; if there are any, what follows is a new range.
fn deliver_part(lane: &mut Lane, rest: Sequence) {
    if lane.head < rest {
        deliver(lane, Sequence(rest.0 - 1));
        lane.batch = None;
    }
}

/// The lane's next attempt carries this range.
fn fix_range(record: &mut KeyRecord, batched: &Batched) {
    let id = record.sender_of(batched.destination, batched.from);
    let lane = lane_mut(record, id);
    if let Some(lane) = lane.filter(|lane| lane.head == batched.from) {
        lane.batch = Some(batched.to);
    }
}

/// The lane's head, and what follows it up to an event, is delivered.
fn deliver(lane: &mut Lane, through: Sequence) {
    while lane.head <= through && lane.has_backlog() {
        (lane.delivered, lane.omitted) = (lane.head, Vec::new());
        settle_head(lane);
    }
}

/// A consumer is done with what it has; perhaps before its attempt ended.
fn acknowledge(record: &mut KeyRecord, acknowledged: &Acknowledged) {
    let id = record.sender_of(acknowledged.destination, acknowledged.from);
    let Some(lane) = lane_mut(record, id) else { return };
    let waits = |sequence: Sequence| (acknowledged.from..=acknowledged.to).contains(&sequence);
    if acknowledged.out_of_order {
        lane.accepted.take_if(|accepted| waits(accepted.sequence));
        lane.redrives.retain(|sequence| !waits(*sequence));
        return;
    }
    let rest = acknowledged.to.next();
    lane.accepted = lane.accepted.take().and_then(|accepted| {
        let is_left = accepted.out_of_order || accepted.last.is_some_and(|last| rest <= last);
        let sequence = if accepted.out_of_order { accepted.sequence } else { rest };
        is_left.then(|| Box::new(Acceptance { sequence, ..*accepted }))
    });
    // Of a range that is under way, what is left was sent too.
    lane.sent = lane.batch.map_or(lane.sent, |last| lane.sent.max(last));
    deliver_part(lane, rest);
}

fn fail_head(lane: &mut Lane, open: OpenMicros, attempted: &Attempted, due: UnixMicros) {
    // What is left of a range has failed: it is tried again as it is, and nothing with it.
    lane.batch = attempted.batch.map(|batch| batch.last).or(lane.batch);
    lane.failures = lane.failures.saturating_add(1);
    lane.due = due;
    let is_first = lane.failed_at == OpenMicros::default();
    let passed = if is_first { 0 } else { micros(open.since(lane.failed_at)) };
    // History before breakers counted everything.
    lane.toll = attempted.toll.unwrap_or_else(|| Toll {
        failures: lane.toll.failures.saturating_add(1),
        time: lane.toll.time.saturating_add(passed),
    });
    let is_failure = attempted.toll.is_none() || !attempted.outcome.is_throttled();
    if is_failure {
        lane.failed_at = open.max(OpenMicros(1));
    }
}

/// What the lane has gone past need not be known as sent, or as one that waited in vain.
pub(super) fn forget_sent(lane: &mut Lane) {
    if lane.sent < lane.head {
        lane.sent = Sequence::default();
    }
    if lane.unmet < lane.head {
        lane.unmet = Sequence::default();
    }
}

/// What failed before counts no more.
pub(super) fn forget_failures(lane: &mut Lane) {
    (lane.toll, lane.failed_at) = (Toll::default(), OpenMicros::default());
}

/// So many events are left; each takes the same share of the bytes with it.
pub(super) fn keep_waiting(lane: &mut Lane, left: u64) {
    let share = u128::from(lane.bytes) * u128::from(left) / u128::from(lane.waiting.max(1));
    lane.bytes = u64::try_from(share).unwrap_or(u64::MAX);
    lane.waiting = left;
}

/// No more events wait than sequences follow, given or not: what was given up in part was counted too high (`overflow`).
pub(super) fn keep_what_follows(lane: &mut Lane) {
    let follow = (lane.tail.0 + 1).saturating_sub(lane.head.0);
    keep_waiting(lane, lane.waiting.min(follow));
}

/// The lane goes on behind its head.
pub(super) fn settle_head(lane: &mut Lane) {
    let head = lane.head.next();
    // What was given up in part may be counted too high (`overflow`), until nothing is left.
    let left = if head > lane.tail { 0 } else { lane.waiting.saturating_sub(1) };
    keep_waiting(lane, left);
    go_on_at(lane, head);
}

/// The lane has another head, of which nothing was tried.
pub(super) fn go_on_at(lane: &mut Lane, head: Sequence) {
    lane.head = head;
    lane.batch = lane.batch.filter(|to| *to >= lane.head);
    forget_sent(lane);
    lane.failures = 0;
    lane.due = UnixMicros::default();
    forget_failures(lane);
    end_drain(lane);
}

/// A drain that is through ends, and a lane in which nothing waits is stopped at nothing.
pub(super) fn end_drain(lane: &mut Lane) {
    let drained = match lane.mode {
        LaneMode::DrainingHalted { until } | LaneMode::DrainingParked { until } => {
            lane.head > until
        }
        LaneMode::Halted | LaneMode::Parked => !lane.has_backlog(),
        LaneMode::Active => false,
    };
    if drained {
        lane.mode = LaneMode::Active;
    }
}

/// Notes that the lane went past events without delivering them (DESIGN C2, C4).
pub(super) fn omit(lane: &mut Lane, range: Range, reason: OmitReason) {
    let follows = |last: &&mut Omission| {
        last.reason == reason && last.range.to.saturating_add(1) == range.from
    };
    if let Some(last) = lane.omitted.last_mut().filter(follows) {
        last.range.to = range.to;
        return;
    }
    lane.omitted.push(Omission { range, reason, merged: false });
    if lane.omitted.len() > limits::HEADER_RANGES {
        let oldest = lane.omitted.remove(0);
        lane.omitted[0].range.from = oldest.range.from;
        lane.omitted[0].merged = true;
    }
}

/// The lane goes past events that did not enter it.
pub(super) fn pass_filtered(record: &mut KeyRecord, filtered: &Filtered) {
    let Some(at) = record.index_of(filtered.destination.into()) else { return };
    let lane = &mut record.lanes[at];
    // In earlier history lanes went so past what a restore left out; now they are past it before.
    let from = filtered.from.max(lane.head);
    if filtered.to < from {
        return;
    }
    jump::omit_filtered(lane, Range { from: from.0, to: filtered.to.0 }, &record.jumps);
    lane.head = filtered.to.next();
    // Of what was released before the lane was opened, all was counted.
    let counted = (filtered.to.min(lane.opened).0 + 1).saturating_sub(from.0);
    lane.waiting = lane.waiting.saturating_sub(counted);
    keep_what_follows(lane);
    end_drain(lane);
    forget_sent(lane);
}

/// The late event at a lane's head is a dead letter.
fn pass_dead(record: &mut KeyRecord, dead: &LateDead) {
    let lane = lane_mut(record, dead.destination.into());
    let Some(lane) = lane.filter(|lane| lane.head == dead.sequence) else { return };
    omit(lane, Range::one(dead.sequence.0), OmitReason::Dead);
    settle_head(lane);
}
