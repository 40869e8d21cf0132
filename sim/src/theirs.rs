//! What authorities have and this side has not, where a source wants it as an event: it comes in a little later, once, the
//! way of any event.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprag_core::fact::Origin;
use sprag_core::id::PartitionId;
use sprag_core::input::{Compared, Ticket};
use sprag_core::output::{Answer, Theirs};
use sprag_core::position::Position;
use sprag_core::settings::{ReconcileSettings, Then};
use sprag_log::digest::sha256;

use crate::dice::Dice;
use crate::happening::Happening;
use crate::schedule::{Instant, MILLISECOND};
use crate::talk::name_of;
use crate::workload::Post;
use crate::world::World;

/// What is on its way from authorities.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    under_way: BTreeMap<u64, Post>,
    counted: u64,
    tickets: BTreeMap<Ticket, Post>,
    /// When each was brought last.
    last: BTreeMap<(usize, u64), Instant>,
}

impl Arrivals {
    /// The process is gone.
    pub(crate) fn disconnected(&mut self) {
        self.under_way.clear();
        self.tickets.clear();
    }

    /// When this was brought last.
    pub(crate) fn last(&self, resource: usize, number: u64) -> Option<Instant> {
        self.last.get(&(resource, number)).copied()
    }
}

/// How an authority words what it has; now and then otherwise than before.
pub(crate) fn worded(dice: &mut Dice, resource: usize, theirs: &Position) -> Arc<[u8]> {
    let wording = if dice.chance(150) { dice.below(1_000) } else { 0 };
    let text = format!("{{\"k\":{resource},\"is\":\"{}\",\"w\":{wording}}}", theirs.text());
    text.into_bytes().into()
}

/// The event that this is.
fn event(resource: usize, theirs: &Theirs, at: Instant) -> Post {
    Post {
        at,
        resource,
        id: Some(format!("reconciled:{}", theirs.position.text()).into()),
        position: theirs.position.clone(),
        body: theirs.body.clone(),
        digest: sha256(&[&theirs.body]),
        in_time: true,
        accepted: true,
        is_unreadable: false,
        twist: None,
    }
}

impl World {
    /// An answer reaches the process: what it says may come in.
    pub(crate) fn may_bring(&mut self, id: PartitionId, resource: usize, compared: &Compared) {
        let Some(process) = &self.process else { return };
        let Some(partition) = process.node.partitions().find(|one| one.id() == id) else { return };
        self.watching.brought.may(resource, compared, partition.taken());
    }

    /// What an authority has is to come in.
    pub(crate) fn bring_theirs(&mut self, theirs: &Theirs) {
        let Some(resource) = self.numbers.get(&theirs.key).copied() else {
            return self.judge("reconcile", Err(format!("{theirs:?} of no resource")));
        };
        let wants = |(id, settings): (_, ReconcileSettings)| {
            id == theirs.key.source && settings.then == Then::Event
        };
        if !self.compared_sources().into_iter().any(wants) {
            return self.judge("reconcile", Err(format!("{theirs:?} although nobody wants it")));
        }
        let post = event(resource, theirs, self.now);
        let record = self.record_of(&theirs.key);
        let verdict = self.watching.brought.comes(&post, record.as_ref());
        self.judge("reconcile", verdict);
        self.counts.hit("compare", "brings in");
        let arrivals = &mut self.arrivals;
        arrivals.counted += 1;
        arrivals.under_way.insert(arrivals.counted, post);
        let happening = Happening::Theirs(self.life, arrivals.counted);
        let after = self.comparisons.dice.between(0, 80 * MILLISECOND);
        self.schedule.plan(self.now + after, happening);
    }

    /// It comes in.
    pub(crate) fn theirs_come(&mut self, life: u64, number: u64) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(post) = self.arrivals.under_way.remove(&number) else { return };
        let Some(key) = self.key_of(post.resource) else { return };
        let ticket = self.next_ticket();
        let uptime = self.uptime();
        if let Some(number) = post.position.number() {
            self.arrivals.last.insert((post.resource, number), self.now);
        }
        self.watching.answers.sent(ticket, &post, (self.now, uptime));
        self.trace.note(self.now, '>', &[ticket.0, number], || {
            format!("{} resource {} {:?} of the authority", ticket.0, post.resource, post.position)
        });
        self.name_theirs(&post);
        self.receive(ticket, key, &post, Origin::Reconciled);
        self.arrivals.tickets.insert(ticket, post);
        self.turn();
    }

    /// It is answered; says whether the ticket was one.
    pub(crate) fn theirs_answered(&mut self, ticket: Ticket, answer: &Answer) -> bool {
        let Some(post) = self.arrivals.tickets.remove(&ticket) else { return false };
        let verdict = self.watching.answers.answered(self.now, ticket, answer);
        self.judge("answers", verdict);
        self.counts.hit("theirs", name_of(answer));
        self.tell_answer(&post, answer);
        if let Answer::Event { status, event, .. } = answer {
            self.watching.brought.answered(*status, *event);
        }
        true
    }
}
