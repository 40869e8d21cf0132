//! Lanes: who may be attempted, and what an attempt's end means. Where waiting events come from is
//! `window`'s.
//!
//! Nothing leaves before the facts it rests on are committed: the release of the event, and the
//! outcome of the attempt before it (DESIGN F11).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::acknowledge::is_settled;
use super::batch::{AtHead, at_head, is_whole, part, rest_of};
use super::draft::Promise;
use super::hot::{Hot, Ongoing, Requested, Tried};
use super::strands::feeds;
use super::{Partition, depends};
use crate::chain::Digest;
use crate::destination::{End, Grant, Urgency};
use crate::fact::{Attempted, Consequence, Fact, Outcome, Toll};
use crate::id::{DestinationId, Epoch, FrameNumber, LaneId, Place, Sequence};
use crate::input::{AttemptId, Ended, Waiting};
use crate::limits;
use crate::output::{Attempt, Output};
use crate::record::{Lane, LaneMode};
use crate::retry;
use crate::settings::{Ack, OnGiveUp};
use crate::slab::Slot;
use crate::time::{ElapsedMicros, UnixMicros, micros};

/// What a lane would attempt next.
#[derive(Debug, Clone, Copy)]
struct Work {
    sequence: Sequence,
    /// The last event of a range.
    last: Option<Sequence>,
    released: Option<Place>,
    recorded: UnixMicros,
    failures: u32,
    redelivery: bool,
    out_of_order: bool,
}

/// Whether a lane can go on.
enum Readiness {
    Ready(Work),
    /// Something else wakes it: a commit, an end, a grant, a release, an operator.
    Waits,
    /// Time wakes it.
    Due(ElapsedMicros),
    /// Its waiting events must be asked for.
    NeedsBacklog,
    /// The range that its next attempt carries must be fixed up to this event.
    NeedsRange(Sequence),
    /// Its head refers to another resource.
    Depends(depends::Step),
}

impl<D: Digest> Partition<D> {
    /// Lets the lanes of a key go on as far as they can.
    pub(super) fn wake(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        if hot.record.unordered {
            return self.wake_strands(slot);
        }
        (0..hot.lanes.len()).for_each(|at| self.wake_lane(slot, at));
    }

    pub(super) fn wake_all(&mut self) {
        let slots: Vec<_> = self.keys.iter().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.wake(slot));
    }

    pub(super) fn wake_lane(&mut self, slot: Slot, at: usize) {
        self.pass_unsent(slot, at);
        self.take_strands(slot, at);
        match self.readiness(slot, at) {
            Readiness::Ready(work) => self.request(slot, at, work),
            Readiness::Due(due) => self.set_timer(slot, at, due),
            Readiness::NeedsBacklog => self.ask_backlog(slot, at),
            Readiness::NeedsRange(to) => self.fix_range(slot, at, to),
            Readiness::Depends(step) => self.take_dependency(slot, at, step),
            Readiness::Waits => {}
        }
    }

    /// A term's claim is durable, and attempts of earlier terms have ended, before a lane starts
    /// (DESIGN F10).
    pub(super) fn lanes_may_start(&self) -> bool {
        self.claim <= self.committed && self.ending.is_empty()
    }

    fn readiness(&mut self, slot: Slot, at: usize) -> Readiness {
        if !self.lanes_may_start() {
            return Readiness::Waits;
        }
        let rests = self.rests(slot, at);
        let Some(hot) = self.keys.get_mut(slot) else { return Readiness::Waits };
        let lane = &hot.lanes[at];
        let busy = lane.attempt.is_some() || lane.requested.is_some();
        let busy = busy || hot.is_outlived(lane.id);
        let to = lane.id.destination;
        let paused = hot.record.paused || self.directory.paused.contains(&to);
        // A lane to a destination that is no longer configured waits for it.
        let paused = paused || !self.settings.destinations.contains_key(&to);
        // The outcome before must be durable before the next attempt leaves (DESIGN F11).
        if busy || paused || lane.rests_on > self.committed {
            return Readiness::Waits;
        }
        let record = &hot.record.lanes[at];
        if hot.record.unordered && record.strand.is_none() {
            return feeder_readiness(hot, at);
        }
        if hot.is_crowded(to) {
            return Readiness::Waits;
        }
        let bucket = &hot.lanes[hot.lane_of(at)].bucket;
        let to = self.settings.destinations.get(&to);
        let (rate, batch) = (to.and_then(|to| to.key_rate), to.and_then(|to| to.batch));
        // A range that is fixed is sent as it is, whatever is configured by now.
        let batch = batch.or(record.batch.map(|_| limits::BATCH_EVENTS));
        let next = rate.map(|rate| bucket.next(rate)).unwrap_or_default();
        // A consumer has it: its acknowledgement, or the end of the wait, wakes the lane.
        if record.accepted.is_some() {
            return Readiness::Waits;
        }
        if rests && record.has_work() {
            let again = self.now.elapsed.after(limits::TURN_LOOK);
            return Readiness::Due(again.max(hot.lanes[at].due));
        }
        if next > self.now.elapsed && record.has_work() {
            return Readiness::Due(next);
        }
        if let Some(sequence) = record.redrives.first() {
            let last = batch.map(|_| *sequence);
            return Readiness::Ready(passed_work(*sequence, last, self.recorded));
        }
        let clock = (self.now.elapsed, self.committed, self.epoch);
        let ready = head_readiness(hot, at, clock);
        if let Readiness::Ready(_) = ready
            && let Some(step) = depends::step(hot, at, self.now.elapsed, self.open)
        {
            return Readiness::Depends(step);
        }
        let (Readiness::Ready(work), Some(most)) = (&ready, batch) else { return ready };
        let most = most.clamp(1, limits::BATCH_EVENTS);
        match at_head(hot, at, most) {
            AtHead::Fixed(last) => Readiness::Ready(Work { last: Some(last), ..*work }),
            AtHead::Open(to) => Readiness::NeedsRange(to),
            AtHead::Unread => Readiness::NeedsBacklog,
            AtHead::Unreadable => {
                hot.lanes[at].is_reread = false;
                Readiness::Due(self.now.elapsed.after(limits::BACKLOG_RETRY))
            }
        }
    }

    /// What a lane sends next rests on what was just written: should that be lost, it might be decided
    /// otherwise, and what was passed would come after what was sent.
    pub(super) fn rest_on_written(&mut self, slot: Slot, destination: DestinationId) {
        let written = self.taken.next();
        let hot = self.keys.get_mut(slot);
        let lane = hot.and_then(|hot| hot.lanes.iter_mut().find(|it| it.id == destination.into()));
        if let Some(lane) = lane {
            lane.rests_on = written;
            self.promise(Promise::Wake(slot));
        }
    }

    pub(super) fn set_timer(&mut self, slot: Slot, at: usize, due: ElapsedMicros) {
        let Some(lane) = self.keys.get_mut(slot).map(|hot| &mut hot.lanes[at]) else { return };
        if let Some(old) = lane.timer.replace(due) {
            self.timers.remove(&(old, slot, lane.id));
        }
        self.timers.insert((due, slot, lane.id));
    }

    /// Timers whose time has come wake their lanes. Nothing is left of them: a lane that seems to wait
    /// for time would keep its key from being forgotten.
    pub(super) fn end_timers(&mut self) {
        while let Some((due, slot, id)) = self.timers.first().copied() {
            if due > self.now.elapsed {
                break;
            }
            self.timers.pop_first();
            if let Some(hot) = self.keys.get_mut(slot)
                && let Some(at) = hot.lane_at(id)
            {
                hot.lanes[at].timer = None;
            }
            self.wake(slot);
        }
    }

    fn request(&mut self, slot: Slot, at: usize, work: Work) {
        let place = work.released.unwrap_or_default();
        let urgency = Urgency { recorded: work.recorded, place };
        let now = self.now.elapsed;
        let Some(standing) = self.keys.get(slot).map(|hot| hot.standing(at, now)) else { return };
        let requested = Requested { urgency, standing };
        let id = self.seek(slot, at, |lane| {
            lane.requested = Some(requested);
            lane.id
        });
        let Some(id) = id else { return };
        self.outputs.push_back(Output::Request(requested.of(self.lane_ref(slot, id))));
    }

    /// A permit came: the attempt leaves, unless the lane cannot use it any more.
    pub(super) fn granted(&mut self, grant: Grant) {
        let lane = grant.lane;
        let at = self.keys.get(lane.slot).and_then(|hot| hot.lane_at(lane.id()));
        let Some(at) = at else {
            self.outputs.push_back(Output::Return { lane, end: End::Unused });
            return;
        };
        self.seek(lane.slot, at, |lane| lane.requested = None);
        match self.readiness(lane.slot, at) {
            Readiness::Ready(work) => self.attempt(lane.slot, at, work, grant),
            _ => {
                self.outputs.push_back(Output::Return { lane, end: End::Unused });
                self.end_turn(lane.slot, lane.destination);
                self.wake_lane(lane.slot, at);
            }
        }
    }

    fn attempt(&mut self, slot: Slot, at: usize, work: Work, grant: Grant) {
        self.next_attempt += 1;
        let id = AttemptId { epoch: self.epoch, number: self.next_attempt };
        let started = self.recorded;
        let number = work.failures.saturating_add(1);
        let (sequence, out_of_order) = (work.sequence, work.out_of_order);
        let Grant { slow_at, probe, .. } = grant;
        let last = work.last;
        let ack = self.ack_of(grant.lane.destination);
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let tried = Tried { sequence, last, number, out_of_order, probe, ack };
        let ongoing = Ongoing { id, tried, started, slow_at };
        hot.lanes[at].attempt = Some(Box::new(ongoing));
        hot.lanes[at].is_reread = false;
        let destination = self.settings.destinations.get(&grant.lane.destination);
        if let Some(rate) = destination.and_then(|to| to.key_rate) {
            let lane = hot.lane_of(at);
            hot.lanes[lane].bucket.take(rate, self.now.elapsed);
        }
        let record = &hot.record.lanes[at];
        let behind = |waiting: &&Waiting| {
            waiting.sequence > sequence && last.is_some_and(|last| waiting.sequence <= last)
        };
        let others = hot.lanes[at].window.iter().filter(behind).filter(|_| !out_of_order);
        let others = others.map(|waiting| waiting.released).collect();
        let attempt = Attempt {
            id,
            key: hot.key.clone(),
            destination: record.destination,
            sequence,
            last,
            others,
            released: work.released,
            number,
            redelivery: work.redelivery || sequence <= record.sent || record.sends_again(sequence),
            out_of_order: out_of_order || hot.record.unordered,
            previous: record.delivered,
            omitted: if out_of_order { Vec::new() } else { record.omitted.clone() },
            unmet: record.unmet == sequence && !out_of_order,
        };
        self.attempts.insert(id, (slot, record.id()));
        self.outputs.push_back(Output::Attempt(Box::new(attempt)));
    }

    /// An attempt ended: its outcome is written down, and the lane goes on once that is durable.
    pub(super) fn ended(&mut self, ended: Ended) {
        let was_settled = self.is_settled(ended.attempt);
        let Some((slot, id)) = self.attempts.remove(&ended.attempt) else {
            self.forget_attempt(ended.attempt);
            return;
        };
        let Ended { outcome, retry_after, .. } = ended;
        let lane = self.lane_ref(slot, id);
        // What was settled before it was sent says nothing of its destination.
        let is_unsent = was_settled && !outcome.was_sent();
        let key = self.keys.get(slot).map(|hot| hot.key.clone());
        let end = key.as_ref().filter(|_| !is_unsent).map_or(End::BrokenOff, |key| End::Ended {
            key: key.number(),
            outcome,
            retry_after,
        });
        self.outputs.push_back(Output::Return { lane, end });
        let Some((key, hot)) = key.zip(self.keys.get_mut(slot)) else { return };
        let (ongoing, lane) = match hot.take_outlived(ended.attempt) {
            Some(ongoing) => (ongoing, None),
            None => {
                let Some(at) = hot.lane_at(id) else { return };
                let Some(ongoing) = hot.lanes[at].attempt.take() else { return };
                let ongoing = *ongoing;
                let is_over = is_settled(hot, at, ongoing.tried);
                (ongoing, Some(&hot.record.lanes[at]).filter(|_| !is_over).cloned())
            }
        };
        let tried = ongoing.tried;
        let waits = outcome.is_accepted() && tried.ack != Ack::Answer;
        let batch = part(tried, &ended, waits);
        let (consequence, delay, toll) = match lane.filter(|_| !is_whole(tried, batch)) {
            Some(lane) => self.consequence(&rest_of(&lane, tried, batch), tried, &ended),
            None => (Consequence::Delivered, Duration::ZERO, None),
        };
        self.write(Fact::Attempted(Attempted {
            key,
            destination: id.destination,
            sequence: tried.sequence,
            number: tried.number,
            out_of_order: tried.out_of_order,
            started: ongoing.started,
            took: micros(ended.took),
            outcome,
            consequence,
            toll,
            dropped: ended.dropped.filter(|_| outcome.is_acknowledged()).map(bounded),
            batch,
            turn: self.turn_of(id, outcome),
        }));
        self.attempt_is_over(slot, id, ongoing, outcome, delay);
        self.end_turn(slot, id.destination);
        self.visit(slot);
        self.arm_acceptances(slot);
        self.supersede(slot);
        self.keep_next(slot, id);
        self.promise(Promise::Wake(slot));
    }

    /// The lane's attempt is over; what it sends next rests on the outcome just written.
    fn attempt_is_over(
        &mut self,
        slot: Slot,
        id: LaneId,
        ongoing: Ongoing,
        outcome: Outcome,
        delay: Duration,
    ) {
        let (now, written) = (self.now.elapsed, self.taken.next());
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let failing = hot.failing(id);
        // A 2xx to one of its strands is one to the lane.
        for at in [hot.lane_at(id.destination.into()), hot.lane_at(id)].into_iter().flatten() {
            if outcome.is_acknowledged() {
                hot.lanes[at].acknowledged = Some(now);
            }
        }
        let failed = !outcome.is_acknowledged() && !outcome.is_throttled();
        let made = failed.then_some(self.next_attempt);
        let is_told = failed || outcome.is_acknowledged();
        let changed = is_told && hot.note_outcome(id, ongoing.id, made);
        let changed = changed || hot.failing(id) != failing;
        if let Some(lane) = hot.lane_at(id).map(|at| &mut hot.lanes[at]) {
            lane.rests_on = written;
            lane.struggles = failed || now >= ongoing.slow_at;
            // The head's own wait goes on while an event sent out of order ends.
            if !ongoing.tried.out_of_order {
                lane.due = now.after(delay);
            }
        }
        if changed {
            self.ask_anew(slot, id.destination);
        }
    }

    /// What an outcome means, how long the lane waits, and what counts towards giving up.
    fn consequence(
        &mut self,
        lane: &Lane,
        tried: Tried,
        ended: &Ended,
    ) -> (Consequence, Duration, Option<Toll>) {
        let outcome = ended.outcome;
        // A 2xx that acknowledges nothing of a range would be sent again at once, for ever.
        let nothing = tried.last.is_some() && ended.acknowledged == Some(0);
        let nothing = nothing && ended.dropped.is_none() && !outcome.is_accepted();
        if !outcome.is_acknowledged() || nothing {
            let (means, delay, toll) = self.failed(lane, tried, outcome, ended.retry_after);
            return (means, delay, Some(toll));
        }
        let until = self.waits_until(tried.ack).filter(|_| outcome.is_accepted());
        let means = match until {
            _ if ended.dropped.is_some() => Consequence::Dead,
            Some(until) => Consequence::Accepted { until },
            None => Consequence::Delivered,
        };
        (means, Duration::ZERO, None)
    }

    /// What a failure means, how long the lane waits, and what counts towards giving up.
    pub(super) fn failed(
        &mut self,
        lane: &Lane,
        tried: Tried,
        outcome: Outcome,
        retry_after: Option<Duration>,
    ) -> (Consequence, Duration, Toll) {
        let (toll, counts) = self.toll(lane, tried, outcome);
        let Some(destination) = self.settings.destinations.get(&lane.destination) else {
            // It waits for its destination to be configured again; an event that was passed does not.
            let retry = Consequence::Retry { due: self.steady };
            let means = if tried.out_of_order { Consequence::Dead } else { retry };
            return (means, Duration::ZERO, lane.toll);
        };
        let (retry, on_give_up) = (destination.retry, destination.on_give_up);
        let exhausted = counts && retry::is_exhausted(&retry, toll);
        if exhausted || is_final(lane, tried, outcome, counts) {
            return (given_up(lane, tried, on_give_up), Duration::ZERO, toll);
        }
        let failures = toll.failures.max(1);
        let delay = retry::delay(&retry, failures, retry_after, &mut self.random);
        (Consequence::Retry { due: self.steady.after(delay) }, delay, toll)
    }

    /// An attempt of an earlier term ended: when it was the last, lanes start again.
    pub(super) fn forget_attempt(&mut self, id: AttemptId) {
        let Some(lane) = self.ending.remove(&id) else { return };
        self.outputs.push_back(Output::Return { lane, end: End::BrokenOff });
        if self.ending.is_empty() && self.phase == super::Phase::Serving {
            self.wake_all();
        }
    }
}

/// Whether no other try is made of an event that fails so: an event sent out of order is tried once,
/// a drained lane stops at the first failure that counts.
fn is_final(lane: &Lane, tried: Tried, outcome: Outcome, counts: bool) -> bool {
    let draining =
        matches!(lane.mode, LaneMode::DrainingHalted { .. } | LaneMode::DrainingParked { .. });
    let unreadable = outcome == Outcome::Unreadable;
    unreadable || outcome.is_gone() || tried.out_of_order || (draining && counts)
}

/// The words of a consumer, as much of them as is kept.
fn bounded(reason: Arc<str>) -> Arc<str> {
    let fits = |end: &usize| *end <= limits::TEXT_BYTES && reason.is_char_boundary(*end);
    match (0..=reason.len().min(limits::TEXT_BYTES)).rev().find(fits) {
        Some(end) if end < reason.len() => Arc::from(&reason[..end]),
        _ => reason,
    }
}

/// What giving up means (DESIGN L4): a drained lane stops as it had stopped, and an event sent
/// out of order is a dead letter again.
fn given_up(lane: &Lane, tried: Tried, on_give_up: OnGiveUp) -> Consequence {
    match (lane.mode, on_give_up) {
        _ if tried.out_of_order => Consequence::Dead,
        (LaneMode::DrainingHalted { .. }, _) => Consequence::Halted,
        (LaneMode::DrainingParked { .. }, _) => Consequence::Parked,
        (_, OnGiveUp::Halt) => Consequence::Halted,
        (_, OnGiveUp::Park) => Consequence::Parked,
        (_, OnGiveUp::Skip) => Consequence::Dead,
    }
}

/// A passed event that an operator sent again.
fn passed_work(sequence: Sequence, last: Option<Sequence>, recorded: UnixMicros) -> Work {
    let (released, failures, redelivery, out_of_order) = (None, 0, true, true);
    Work { sequence, last, released, recorded, failures, redelivery, out_of_order }
}

/// A lane of an unordered key sends nothing itself: what waits in it takes strands.
fn feeder_readiness(hot: &mut Hot, at: usize) -> Readiness {
    let is_unread = feeds(&hot.record, at) && hot.head_of(at).is_none();
    if is_unread { Readiness::NeedsBacklog } else { Readiness::Waits }
}

fn head_readiness(
    hot: &mut Hot,
    at: usize,
    (now, committed, epoch): (ElapsedMicros, FrameNumber, Epoch),
) -> Readiness {
    let record = &hot.record.lanes[at];
    if !record.has_backlog() {
        return Readiness::Waits;
    }
    let failures = record.failures;
    if !record.mode.delivers() {
        // What a stopped lane stands at since an operator dropped the event before may be none of
        // its own: it is looked at, for an operator is told of it.
        let is_known = failures > 0 || hot.head_of(at).is_some();
        return if is_known { Readiness::Waits } else { Readiness::NeedsBacklog };
    }
    if hot.lanes[at].due > now {
        return Readiness::Due(hot.lanes[at].due);
    }
    let Some(waiting) = hot.head_of(at) else { return Readiness::NeedsBacklog };
    let Waiting { sequence, released, recorded, epoch: released_in, .. } = *waiting;
    if released.frame > committed || !waiting.is_sent() {
        return Readiness::Waits;
    }
    // What is sent again is no older than its lane's last progress: else history would go before all that
    // comes to other keys (promise 3).
    let record = &hot.record.lanes[at];
    let again = record.sends_again(sequence).then_some(record.since);
    Readiness::Ready(Work {
        sequence,
        last: None,
        released: Some(released),
        recorded: recorded.max(again.unwrap_or_default()),
        failures,
        redelivery: failures > 0 || released_in < epoch,
        out_of_order: false,
    })
}
