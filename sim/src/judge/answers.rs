//! The judge of answers: a 2xx is never taken back, one event is told one place and one sequence,
//! a repeat of something acknowledged is told so (promises 1, 4, 5; rules D2, K5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::fields::{At, Field};
use sprag_core::id::{Hash, Place};
use sprag_core::input::Ticket;
use sprag_core::output::{Answer, Rejection, Status};
use sprag_core::position::Position;

use super::memory::Memory;
use super::{Verdict, must};
use crate::causal;
use crate::schedule::Instant;
use crate::workload::Post;

/// An acknowledgement a provider holds.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) at: Instant,
    pub(crate) resource: usize,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) position: Position,
    pub(crate) digest: Hash,
    pub(crate) status: Status,
    pub(crate) event: Option<Place>,
    pub(crate) sequence: Option<u64>,
}

/// What an answer must be, by what was acknowledged before the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    Anything,
    /// A repeat of this event by its id, known since.
    Repeats(Place, Instant),
    /// A repeat of this event by its position, known since.
    SamePosition(Place, Instant),
    /// Its position is that of another event, known since.
    Conflict(Instant),
    /// Nothing that could be released: older than what was, or released once already.
    NotReleased,
}

#[derive(Debug)]
struct Sent {
    post: Post,
    at: Instant,
    /// How often its positions may have begun anew by then.
    rebases: u64,
    expectation: Expectation,
}

/// The judge.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    waiting: BTreeMap<Ticket, Sent>,
    /// What was ever sent, and the uptime at which it was first.
    first_sent: BTreeMap<(usize, Hash), u64>,
    sent_ids: BTreeMap<(usize, Arc<str>), u64>,
    /// With the time it was sent at.
    by_id: BTreeMap<(usize, Arc<str>), (Place, Instant)>,
    by_position: BTreeMap<(usize, u64), (Place, Hash, Instant)>,
    places: BTreeMap<Place, (usize, Hash)>,
    sequences: BTreeMap<(usize, u64), Place>,
    /// Requests by version or instant that were not answered as invalid: what may be newer.
    reached: BTreeMap<(usize, u64), u64>,
    /// Requests by each version of each field.
    fields: BTreeMap<(usize, Arc<str>, At), u64>,
    /// Requests by each state, and by how new states are.
    states: BTreeMap<(usize, Arc<str>), u64>,
    state_ats: BTreeMap<(usize, At), u64>,
    /// The newest version or instant acknowledged as released, and at which instants which bodies
    /// without an id were.
    newest: BTreeMap<usize, u64>,
    instants: BTreeSet<(usize, u64, Hash)>,
    /// How often the positions of a resource may have begun anew.
    rebases: BTreeMap<usize, u64>,
    pub(crate) memory: Memory,
    /// The resources whose events settle.
    pub(crate) settling: BTreeSet<usize>,
    pub(crate) acknowledged: Vec<Acknowledged>,
}

impl Answers {
    /// A request leaves, at a time and at an uptime.
    pub(crate) fn sent(&mut self, ticket: Ticket, post: &Post, (at, uptime): (Instant, u64)) {
        self.first_sent.entry((post.resource, post.digest)).or_insert(uptime);
        let expectation = self.expect(post);
        if let Some(id) = post.id.clone().filter(|_| post.accepted) {
            *self.sent_ids.entry((post.resource, id)).or_default() += 1;
        }
        if let Some(number) = orders(post).filter(|_| post.accepted) {
            *self.reached.entry((post.resource, number)).or_default() += 1;
        }
        if let Position::Fields(fields) = &post.position {
            for Field { name, at } in fields.as_slice().iter().filter(|_| post.accepted) {
                *self.fields.entry((post.resource, name.clone(), *at)).or_default() += 1;
            }
        }
        if let Position::State { state, at } = &post.position
            && post.accepted
        {
            *self.states.entry((post.resource, state.clone())).or_default() += 1;
            if let Some(at) = at {
                *self.state_ats.entry((post.resource, *at)).or_default() += 1;
            }
        }
        let rebases = self.rebases(post.resource);
        self.waiting.insert(ticket, Sent { post: post.clone(), at, rebases, expectation });
    }

    /// The positions of a resource may begin anew, or may have by now: those known say nothing of
    /// what is answered from now on (K9).
    pub(crate) fn begins_anew(&mut self, resource: usize) {
        *self.rebases.entry(resource).or_default() += 1;
        self.by_position.retain(|(of, _), _| *of != resource);
        self.instants.retain(|(of, _, _)| *of != resource);
        self.newest.remove(&resource);
    }

    fn rebases(&self, resource: usize) -> u64 {
        self.rebases.get(&resource).copied().unwrap_or(0)
    }

    /// A version or an instant was released.
    fn reach(&mut self, post: &Post) {
        let Some(number) = orders(post) else { return };
        let newest = self.newest.entry(post.resource).or_default();
        *newest = number.max(*newest);
        if post.id.is_none() {
            self.instants.insert((post.resource, number, post.digest));
        }
    }

    fn expect(&self, post: &Post) -> Expectation {
        let id = post.id.clone().and_then(|id| self.by_id.get(&(post.resource, id)));
        if let Some((place, then)) = id {
            return Expectation::Repeats(*place, *then);
        }
        let position = match post.position {
            Position::Sequence(number) | Position::Version(number) => number,
            Position::Clock(ref clock) => causal::number(clock),
            Position::Timestamp(_)
            | Position::Fields(_)
            | Position::State { .. }
            | Position::Link(_)
            | Position::None => {
                return self.expect_of_instant(post);
            }
        };
        match self.by_position.get(&(post.resource, position)) {
            None => self.expect_of_instant(post),
            Some((place, digest, then)) if *digest == post.digest => {
                Expectation::SamePosition(*place, *then)
            }
            Some((_, _, then)) => Expectation::Conflict(*then),
        }
    }

    /// What is left of an expectation by the time of the answer, for what was known is forgotten.
    fn still(&self, expectation: Expectation, now: Instant) -> Expectation {
        match expectation {
            Expectation::Repeats(_, then) if !self.memory.surely_knows_id(then, now) => {
                Expectation::Anything
            }
            Expectation::SamePosition(_, then) | Expectation::Conflict(then)
                if !self.memory.surely_knows(then, now) =>
            {
                Expectation::NotReleased
            }
            kept => kept,
        }
    }

    /// What is older than something released is released no more, and what has no id is released
    /// once at its instant (K3).
    fn expect_of_instant(&self, post: &Post) -> Expectation {
        let Some(number) = orders(post) else { return Expectation::Anything };
        let older = self.newest.get(&post.resource).is_some_and(|newest| number < *newest);
        let again =
            post.id.is_none() && self.instants.contains(&(post.resource, number, post.digest));
        if older || again { Expectation::NotReleased } else { Expectation::Anything }
    }

    /// Whether something newer may have been released before this was judged; or the same, of which
    /// history has nothing any more.
    fn may_be_stale(&self, post: &Post) -> bool {
        if let Position::Fields(fields) = &post.position {
            return fields.as_slice().iter().all(|field| self.may_be_old(post.resource, field));
        }
        if let Position::State { state, at } = &post.position {
            return self.may_be_behind(post.resource, state, *at);
        }
        let Some(number) = orders(post) else { return false };
        let newer = (post.resource, number.saturating_add(1))..=(post.resource, u64::MAX);
        let same = self.reached.get(&(post.resource, number)).copied().unwrap_or(0);
        same > 1 || self.reached.range(newer).any(|(_, count)| *count > 0)
    }

    /// Whether something newer, or the same state, was sent otherwise too.
    fn may_be_behind(&self, resource: usize, state: &Arc<str>, at: Option<At>) -> bool {
        let same = self.states.get(&(resource, state.clone())).copied().unwrap_or(0);
        let newest =
            self.state_ats.range((resource, At::Version(0))..(resource + 1, At::Version(0)));
        let newest = newest.map(|((_, at), _)| *at).next_back();
        same > 1 || at.zip(newest).is_some_and(|(at, newest)| at < newest)
    }

    /// Whether this version of a field, or a newer one, was sent otherwise too.
    fn may_be_old(&self, resource: usize, field: &Field) -> bool {
        let from = (resource, field.name.clone(), field.at);
        let all = self.fields.range(from..);
        let same = all.take_while(|((of, name, _), _)| *of == resource && *name == field.name);
        same.map(|(_, count)| count).sum::<u64>() > 1
    }

    /// Nobody waits any more.
    pub(crate) fn disconnected(&mut self) {
        self.waiting.clear();
    }

    /// The uptime at which a body was first sent for a resource; none if it never was.
    pub(crate) fn first_sent(&self, resource: usize, digest: Hash) -> Option<u64> {
        self.first_sent.get(&(resource, digest)).copied()
    }

    /// A request is answered.
    pub(crate) fn answered(&mut self, at: Instant, ticket: Ticket, answer: &Answer) -> Verdict {
        let Some(Sent { post, at: sent, rebases, expectation }) = self.waiting.remove(&ticket)
        else {
            return Err(format!("ticket {} was answered twice or never asked", ticket.0));
        };
        let expectation = match expectation {
            Expectation::Repeats(..) => expectation,
            _ if rebases < self.rebases(post.resource) => Expectation::Anything,
            _ => expectation,
        };
        let expectation = self.still(expectation, at);
        match answer {
            Answer::Event { status, event, sequence } => {
                let acknowledged = Acknowledged {
                    at,
                    resource: post.resource,
                    id: post.id.clone(),
                    position: post.position.clone(),
                    digest: post.digest,
                    status: *status,
                    event: *event,
                    sequence: sequence.map(|sequence| sequence.0),
                };
                let settles = self.settling.contains(&post.resource);
                fits(&post, settles, expectation, self.is_fresh(&post), &acknowledged)?;
                must(*status != Status::Stale || self.may_be_stale(&post), || {
                    format!("{} is called stale, nothing newer was sent", name(&post))
                })?;
                self.acknowledge(&post, sent, acknowledged)
            }
            Answer::Rejected(Rejection::OutsideTolerance) => {
                let known = matches!(expectation, Expectation::Repeats(..));
                must(!post.in_time && !known, || {
                    format!("{} was refused as outside the tolerance", name(&post))
                })
            }
            Answer::Busy(_) | Answer::Unavailable => Ok(()),
            Answer::Done | Answer::Settled | Answer::Rejected(_) => {
                Err(format!("{} got a command's answer {answer:?}", name(&post)))
            }
        }
    }

    /// Whether its id was sent only once, so that nothing else can have made it known.
    fn is_fresh(&self, post: &Post) -> bool {
        let id = post.id.clone();
        let count = id.and_then(|id| self.sent_ids.get(&(post.resource, id)));
        count.is_none_or(|count| *count == 1)
    }

    fn acknowledge(&mut self, post: &Post, sent: Instant, acknowledged: Acknowledged) -> Verdict {
        let Acknowledged { resource, digest, status, event, sequence, .. } = acknowledged;
        if matches!(status, Status::Duplicate | Status::Ignored) {
            self.acknowledged.push(acknowledged);
            return Ok(());
        }
        let count = orders(post).and_then(|number| self.reached.get_mut(&(resource, number)));
        if let Some(count) = count.filter(|_| status == Status::Invalid) {
            *count = count.saturating_sub(1);
        }
        let Some(place) = event else { return Err(format!("{} got no id", name(post))) };
        let known = self.places.insert(place, (resource, digest));
        must(known.is_none(), || format!("{} got {place}, the id of another event", name(post)))?;
        if let Some(id) = &post.id {
            self.by_id.insert((resource, id.clone()), (place, sent));
        }
        let released = matches!(status, Status::Released | Status::Late);
        must(released == sequence.is_some(), || format!("{} got {sequence:?}", name(post)))?;
        if let Some(sequence) = sequence {
            let number = match post.position {
                Position::Sequence(number) | Position::Version(number) => Some(number),
                Position::Clock(ref clock) => Some(causal::number(clock)),
                _ => None,
            };
            if let Some(number) = number {
                self.by_position.insert((resource, number), (place, digest, sent));
            }
            self.reach(post);
            let other = self.sequences.insert((resource, sequence), place);
            must(other.is_none(), || {
                format!("{} got sequence {sequence}, which {other:?} has", name(post))
            })?;
        }
        self.acknowledged.push(acknowledged);
        Ok(())
    }
}

/// The number of a position that orders by being newer.
fn orders(post: &Post) -> Option<u64> {
    match post.position {
        Position::Version(number) | Position::Timestamp(number) => Some(number),
        Position::Sequence(_)
        | Position::Fields(_)
        | Position::Clock(_)
        | Position::State { .. }
        | Position::Link(_)
        | Position::None => None,
    }
}

/// Whether an answer is what the judge expects.
fn fits(
    post: &Post,
    settles: bool,
    expectation: Expectation,
    fresh_id: bool,
    got: &Acknowledged,
) -> Verdict {
    let status = got.status;
    let wrong = || format!("{} got {status:?}, {:?}; {expectation:?}", name(post), got.event);
    must(post.accepted != (status == Status::Ignored), wrong)?;
    must(post.in_time || matches!(status, Status::Duplicate | Status::Ignored), wrong)?;
    if post.is_unreadable {
        let by_id = matches!(expectation, Expectation::Repeats(..)) || !fresh_id;
        return must(
            match status {
                Status::Duplicate => by_id,
                Status::Invalid => !matches!(expectation, Expectation::Repeats(..)),
                _ => false,
            },
            wrong,
        );
    }
    if post.position == Position::None {
        let strange =
            matches!(status, Status::Held | Status::Late | Status::Conflict | Status::Invalid);
        must(!strange, wrong)?;
    }
    let strange = match post.position {
        Position::Version(_) => matches!(status, Status::Held | Status::Late),
        Position::Fields(_) => {
            matches!(status, Status::Held | Status::Late | Status::Conflict)
        }
        Position::State { .. } => status == Status::Late,
        Position::Timestamp(_) if settles => status == Status::Conflict,
        Position::Timestamp(_) => {
            matches!(status, Status::Held | Status::Late | Status::Conflict)
        }
        Position::Sequence(_) | Position::Clock(_) | Position::Link(_) | Position::None => {
            status == Status::Stale
        }
    };
    must(!strange, wrong)?;
    let fine = match expectation {
        _ if status == Status::Ignored => true,
        Expectation::Anything => true,
        Expectation::Repeats(place, _) => status == Status::Duplicate && got.event == Some(place),
        // Another post with the same id may have come between, and repeats by its id then.
        Expectation::SamePosition(place, _) => {
            status == Status::Duplicate && (got.event == Some(place) || !fresh_id)
        }
        Expectation::NotReleased => status != Status::Released,
        Expectation::Conflict(_) => {
            status == Status::Conflict || (status == Status::Duplicate && !fresh_id)
        }
    };
    must(fine, wrong)
}

fn name(post: &Post) -> String {
    let id = post.id.as_deref().unwrap_or("no id");
    format!("resource {} {:?} ({id}, {})", post.resource, post.position, post.digest)
}
