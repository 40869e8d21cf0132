//! From nothing to serving: claim a term, open the state, read the frames behind it, resume.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::destination::Destination;
use sprag_core::fact::Fact;
use sprag_core::id::{DestinationId, Epoch, FrameNumber, Key, PartitionId, Place};
use sprag_core::input::Input;
use sprag_core::intake::Intake;
use sprag_core::partition::{Frame, Head};
use sprag_core::plan::Plan;
use sprag_core::record::KeyRecord;
use sprag_core::time::Now;
use sprag_core::totals::Backlog;
use sprag_log::{Claim, ClaimError, Frames, Log, Query, ReadError};

use crate::ask::Asked;
use crate::checkpoint::next_turn;
use crate::effect::{Configured, Effect, Notice, RemovedTooEarly};
use crate::letters;
use crate::limits;
use crate::node::Node;
use crate::owner::{Owner, Stage};
use crate::state::{LetterChange, State, StateCompletion, StateRequest};

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// A term began, or not.
    pub(crate) fn claimed(
        &mut self,
        now: Now,
        partition: PartitionId,
        result: Result<Claim, ClaimError>,
    ) {
        match result {
            Err(error) => self.retry_claim(now, partition, error.to_string()),
            Ok(claim) => {
                self.owner(partition).stage = Stage::Opening(claim);
                self.state.submit(StateRequest::Open(partition));
            }
        }
    }

    fn retry_claim(&mut self, now: Now, partition: PartitionId, why: String) {
        let owner = self.owner(partition);
        let doublings = owner.failed_claims.min(limits::CLAIM_DOUBLINGS);
        owner.failed_claims = owner.failed_claims.saturating_add(1);
        let due = now.elapsed.after(limits::CLAIM_RETRY * 2_u32.pow(doublings));
        owner.stage = Stage::Unclaimed(due);
        self.effects.push_back(Effect::Notice(Notice::Lost(partition, why)));
    }

    pub(crate) fn state_completed(&mut self, now: Now, completion: StateCompletion) {
        match completion {
            StateCompletion::Opened(partition, head) => self.opened(now, partition, &head),
            StateCompletion::Loaded(partition, records) => self.loaded(now, partition, records),
            StateCompletion::Surveyed(partition, asked, keys, tombstones) => {
                self.surveyed(now, partition, asked, keys, &tombstones);
            }
            StateCompletion::Idle { partition, keys, next, beyond } => {
                let idle = Input::Idle { keys, next, beyond };
                self.owner(partition).partition.handle(now, idle);
            }
            StateCompletion::Paged { partition, queue, keys, next } => {
                // At once, as everything the store says: a page that is overtaken by the word that
                // a batch is stored could bring back what a key was before.
                let page = Input::Page { queue, keys, next };
                self.owner(partition).partition.handle(now, page);
            }
            StateCompletion::Written(partition, frame) => self.written(now, partition, frame),
            StateCompletion::NotWritten(partition, batch) => {
                self.not_written(now, partition, batch);
            }
        }
    }

    /// The state reflects the log up to a frame; what is behind it is read. A state that is
    /// ahead of the log belongs to another log, and one that ends before the log begins cannot be
    /// continued: either is built anew. What a log begins with says all that is known of the keys
    /// that were before (DESIGN D6).
    fn opened(&mut self, now: Now, partition: PartitionId, head: &Head) {
        let owner = self.owner(partition);
        let Stage::Opening(claim) = owner.stage else { return };
        let oldest = FrameNumber(claim.oldest.0.saturating_sub(1));
        let foreign = head.frame > claim.tip.number || head.frame < oldest;
        let nothing = Head { frame: oldest, ..Head::default() };
        let nothing = if oldest == claim.tip.number { end_of(&claim) } else { nothing };
        let is_empty = *head == Head::default();
        let head = if foreign { &nothing } else { head };
        owner.partition.begin(head);
        owner.stored = head.frame;
        owner.letters.clear();
        if oldest > FrameNumber(0) {
            owner.letters.push_back((head.frame, LetterChange::Trimmed(claim.oldest)));
        }
        if foreign && !is_empty {
            self.state.submit(StateRequest::Clear(partition));
        }
        self.read_on(now, partition, claim);
    }

    /// Asks for the next frames, or resumes behind the last.
    fn read_on(&mut self, now: Now, partition: PartitionId, claim: Claim) {
        let owner = self.owner(partition);
        let from = owner.partition.taken().next();
        if from > claim.tip.number {
            self.recovered(now, partition, claim.epoch);
            return;
        }
        owner.stage = Stage::Reading(claim);
        let (most, bytes) = (usize::MAX, limits::RECOVERY_READ_BYTES);
        self.ask(Asked::History(partition), Query::Frames { partition, from, most, bytes });
    }

    /// Frames came: the records of the keys they name must be there before they are taken in.
    pub(crate) fn history(&mut self, now: Now, partition: PartitionId, frames: Frames) {
        let owner = self.owner(partition);
        let Stage::Reading(claim) = owner.stage else { return };
        let missing = unknown_keys(owner, &frames);
        owner.stage = Stage::Loading(claim, frames);
        if missing.is_empty() {
            self.take_in(now, partition);
        } else {
            self.state.submit(StateRequest::Load(partition, missing));
        }
    }

    /// History could not be read: from the claim on again. Where it is damaged that helps nobody, so
    /// whoever waits for this node is told.
    pub(crate) fn history_unreadable(
        &mut self,
        now: Now,
        partition: PartitionId,
        error: &ReadError,
    ) {
        if !matches!(self.owner(partition).stage, Stage::Reading(_)) {
            return;
        }
        if matches!(error, ReadError::Corrupt(_)) {
            let notice = Notice::Damaged(partition, error.to_string());
            self.effects.push_back(Effect::Notice(notice));
            let due = now.elapsed.after(limits::DAMAGED_RETRY);
            self.owner(partition).stage = Stage::Unclaimed(due);
            return;
        }
        self.retry_claim(now, partition, error.to_string());
    }

    fn loaded(&mut self, now: Now, partition: PartitionId, records: Vec<(Key, Option<KeyRecord>)>) {
        let owner = self.owner(partition);
        if matches!(owner.stage, Stage::Loading(..)) {
            for (key, record) in records {
                owner.partition.insert_record(key, record);
            }
            self.take_in(now, partition);
            return;
        }
        for (key, record) in records {
            let record = record.map(Box::new);
            self.owner(partition).partition.handle(now, Input::Loaded { key, record });
        }
    }

    /// Takes the frames in whose keys are all known now.
    fn take_in(&mut self, now: Now, partition: PartitionId) {
        let owner = self.owner(partition);
        let stage = std::mem::replace(&mut owner.stage, Stage::Claiming);
        let Stage::Loading(claim, frames) = stage else { return };
        for frame in frames.frames.iter().filter(|frame| frame.number <= claim.tip.number) {
            for (index, fact) in (0_u32..).zip(&frame.facts) {
                let place = Place { partition, frame: frame.number, index };
                let changes = letters::changes(place, frame.recorded, fact);
                owner.letters.extend(changes.into_iter().map(|change| (frame.number, change)));
            }
            owner.partition.evolve_frame(&Frame {
                number: frame.number,
                recorded: frame.recorded,
                open: frame.open,
                facts: &frame.facts,
            });
        }
        self.read_on(now, partition, claim);
    }

    /// All history of a partition is taken in. The first partition's says which numbers the
    /// configured names have; the others wait for it.
    fn recovered(&mut self, now: Now, partition: PartitionId, epoch: Epoch) {
        self.owner(partition).stage = Stage::Recovered(epoch);
        if self.settings.is_none() && (!self.may_resolve() || !self.resolve(now)) {
            return;
        }
        if matches!(self.owners[0].stage, Stage::Recovered(_)) {
            self.resume(now, 0);
            self.declare(now);
        }
        self.resume_others(now);
    }

    /// Whether enough of history is taken in: of partition 0, and of all where a destination is
    /// gone from the configuration, for something may wait for it anywhere.
    fn may_resolve(&self) -> bool {
        let is_recovered = |owner: &Owner<D>| matches!(owner.stage, Stage::Recovered(_));
        let removes = || !self.plan.removed(self.owners[0].partition.directory()).is_empty();
        let all = || self.owners.iter().all(is_recovered);
        is_recovered(&self.owners[0]) && (!removes() || all())
    }

    /// The first destination that a plan names no more although something waits for it (L7).
    pub(crate) fn removed_too_early(&self, plan: &Plan) -> Option<RemovedTooEarly> {
        let removed = plan.removed(self.owners[0].partition.directory()).into_iter();
        removed.map(|removed| (self.backlog(removed.destination), removed.name)).find_map(
            |(backlog, name)| {
                let waits = backlog.lanes > 0;
                waits.then_some(RemovedTooEarly { name, backlog })
            },
        )
    }

    /// What waits for a destination, over all partitions.
    #[must_use]
    pub fn backlog(&self, destination: DestinationId) -> Backlog {
        let totals = self.owners.iter().map(|owner| owner.partition.totals());
        totals.fold(Backlog::default(), |sum, totals| sum.and(totals.backlog_of(destination)))
    }

    /// Resumes what is recovered. The facts of partition 0 follow its declarations in its own
    /// log; those of the others must wait until these are durable, or a crash between could give
    /// the numbers to other names (DESIGN F6).
    pub(crate) fn resume_others(&mut self, now: Now) {
        if self.is_declared {
            (1..self.owners.len()).for_each(|number| self.resume(now, number));
        }
    }

    /// Matches the configuration with history; says whether the node may start.
    fn resolve(&mut self, now: Now) -> bool {
        if let Some(removed) = self.removed_too_early(&self.plan) {
            self.effects.push_back(Effect::Notice(Notice::RemovedTooEarly(removed)));
            return false;
        }
        match self.plan.resolve(self.owners[0].partition.directory()) {
            Err(changed) => {
                self.effects.push_back(Effect::Notice(Notice::SourceChanged(changed)));
                false
            }
            Ok((settings, _)) => {
                for (id, destination) in &settings.destinations {
                    self.destinations.insert(*id, Destination::new(destination));
                }
                let configured = Notice::Configured(Configured::by(&settings));
                self.effects.push_back(Effect::Notice(configured));
                self.intake = Intake::new(&settings);
                self.refills.revise(&settings);
                self.compares.revise(&settings);
                self.lists.revise(now, &settings);
                self.settings = Some(Arc::new(settings));
                let facts: Vec<Fact> = self.owners[0].partition.pauses();
                facts.iter().for_each(|fact| self.pause_destinations(fact));
                true
            }
        }
    }

    fn resume(&mut self, now: Now, at: usize) {
        let Some(settings) = self.settings.clone() else { return };
        let Stage::Recovered(epoch) = self.owners[at].stage else { return };
        let pauses = self.owners[0].partition.pauses();
        let partitions = self.owners.len();
        let owner = &mut self.owners[at];
        let partition = owner.partition.id();
        owner.partition.resume(now, epoch, settings);
        (owner.stage, owner.failed_claims) = (Stage::Serving, 0);
        owner.checkpoint_due = next_turn(now.elapsed, partition, partitions);
        if partition == PartitionId(0) {
            // A pause whose commit was unknown may have turned out durable: all must know.
            for fact in pauses {
                self.forward(now, partition, Place::default(), &fact);
            }
        } else {
            for fact in pauses {
                let (place, fact) = (Place::default(), Box::new(fact));
                owner.partition.handle(now, Input::Foreign { place, fact });
            }
        }
        self.effects.push_back(Effect::Notice(Notice::Serving(partition)));
    }

    fn written(&mut self, now: Now, partition: PartitionId, frame: FrameNumber) {
        let owner = self.owner(partition);
        owner.writing = false;
        owner.letters_under_way.clear();
        owner.stored = owner.stored.max(frame);
        if matches!(owner.stage, Stage::Serving) {
            owner.partition.handle(now, Input::Stored(frame));
        }
        self.write_ready(partition);
    }
}

/// What is left of a log of which nothing is left.
fn end_of(claim: &Claim) -> Head {
    let Claim { tip, .. } = claim;
    Head { frame: tip.number, recorded: tip.recorded, open: tip.open, ..Head::default() }
}

fn unknown_keys<D: Digest>(owner: &Owner<D>, frames: &Frames) -> Vec<Key> {
    let facts = frames.frames.iter().flat_map(|frame| &frame.facts);
    let keys: BTreeSet<&Key> = facts.filter_map(Fact::key).collect();
    keys.into_iter().filter(|key| !owner.partition.knows(key)).cloned().collect()
}
