//! What the provider and the operator say to the process, and what it answers.

use std::collections::BTreeMap;

use sprag_core::fact::Origin;
use sprag_core::id::Key;
use sprag_core::input::{Arrival, Ticket};
use sprag_core::output::{Answer, Busy, Rejection, Status};

use crate::happening::Happening;
use crate::judge::commands::{self, Asked};
use crate::operator::{LaneShown, Ordered, Shown};
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::workload::{Post, type_of};
use crate::world::{Phase, World};

/// For so long memory may be full of what is under way.
const TURNED_AWAY: Instant = 60 * SECOND;

impl World {
    /// The provider sends a post, if the server takes connections.
    pub(crate) fn post(&mut self, number: usize) {
        let post = self.provider.posts()[number].clone();
        let key = self.key_of(post.resource);
        let takes = self.process.as_ref().is_some_and(|process| process.stopping.is_none());
        let is_turn = self.provider.is_turn_of(number);
        let Some(key) = key.filter(|_| takes && is_turn) else {
            self.provider.is_put_off(number);
            self.counts.hit("provider", "no connection");
            self.trace.note(self.now, '-', &[number as u64], || format!("post {number}"));
            let at = self.now + self.provider.pause();
            self.schedule.plan(at, Happening::Post(number));
            return;
        };
        let ticket = self.next_ticket();
        let uptime = self.uptime();
        self.provider.sent(number, ticket);
        self.watching.answers.sent(ticket, &post, (self.now, uptime));
        self.trace.note(self.now, '>', &[ticket.0, number as u64], || {
            let id = post.id.as_deref().unwrap_or("without id");
            let resource = post.resource;
            format!("{} resource {resource} {:?} {id} {}", ticket.0, post.position, post.digest)
        });
        self.receive(ticket, key, &post, Origin::Posted);
        self.turn();
    }

    pub(crate) fn receive(&mut self, ticket: Ticket, key: Key, post: &Post, origin: Origin) {
        let now = self.clock();
        let Some(process) = &mut self.process else { return };
        let event_type = if post.accepted { type_of(&post.digest) } else { "other" }.into();
        if !post.accepted {
            let (id, digest) = (post.id.clone(), post.digest);
            process.node.ignore(now, ticket, key.source, id, event_type, digest);
            return;
        }
        let depends_on = self.refers_to(post);
        let Some(process) = &mut self.process else { return };
        let arrival = Arrival {
            ticket,
            key,
            id: post.id.clone(),
            position: post.position.clone(),
            event_type,
            content_type: "application/json".into(),
            headers: Vec::new(),
            digest: post.digest,
            size: u32::try_from(post.body.len()).unwrap_or(u32::MAX),
            in_time: post.in_time,
            origin,
            depends_on,
        };
        process.node.receive(now, arrival, post.body.clone());
    }

    /// A resource's key, once its source has a number.
    pub(crate) fn key_of(&self, resource: usize) -> Option<Key> {
        let process = self.process.as_ref().filter(|process| process.is_named)?;
        debug_assert!(process.node.settings().is_some());
        let resource = &self.resources[resource];
        let source = self.watching.policies.source_number(&self.sources[resource.source].name)?;
        Some(Key { source, name: resource.name.clone() })
    }

    /// A ticket is answered: the provider's, the operator's, or that of a shutdown.
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: &Answer) {
        self.counts.hit("answer", name_of(answer));
        if let Some(process) = &mut self.process
            && process.stopping == Some(ticket)
        {
            self.stored();
            return;
        }
        self.trace.note(self.now, '<', &[ticket.0, code_of(answer)], || {
            format!("{} {answer:?}", ticket.0)
        });
        if let Some(post) = self.provider.answered(ticket) {
            let verdict = self.watching.answers.answered(self.now, ticket, answer);
            self.judge("answers", verdict);
            self.judge_turned_away(post, answer);
            let told = self.provider.posts()[post].clone();
            self.tell_answer(&told, answer);
            let resource = told.resource;
            if let (Answer::Event { .. }, Some(key)) = (answer, self.key_of(resource)) {
                self.watching.refilled.is_news_of(&key);
            }
            let patient = self.phase == Phase::Safety;
            if let Some(pause) = self.provider.next_try(post, answer, patient) {
                self.schedule.plan(self.now + pause, Happening::Post(post));
            }
            return;
        }
        if self.acknowledged(ticket, answer)
            || self.refill_answered(ticket, answer)
            || self.list_answered(ticket, answer)
            || self.theirs_answered(ticket, answer)
        {
            return;
        }
        let uptime = self.uptime();
        match self.watching.commands.answered(ticket, answer, uptime) {
            None => self.judge("answers", Err(format!("nobody waits for {}", ticket.0))),
            Some(asked) => {
                self.watching.may_begin_anew(asked);
                self.may_resume(asked);
                // What an operator does to a key is written down of it.
                if let (Answer::Done, Some(key)) =
                    (answer, asked.resource().and_then(|resource| self.key_of(resource)))
                {
                    self.watching.refilled.is_news_of(&key);
                }
                let fits = match answer {
                    Answer::Event { .. } => false,
                    Answer::Rejected(why) => commands::is_plausible(asked, *why),
                    _ => true,
                };
                let what = || Err(format!("{asked:?} got {answer:?}"));
                self.judge("answers", if fits { Ok(()) } else { what() });
            }
        }
    }

    /// Keys that wait, however many, turn no event away (promise 3, rule L6): once only some
    /// destinations fail, memory is full for a while at the most.
    fn judge_turned_away(&mut self, post: usize, answer: &Answer) {
        let since = self.provider.turned_away(post, self.now, answer);
        let process = self.process.as_ref().map_or(self.now, |process| process.started);
        let began = process.max(self.phase_began);
        let Some(since) = since.filter(|_| self.phase == Phase::Isolation) else { return };
        if self.now - since.max(began) > TURNED_AWAY {
            let resource = self.provider.posts()[post].resource;
            let what = format!("an event of resource {resource} finds no room since {since}");
            self.judge("isolation", Err(what));
        }
    }

    /// The operator does something, and comes back later.
    pub(crate) fn operate(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        let shown = self.show();
        let rebase = self.operator.rebase(&shown);
        let replay = self.operator.rewind(&shown);
        let given_up = self.operator.give_up(&shown);
        let more = rebase.into_iter().chain(replay).chain(given_up);
        for ordered in self.operator.next(&shown).into_iter().chain(more) {
            self.order(ordered);
        }
        let at = self.now + self.operator.dice.between(100 * MILLISECOND, 2 * SECOND);
        self.schedule.plan(at, Happening::Operate);
    }

    /// Gives a command to the process.
    pub(crate) fn order(&mut self, (command, asked, name): Ordered) {
        let now = self.clock();
        let ticket = self.next_ticket();
        let Some(process) = self.process.as_mut().filter(|process| process.is_named) else {
            return;
        };
        self.counts.hit("command", name);
        self.trace.note(self.now, 'o', &[ticket.0], || format!("{} {asked:?}", ticket.0));
        self.watching.commands.asked(ticket, asked);
        self.watching.may_begin_anew(asked);
        process.node.command(now, ticket, command);
        self.tell(format!("operator: {name}"));
        self.may_resume(asked);
        self.turn();
    }

    /// What was paused for being gone may go on from here on.
    fn may_resume(&mut self, asked: Asked) {
        if let Asked::ResumeDestination(to) = asked {
            self.watching.outages.resumed(to);
        }
    }

    /// What an operator sees: keys, destinations, lanes, dead letters.
    pub(crate) fn show(&self) -> Shown {
        let Some(process) = self.process.as_ref().filter(|process| process.is_named) else {
            return Shown::default();
        };
        let keys = self.numbers.iter().map(|(key, number)| (*number, key.clone())).collect();
        let (mut lanes, mut holding, mut awaited) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (key, record) in self.live_records(process).into_values().flatten() {
            let Some(resource) = self.numbers.get(&key) else { continue };
            if !record.order.held.is_empty() {
                holding.push((*resource, key.clone()));
                awaited.extend(record.order.next.map(|next| (*resource, next)));
            }
            lanes.extend(record.lanes.iter().map(|lane| LaneShown {
                resource: *resource,
                key: key.clone(),
                destination: lane.destination,
                head: lane.head,
                mode: lane.mode,
            }));
        }
        let letters = self.watching.answers.acknowledged.iter().filter_map(|acknowledged| {
            let is_letter = matches!(acknowledged.status, Status::Conflict | Status::Invalid);
            let event = acknowledged.event.filter(|_| is_letter)?;
            let key = self.key_of(acknowledged.resource)?;
            Some((acknowledged.resource, key, event))
        });
        let destinations = self.watching.policies.destinations.keys().copied().collect();
        Shown { keys, destinations, lanes, holding, awaited, letters: letters.collect() }
    }
}

/// What an answer is called in the table.
pub(crate) fn name_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Event { status, .. } => match status {
            Status::Released => "released",
            Status::Late => "late",
            Status::Held => "held",
            Status::Duplicate => "duplicate",
            Status::Conflict => "conflict",
            Status::Invalid => "invalid",
            Status::Stale => "stale",
            Status::Ignored => "ignored",
        },
        Answer::Done => "done",
        Answer::Settled => "settled",
        Answer::Unavailable => "unavailable",
        Answer::Busy(Busy::KeyBacklog) => "busy: key backlog",
        Answer::Busy(Busy::Keys) => "busy: keys",
        Answer::Busy(Busy::Loading) => "busy: loading",
        Answer::Busy(Busy::Rate { .. }) => "busy: rate",
        Answer::Rejected(rejection) => match rejection {
            Rejection::UnknownKey => "rejected: unknown key",
            Rejection::UnknownLane => "rejected: unknown lane",
            Rejection::UnknownDestination => "rejected: unknown destination",
            Rejection::NotStopped => "rejected: not stopped",
            Rejection::NotPassed => "rejected: not passed",
            Rejection::AlreadyRedriven => "rejected: already redriven",
            Rejection::TooManyRedriven => "rejected: too many redriven",
            Rejection::NotDroppable => "rejected: not droppable",
            Rejection::BodyGone => "rejected: body gone",
            Rejection::OutsideTolerance => "rejected: outside tolerance",
            Rejection::NotWaiting => "rejected: not waiting",
            Rejection::UnknownEvent => "rejected: unknown event",
            Rejection::NotExplicit => "rejected: not explicit",
            Rejection::LaneBusy => "rejected: lane busy",
            Rejection::Stopped => "rejected: stopped",
            Rejection::Unordered => "rejected: unordered",
            Rejection::NothingToReplay => "rejected: nothing to replay",
            Rejection::NoGap => "rejected: no gap",
        },
    }
}

/// A number for the hash of the trace.
fn code_of(answer: &Answer) -> u64 {
    match answer {
        Answer::Event { status, event, sequence } => {
            let place = event.map_or(0, |place| place.frame.0 << 20 | u64::from(place.index) << 4);
            place ^ sequence.map_or(0, |sequence| sequence.0 << 40) ^ *status as u64
        }
        Answer::Done => 100,
        Answer::Settled => 102,
        Answer::Unavailable => 101,
        Answer::Busy(Busy::KeyBacklog) => 110,
        Answer::Busy(Busy::Keys) => 111,
        Answer::Busy(Busy::Loading) => 112,
        Answer::Busy(Busy::Rate { retry_after }) => 1_000 + sprag_core::time::micros(*retry_after),
        Answer::Rejected(rejection) => 120 + *rejection as u64,
    }
}
