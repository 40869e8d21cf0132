//! The judge of deliveries: what consumers got, in which order, how often, and what each repeat
//! was called (promises 2, 5, 6; rules F11, C2, G3, G4, L1, L4). Sees only the wire.

mod again;
mod alone;
mod omitted;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{Kind, Outcome, Superseded};
use sprag_core::id::{DestinationId, Epoch, PartitionId, Place};
use sprag_core::output::Attempt;
use sprag_core::record::OmitReason;
use sprag_core::settings::{Contract, OnGiveUp};
use sprag_driver::cache::ReleasedEvent;
use sprag_log::digest::sha256;

use self::again::Again;
use self::omitted::is_named;
pub(crate) use self::told::Told;
use super::commands::{Asked, Commands};
use super::dependencies::Dependencies;
use super::policies::{Policies, SourcePolicy};
use super::{Verdict, must};
use crate::schedule::{Instant, SECOND};
use crate::workload::type_of;

/// An attempt decided before a pause was answered may still be reading its event: its request
/// leaves within this, in uptime.
const PAUSE_GRACE: Instant = 2 * SECOND;
/// Failures are counted from the time of the frame they are written in, which may have been
/// begun this much before them.
const GIVE_UP_SLACK: u64 = 2 * SECOND;

/// An attempt as it arrives at a consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) at: Instant,
    pub(crate) uptime: u64,
    pub(crate) partition: PartitionId,
    pub(crate) resource: usize,
    pub(crate) attempt: &'a Attempt,
    pub(crate) event: &'a ReleasedEvent,
    /// The others of a range, in order.
    pub(crate) others: &'a [ReleasedEvent],
    /// Whether reads failed in this simulation: then attempts may fail without being sent.
    pub(crate) reads_fail: bool,
}

/// How a consumer answered, or how its connection ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) retry_after: Option<std::time::Duration>,
    pub(crate) dropped: bool,
    /// How many events of a range it says it has processed.
    pub(crate) acknowledged: Option<u64>,
    /// How long the destination waits for what is answered 202, at the least.
    pub(crate) ack_timeout: Option<u64>,
}

/// A lane as its consumer sees it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The highest sequence attempted in order.
    highest: u64,
    /// Acknowledged in order, with the epoch of the attempt.
    pub(crate) acknowledged: BTreeMap<u64, Epoch>,
    /// Dropped by the consumer, or answered that it will never take it.
    dropped: BTreeSet<u64>,
    gone: BTreeSet<u64>,
    /// Acknowledged out of order.
    pub(crate) acknowledged_again: BTreeSet<u64>,
    /// Failures by sequence: how many, and the uptime of the first.
    failures: BTreeMap<u64, (u32, u64)>,
    attempted: BTreeSet<u64>,
    /// Those that the attempt under way is the first of.
    first_now: Vec<u64>,
    under_way: bool,
    /// The last attempt in order: its sequence and epoch.
    last: Option<(u64, Epoch)>,
    /// The uptime of the last attempt in order, by sequence.
    pub(crate) sent: BTreeMap<u64, u64>,
    /// What this lane went past, as deliveries say, and why.
    pub(crate) omitted: BTreeMap<u64, OmitReason>,
    /// Not before this, as the consumer asked; with the sequence and epoch of that, and how often an operator had
    /// had the lane begin anew.
    not_before: Option<(Instant, u64, Epoch, u64)>,
    /// What it accepted with 202: the event, in which epoch, until which uptime at the least the
    /// lane waits for its acknowledgement, and how often it was redriven then.
    accepted: Option<(u64, Epoch, u64)>,
    /// Which events of it wait still.
    waits_for: BTreeSet<u64>,
    /// The last event of the range that began with this one.
    ranges: BTreeMap<u64, u64>,
    /// Acknowledged by a request that may have been carried out; and how often the lane had been asked to begin again
    /// when the last of them left.
    may_be_acknowledged: BTreeMap<u64, u64>,
    /// Acknowledged for sure by a request, since this uptime.
    pub(crate) settled: BTreeMap<u64, u64>,
    /// That it was set back, and how often.
    again: Again,
}

/// The judge.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// Each lane by its destination and resource; of an unordered source each event is one.
    pub(crate) lanes: BTreeMap<(DestinationId, usize, u64), Seen>,
    /// The resources whose events have no order.
    unordered: BTreeSet<usize>,
    pub(crate) told: BTreeMap<(usize, u64), Told>,
    places: BTreeMap<Place, (usize, u64)>,
    under_way: BTreeMap<DestinationId, usize>,
    epochs: BTreeMap<PartitionId, Epoch>,
    pub(crate) dependencies: Dependencies,
    /// How often a resource may have been forgotten for good: its chain and its positions begin anew.
    forgotten: BTreeMap<usize, u64>,
}

impl Deliveries {
    /// An attempt arrives at its consumer.
    pub(crate) fn arrived(
        &mut self,
        arrived: &Arrived<'_>,
        policies: &Policies,
        commands: &Commands,
    ) -> Verdict {
        let range = first_to_last(arrived.attempt);
        must(range.clone().count() == 1 + arrived.others.len(), || {
            format!("{} events for {range:?}", 1 + arrived.others.len())
        })?;
        for (sequence, event) in range.zip(std::iter::once(arrived.event).chain(arrived.others)) {
            self.same_event(arrived, (sequence, event), commands)?;
        }
        self.epoch(arrived)?;
        not_paused(arrived, commands)?;
        self.lane(arrived, policies, commands).map_err(|what| {
            let attempt = arrived.attempt;
            format!(
                "destination {} resource {} sequence {}: {what}",
                attempt.destination.0, arrived.resource, attempt.sequence.0
            )
        })?;
        let under_way = self.under_way.entry(arrived.attempt.destination).or_default();
        *under_way += 1;
        let policy = policies.destinations.get(&arrived.attempt.destination);
        let most = policy.map_or(0, |policy| policy.most_under_way(arrived.at));
        must(*under_way <= most, || format!("{under_way} attempts under way, {most} allowed"))
    }

    /// The same webhook id is the same event, for ever and for every consumer.
    fn same_event(
        &mut self,
        arrived: &Arrived<'_>,
        (sequence, event): (u64, &ReleasedEvent),
        commands: &Commands,
    ) -> Verdict {
        let Arrived { attempt, resource, .. } = *arrived;
        let (released, received) = (&event.released, &event.event.received);
        must(released.sequence.0 == sequence && released.key == attempt.key, || {
            format!("attempt {attempt:?} carries {released:?}")
        })?;
        let digest = sha256(&[&event.event.body]);
        must(received.digest == digest && received.key == attempt.key, || {
            format!("resource {resource} sequence {sequence} carries another body than it says")
        })?;
        let told = Told {
            place: released.event,
            digest,
            position: released.position.clone(),
            kind: released.kind,
            is_again: released.earlier.is_some(),
            previous_hash: released.previous_hash,
            hash: released.hash,
        };
        if let Some(known) = self.told.get(&(resource, sequence)) {
            return must(*known == told, || {
                format!("resource {resource} sequence {sequence} was {known:?} and is {told:?}")
            });
        }
        let other = self.places.insert(told.place, (resource, sequence));
        must(other.is_none(), || {
            format!("event {} has sequence {sequence} and {other:?}", told.place)
        })?;
        let forgotten = self.forgotten.get(&resource).copied().unwrap_or(0);
        let rebases = commands.possible(Asked::Rebase(resource)) + forgotten;
        self.neighbours(resource, sequence, &told, rebases)?;
        self.told.insert((resource, sequence), told);
        must(rebases == 0 || self.falls(resource) <= rebases, || {
            format!("resource {resource} begins anew more than the {rebases} times asked for")
        })
    }

    /// Whether a resource may have been forgotten for good.
    pub(crate) fn was_forgotten(&self, resource: usize) -> bool {
        self.forgotten.contains_key(&resource)
    }

    /// A resource may be forgotten for good.
    pub(crate) fn forgets(&mut self, resource: usize) {
        *self.forgotten.entry(resource).or_default() += 1;
    }

    fn epoch(&mut self, arrived: &Arrived<'_>) -> Verdict {
        let known = self.epochs.entry(arrived.partition).or_default();
        let is = arrived.attempt.id.epoch;
        must(is >= *known, || format!("an attempt of epoch {} after {}", is.0, known.0))?;
        *known = is;
        Ok(())
    }

    fn lane(&mut self, arrived: &Arrived<'_>, policies: &Policies, commands: &Commands) -> Verdict {
        let attempt = arrived.attempt;
        let source = attempt.key.source;
        let begun = commands.begins_anew(arrived.resource, attempt.destination);
        let policy = policies.sources.get(&source);
        let is_apart = policy.is_some_and(|source| source.contract == Contract::Unordered);
        if is_apart {
            self.unordered.insert(arrived.resource);
        }
        let name = self.lane_of(attempt.destination, arrived.resource, attempt.sequence.0);
        self.beside(name)?;
        let seen = self.lanes.entry(name).or_default();
        must(!seen.under_way, || "two attempts under way in one lane".to_owned())?;
        seen.under_way = true;
        let sequence = attempt.sequence.0;
        seen.first_now.clear();
        for sequence in first_to_last(attempt) {
            if seen.attempted.insert(sequence) {
                seen.first_now.push(sequence);
            }
        }
        let repeated = first_to_last(attempt).count() > seen.first_now.len();
        must(!repeated || attempt.redelivery, || "sent again without saying so".to_owned())?;
        if is_apart {
            return seen.alone(arrived, policies, commands, begun);
        }
        let (rewinds, until) = commands.rewinds(arrived.resource, attempt.destination, sequence);
        seen.may_begin_again(attempt, rewinds, until);
        seen.waits(arrived)?;
        if attempt.out_of_order {
            // An operator may send what did not enter.
            let asked = Asked::RedrivePassed(arrived.resource, attempt.destination, sequence);
            return must(commands.may_have(asked) && attempt.redelivery, || {
                "sent out of order without a command".to_owned()
            });
        }
        if let Some((until, refused, epoch, before)) = seen.not_before.take()
            && (refused, epoch, before) == (sequence, attempt.id.epoch, begun)
        {
            must(arrived.at >= until, || "sent before Retry-After allows".to_owned())?;
        }
        let taken =
            policies.may_take(attempt.destination, type_of(&arrived.event.event.received.digest));
        must(taken, || {
            let event_type = type_of(&arrived.event.event.received.digest);
            let released = &arrived.event.released;
            format!("sent although its destination never took its type {event_type}: {released:?}")
        })?;
        let mut carried = std::iter::once(arrived.event).chain(arrived.others);
        let is_late = carried.any(|event| event.released.kind == Kind::Late);
        must(!is_late || policies.late.may_be_sent(source, attempt.destination), || {
            "sent although it came late".to_owned()
        })?;
        let coalesces = policies.sources.get(&source).is_some_and(SourcePolicy::coalesces);
        seen.same_range(attempt)?;
        let last = self.told.get(&(arrived.resource, seen.highest));
        let is_taken =
            |told: &Told| policies.always_takes(attempt.destination, type_of(&told.digest));
        let may_be_left = policies.limits_backlog || last.is_some_and(|told| !is_taken(told));
        seen.in_order(arrived, policies, commands, (coalesces, may_be_left))?;
        seen.accounts(attempt)?;
        seen.omits(attempt, coalesces)?;
        seen.highest = sequence;
        seen.again.went_on(sequence);
        seen.last = Some((sequence, attempt.id.epoch));
        for sequence in first_to_last(attempt) {
            seen.sent.insert(sequence, arrived.uptime);
        }
        Ok(())
    }

    /// A frame is handed over that lets a lane go past `from` to before `by`: nothing of that may be
    /// under way in the same term.
    pub(crate) fn superseded(&self, resource: usize, epoch: Epoch, fact: &Superseded) -> Verdict {
        let seen = self.lanes.get(&(fact.destination, resource, 0)).filter(|seen| seen.under_way);
        let Some((sequence, sent_in)) = seen.and_then(|seen| seen.last) else { return Ok(()) };
        let passed = (fact.from.0..fact.by.0).contains(&sequence);
        must(!passed || sent_in != epoch, || {
            format!("resource {resource}: {sequence} is under way, and {fact:?}")
        })
    }

    /// An attempt ends: its connection is closed, answered or not.
    pub(crate) fn ended(
        &mut self,
        at: Instant,
        uptime: u64,
        resource: usize,
        attempt: &Attempt,
        end: Option<Answered>,
        begun: u64,
    ) {
        if let Some(count) = self.under_way.get_mut(&attempt.destination) {
            *count = count.saturating_sub(1);
        }
        let in_order = !attempt.out_of_order || self.unordered.contains(&resource);
        let name = self.lane_of(attempt.destination, resource, attempt.sequence.0);
        let Some(seen) = self.lanes.get_mut(&name) else { return };
        seen.under_way = false;
        let sequence = attempt.sequence.0;
        let Some(answered) = end else { return };
        if !answered.outcome.was_sent() {
            // It reached nobody.
            let first_now = std::mem::take(&mut seen.first_now);
            seen.attempted.retain(|sequence| !first_now.contains(sequence));
        }
        if attempt.last.is_some() && !attempt.out_of_order {
            seen.range_ended(attempt, &answered, uptime);
        }
        let Answered { outcome, retry_after, dropped, ack_timeout, .. } = answered;
        if let Some(timeout) = ack_timeout.filter(|_| outcome.is_accepted() && !dropped) {
            seen.accepts(attempt, uptime, timeout);
            return;
        }
        if attempt.last.is_some() && !attempt.out_of_order {
            return;
        }
        if outcome.is_gone() {
            seen.gone.insert(sequence);
        }
        if !outcome.is_acknowledged() {
            let failures = seen.failures.entry(sequence).or_insert((0, uptime));
            failures.0 += 1;
            if let Some(after) = retry_after.filter(|_| in_order) {
                let until = at + u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
                seen.not_before = Some((until, sequence, attempt.id.epoch, begun));
            }
        } else if dropped {
            seen.dropped.insert(sequence);
        } else if !in_order {
            seen.acknowledged_again.insert(sequence);
        } else {
            seen.acknowledged.insert(sequence, attempt.id.epoch);
        }
    }

    /// A consumer acknowledges an event by a request of its own, when its lane had been asked so often to begin again.
    pub(crate) fn acknowledges(
        &mut self,
        resource: usize,
        to: DestinationId,
        (sequence, asked): (u64, u64),
    ) {
        let seen = self.lanes.entry(self.lane_of(to, resource, sequence)).or_default();
        seen.may_be_acknowledged.insert(sequence, asked);
        seen.waits_for.remove(&sequence);
        let is_over = seen.waits_for.is_empty();
        seen.accepted.take_if(|_| is_over);
    }

    /// It was told that this is durable.
    pub(crate) fn settled(
        &mut self,
        resource: usize,
        to: DestinationId,
        sequence: u64,
        uptime: u64,
    ) {
        let seen = self.lanes.entry(self.lane_of(to, resource, sequence)).or_default();
        seen.settled.entry(sequence).or_insert(uptime);
    }

    /// The process died, and all connections with it.
    pub(crate) fn disconnected(&mut self) {
        self.under_way.clear();
        self.lanes.values_mut().for_each(|seen| seen.under_way = false);
    }
}

impl Seen {
    /// The lane waits from now on; that the event is not acknowledged in time counts as a failure.
    fn accepts(&mut self, attempt: &Attempt, uptime: u64, timeout: u64) {
        let sequence = attempt.sequence.0;
        let rest = first_to_last(attempt).filter(|sequence| !self.may_have(*sequence));
        let rest: BTreeSet<u64> = rest.collect();
        if let Some(first) = rest.first() {
            self.accepted = Some((*first, attempt.id.epoch, uptime + timeout));
        }
        self.waits_for.clone_from(&rest);
        for sequence in first_to_last(attempt) {
            let failures = self.failures.entry(sequence).or_insert((0, uptime));
            failures.0 += 1;
        }
        debug_assert!(sequence > 0);
    }

    /// Nothing is sent while the consumer has something that it has not acknowledged: in the same
    /// term for as long as it waits, and what is acknowledged for sure is not sent again.
    fn waits(&mut self, arrived: &Arrived<'_>) -> Verdict {
        let attempt = arrived.attempt;
        if let Some((sequence, epoch, until)) = self.accepted.take() {
            let waits = epoch == attempt.id.epoch && arrived.uptime < until;
            must(!waits, || format!("sent while {sequence} waits for its acknowledgement"))?;
        }
        let mut carried = first_to_last(attempt).filter(|_| !attempt.out_of_order);
        let again = carried.find(|sequence| {
            let settled = self.settled.get(sequence);
            settled.is_some_and(|since| arrived.uptime > since + PAUSE_GRACE)
        });
        must(again.is_none(), || format!("{again:?} is sent again, acknowledged for sure"))
    }

    pub(super) fn attempted(&self) -> impl Iterator<Item = &u64> {
        self.attempted.iter()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Whether its consumer dropped an event, will never take one, or may have acknowledged one by a request.
    pub(super) fn is_dropped_or_passed(&self) -> bool {
        let gone = !self.gone.is_empty() || !self.dropped.is_empty();
        gone || !self.may_be_acknowledged.is_empty()
    }

    /// A range that began with an event is the same on every try.
    fn same_range(&mut self, attempt: &Attempt) -> Verdict {
        let Some(last) = attempt.last else { return Ok(()) };
        let known = *self.ranges.entry(attempt.sequence.0).or_insert(last.0);
        must(known == last.0, || format!("a range to {known} ends at {} now", last.0))?;
        let mut carried = first_to_last(attempt);
        let again = carried.find(|sequence| {
            self.acknowledged.get(sequence).is_some_and(|epoch| *epoch >= attempt.id.epoch)
        });
        must(again.is_none(), || format!("carries {again:?}, which is acknowledged"))
    }

    /// Whether an event is at a lane's head, alone or in the range that begins there.
    pub(crate) fn is_carried_at(&self, head: u64, sequence: u64) -> bool {
        // What is left of a range stands at the head while nothing of it is sent again.
        let carries = |last: &u64| (head..=*last).contains(&sequence);
        sequence == head || self.ranges.range(..=head).any(|(_, last)| carries(last))
    }

    /// What its consumer said of a range.
    fn range_ended(&mut self, attempt: &Attempt, answered: &Answered, uptime: u64) {
        let Answered { outcome, dropped, acknowledged, ack_timeout, .. } = *answered;
        let waits = outcome.is_accepted() && ack_timeout.is_some();
        let whole = outcome.is_acknowledged() && !dropped && !waits;
        let part = acknowledged.unwrap_or(if whole { u64::MAX } else { 0 });
        for (at, sequence) in (0..).zip(first_to_last(attempt)) {
            if at < part {
                self.acknowledged.insert(sequence, attempt.id.epoch);
            } else if dropped {
                self.dropped.insert(sequence);
            } else {
                if outcome.is_gone() {
                    self.gone.insert(sequence);
                }
                self.failures.entry(sequence).or_insert((0, uptime)).0 += 1;
            }
        }
    }

    /// Whether its consumer may have acknowledged it, by an answer or a request.
    pub(crate) fn may_have(&self, sequence: u64) -> bool {
        self.acknowledged.contains_key(&sequence)
            || self.may_be_acknowledged.contains_key(&sequence)
    }

    /// In order: never back, and forward only past what is settled.
    fn in_order(
        &self,
        arrived: &Arrived<'_>,
        policies: &Policies,
        commands: &Commands,
        (coalesces, may_be_left): (bool, bool),
    ) -> Verdict {
        let sequence = arrived.attempt.sequence.0;
        if self.highest == 0 {
            return Ok(());
        }
        must(sequence >= self.highest, || {
            format!("attempted after {} was attempted", self.highest)
        })?;
        if sequence == self.highest {
            let epoch = self.acknowledged.get(&sequence);
            return must(epoch.is_none_or(|epoch| *epoch < arrived.attempt.id.epoch), || {
                "attempted again after it was acknowledged".to_owned()
            });
        }
        let may_die = policies.limits_backlog || policies.late.may_die(arrived.attempt.key.source);
        for passed in self.highest..sequence {
            if self.again.jumps_over(passed, self.highest, arrived.attempt) {
                continue;
            }
            let dropped = Asked::Drop(arrived.resource, arrived.attempt.destination, passed);
            let settled = self.may_have(passed)
                || self.dropped.contains(&passed)
                || commands.may_have(dropped)
                || (coalesces && is_named(arrived.attempt, passed, OmitReason::Skipped))
                || is_named(arrived.attempt, passed, OmitReason::Filtered)
                || is_named(arrived.attempt, passed, OmitReason::Boundary)
                || (may_die && is_named(arrived.attempt, passed, OmitReason::Dead))
                || (may_be_left && self.again.leaves(passed, self.highest, arrived.attempt))
                || self.given_up(passed, arrived, policies);
            must(settled, || {
                let (previous, omitted) = (arrived.attempt.previous, &arrived.attempt.omitted);
                format!(
                    "attempted before {passed} was settled; it follows {previous:?}, {omitted:?}"
                )
            })?;
        }
        Ok(())
    }

    /// Whether the destination's policy lets the lane go on without this event.
    fn given_up(&self, passed: u64, arrived: &Arrived<'_>, policies: &Policies) -> bool {
        let Some(policy) = policies.destinations.get(&arrived.attempt.destination) else {
            return false;
        };
        if !policy.on_give_up.contains(&OnGiveUp::Skip) {
            return false;
        }
        if arrived.reads_fail || self.gone.contains(&passed) {
            return true;
        }
        let Some((count, first)) = self.failures.get(&passed) else { return false };
        let tried_enough = policy.attempts.is_some_and(|most| *count >= most);
        let waited = arrived.uptime - first + GIVE_UP_SLACK;
        tried_enough || waited >= policy.give_up_after
    }
}

/// The events that an attempt carries.
fn first_to_last(attempt: &Attempt) -> std::ops::RangeInclusive<u64> {
    attempt.sequence.0..=attempt.last.unwrap_or(attempt.sequence).0
}

fn not_paused(arrived: &Arrived<'_>, commands: &Commands) -> Verdict {
    let key = commands.key_paused(arrived.resource);
    let destination = commands.destination_paused(arrived.attempt.destination);
    let since = key.into_iter().chain(destination).min();
    must(since.is_none_or(|since| arrived.uptime <= since + PAUSE_GRACE), || {
        format!("resource {} is attempted although it is paused", arrived.resource)
    })
}
