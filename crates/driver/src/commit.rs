//! Frames on their way to the log, and what a failed one means (DESIGN D1, F10).

use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::fact::{Fact, Received};
use sprag_core::id::{FrameNumber, PartitionId, Place};
use sprag_core::input::Input;
use sprag_core::output::{Draft, DraftBody};
use sprag_core::time::Now;
use sprag_log::body::Body;
use sprag_log::frame::FrameDraft;
use sprag_log::{AppendError, Log, Request};

use crate::cache::StoredEvent;
use crate::effect::{Effect, Notice};
use crate::letters;
use crate::limits;
use crate::node::Node;
use crate::owner::Stage;
use crate::state::State;

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Takes the frames a partition has ready and lets the inputs in that waited for room.
    pub(crate) fn take_frames(&mut self, now: Now, at: usize) -> bool {
        let mut taken = false;
        while let Some(draft) = self.owners[at].partition.poll_frame() {
            taken = true;
            self.append(at, draft);
            let owner = &mut self.owners[at];
            if !owner.inbox.is_empty() {
                owner.partition.catch_up(now, &mut owner.inbox);
            }
        }
        taken
    }

    fn append(&mut self, at: usize, draft: Draft) {
        let owner = &mut self.owners[at];
        let partition = owner.partition.id();
        let body = |body: &DraftBody| match body {
            DraftBody::Arrived(ticket) => owner.bodies.remove(ticket),
            DraftBody::Again(body) => Some(body.clone()),
        };
        let bodies: Vec<Arc<[u8]>> = draft.bodies.iter().filter_map(body).collect();
        debug_assert_eq!(bodies.len(), draft.bodies.len(), "every ticket has its body");
        owner.unstored_bytes += bodies.iter().map(|body| body.len() as u64).sum::<u64>();
        for (index, fact) in (0_u32..).zip(&draft.facts) {
            let place = Place { partition, frame: draft.number, index };
            let changes = letters::changes(place, draft.recorded, fact);
            owner.letters.extend(changes.into_iter().map(|change| (draft.number, change)));
            match fact {
                Fact::Received(received) => {
                    let Some(body) = body_of(received, &bodies) else { continue };
                    let (received, recorded) = (received.clone(), draft.recorded);
                    let event = Arc::new(StoredEvent { received, body, recorded });
                    self.cache.insert_event(place, event);
                }
                Fact::Released(released) => match owner.partition.wanted_soon(released) {
                    0 => self.cache.remove_event(released.event),
                    lanes => self.cache.insert_released(place, released.clone(), lanes),
                },
                _ => {}
            }
        }
        let bodies = bodies.into_iter();
        let draft = FrameDraft {
            partition,
            number: draft.number,
            epoch: draft.epoch,
            recorded: draft.recorded,
            open: draft.open,
            facts: draft.facts,
            bodies: bodies.map(Body::received).collect(),
        };
        self.log.submit(Request::Append { draft });
    }

    /// A frame was appended, or not.
    pub(crate) fn appended(
        &mut self,
        now: Now,
        partition: PartitionId,
        number: FrameNumber,
        error: Option<AppendError>,
    ) {
        let owner = self.owner(partition);
        // A frame of a term that is lost already: its waiters have their answer.
        if !matches!(owner.stage, Stage::Serving) {
            return;
        }
        match error {
            None => {
                owner.partition.handle(now, Input::Committed(number));
                self.write_ready(partition);
            }
            Some(error) => self.lose(now, partition, error.to_string()),
        }
    }

    /// The partition forgets what is not committed and starts over from state and log.
    pub(crate) fn lose(&mut self, now: Now, partition: PartitionId, why: String) {
        for destination in self.destinations.values_mut() {
            destination.withdraw(partition);
        }
        self.refills.forget(partition);
        self.compares.forget(partition);
        self.cache.forget(partition);
        self.retention.lost(now);
        let owner = self.owner(partition);
        owner.stage = Stage::Unclaimed(now.elapsed.after(limits::CLAIM_RETRY));
        owner.partition.fail();
        // Recovery takes all that in again; written while it does, it would be taken in twice.
        owner.ready = None;
        owner.refused = None;
        owner.letters.clear();
        for input in std::mem::take(&mut owner.inbox) {
            owner.partition.handle(now, input);
        }
        self.effects.push_back(Effect::Notice(Notice::Lost(partition, why)));
    }
}

fn body_of(received: &Received, bodies: &[Arc<[u8]>]) -> Option<Arc<[u8]>> {
    bodies.get(usize::try_from(received.body).ok()?).cloned()
}
