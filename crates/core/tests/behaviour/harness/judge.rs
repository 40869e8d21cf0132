//! Promises of DESIGN section 1, kept by simple models that know nothing of the engine.
//!
//! It reads durable facts in their order, and is told of every answer and attempt as it leaves.

mod clocks;
mod compensation;
mod dependencies;
mod fields;
pub(crate) mod first_event;
mod jumps;
mod late;
mod links;
mod waits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sha2::Digest as _;
use sprag_core::fact::{
    Acknowledged, Attempted, BacklogDropped, Batched, Consequence, DeadLetter, Dropped, Fact,
    Filtered, Forgotten, Kind, LaneEnded, LaneOpened, LateDead, Outcome, Received, Redriven,
    Released, Returned, Rewound, Stale, Superseded,
};
use sprag_core::id::{DestinationId, Epoch, Hash, Key, PartitionId, Place, Sequence, SourceId};
use sprag_core::input::Ticket;
use sprag_core::limits::STRANDS;
use sprag_core::output::{Answer, Attempt, Draft, Status};
use sprag_core::position::Position;
use sprag_core::ranges::Range;

/// The fate of an event at ingress, as facts tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Held,
    Released(Sequence),
    DeadLettered,
    Stale,
}

/// A lane; of an unordered key what each event is in, which is judged by itself: its sequence is last.
type LaneName = (Key, DestinationId, Sequence);

/// What durable history and what left so far add up to.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    received: BTreeMap<Place, Received>,
    fates: BTreeMap<Place, Fate>,
    heads: BTreeMap<Key, (Sequence, Hash)>,
    jumps: jumps::Jumps,
    /// Released positions of each key.
    positions: BTreeSet<(Key, u64)>,
    /// The newest version or instant released of each key.
    newest: BTreeMap<Key, u64>,
    fields: fields::Newest,
    clocks: clocks::Causality,
    dependencies: dependencies::Dependencies,
    applied: compensation::Applied,
    late: late::LateEvents,
    links: links::Joined,
    /// The last position of each key that was released in its place.
    in_place: BTreeMap<Key, u64>,
    /// Positions that were given up, as facts tell it.
    abandoned: BTreeMap<Key, Vec<Range>>,
    /// Keys whose events have no order.
    unordered: BTreeSet<Key>,
    /// Events of each lane that are not settled, in order.
    lanes: BTreeMap<LaneName, VecDeque<Sequence>>,
    /// What was released before a lane was opened over it.
    opened: BTreeMap<LaneName, Sequence>,
    /// Passed events that operators sent again.
    redriven: BTreeMap<LaneName, Vec<Sequence>>,
    /// What consumers accepted and have not acknowledged, by lane.
    accepted: BTreeMap<LaneName, (Sequence, Sequence)>,
    /// What was acknowledged, perhaps while it was under way, and whether out of order.
    early: BTreeSet<(LaneName, Sequence, bool)>,
    /// The ranges that the next attempts of lanes carry.
    ranges: BTreeMap<LaneName, (Sequence, Sequence)>,
    /// How often each fact is durable, by name.
    pub(crate) facts: BTreeMap<&'static str, u64>,
    duplicates: u64,
    duplicate_answers: u64,
    asked: BTreeSet<Ticket>,
    answered: BTreeSet<Ticket>,
    /// Terms whose claim is durable.
    claimed: BTreeSet<(PartitionId, Epoch)>,
    /// Events acknowledged as kept.
    acknowledged: Vec<Place>,
    /// Names of sources, for the chain.
    source_names: BTreeMap<SourceId, Arc<str>>,
}

impl Judge {
    /// A judge of an empty history; the chain needs the sources' names.
    pub(crate) fn of(source_names: BTreeMap<SourceId, Arc<str>>) -> Self {
        Self { source_names, ..Self::default() }
    }

    /// A request waits for its answer.
    pub(crate) fn asked(&mut self, ticket: Ticket) {
        assert!(self.asked.insert(ticket), "{ticket:?} is used twice");
    }

    /// The process that would have answered is gone.
    pub(crate) fn forget_requests(&mut self) {
        self.answered.extend(self.asked.iter().copied());
    }

    /// A frame became durable.
    pub(crate) fn durable(&mut self, partition: PartitionId, frame: &Draft) {
        for (index, fact) in (0_u32..).zip(&frame.facts) {
            let place = Place { partition, frame: frame.number, index };
            *self.facts.entry(fact.name()).or_default() += 1;
            self.dependencies.take(fact);
            self.take(place, fact);
        }
        self.applied.frame_ends();
    }

    fn take(&mut self, place: Place, fact: &Fact) {
        match fact {
            Fact::Claimed(claimed) => {
                self.claimed.insert((place.partition, claimed.epoch));
            }
            Fact::Received(received) => {
                self.received.insert(place, received.clone());
            }
            Fact::Held(held) => self.fate(held.event, Fate::Held),
            Fact::Conflict(conflict) => self.fate(conflict.event, Fate::DeadLettered),
            Fact::Invalid(invalid) => self.fate(invalid.event, Fate::DeadLettered),
            Fact::Rebased(rebased) => {
                self.applied.begin_anew(&rebased.key);
                self.begin_positions(&rebased.key);
            }
            Fact::Forgotten(forgotten) => self.forget(forgotten),
            Fact::Returned(returned) => self.bring_back(returned),
            Fact::Restored(restored) => self.jumps.restore(place.partition, restored),
            Fact::Jumped(jumped) => {
                let head = self.heads.entry(jumped.key.clone()).or_default();
                self.jumps.jump(place.partition, head.0, jumped);
                head.0 = jumped.through;
            }
            Fact::Stale(stale) => self.stale(stale),
            Fact::Superseded(superseded) => self.supersede(superseded),
            Fact::LaneOpened(opened) => self.open(opened),
            Fact::Filtered(filtered) => self.pass(filtered),
            Fact::LateDead(dead) => self.die_late(dead),
            Fact::LaneEnded(ended) => self.end(ended),
            Fact::BacklogDropped(dropped) => self.drop_backlog(dropped),
            Fact::Duplicate(_) => self.duplicates += 1,
            Fact::Released(released) => self.release(released),
            Fact::GapAbandoned(gap) => {
                self.abandoned.entry(gap.key.clone()).or_default().push(gap.missing);
            }
            Fact::Attempted(attempted) => self.attempted(attempted),
            Fact::Acknowledged(acknowledged) => self.acknowledge(acknowledged),
            Fact::Batched(batched) => self.fix_range(batched),
            Fact::Redriven(redriven) => self.redrive(redriven),
            Fact::Rewound(rewound) => self.rewind(rewound),
            Fact::Dropped(dropped) => self.drop_letter(dropped),
            _ => {}
        }
    }

    /// Positions of a key begin anew.
    fn begin_positions(&mut self, key: &Key) {
        self.positions.retain(|(of, _)| of != key);
        self.in_place.remove(key);
        self.newest.remove(key);
        self.fields.begin(key);
        self.clocks.begin(key);
        self.links.begin(key);
        self.abandoned.remove(key);
    }

    /// Only a key for which nothing waits is forgotten, with what it goes on with.
    fn forget(&mut self, forgotten: &Forgotten) {
        let key = &forgotten.key;
        let waits = |lane: &&VecDeque<Sequence>| !lane.is_empty();
        let lanes = self.lanes.iter().filter(|((of, _, _), _)| of == key);
        assert_eq!(lanes.map(|(_, lane)| lane).find(waits), None, "waits: {forgotten:?}");
        assert!(!self.accepted.keys().any(|(of, _, _)| of == key), "accepted: {forgotten:?}");
        let known = self.heads.get(key).copied().unwrap_or_default();
        assert_eq!((forgotten.record.sequence, forgotten.record.hash), known, "{forgotten:?}");
    }

    /// A key goes on where it was; or behind all it ever gave, with a chain and positions of its own.
    fn bring_back(&mut self, returned: &Returned) {
        let (key, record) = (&returned.key, &returned.record);
        let known = self.heads.get(key).copied().unwrap_or_default();
        if record.hash != Hash::default() {
            assert_eq!((record.sequence, record.hash), known, "{returned:?}");
            return;
        }
        assert!(record.sequence >= known.0, "gives sequences again: {returned:?}");
        self.heads.insert(key.clone(), (record.sequence, record.hash));
        self.begin_positions(key);
    }

    /// All that was released before waits in a lane that is opened.
    fn open(&mut self, opened: &LaneOpened) {
        let all = (1..=opened.through.0).map(Sequence);
        let given: Vec<Sequence> =
            all.filter(|sequence| self.jumps.is_given(&opened.key, *sequence)).collect();
        for sequence in given {
            let name = self.lane_of(&opened.key, opened.destination, sequence);
            let lane = self.lanes.entry(name).or_default();
            let fits = lane.back().is_none_or(|last| *last < sequence);
            assert!(fits, "opened over what waits: {opened:?}");
            lane.push_back(sequence);
        }
        let name = (opened.key.clone(), opened.destination, Sequence(0));
        self.opened.insert(name, opened.through);
    }

    /// A late event that stood at the head is a dead letter.
    fn die_late(&mut self, dead: &LateDead) {
        self.late.died(dead);
        let name = self.lane_of(&dead.key, dead.destination, dead.sequence);
        let front = self.lanes.entry(name).or_default().pop_front();
        assert_eq!(front, Some(dead.sequence), "{dead:?}");
    }

    /// What entered is not passed; what was released before the lane was opened may be.
    fn pass(&mut self, filtered: &Filtered) {
        let name = (filtered.key.clone(), filtered.destination, Sequence(0));
        let opened = self.opened.get(&name).copied().unwrap_or_default();
        for sequence in (filtered.from.0..=filtered.to.0).map(Sequence) {
            let name = self.lane_of(&filtered.key, filtered.destination, sequence);
            let lane = self.lanes.entry(name).or_default();
            lane.retain(|one| *one > sequence || *one > opened);
            let passes_none = lane.front().is_none_or(|front| *front > sequence);
            assert!(passes_none, "passes what entered: {filtered:?}");
        }
    }

    /// All that waits in a lane is abandoned, and named.
    fn end(&mut self, ended: &LaneEnded) {
        let name = |sequence| (ended.key.clone(), ended.destination, Sequence(sequence));
        let lanes = self.lanes.range(name(0)..=name(u64::MAX)).map(|(name, _)| name.clone());
        let lanes: Vec<_> = lanes.collect();
        let waiting = lanes.iter().filter_map(|name| self.lanes.remove(name)).flatten();
        let waiting: Vec<_> = waiting.collect();
        let is_named =
            |one: &Sequence| (ended.from..=ended.to).contains(one) || ended.strands.contains(one);
        let fits = waiting.iter().all(is_named);
        assert!(fits, "{waiting:?} end as {ended:?}");
    }

    /// A lane sends again what it had settled, before all that waits in it.
    fn rewind(&mut self, rewound: &Rewound) {
        let name = self.lane_of(&rewound.key, rewound.destination, Sequence(0));
        assert!(!self.accepted.contains_key(&name), "accepted and set back: {rewound:?}");
        assert!(!self.ranges.contains_key(&name), "a range is tried and set back: {rewound:?}");
        let lane = self.lanes.entry(name.clone()).or_default();
        let waits = lane.front().is_some_and(|front| *front <= rewound.until);
        assert!(!waits && rewound.from <= rewound.until, "{lane:?} waits: {rewound:?}");
        let again = (rewound.from.0..=rewound.until.0).rev().map(Sequence);
        for sequence in again.filter(|sequence| self.jumps.is_given(&rewound.key, *sequence)) {
            lane.push_front(sequence);
        }
        self.redriven.entry(name.clone()).or_default().retain(|passed| *passed < rewound.from);
        // Which of them are sent is decided when the lane comes to them.
        let opened = self.opened.entry(name).or_default();
        *opened = (*opened).max(rewound.until);
    }

    /// Passed events are sent again.
    fn redrive(&mut self, redriven: &Redriven) {
        let Some(passed) = redriven.passed else { return };
        let lane = self.lane_of(&redriven.key, redriven.destination, passed);
        // Of an unordered key it may be the one that its strand stopped at.
        if self.lanes.get(&lane).is_some_and(|lane| lane.contains(&passed)) {
            return;
        }
        self.early.remove(&(lane.clone(), passed, true));
        self.redriven.entry(lane).or_default().push(passed);
    }

    /// What a lane stands at is given up.
    fn drop_letter(&mut self, dropped: &Dropped) {
        if let DeadLetter::InLane { destination, sequence } = dropped.letter {
            let name = self.lane_of(&dropped.key, destination, sequence);
            let lane = self.lanes.entry(name.clone()).or_default();
            if lane.front() == Some(&sequence) {
                lane.pop_front();
                self.ranges.remove(&name);
            }
        }
    }

    /// The lane by which an event is judged.
    fn lane_of(&self, key: &Key, to: DestinationId, sequence: Sequence) -> LaneName {
        let apart = self.unordered.contains(key);
        (key.clone(), to, if apart { sequence } else { Sequence(0) })
    }

    /// From the event the lane stands at; nothing that its consumer has. Of an unordered key each by
    /// itself.
    fn drop_backlog(&mut self, dropped: &BacklogDropped) {
        let (key, to) = (&dropped.key, dropped.destination);
        let sequences = dropped.from.0..=dropped.to.0;
        let names = sequences.map(|sequence| self.lane_of(key, to, Sequence(sequence)));
        let names: BTreeSet<LaneName> = names.collect();
        let waits = |name: &LaneName| self.lanes.get(name).and_then(|lane| lane.front().copied());
        let front = names.iter().filter_map(waits).min();
        assert!(front.is_some_and(|front| front >= dropped.from), "{front:?} waits: {dropped:?}");
        for name in names {
            assert!(!self.accepted.contains_key(&name), "accepted and given up: {dropped:?}");
            let lane = self.lanes.entry(name.clone()).or_default();
            lane.retain(|waiting| *waiting > dropped.to);
            self.ranges.remove(&name);
        }
    }

    /// An event gets one fate; only waiting may end in another.
    fn fate(&mut self, event: Place, fate: Fate) {
        assert!(self.received.contains_key(&event), "{event} got a fate and was never received");
        let before = self.fates.insert(event, fate);
        let allowed = matches!(before, None | Some(Fate::Held)) && before != Some(fate);
        assert!(allowed, "{event} was {before:?} and became {fate:?}");
    }

    /// Only what is older than something released is stale.
    fn stale(&mut self, stale: &Stale) {
        self.fate(stale.event, Fate::Stale);
        if let Position::State { .. } = stale.position {
            return;
        }
        if let Position::Fields(fields) = &stale.position {
            return self.fields.stale(&stale.key, fields);
        }
        let number = stale.position.number().expect("what has no position is never stale");
        let newest = self.newest.get(&stale.key).copied();
        let older = newest.is_some_and(|newest| number <= newest);
        assert!(older, "stale beside {newest:?}: {stale:?}");
    }

    /// A lane goes past events only in favour of a newer one that waits in it.
    fn supersede(&mut self, superseded: &Superseded) {
        let name = (superseded.key.clone(), superseded.destination, Sequence(0));
        let lane = self.lanes.entry(name.clone()).or_default();
        assert!(lane.front() >= Some(&superseded.from), "{superseded:?}");
        assert_eq!(lane.back(), Some(&superseded.by), "{superseded:?}");
        lane.retain(|sequence| *sequence >= superseded.by);
        self.ranges.remove(&name);
    }

    /// Sequences are contiguous, no position is released twice, the chain recomputes.
    fn release(&mut self, released: &Released) {
        self.fate(released.event, Fate::Released(released.sequence));
        let received = &self.received[&released.event];
        let (sequence, hash) = self.heads.get(&released.key).copied().unwrap_or_default();
        self.jumps.release(released);
        assert_eq!(released.sequence, sequence.next(), "sequences of {:?}", released.key);
        assert_eq!(released.previous_hash, hash, "the chain of {:?}", released.key);
        assert_eq!(released.position, received.position);
        assert_eq!(released.key, received.key);
        let key = &released.key;
        let again = self.hash_of(received, released);
        assert_eq!(released.hash, again, "the hash of {key:?} {:?}", released.sequence);
        self.heads.insert(key.clone(), (released.sequence, released.hash));
        self.applied.release(released, received);
        match released.position {
            // What is undone or repeated moves no position.
            _ if released.earlier.is_some() => {}
            Position::None => {}
            Position::Sequence(position) => {
                let new = self.positions.insert((key.clone(), position));
                assert!(new, "position {position} of {key:?} is released twice");
                self.in_its_place(released, position);
            }
            Position::Version(number) => {
                let newest = self.newest.insert(key.clone(), number);
                assert!(newest.is_none_or(|newest| newest < number), "not newer: {released:?}");
            }
            // The simulator has a judge of tables.
            Position::State { .. } => assert_eq!(released.kind, Kind::Event),
            Position::Fields(ref fields) => self.fields.release(released, fields),
            Position::Clock(ref clock) => self.clocks.release(released, clock),
            Position::Link(ref link) => self.links.release(released, link),
            Position::Timestamp(number) if released.kind == Kind::Late => {
                let newest = self.newest.get(key);
                assert!(newest.is_some_and(|newest| number <= *newest), "not late: {released:?}");
            }
            Position::Timestamp(number) => {
                let newest = self.newest.insert(key.clone(), number);
                assert!(newest.is_none_or(|newest| newest <= number), "older: {released:?}");
            }
        }
        self.late.release(released);
        if released.unordered {
            self.unordered.insert(key.clone());
        }
        for destination in &released.lanes {
            let name = self.lane_of(key, *destination, released.sequence);
            let lane = self.lanes.entry(name).or_default();
            lane.push_back(released.sequence);
        }
    }

    /// Hₙ as an auditor computes it from rule C1 alone.
    fn hash_of(&self, received: &Received, released: &Released) -> Hash {
        let position = match received.position {
            Position::None => String::new(),
            Position::Sequence(number) | Position::Version(number) => format!("{number}"),
            Position::Timestamp(number) => january_1970(number),
            Position::Fields(_)
            | Position::Clock(_)
            | Position::State { .. }
            | Position::Link(_) => received.position.text(),
        };
        let kind = match released.kind {
            Kind::Event => "event",
            Kind::Late => "late",
            Kind::Compensation => "compensation",
        };
        let sequence = released.sequence.0.to_be_bytes();
        let parts: [&[u8]; 10] = [
            b"sprag-event-1",
            self.source_names[&received.key.source].as_bytes(),
            received.key.name.as_bytes(),
            &sequence,
            position.as_bytes(),
            kind.as_bytes(),
            received.content_type.as_bytes(),
            received.id.as_deref().unwrap_or("").as_bytes(),
            &released.previous_hash.0,
            &received.digest.0,
        ];
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(u32::try_from(part.len()).expect("parts are short").to_be_bytes());
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    /// In its place: after every lower position, but for those given up, which it names. Late: a
    /// position that was given up.
    fn in_its_place(&mut self, released: &Released, position: u64) {
        let given_up = self.abandoned.get(&released.key).map_or(&[][..], Vec::as_slice);
        let is_given_up = |position: u64| given_up.iter().any(|range| range.contains(position));
        if released.kind == Kind::Late {
            assert!(is_given_up(position), "late, but never given up: {released:?}");
            return;
        }
        if let Some(before) = self.in_place.insert(released.key.clone(), position) {
            assert!(before < position, "released behind its successor: {released:?}");
            assert!(
                (before + 1..position).all(is_given_up),
                "jumps what it waits for: {released:?}"
            );
            assert_eq!(released.missing.count(), position - before - 1, "{released:?}");
        }
    }

    fn attempted(&mut self, attempted: &Attempted) {
        self.late.attempted(attempted);
        let name = self.lane_of(&attempted.key, attempted.destination, attempted.sequence);
        let waited = self.accepted.remove(&name);
        let ends = attempted.outcome == Outcome::Unacknowledged;
        assert_eq!(ends, waited.is_some(), "after {waited:?}: {attempted:?}");
        assert!(waited.is_none_or(|(first, _)| first == attempted.sequence), "{attempted:?}");
        if let Consequence::Accepted { .. } = attempted.consequence {
            let last = attempted.batch.map_or(attempted.sequence, |batch| batch.last);
            self.accepted.insert(name.clone(), (attempted.sequence, last));
        }
        // Acknowledged before its answer came, it is settled already.
        let last = attempted.batch.map_or(attempted.sequence, |batch| batch.last);
        let early = self.early.remove(&(name.clone(), last, attempted.out_of_order));
        if early {
            assert_eq!(attempted.consequence, Consequence::Delivered, "{attempted:?}");
            return;
        }
        if attempted.out_of_order {
            let redriven = self.redriven.entry(name.clone()).or_default();
            let at = redriven.iter().position(|sequence| *sequence == attempted.sequence);
            let at = at.expect("only what was redriven is attempted out of order");
            if !self.accepted.contains_key(&name) {
                redriven.remove(at);
            }
            return;
        }
        self.attempted_in_order(&name, attempted, last);
    }

    /// What the answer acknowledges is settled, then the rest as its consequence says.
    fn attempted_in_order(&mut self, name: &LaneName, attempted: &Attempted, last: Sequence) {
        let lane = self.lanes.entry(name.clone()).or_default();
        let mut settle = |through: u64| {
            let mut settled = false;
            while lane.front().is_some_and(|front| front.0 <= through) {
                settled = lane.pop_front().is_some();
            }
            settled
        };
        let Some(batch) = attempted.batch else {
            assert_eq!(
                lane.front(),
                Some(&attempted.sequence),
                "an outcome that is not the head's"
            );
            if matches!(attempted.consequence, Consequence::Delivered | Consequence::Dead) {
                lane.pop_front();
            }
            return;
        };
        let part = attempted.sequence.0 + batch.acknowledged;
        let mut settled = batch.acknowledged > 0 && settle(part - 1);
        if attempted.consequence == Consequence::Dead {
            settled |= settle(last.0);
        }
        if settled {
            self.ranges.remove(name);
        }
        let fails = !matches!(
            attempted.consequence,
            Consequence::Delivered | Consequence::Dead | Consequence::Accepted { .. }
        );
        if let Some(front) = self.lanes[name].front().filter(|_| fails) {
            self.ranges.insert(name.clone(), (*front, last));
        }
        if let Some(front) = self.lanes[name].front()
            && let Some(accepted) = self.accepted.get_mut(name)
        {
            accepted.0 = *front;
        }
    }

    /// A consumer acknowledges the head, or what was redriven: accepted, or perhaps under way.
    fn acknowledge(&mut self, acknowledged: &Acknowledged) {
        let sequence = acknowledged.from;
        let name = self.lane_of(&acknowledged.key, acknowledged.destination, sequence);
        match self.accepted.remove(&name) {
            Some((first, last)) if first == sequence && acknowledged.to < last => {
                self.accepted.insert(name.clone(), (acknowledged.to.next(), last));
            }
            Some((first, _)) if first == sequence => {}
            _ => {
                let out_of_order = acknowledged.out_of_order;
                self.early.insert((name.clone(), acknowledged.to, out_of_order));
            }
        }
        if acknowledged.out_of_order {
            let redriven = self.redriven.entry(name).or_default();
            redriven.retain(|redriven| *redriven != sequence);
            return;
        }
        self.ranges.remove(&name);
        let lane = self.lanes.entry(name).or_default();
        for sequence in sequence.0..=acknowledged.to.0 {
            assert_eq!(lane.pop_front(), Some(Sequence(sequence)), "{acknowledged:?}");
        }
    }

    /// The range of the lane's next attempt: all at its head, and none was fixed before.
    fn fix_range(&mut self, batched: &Batched) {
        let name = self.lane_of(&batched.key, batched.destination, batched.from);
        let lane = self.lanes.entry(name.clone()).or_default();
        let range: Vec<_> = (batched.from.0..=batched.to.0).map(Sequence).collect();
        assert!(lane.iter().take(range.len()).eq(&range), "not what waits: {batched:?}");
        let before = self.ranges.insert(name, (batched.from, batched.to));
        assert_eq!(before, None, "a range is fixed twice: {batched:?}");
    }

    /// An attempt leaves: it must be the first unsettled event of its lane by durable facts, and
    /// the only one under way.
    pub(crate) fn attempt(
        &mut self,
        partition: PartitionId,
        attempt: &Attempt,
        under_way: &[Attempt],
    ) {
        let claimed = self.claimed.contains(&(partition, attempt.id.epoch));
        assert!(claimed, "sent before the claim of its term is durable: {attempt:?}");
        let same =
            |one: &&Attempt| one.key == attempt.key && one.destination == attempt.destination;
        let name = self.lane_of(&attempt.key, attempt.destination, attempt.sequence);
        let is_apart = self.unordered.contains(&attempt.key);
        let of_lane = under_way.iter().filter(same);
        assert!(of_lane.clone().count() < STRANDS, "more than may be under way: {attempt:?}");
        let mut twice = of_lane.filter(|one| !is_apart || one.sequence == attempt.sequence);
        assert_eq!(twice.next(), None, "two attempts in one lane: {attempt:?}");
        assert!(attempt.out_of_order || !is_apart, "called in order: {attempt:?}");
        self.dependencies.attempt(attempt);
        let accepted = self.accepted.get(&name);
        assert_eq!(accepted, None, "sent while an acknowledgement is waited for: {attempt:?}");
        let redriven = self.redriven.get(&name);
        let known = redriven.is_some_and(|redriven| redriven.contains(&attempt.sequence));
        if known || (attempt.out_of_order && !is_apart) {
            assert!(known, "sent out of order without a durable redrive: {attempt:?}");
            return;
        }
        let head = self.lanes.get(&name).and_then(|lane| lane.front());
        assert_eq!(head, Some(&attempt.sequence), "not the durable head: {attempt:?}");
        if let Some(last) = attempt.last {
            let range = self.ranges.get(&name);
            assert_eq!(range, Some(&(attempt.sequence, last)), "not the durable range");
        }
    }

    /// An answer leaves: what it promises must be durable.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: &Answer) {
        assert!(self.asked.contains(&ticket), "{ticket:?} was never asked");
        assert!(self.answered.insert(ticket), "{ticket:?} is answered twice");
        let Answer::Event { status, event, sequence } = answer else { return };
        let fate = event.and_then(|event| self.fates.get(&event).copied());
        assert!(event.is_none() || fate.is_some(), "{ticket:?}: {answer:?} is not durable");
        match status {
            Status::Released | Status::Late => {
                let sequence = sequence.expect("a released event has a sequence");
                assert_eq!(fate, Some(Fate::Released(sequence)), "{ticket:?}");
            }
            // What waited may have ended otherwise before the answer could leave.
            Status::Held => assert!(fate.is_some(), "{ticket:?}"),
            Status::Conflict | Status::Invalid => assert_eq!(fate, Some(Fate::DeadLettered)),
            Status::Stale => assert_eq!(fate, Some(Fate::Stale)),
            Status::Duplicate => {
                self.duplicate_answers += 1;
                assert!(self.duplicate_answers <= self.duplicates, "{ticket:?} is not durable");
                let released = sequence.map(Fate::Released);
                assert!(released.is_none() || released == fate, "{ticket:?}: {fate:?}");
            }
            Status::Ignored => {}
        }
        self.acknowledged.extend(*event);
    }

    /// Requests without an answer.
    pub(crate) fn unanswered(&self) -> Vec<Ticket> {
        self.asked.difference(&self.answered).copied().collect()
    }

    /// Every received event has a fate.
    pub(crate) fn everything_has_a_fate(&self) {
        for event in self.received.keys().chain(&self.acknowledged) {
            assert!(self.fates.contains_key(event), "{event} has no fate");
        }
    }

    /// Events that wait behind missing positions.
    pub(crate) fn held(&self) -> usize {
        self.fates.values().filter(|fate| **fate == Fate::Held).count()
    }

    /// Events that wait in lanes.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }
}

/// An instant as text, by arithmetic for the one month all tests lie in.
fn january_1970(nanoseconds: u64) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (day, hour) = (seconds / 86_400 + 1, seconds / 3_600 % 24);
    assert!(day <= 31, "tests lie in January 1970");
    format!("1970-01-{day:02}T{hour:02}:{:02}:{:02}.{rest:09}Z", seconds / 60 % 60, seconds % 60)
}
