//! Acknowledgements of their own: a 202 keeps a lane where it is until its consumer says that it is
//! done, or until it has waited long enough (`ack = "explicit"`, decision 010).
//!
//! ```text
//!              202                      acknowledged: fact, the lane goes on
//!   attempt ─────────▶ accepted (fact) ─────────────────────────────────────▶ settled
//!      │                    │ ack_timeout of open time: a failure like any other
//!      │                    └────────▶ retried, or given up
//!      └─ acknowledged before its answer came: fact, settled; the attempt's own end changes nothing
//! ```
//!
//! **Who may write what.** The end of an attempt writes `attempted` with the consequence `Accepted`,
//! once per try. A consumer's request writes `acknowledged`, for what is accepted, under way, or was
//! sent and failed: whoever has an event may be done with it before or after its answer. The end of
//! the wait writes `attempted` with the outcome `Unacknowledged`. Whichever comes first settles; a
//! request that comes again finds it settled. An attempt whose events are still being read by then is
//! not sent: who reads them asks, and ends it as one that reached nobody.
//!
//! **Crashes.** The acceptance is a fact, so a restart goes on waiting: by open time, so that the
//! restart itself uses none of it up. One that was not durable yet is forgotten with its attempt, and
//! the event is sent again. A request is answered once its fact is durable; one that was not may be
//! made again.

use core::time::Duration;

use super::Partition;
use super::draft::Promise;
use super::hot::{Hot, Tried};
use crate::chain::Digest;
use crate::fact::{Acknowledged, Attempted, Batch, Consequence, Fact, Outcome};
use crate::id::{DestinationId, Key, LaneId, Sequence};
use crate::input::{AttemptId, Ticket};
use crate::output::{Answer, Output, Rejection};
use crate::record::Acceptance;
use crate::settings::Ack;
use crate::slab::Slot;
use crate::time::{OpenMicros, micros};

/// What acknowledging an event comes to.
enum Word {
    /// It settles the event.
    Settles { out_of_order: bool },
    /// The event has its fate already.
    Settled,
}

impl<D: Digest> Partition<D> {
    /// When waiting ends for what is accepted now; none where the answer acknowledges.
    pub(super) fn waits_until(&self, ack: Ack) -> Option<OpenMicros> {
        match ack {
            Ack::Answer => None,
            Ack::Explicit { timeout } => Some(self.open.after(timeout)),
        }
    }

    /// What acknowledges an event of this destination that is sent now.
    pub(super) fn ack_of(&self, destination: DestinationId) -> Ack {
        self.settings.destinations.get(&destination).map_or(Ack::Answer, |to| to.ack)
    }

    /// A consumer acknowledges an event; it is answered once that is durable.
    pub(super) fn acknowledge(
        &mut self,
        slot: Option<Slot>,
        ticket: Ticket,
        (key, destination): (Key, DestinationId),
        (from, to): (Sequence, Sequence),
    ) {
        let word = self.word(slot, destination, from, to);
        let word = match word {
            Err(Rejection::UnknownEvent) if self.is_forgotten(slot, &key, destination, to) => {
                self.answer_now(ticket, Answer::Settled);
                return;
            }
            word => word,
        };
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let sender = hot.map(|hot| hot.record.sender_of(destination, from));
        match word {
            Ok(Word::Settles { out_of_order }) => {
                let fact = Acknowledged { key, destination, from, to, out_of_order };
                self.write(Fact::Acknowledged(fact));
                self.promise(Promise::Answer(ticket, Answer::Done));
                if let Some((slot, sender)) = slot.zip(sender) {
                    self.arm_acceptances(slot);
                    self.is_over(slot, sender, out_of_order, Duration::ZERO);
                    self.supersede(slot);
                }
            }
            Ok(Word::Settled) if !self.is_committed(slot) => {
                self.promise(Promise::Answer(ticket, Answer::Settled));
            }
            Ok(Word::Settled) => self.answer_now(ticket, Answer::Settled),
            Err(rejection) => self.answer_now(ticket, Answer::Rejected(rejection)),
        }
    }

    /// Whether an event is of a key that may have been forgotten for good (DESIGN D8), and would be settled:
    /// its bucket's floor covers it, and nothing was waiting when its key was forgotten.
    fn is_forgotten(
        &self,
        slot: Option<Slot>,
        key: &Key,
        destination: DestinationId,
        last: Sequence,
    ) -> bool {
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let source = self.settings.sources.get(&key.source);
        let takes_it = source.is_some_and(|source| source.destinations.contains(&destination));
        takes_it
            && last > Sequence(0)
            && self.ack_of(destination) != Ack::Answer
            && hot.is_none_or(|hot| hot.record.is_unknown())
            && self.floor_of(key).is_some_and(|floor| last <= floor)
    }

    /// Whether what an attempt carries has its fate, so that what was not sent yet need not be.
    #[must_use]
    pub fn is_settled(&self, attempt: AttemptId) -> bool {
        let Some((slot, id)) = self.attempts.get(&attempt) else { return false };
        let Some(hot) = self.keys.get(*slot) else { return false };
        let ongoing = hot.lane_at(*id).and_then(|at| Some((at, hot.lanes[at].attempt()?)));
        match ongoing.filter(|(_, ongoing)| ongoing.id == attempt) {
            Some((at, ongoing)) => is_settled(hot, at, ongoing.tried),
            // A strand goes with its event.
            None => hot.outlived.iter().any(|(_, ongoing)| ongoing.id == attempt),
        }
    }

    fn word(
        &self,
        slot: Option<Slot>,
        destination: DestinationId,
        from: Sequence,
        to: Sequence,
    ) -> Result<Word, Rejection> {
        let hot = slot.and_then(|slot| self.keys.get(slot)).ok_or(Rejection::UnknownEvent)?;
        let sender = hot.record.sender_of(destination, from);
        let at = hot.lane_at(sender).or_else(|| hot.lane_at(destination.into()));
        let at = at.ok_or(Rejection::UnknownEvent)?;
        let lane = &hot.record.lanes[at];
        if from == Sequence(0) || to > lane.tail || to < from {
            return Err(Rejection::UnknownEvent);
        }
        let is_of = |sequence: Sequence, last: Option<Sequence>| {
            sequence == from && last.unwrap_or(sequence) >= to
        };
        let accepted = lane.accepted();
        if let Some(accepted) = accepted.filter(|one| is_of(one.sequence, one.last)) {
            return Ok(Word::Settles { out_of_order: accepted.out_of_order });
        }
        let under_way = hot.lanes[at].attempt().map(|ongoing| ongoing.tried);
        let ack = under_way.map_or_else(|| self.ack_of(destination), |tried| tried.ack);
        if ack == Ack::Answer {
            return Err(Rejection::NotExplicit);
        }
        // What is left of a range when a part of it is acknowledged is under way still.
        let under_way = under_way.filter(|tried| {
            let first =
                if tried.out_of_order { tried.sequence } else { tried.sequence.max(lane.head) };
            is_of(first, tried.last)
        });
        if to < lane.head {
            let again = lane.redrives.contains(&from) && under_way.is_some();
            return Ok(if again { Word::Settles { out_of_order: true } } else { Word::Settled });
        }
        // A try that sent nothing gave its consumer nothing to be done with.
        let failed = lane.failures > 0 && lane.sent >= to && is_of(lane.head, lane.batch);
        let was_sent = under_way.is_some() || failed;
        if from == lane.head && was_sent && lane.mode.delivers() {
            return Ok(Word::Settles { out_of_order: false });
        }
        Err(Rejection::NotWaiting)
    }

    fn answer_now(&mut self, ticket: Ticket, answer: Answer) {
        self.outputs.push_back(Output::Answer { ticket, answer });
    }

    /// Whether everything decided about a key is durable.
    fn is_committed(&self, slot: Option<Slot>) -> bool {
        let hot = slot.and_then(|slot| self.keys.get(slot));
        hot.is_none_or(|hot| hot.record.newest.frame <= self.committed)
    }

    /// The wait is over; what the lane sends from now on rests on what was just written.
    fn is_over(&mut self, slot: Slot, id: LaneId, out_of_order: bool, delay: Duration) {
        let (now, written) = (self.now.elapsed, self.taken.next());
        if let Some(hot) = self.keys.get_mut(slot)
            && let Some(at) = hot.lane_at(id)
        {
            hot.lanes[at].rests_on = written;
            // The head's own wait goes on while an event sent out of order ends.
            if !out_of_order {
                hot.lanes[at].due = now.after(delay);
            }
        }
        self.promise(Promise::Wake(slot));
    }

    /// Keeps one timer per lane for the end of its wait.
    pub(super) fn arm_acceptances(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let Hot { lanes, record, .. } = hot;
        for (lane, record) in lanes.iter_mut().zip(&record.lanes) {
            let wanted = record.accepted().map(|accepted| accepted.until);
            if lane.waits_until == wanted {
                continue;
            }
            if let Some(old) = lane.waits_until {
                self.acceptances.remove(&(old, slot, lane.id));
            }
            if let Some(new) = wanted {
                self.acceptances.insert((new, slot, lane.id));
            }
            lane.waits_until = wanted;
        }
    }

    /// Waits for acknowledgements that end now, as far as the frame takes them.
    pub(super) fn end_acceptances(&mut self) {
        while let Some((until, slot, id)) = self.acceptances.first().copied() {
            if until > self.open || self.filling.is_full() {
                return;
            }
            self.acceptances.pop_first();
            self.end_acceptance(slot, id);
        }
    }

    /// Nobody acknowledged in time: the try has failed.
    fn end_acceptance(&mut self, slot: Slot, id: LaneId) {
        let destination = id.destination;
        let Some(hot) = self.keys.get_mut(slot) else { return };
        let Some(at) = hot.lane_at(id) else { return };
        hot.lanes[at].waits_until = None;
        let (key, lane) = (hot.key.clone(), hot.record.lanes[at].clone());
        let Some(accepted) = lane.accepted() else { return };
        let Acceptance { sequence, last, out_of_order, started, .. } = accepted;
        // Of a range whose beginning was acknowledged the rest is tried for the first time.
        let number = if out_of_order { accepted.number } else { lane.failures + 1 };
        let (probe, ack) = (false, Ack::Answer);
        let tried = Tried { sequence, last, number, out_of_order, probe, ack };
        let outcome = Outcome::Unacknowledged;
        let (consequence, delay, toll) = self.failed(&lane, tried, outcome, None);
        let took = micros(self.recorded.since(started));
        self.write(Fact::Attempted(Attempted {
            key,
            destination,
            sequence,
            number,
            out_of_order,
            started,
            took,
            outcome,
            consequence,
            toll: Some(toll),
            dropped: None,
            batch: last.map(|last| Batch { last, acknowledged: 0 }),
            turn: self.turn_of(id, outcome),
        }));
        if let Some(hot) = self.keys.get_mut(slot)
            && let Some(at) = hot.lane_at(id)
        {
            hot.lanes[at].struggles = true;
        }
        self.is_over(slot, id, out_of_order, delay);
        self.end_turn(slot, destination);
        self.supersede(slot);
    }
}

/// Whether an attempt's event was acknowledged before its answer came.
pub(super) fn is_settled(hot: &Hot, at: usize, tried: Tried) -> bool {
    let lane = &hot.record.lanes[at];
    match tried.out_of_order {
        true => !lane.redrives.contains(&tried.sequence),
        false => lane.head > tried.last.unwrap_or(tried.sequence),
    }
}

/// What a lane's record has of a try that was accepted.
pub(super) fn accepted(attempted: &Attempted) -> Option<Acceptance> {
    let Consequence::Accepted { until } = attempted.consequence else { return None };
    let Attempted { number, out_of_order, started, batch, .. } = *attempted;
    let settled = batch.map_or(0, |batch| batch.acknowledged);
    let sequence = Sequence(attempted.sequence.0 + settled);
    let last = batch.map(|batch| batch.last);
    Some(Acceptance { sequence, last, number, out_of_order, started, until })
}
