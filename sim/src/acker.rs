//! Consumers that accept with 202 and acknowledge by a request of their own: in time, before their
//! answer, twice, too late, never. What they have survives the server's process; a request whose
//! answer did not come is made again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Key, Sequence};
use sprag_core::input::{Command, Ticket};
use sprag_core::output::{Answer, Attempt, Rejection};
use sprag_core::plan::PlannedDestination;
use sprag_core::settings::Ack;

use crate::consumer::Conduct;
use crate::dice::Dice;
use crate::happening::Happening;
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::world::{Phase, World};

/// What is acknowledged: a resource's event at a destination.
pub(crate) type Acked = (usize, DestinationId, u64);

/// A request that acknowledges.
#[derive(Debug, Clone)]
struct Request {
    key: Key,
    /// The first event.
    of: Acked,
    last: u64,
}

/// The consumers of destinations with `ack = "explicit"`.
#[derive(Debug)]
pub(crate) struct Acker {
    dice: Dice,
    requests: Vec<Request>,
    waiting: BTreeMap<Ticket, usize>,
    /// What was acknowledged by a request that may have been carried out.
    pub(crate) asked: BTreeSet<Acked>,
}

/// Chooses the destinations that wait for acknowledgements of their own.
pub(crate) fn draw(dice: &mut Dice, destinations: &mut [&mut PlannedDestination]) {
    for destination in destinations {
        if dice.chance(350) {
            let timeout = Duration::from_millis(dice.between(800, 5_000));
            destination.settings.ack = Ack::Explicit { timeout };
        }
    }
}

impl Acker {
    pub(crate) fn new(dice: Dice) -> Self {
        Self { dice, requests: Vec::new(), waiting: BTreeMap::new(), asked: BTreeSet::new() }
    }

    /// How an attempt that would be answered is taken instead, and when what is acknowledged.
    fn take(&mut self, conduct: &mut Conduct, timeout: Instant, moody: bool) -> Vec<Instant> {
        let is_plain = conduct.outcome.is_acknowledged() && conduct.dropped.is_none();
        if conduct.outcome == Outcome::Unknown && moody && self.dice.chance(300) {
            return vec![self.dice.between(0, conduct.after)];
        }
        // Where a key leaves memory at once, one that is acknowledged later must be loaded for each
        // event: so few are, once everything is to be through in time.
        if !is_plain || self.dice.chance(if moody { 250 } else { 850 }) {
            return Vec::new();
        }
        conduct.outcome = Outcome::Answered { status: 202 };
        let longest = if moody { timeout / 2 } else { 50 * MILLISECOND };
        let late = conduct.after + self.dice.between(MILLISECOND, longest);
        let kind = if moody { self.dice.below(10) } else { 0 };
        let (name, at) = match kind {
            0..=4 => ("accepts", vec![late]),
            5 => ("acknowledges before it answers", vec![self.dice.between(0, conduct.after)]),
            6 => ("acknowledges twice", vec![late, late + self.dice.between(0, SECOND)]),
            7 | 8 => {
                let after = self.dice.between(0, 2 * SECOND);
                ("acknowledges too late", vec![conduct.after + timeout + after])
            }
            _ => ("never acknowledges", Vec::new()),
        };
        conduct.name = name;
        at
    }
}

impl World {
    /// Lets a consumer accept what it would have answered, and plans its acknowledgements.
    pub(crate) fn may_accept(&mut self, attempt: &Attempt, resource: usize, conduct: &mut Conduct) {
        let settings = self.process.as_ref().and_then(|process| process.node.settings());
        let to = settings.and_then(|settings| settings.destinations.get(&attempt.destination));
        let Some(Ack::Explicit { timeout }) = to.map(|to| to.ack) else { return };
        let timeout = Instant::try_from(timeout.as_micros()).unwrap_or(0);
        for after in self.acker.take(conduct, timeout, self.consumers.moody) {
            let Sequence(sequence) = attempt.sequence;
            let last = attempt.last.map_or(sequence, |last| last.0);
            // What its answer says is processed needs no other word.
            let from = sequence + conduct.acknowledged.unwrap_or(0);
            self.plan_acknowledgements(attempt, resource, (from, last), after);
        }
    }

    /// One request for all of a range, or first one for a part of it.
    fn plan_acknowledgements(
        &mut self,
        attempt: &Attempt,
        resource: usize,
        (from, last): (u64, u64),
        after: Instant,
    ) {
        let cut = match from < last && self.acker.dice.chance(400) {
            true => self.acker.dice.between(from, last - 1),
            false => last,
        };
        let mut at = self.now + after;
        for (from, last) in [(from, cut), (cut + 1, last)] {
            if from > last {
                continue;
            }
            let of = (resource, attempt.destination, from);
            self.acker.requests.push(Request { key: attempt.key.clone(), of, last });
            let number = self.acker.requests.len() - 1;
            self.schedule.plan(at, Happening::Acknowledge(number));
            at += self.acker.dice.between(MILLISECOND, 100 * MILLISECOND);
        }
    }

    /// A consumer acknowledges, if the server takes connections.
    pub(crate) fn acknowledge(&mut self, number: usize) {
        let Request { key, of, last } = self.acker.requests[number].clone();
        let takes = self.process.as_ref().is_some_and(|p| p.is_named && p.stopping.is_none());
        if !takes {
            let at = self.now + self.acker.dice.between(50 * MILLISECOND, SECOND);
            // At the end nobody starts the server any more.
            if self.phase != Phase::Over {
                self.schedule.plan(at, Happening::Acknowledge(number));
            }
            return;
        }
        let (resource, destination, sequence) = of;
        let ticket = self.next_ticket();
        self.acker.waiting.insert(ticket, number);
        for sequence in sequence..=last {
            self.acker.asked.insert((resource, destination, sequence));
            let (asked, _) = self.watching.commands.rewinds(resource, destination, sequence);
            self.watching.deliveries.acknowledges(resource, destination, (sequence, asked));
        }
        self.trace.note(self.now, 'a', &[ticket.0, sequence], || {
            format!("{} acknowledges resource {resource} sequence {sequence}", ticket.0)
        });
        let now = self.clock();
        let (from, to) = (Sequence(sequence), Sequence(last));
        if let Some(process) = &mut self.process {
            process.node.command(now, ticket, Command::Acknowledge { key, destination, from, to });
        }
        self.turn();
    }

    /// Whether the ticket is a consumer's; then its answer is judged.
    pub(crate) fn acknowledged(&mut self, ticket: Ticket, answer: &Answer) -> bool {
        let Some(number) = self.acker.waiting.remove(&ticket) else { return false };
        let of = self.acker.requests[number].of;
        let (resource, destination, sequence) = of;
        let uptime = self.uptime();
        match answer {
            Answer::Done => {
                self.counts.hit("consumer", "acknowledged");
                let last = self.acker.requests[number].last;
                for sequence in sequence..=last {
                    self.watching.deliveries.settled(resource, destination, sequence, uptime);
                }
            }
            Answer::Settled => {
                self.counts.hit("consumer", "acknowledged what was settled");
                if self.watching.deliveries.was_forgotten(resource) {
                    self.counts.hit("consumer", "acknowledged what was forgotten");
                }
            }
            Answer::Rejected(Rejection::NotWaiting) => {
                self.counts.hit("consumer", "acknowledged what does not wait");
            }
            // The lane is gone, and what waited in it was abandoned.
            Answer::Rejected(Rejection::UnknownEvent)
                if self.watching.policies.retired.contains(&destination) =>
            {
                self.counts.hit("consumer", "acknowledged what was abandoned");
            }
            // It is configured no more.
            Answer::Rejected(Rejection::NotExplicit) if !self.is_configured(destination) => {
                self.counts.hit("consumer", "acknowledged to nobody");
            }
            Answer::Busy(_) | Answer::Unavailable => {
                // As the answer asks (`Retry-After: 1`).
                let at = self.now + self.acker.dice.between(SECOND, 2 * SECOND);
                self.schedule.plan(at, Happening::Acknowledge(number));
            }
            other => {
                let what = format!("acknowledging {sequence} of resource {resource}: {other:?}");
                self.judge("answers", Err(what));
            }
        }
        true
    }

    fn is_configured(&self, destination: DestinationId) -> bool {
        let settings = self.process.as_ref().and_then(|process| process.node.settings());
        settings.is_some_and(|settings| settings.destinations.contains_key(&destination))
    }

    /// The process died: who waited asks again.
    pub(crate) fn consumers_disconnected(&mut self) {
        for number in std::mem::take(&mut self.acker.waiting).into_values() {
            let at = self.now + self.acker.dice.between(50 * MILLISECOND, SECOND);
            self.schedule.plan(at, Happening::Acknowledge(number));
        }
    }
}
