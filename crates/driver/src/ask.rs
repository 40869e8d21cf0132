//! Questions to the log: dedupe beyond what the core remembers, waiting events, cold events.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::destination::LaneRef;
use sprag_core::fact::{Fact, Origin, Outcome, Released};
use sprag_core::id::{Key, PartitionId, Place, Sequence};
use sprag_core::input::{self, Arrival, AttemptId, Command, Ended, Input, Waiting};
use sprag_core::output::Attempt;
use sprag_core::recent::{Prior, Seen};
use sprag_core::retention::Reading;
use sprag_core::time::Now;
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::{Answer, Found, Log, Query, ReadError, Request, StoredFact, Ticket};

use crate::cache::{ReleasedEvent, StoredEvent};
use crate::effect::Effect;
use crate::node::Node;
use crate::recall::RecalledPage;
use crate::state::State;

/// What an answer of the log is for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Recovery.
    History(PartitionId),
    /// What older frames know of an arriving event.
    Priors(PartitionId, Box<Arrival>),
    /// The event that has the position of an arriving one: its digest is still missing.
    PositionOwner(PartitionId, Box<Arrival>, Seen, Box<StoredFact>),
    /// Waiting events of a lane.
    Backlog(PartitionId, Box<WantedBacklog>),
    /// An event that was released before its lane was opened, or is sent again: whether it is kept, and its
    /// type.
    Earlier(PartitionId, Box<EarlierEvents>),
    /// What a key released, of which the last event is read.
    Recall(PartitionId, Box<RecalledPage>),
    /// The `released` fact of a cold event.
    ColdRelease(PartitionId, Gathering),
    /// A cold event.
    ColdEvent(PartitionId, Gathering, Arc<Released>),
    /// The `released` fact of an event that is to be redriven, then the event.
    Redriven(PartitionId, input::Ticket, Box<Command>),
    /// Sealed segments, for retention.
    Segments(u64),
    /// Frames, for retention.
    Stretch(u64, Reading),
}

/// Whose waiting events are wanted.
#[derive(Debug)]
pub(crate) struct WantedBacklog {
    pub(crate) lane: LaneRef,
    pub(crate) key: Key,
    pub(crate) from: Sequence,
    /// The last sequence that is looked for.
    pub(crate) to: Sequence,
    /// How many events at the most.
    pub(crate) most: usize,
    /// Up to here the types of events are wanted whose release says nothing of the lane.
    pub(crate) opened: Sequence,
    /// Up to here the types of all that are kept are wanted.
    pub(crate) again: Sequence,
    /// While they are read one by one: those before the one that is asked for.
    pub(crate) singly: Option<Vec<StoredFact>>,
}

/// Waiting events of a lane, some of whose types are still to be read.
#[derive(Debug)]
pub(crate) struct EarlierEvents {
    lane: LaneRef,
    events: Vec<Waiting>,
    /// The last sequence that was looked for, where history could be read.
    looked: Option<Sequence>,
    /// Whether what stands there is not what was written.
    damaged: bool,
    types: BTreeMap<Sequence, Arc<str>>,
    /// What is still to be read: the last is asked for.
    unread: Vec<(Sequence, Place)>,
}

/// An attempt whose events are being brought together.
#[derive(Debug)]
pub(crate) struct Gathering {
    attempt: Box<Attempt>,
    events: Vec<ReleasedEvent>,
}

impl Gathering {
    /// The next event that is missing, and the place of its release where that is known.
    fn next(&self) -> Option<(Sequence, Option<Place>)> {
        let Attempt { sequence, last, released, ref others, .. } = *self.attempt;
        let at = self.events.len();
        let next = Sequence(sequence.0 + at as u64);
        let place = match at.checked_sub(1) {
            None => released,
            Some(at) => others.get(at).copied(),
        };
        (next <= last.unwrap_or(sequence)).then_some((next, place))
    }
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    pub(crate) fn ask(&mut self, asked: Asked, query: Query) {
        self.next_query += 1;
        self.asked.insert(self.next_query, asked);
        self.log.submit(Request::Query { ticket: Ticket(self.next_query), query });
    }

    pub(crate) fn answered(&mut self, now: Now, ticket: u64, result: Result<Answer, ReadError>) {
        let Some(asked) = self.asked.remove(&ticket) else { return };
        match asked {
            Asked::History(partition) => match result {
                Ok(Answer::Frames(frames)) => self.history(now, partition, frames),
                Ok(_) => {}
                Err(error) => self.history_unreadable(now, partition, &error),
            },
            Asked::Priors(partition, arrival) => self.priors(now, partition, arrival, result),
            Asked::PositionOwner(partition, arrival, seen, released) => {
                self.position_owner(now, partition, arrival, seen, &released, result);
            }
            Asked::Backlog(partition, wanted) => self.backlog_read(now, partition, wanted, result),
            Asked::Earlier(partition, earlier) => {
                self.earlier_read(now, partition, earlier, result);
            }
            Asked::Recall(partition, page) => self.recall_read(now, partition, page, result),
            Asked::ColdRelease(partition, gathering) => {
                self.cold_release(now, partition, gathering, result);
            }
            Asked::ColdEvent(partition, gathering, released) => {
                self.cold_event(now, partition, gathering, released, result);
            }
            Asked::Redriven(partition, ticket, command) => {
                self.redriven(now, partition, ticket, command, result);
            }
            Asked::Segments(asked) => self.segments_listed(now, asked, result),
            Asked::Stretch(asked, reading) => self.stretch_read(now, asked, reading, result),
        }
    }

    /// What is to be known of an arrival without reading: nothing older has its id or position. None where that has to be
    /// read.
    pub(crate) fn glance(&self, partition: PartitionId, arrival: &Arrival) -> Option<Seen> {
        let owner = &self.owners[usize::from(partition.0)];
        // What is remembered now may be forgotten while the key is loaded: then nothing was
        // looked at, and it is asked again.
        if owner.partition.recent_floor().0 == 0 {
            return Some(Seen::default());
        }
        let is_absent = |wanted: &Wanted| !self.log.may_contain(partition, wanted);
        let through = owner.partition.committed();
        let seen = Seen { through, ..Seen::default() };
        wanted(arrival).iter().all(is_absent).then_some(seen)
    }

    /// Finds out what older frames know of an arriving event, then lets it in (DESIGN F4).
    pub(crate) fn look_up(&mut self, now: Now, partition: PartitionId, arrival: Box<Arrival>) {
        if let Some(seen) = self.glance(partition, &arrival) {
            return self.input(now, partition, Input::Receive { arrival, seen });
        }
        let up_to = self.owners[usize::from(partition.0)].partition.committed();
        let query = Query::Find { partition, wanted: wanted(&arrival), up_to };
        self.ask(Asked::Priors(partition, arrival), query);
    }

    fn priors(
        &mut self,
        now: Now,
        partition: PartitionId,
        arrival: Box<Arrival>,
        result: Result<Answer, ReadError>,
    ) {
        let Ok(Answer::Found(found)) = result else {
            self.not_looked_up(now, partition, arrival);
            return;
        };
        let (seen, released) = seen(&found, &arrival);
        match released {
            Some(released) if seen.by_position.is_none() => {
                let Fact::Released(fact) = &released.fact else {
                    return self.not_looked_up(now, partition, arrival);
                };
                let query = Query::Fact { place: fact.event };
                self.ask(Asked::PositionOwner(partition, arrival, seen, released), query);
            }
            _ => self.input(now, partition, Input::Receive { arrival, seen }),
        }
    }

    fn position_owner(
        &mut self,
        now: Now,
        partition: PartitionId,
        arrival: Box<Arrival>,
        mut seen: Seen,
        released: &StoredFact,
        result: Result<Answer, ReadError>,
    ) {
        match result {
            Ok(Answer::Fact(stored)) => {
                seen.by_position = position_prior(released, &stored);
                self.input(now, partition, Input::Receive { arrival, seen });
            }
            // The older fact is no longer kept: then it is a duplicate (DESIGN F4).
            Err(ReadError::Trimmed { .. } | ReadError::Missing) => {
                self.input(now, partition, Input::Receive { arrival, seen });
            }
            _ => self.not_looked_up(now, partition, arrival),
        }
    }

    /// Without knowing what came before, an event cannot be taken: its source tries again.
    fn not_looked_up(&mut self, now: Now, partition: PartitionId, arrival: Box<Arrival>) {
        self.input(now, partition, Input::NotLookedUp(arrival));
    }

    pub(crate) fn ask_backlog(&mut self, partition: PartitionId, wanted: Box<WantedBacklog>) {
        let WantedBacklog { from, to, most, ref key, .. } = *wanted;
        let query = Query::Sequences { partition, key: key.clone(), from, to, most };
        self.ask(Asked::Backlog(partition, wanted), query);
    }

    /// Waiting events of a lane were read. Where one of them is damaged, those before it are not: then
    /// they are read one by one, up to that one.
    fn backlog_read(
        &mut self,
        now: Now,
        partition: PartitionId,
        mut wanted: Box<WantedBacklog>,
        result: Result<Answer, ReadError>,
    ) {
        let result = match (result, wanted.singly.take()) {
            (Err(ReadError::Corrupt(_)), None) if wanted.from < wanted.to => {
                return self.ask_singly(partition, wanted, Vec::new());
            }
            (Ok(Answer::Sequences(one)), Some(mut read)) => {
                let is_through = wanted.from >= wanted.to || (one.is_empty() && !read.is_empty());
                read.extend(one);
                if !is_through && read.len() < wanted.most {
                    wanted.from = wanted.from.next();
                    return self.ask_singly(partition, wanted, read);
                }
                Ok(Answer::Sequences(read))
            }
            (Err(ReadError::Corrupt(_)), Some(read)) if !read.is_empty() => {
                Ok(Answer::Sequences(read))
            }
            (result, _) => result,
        };
        let earlier = waiting(&wanted, result);
        self.read_earlier(now, partition, Box::new(earlier));
    }

    /// Asks for the next of a lane's waiting events by itself.
    fn ask_singly(
        &mut self,
        partition: PartitionId,
        mut wanted: Box<WantedBacklog>,
        read: Vec<StoredFact>,
    ) {
        let (key, at) = (wanted.key.clone(), wanted.from);
        wanted.singly = Some(read);
        let query = Query::Sequences { partition, key, from: at, to: at, most: 1 };
        self.ask(Asked::Backlog(partition, wanted), query);
    }

    /// Asks for the next type that is missing, or brings the lane its events.
    fn read_earlier(&mut self, now: Now, partition: PartitionId, earlier: Box<EarlierEvents>) {
        if let Some((_, place)) = earlier.unread.last().copied() {
            self.ask(Asked::Earlier(partition, earlier), Query::Event { place });
            return;
        }
        let EarlierEvents { lane, events, looked, damaged, types: earlier, .. } = *earlier;
        self.input(now, partition, Input::Backlog { lane, events, looked, damaged, earlier });
    }

    fn earlier_read(
        &mut self,
        now: Now,
        partition: PartitionId,
        mut earlier: Box<EarlierEvents>,
        result: Result<Answer, ReadError>,
    ) {
        let Some((sequence, _)) = earlier.unread.pop() else { return };
        match result {
            Ok(Answer::Event(stored)) => {
                earlier.types.insert(sequence, stored.received.event_type);
            }
            // The disk may answer later: the lane asks again. Damaged, its type is not known either: it
            // is not taken for one of another type.
            Err(error @ (ReadError::Failed(_) | ReadError::Corrupt(_))) => {
                earlier.damaged = matches!(error, ReadError::Corrupt(_));
                earlier.events.clear();
                earlier.looked = None;
                earlier.unread.clear();
            }
            // It is no longer kept: the lane cannot take it.
            _ => {}
        }
        self.read_earlier(now, partition, earlier);
    }

    /// Sends an attempt out, with its events from memory or from the log.
    pub(crate) fn deliver(&mut self, _now: Now, partition: PartitionId, attempt: Box<Attempt>) {
        self.gather(partition, Gathering { attempt, events: Vec::new() });
    }

    /// Takes what memory has of an attempt's events, and asks for the next that it has not.
    fn gather(&mut self, partition: PartitionId, mut gathering: Gathering) {
        while let Some((sequence, place)) = gathering.next() {
            let known = place.and_then(|place| self.cache.get(place)).cloned();
            if let Some(event) = known {
                gathering.events.push(event);
                continue;
            }
            let query = match place {
                Some(place) => Query::Fact { place },
                None => Query::Sequences {
                    partition,
                    key: gathering.attempt.key.clone(),
                    from: sequence,
                    to: sequence,
                    most: 1,
                },
            };
            return self.ask(Asked::ColdRelease(partition, gathering), query);
        }
        let Gathering { attempt, events } = gathering;
        let mut events = events.into_iter();
        if let Some(event) = events.next() {
            let others = events.collect();
            self.cache.carry(partition, &attempt);
            self.effects.push_back(Effect::Deliver { partition, attempt, event, others });
        }
    }

    fn cold_release(
        &mut self,
        now: Now,
        partition: PartitionId,
        gathering: Gathering,
        result: Result<Answer, ReadError>,
    ) {
        let fact = match result {
            Ok(Answer::Fact(stored)) => Ok(Some(stored.fact)),
            Ok(Answer::Sequences(stored)) => Ok(stored.into_iter().next().map(|one| one.fact)),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        let attempt = gathering.attempt.id;
        match fact {
            Ok(Some(Fact::Released(released))) => {
                let query = Query::Event { place: released.event };
                self.ask(Asked::ColdEvent(partition, gathering, Arc::new(released)), query);
            }
            Ok(_) => self.unreadable(now, partition, attempt, Outcome::Unreadable),
            Err(error) => self.unreadable(now, partition, attempt, unread(&error)),
        }
    }

    fn cold_event(
        &mut self,
        now: Now,
        partition: PartitionId,
        mut gathering: Gathering,
        released: Arc<Released>,
        result: Result<Answer, ReadError>,
    ) {
        let attempt = gathering.attempt.id;
        match result {
            _ if self.is_void(partition, attempt) => {
                self.unreadable(now, partition, attempt, Outcome::Unreachable);
            }
            Ok(Answer::Event(stored)) => {
                let event = StoredEvent {
                    received: stored.received,
                    body: stored.body.bytes,
                    recorded: stored.recorded,
                };
                gathering.events.push(ReleasedEvent { released, event: Arc::new(event) });
                self.gather(partition, gathering);
            }
            Ok(_) => self.unreadable(now, partition, attempt, Outcome::Unreadable),
            Err(error) => self.unreadable(now, partition, attempt, unread(&error)),
        }
    }

    /// Whether an attempt whose events are being read need not be sent any more: it is broken off, or its consumer said
    /// meanwhile that it is done.
    fn is_void(&self, partition: PartitionId, attempt: AttemptId) -> bool {
        let owner = &self.owners[usize::from(partition.0)];
        self.broken_off.contains(&(partition, attempt)) || owner.partition.is_settled(attempt)
    }

    /// An attempt ended before anything was sent.
    fn unreadable(
        &mut self,
        now: Now,
        partition: PartitionId,
        attempt: AttemptId,
        outcome: Outcome,
    ) {
        self.broken_off.remove(&(partition, attempt));
        let took = std::time::Duration::ZERO;
        let ended =
            Ended { attempt, outcome, retry_after: None, dropped: None, acknowledged: None, took };
        self.ended(now, partition, ended);
    }

    /// Breaks an attempt off: outside, or here while its event is still being read.
    pub(crate) fn abort(&mut self, partition: PartitionId, attempt: AttemptId) {
        let reading = self.asked.values().any(|asked| match asked {
            Asked::ColdRelease(of, cold) | Asked::ColdEvent(of, cold, _) => {
                (*of, cold.attempt.id) == (partition, attempt)
            }
            _ => false,
        });
        if reading {
            self.broken_off.insert((partition, attempt));
        } else {
            self.effects.push_back(Effect::Abort { partition, attempt });
        }
    }
}

/// What an event that cannot be read means: damaged or gone for good, or a disk that may answer
/// later.
fn unread(error: &ReadError) -> Outcome {
    match error {
        ReadError::Failed(_) => Outcome::Unreachable,
        _ => Outcome::Unreadable,
    }
}

fn wanted(arrival: &Arrival) -> Vec<Wanted> {
    let id = arrival.id.clone().map(Handle::Id);
    let position = Some(&arrival.position).filter(|position| position.is_unique()).cloned();
    let handles = id.into_iter().chain(position.map(Handle::Position));
    handles.map(|by| Wanted { key: arrival.key.clone(), by }).collect()
}

/// What a lookup says of an arrival, and the release that has its position.
fn seen(found: &Found, arrival: &Arrival) -> (Seen, Option<Box<StoredFact>>) {
    let mut facts = found.facts.iter();
    let mut newest = |present: bool| {
        present.then(|| facts.next()).flatten().and_then(|found| newest_first(found))
    };
    let by_id = newest(arrival.id.is_some());
    let released = newest(arrival.position.is_unique());
    let mut seen = Seen { through: found.through, ..Seen::default() };
    seen.by_id = by_id.and_then(id_prior);
    if let (Some(prior), Some(StoredFact { fact: Fact::Released(fact), .. })) =
        (&mut seen.by_id, released)
        && fact.event == prior.event
    {
        prior.sequence = fact.sequence;
        seen.by_position = Some(*prior);
    }
    (seen, released.cloned().map(Box::new))
}

/// The newest that is no copy: what was undone or repeated for a late event is known by its original.
fn newest_first(found: &[StoredFact]) -> Option<&StoredFact> {
    found.iter().rev().find(|stored| match &stored.fact {
        Fact::Received(received) => received.origin != Origin::Again,
        Fact::Released(released) => released.earlier.is_none(),
        _ => true,
    })
}

fn id_prior(stored: &StoredFact) -> Option<Prior> {
    let Fact::Received(received) = &stored.fact else { return None };
    Some(Prior {
        event: stored.place,
        digest: received.digest,
        sequence: Sequence(0),
        recorded: stored.recorded,
    })
}

fn position_prior(released: &StoredFact, received: &StoredFact) -> Option<Prior> {
    let Fact::Released(fact) = &released.fact else { return None };
    let prior = id_prior(received)?;
    Some(Prior { sequence: fact.sequence, ..prior })
}

fn waiting(wanted: &WantedBacklog, result: Result<Answer, ReadError>) -> EarlierEvents {
    let WantedBacklog { lane, to: last, opened, again, .. } = *wanted;
    let to = lane.destination;
    let mut all = EarlierEvents {
        lane,
        events: Vec::new(),
        looked: None,
        damaged: matches!(result, Err(ReadError::Corrupt(_))),
        types: BTreeMap::new(),
        unread: Vec::new(),
    };
    let Ok(Answer::Sequences(stored)) = result else { return all };
    all.looked = Some(last);
    let is_unsaid = |released: &Released| {
        let is_said = released.lanes.contains(&to) || released.filtered.contains(&to);
        released.sequence <= again || (released.sequence <= opened && !is_said)
    };
    all.unread = stored
        .iter()
        .filter_map(|stored| match &stored.fact {
            Fact::Released(released) if is_unsaid(released) => {
                Some((released.sequence, released.event))
            }
            _ => None,
        })
        .collect();
    let waiting = |stored: StoredFact| match stored.fact {
        Fact::Released(released) => Some(Waiting {
            sequence: released.sequence,
            released: stored.place,
            recorded: stored.recorded,
            epoch: stored.epoch,
            entered: released.lanes.contains(&to),
            late: released.late,
            depends_on: released.depends_on,
        }),
        _ => None,
    };
    all.events = stored.into_iter().filter_map(waiting).collect();
    all
}
