//! Carries what retention asks for: pages of history and what is known of their keys to the
//! partitions, rewritings and deletions to the log. When and which is `retention`'s, in the core.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::chain::{Digest, Fingerprint};
use sprag_core::fact::{DeadLetter, Fact};
use sprag_core::id::{FrameNumber, Key, PartitionId};
use sprag_core::partition::{Frame, Known, Page};
use sprag_core::record::KeyRecord;
use sprag_core::retention::{Looked, Reading, Step};
use sprag_core::time::Now;
use sprag_log::{Answer, Log, Query, ReadError, ReadFrame, Request};

use crate::ask::Asked;
use crate::limits;
use crate::node::Node;
use crate::owner::Owner;
use crate::state::{LetterChange, State, StateRequest, Surveyed};

/// What retention has under way.
#[derive(Debug, Default)]
pub(crate) struct Retaining {
    /// The page whose keys were asked for.
    page: Option<(u64, Reading, Vec<ReadFrame>)>,
    /// Of a deletion: by partition the first frame that is to stay, and how many have answered.
    before: Vec<FrameNumber>,
    answered: usize,
    is_done: bool,
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Takes the next steps of retention; says whether there was one.
    pub(crate) fn retain(&mut self, now: Now) -> bool {
        let mut progressed = false;
        while self.is_serving() && !self.is_reloading() {
            let owners = &self.owners;
            let committed = |partition: PartitionId| {
                let owner = owners.get(usize::from(partition.0));
                owner.map_or(FrameNumber(0), |owner| owner.partition.committed())
            };
            let Some(step) = self.retention.poll(now, committed) else { break };
            progressed = true;
            self.take_step(step);
        }
        progressed
    }

    fn take_step(&mut self, step: Step) {
        let asked = self.retention.asked();
        match step {
            Step::Seal => self.log.submit(Request::Seal),
            Step::List { after } => self.ask(Asked::Segments(asked), Query::Segments { after }),
            Step::Read(reading) => {
                let (partition, from) = (reading.partition, reading.from);
                let frames = reading.end.0.saturating_sub(from.0);
                let most = usize::try_from(frames).unwrap_or(usize::MAX);
                let bytes = limits::RETENTION_READ_BYTES;
                let query = Query::Frames { partition, from, most, bytes };
                self.ask(Asked::Stretch(asked, reading), query);
            }
            Step::Rewrite { segment, dead } => self.log.submit(Request::Rewrite { segment, dead }),
            Step::Trim { before } => {
                for (partition, before) in (0..).map(PartitionId).zip(&before) {
                    self.log.submit(Request::Trim { partition, before: *before });
                }
                self.retaining = Retaining { before, is_done: true, ..Retaining::default() };
            }
        }
    }

    pub(crate) fn segments_listed(
        &mut self,
        now: Now,
        asked: u64,
        result: Result<Answer, ReadError>,
    ) {
        match result {
            Ok(Answer::Segments(segments)) => {
                let is_all = segments.len() < sprag_log::limits::SUMMARIES;
                self.retention.listed(now, asked, &segments, is_all);
            }
            _ => self.retention.not_looked(now, asked),
        }
    }

    /// Frames came: what is known of their keys is asked for.
    pub(crate) fn stretch_read(
        &mut self,
        now: Now,
        asked: u64,
        reading: Reading,
        result: Result<Answer, ReadError>,
    ) {
        let Ok(Answer::Frames(read)) = result else {
            self.retention.not_looked(now, asked);
            return;
        };
        let mut frames = read.frames;
        frames.retain(|frame| frame.number < reading.end);
        let facts = frames.iter().flat_map(|frame| &frame.facts);
        let keys: BTreeSet<&Key> = facts.filter_map(Fact::key).collect();
        let keys = keys.into_iter().cloned().collect();
        let facts = frames.iter().flat_map(|frame| &frame.facts);
        let tombstones = facts.filter_map(|fact| match fact {
            Fact::Tombstone(tombstone) => Some(tombstone.digest),
            _ => None,
        });
        let tombstones = tombstones.collect();
        self.state.submit(StateRequest::Survey(reading.partition, asked, keys, tombstones));
        self.retaining.page = Some((asked, reading, frames));
    }

    /// What the state store has of them came: the page is looked at, at once.
    pub(crate) fn surveyed(
        &mut self,
        now: Now,
        partition: PartitionId,
        asked: u64,
        keys: Vec<Surveyed>,
        tombstones: &BTreeMap<Fingerprint, KeyRecord>,
    ) {
        let page = self.retaining.page.take_if(|(page, ..)| *page == asked);
        let Some((_, reading, read)) = page else { return };
        let owner = self.owner(partition);
        let mut known: BTreeMap<Key, Known> = BTreeMap::new();
        for Surveyed { key, record, letters } in keys {
            known.insert(key, Known { record, letters });
        }
        letters_on_their_way(owner, &mut known);
        let frames: Vec<Frame<'_>> = read.iter().map(frame).collect();
        let through = FrameNumber(reading.end.0.saturating_sub(1));
        let page = Page {
            frames: &frames,
            known: &known,
            tombstones,
            expired: reading.expired,
            deletes_through: reading.carries.then_some(through),
        };
        let looked = owner.partition.look_at(now, &page);
        let next = frames.last().map_or(reading.end, |last| last.number.next());
        let again = Looked { is_incomplete: true, ..Looked::default() };
        self.retention.looked(now, asked, looked.unwrap_or(again), next);
    }

    /// A partition's share of a deletion is done; with the last one the segment is gone.
    pub(crate) fn trimmed(
        &mut self,
        now: Now,
        partition: PartitionId,
        oldest: Option<FrameNumber>,
    ) {
        let retaining = &mut self.retaining;
        let Some(before) = retaining.before.get(usize::from(partition.0)).copied() else { return };
        retaining.answered += 1;
        retaining.is_done &= oldest.is_some();
        if retaining.answered < retaining.before.len() {
            return;
        }
        let done = retaining.is_done && oldest >= Some(before);
        let before = std::mem::take(&mut retaining.before);
        if done {
            for (owner, before) in self.owners.iter_mut().zip(before) {
                let taken = owner.partition.taken();
                owner.letters.push_back((taken, LetterChange::Trimmed(before)));
            }
        }
        self.retention.trimmed(now, done);
        self.redrives_go_on(now);
    }

    pub(crate) fn rewritten(&mut self, now: Now, result: Option<u64>) {
        self.retention.rewritten(now, result);
        self.redrives_go_on(now);
    }
}

/// Dead letters that the state store did not have yet when it was asked. Those of the frame being
/// filled the partition knows itself.
fn letters_on_their_way<D>(owner: &Owner<D>, known: &mut BTreeMap<Key, Known>) {
    let ready = owner.ready.iter().chain(owner.refused.as_ref().map(|(_, batch)| batch));
    let batches = ready.flat_map(|batch| &batch.letters).chain(&owner.letters_under_way);
    for change in batches.chain(owner.letters.iter().map(|(_, change)| change)) {
        if let LetterChange::Added(letter) = change
            && let DeadLetter::InLane { sequence, .. } = letter.letter
            && let Some(known) = known.get_mut(&letter.key)
        {
            known.letters.push((sequence, letter.recorded));
        }
    }
}

fn frame(read: &ReadFrame) -> Frame<'_> {
    let ReadFrame { number, recorded, open, facts, .. } = read;
    Frame { number: *number, recorded: *recorded, open: *open, facts }
}
