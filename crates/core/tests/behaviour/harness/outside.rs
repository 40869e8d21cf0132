//! What stories and properties say to the world in a few words.

use std::sync::Arc;

use sprag_core::chain::Digest as _;
use sprag_core::destination::Destination;
use sprag_core::fact::{DestinationDeclared, Fact, Origin, SourceDeclared};
use sprag_core::id::{DestinationId, Key, SourceId};
use sprag_core::input::{Arrival, Command, Input, Ticket};
use sprag_core::output::{Answer, Busy};
use sprag_core::position::Position;
use sprag_core::recent::Seen;

use super::Sha;
use super::world::{World, partition_of};

/// An event as a provider posts it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    pub(crate) source: u32,
    pub(crate) key: String,
    pub(crate) id: Option<String>,
    pub(crate) position: Position,
    pub(crate) event_type: String,
    pub(crate) body: String,
    pub(crate) outside_tolerance: bool,
    pub(crate) origin: Origin,
    pub(crate) depends_on: Option<String>,
}

impl Post {
    pub(crate) fn key(&self) -> Key {
        Key { source: SourceId(self.source), name: Arc::from(self.key.as_str()) }
    }
}

impl World {
    /// A provider posts an event.
    pub(crate) fn post(&mut self, post: &Post) -> Ticket {
        let ticket = self.ticket();
        let key = post.key();
        let arrival = Box::new(Arrival {
            ticket,
            key: key.clone(),
            id: post.id.as_deref().map(Arc::from),
            position: post.position.clone(),
            event_type: Arc::from(post.event_type.as_str()),
            content_type: Arc::from("text/plain"),
            headers: Vec::new(),
            digest: Sha.sha256(&[post.body.as_bytes()]),
            size: u32::try_from(post.body.len()).expect("bodies of tests are small"),
            in_time: !post.outside_tolerance,
            origin: post.origin,
            depends_on: post.depends_on.as_deref().map(Arc::from),
        });
        let partition = partition_of(&key);
        let admitted = self.intake.admit(self.now.elapsed, key.source, partition);
        if let Err(retry_after) = admitted {
            self.answer(ticket, &Answer::Busy(Busy::Rate { retry_after }));
            return ticket;
        }
        let at = usize::from(partition.0);
        self.handle(at, Input::Receive { arrival, seen: Seen::default() });
        ticket
    }

    /// An operator asks a partition for something.
    pub(crate) fn order(&mut self, at: usize, command: Command) -> Ticket {
        let ticket = self.ticket();
        // What was dead may be sent again: it is looked at another time.
        if matches!(command, Command::Redrive { .. } | Command::Rewind { .. }) {
            self.nodes[at].retaining = None;
        }
        self.handle(at, Input::Command { ticket, command });
        ticket
    }

    /// The settings are in force while everything goes on: as the driver does once history has their
    /// numbers. Destinations that are gone stay until nothing is under way to them.
    pub(crate) fn reload(&mut self) {
        let settings = self.settings.clone();
        for (id, told) in &settings.destinations {
            let known = self.destinations.entry(*id);
            known.and_modify(|to| to.revise(told)).or_insert_with(|| Destination::new(told));
        }
        self.intake.revise(&settings);
        self.refills.revise(&settings);
        for at in 0..self.nodes.len() {
            self.handle(at, Input::Settings(settings.clone()));
        }
    }

    /// The sources and destinations of the configuration become known to history.
    pub(crate) fn declare(&mut self) {
        let settings = self.settings.clone();
        let sources = settings.sources.iter().map(|(id, source)| {
            let (name, identity) = (source.name.clone(), Arc::from(""));
            Fact::SourceDeclared(SourceDeclared { source: *id, name, identity })
        });
        let destinations = settings.destinations.iter().map(|(id, destination)| {
            let name = destination.name.clone();
            let start = destination.start;
            Fact::DestinationDeclared(DestinationDeclared { destination: *id, name, start })
        });
        self.order(0, Command::Declare(sources.chain(destinations).collect()));
    }

    /// The attempt under way in a lane.
    pub(crate) fn attempt_of(&self, key: &Key, destination: DestinationId) -> Option<usize> {
        let same = |attempt: &sprag_core::output::Attempt| {
            attempt.key == *key && attempt.destination == destination
        };
        self.under_way.iter().position(same)
    }
}
