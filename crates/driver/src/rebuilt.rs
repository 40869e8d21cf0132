//! What the frames of a partition add up to, without a node that serves.
//!
//! A state store holds nothing but what history adds up to (DESIGN section 3). So there are two ways to the
//! state at the end of a log, and they must lead to the same:
//!
//! - from nothing, through every frame that is left; what a log begins with says all that is known of the
//!   keys that were before (DESIGN D6);
//! - from what a store has, through the frames behind it: the way of a start.
//!
//! Whoever has both asks for their [`differences`]: `sprag keys rebuild --check`, and the simulator's judge.
//! Nothing here reads a configuration, because `evolve` does not (DESIGN F6).
//!
//! Must not know: where frames come from, how a state is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sprag_core::chain::{Digest, Fingerprint};
use sprag_core::fact::Fact;
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, Revision};
use sprag_core::partition::{Frame, Head, Partition};
use sprag_core::record::KeyRecord;
use sprag_core::settings::Settings;
use sprag_core::totals::Backlog;
use sprag_log::ReadFrame;

use crate::letters;
use crate::state::LetterChange;

/// Keys by name.
pub type Records = BTreeMap<Key, KeyRecord>;
/// Keys that are forgotten, by the fingerprints of their names.
pub type Tombstones = BTreeMap<Fingerprint, KeyRecord>;

/// The whole state of a partition at one frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionState {
    /// The frame, and what is known beside the keys.
    pub head: Head,
    /// Every key that is not forgotten.
    pub records: Records,
    /// Those that are.
    pub tombstones: Tombstones,
}

impl PartitionState {
    /// What waits for each destination, counted anew over all keys.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<DestinationId, Backlog> {
        waiting(&self.records)
    }
}

/// What waits for each destination in these keys; a lane and its strands are one.
#[must_use]
pub fn waiting(records: &Records) -> BTreeMap<DestinationId, Backlog> {
    let mut waiting: BTreeMap<DestinationId, Backlog> = BTreeMap::new();
    for record in records.values() {
        let mut waits = BTreeSet::new();
        for lane in &record.lanes {
            let lanes = u64::from(lane.has_backlog() && waits.insert(lane.destination));
            let one = Backlog { lanes, events: lane.waiting, bytes: lane.bytes };
            let sum = waiting.entry(lane.destination).or_default();
            *sum = sum.and(one);
        }
    }
    waiting.retain(|_, backlog| *backlog != Backlog::default());
    waiting
}

/// A partition that takes frames in and never serves. All its keys stay in memory.
#[derive(Debug)]
pub struct Rebuilding<D> {
    partition: Partition<D>,
    digest: D,
    /// What a store has of forgotten keys; what the frames say since is newer.
    tombstones: Tombstones,
    letters: Vec<LetterChange>,
}

impl<D: Digest + Clone> Rebuilding<D> {
    /// From nothing; `first` is the oldest frame that is left.
    #[must_use]
    pub fn from_nothing(partition: PartitionId, first: FrameNumber, digest: D) -> Self {
        let before = FrameNumber(first.0.saturating_sub(1));
        let head = Head { frame: before, ..Head::default() };
        Self::from_stored(partition, PartitionState { head, ..PartitionState::default() }, digest)
    }

    /// From what a store has.
    #[must_use]
    pub fn from_stored(id: PartitionId, stored: PartitionState, digest: D) -> Self {
        let mut partition = Partition::new(id, Arc::new(nothing()), 0, digest.clone());
        partition.begin(&stored.head);
        for (key, record) in stored.records {
            partition.insert_record(key, Some(record));
        }
        Self { partition, digest, tombstones: stored.tombstones, letters: Vec::new() }
    }

    /// The frame that comes next.
    #[must_use]
    pub fn next(&self) -> FrameNumber {
        self.partition.taken().next()
    }

    /// Takes the next frame in.
    pub fn take_in(&mut self, frame: &ReadFrame) {
        for key in frame.facts.iter().filter_map(Fact::key) {
            if !self.partition.knows(key) {
                self.partition.insert_record(key.clone(), self.tombstone_of(key));
            }
        }
        for (index, fact) in (0_u32..).zip(&frame.facts) {
            let place = Place { partition: self.partition.id(), frame: frame.number, index };
            self.letters.extend(letters::changes(place, frame.recorded, fact));
        }
        self.partition.evolve_frame(&Frame {
            number: frame.number,
            recorded: frame.recorded,
            open: frame.open,
            facts: &frame.facts,
        });
    }

    fn tombstone_of(&self, key: &Key) -> Option<KeyRecord> {
        if self.tombstones.is_empty() {
            return None;
        }
        self.tombstones.get(&Fingerprint::of_key(&self.digest, key)).cloned()
    }

    /// What these frames changed about the list of dead letters, in their order.
    pub fn take_letters(&mut self) -> Vec<LetterChange> {
        std::mem::take(&mut self.letters)
    }

    /// What it all adds up to.
    #[must_use]
    pub fn finish(mut self) -> PartitionState {
        for (digest, _, record) in self.partition.tombstones() {
            match record {
                Some(record) => self.tombstones.insert(digest, record.clone()),
                None => self.tombstones.remove(&digest),
            };
        }
        let partition = self.partition;
        let is_known = |record: &KeyRecord| !record.forgotten && *record != KeyRecord::default();
        let records = partition.records().filter(|(_, record)| is_known(record));
        PartitionState {
            head: Head {
                frame: partition.taken(),
                recorded: partition.recorded(),
                open: partition.open_time(),
                directory: partition.directory().facts(),
                totals: partition.totals().clone(),
            },
            records: records.map(|(key, record)| (key.clone(), record.clone())).collect(),
            tombstones: self.tombstones,
        }
    }
}

/// Evolving reads no settings.
fn nothing() -> Settings {
    Settings {
        partition_rate: None,
        restore: None,
        revision: Revision(0),
        sources: BTreeMap::new(),
        destinations: BTreeMap::new(),
        retired: BTreeSet::new(),
        hot_keys: usize::MAX,
        key_backlog: 0,
        dedupe_ids: 0,
        forgotten: 0,
    }
}

/// Something that a state and history disagree about: what it `is`, and what history `adds` up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference<'a> {
    /// A key; none where one knows nothing of it.
    Record {
        /// Which.
        key: &'a Key,
        /// The first.
        is: Option<&'a KeyRecord>,
        /// By history.
        adds: Option<&'a KeyRecord>,
    },
    /// A key that is forgotten.
    Tombstone {
        /// The fingerprint of its name.
        digest: Fingerprint,
        /// The first.
        is: Option<&'a KeyRecord>,
        /// By history.
        adds: Option<&'a KeyRecord>,
    },
    /// What is known beside the keys: the frame, its times, names and pauses, totals.
    Head {
        /// The first.
        is: &'a Head,
        /// By history.
        adds: &'a Head,
    },
    /// What is counted as waiting for a destination is not what waits in the keys.
    Waiting {
        /// Where it leads.
        destination: DestinationId,
        /// What is counted.
        is: Backlog,
        /// What waits.
        adds: Backlog,
    },
}

/// Everything in which a state differs from what history adds up to at the same frame.
pub fn differences<'a>(
    is: &'a PartitionState,
    adds: &'a PartitionState,
) -> impl Iterator<Item = Difference<'a>> {
    let heads = !is_same(&is.head, &adds.head);
    let heads = heads.then_some(Difference::Head { is: &is.head, adds: &adds.head });
    let records = differing_records(&is.records, &adds.records);
    let tombstones = differing_tombstones(&is.tombstones, &adds.tombstones);
    heads.into_iter().chain(records).chain(tombstones).chain(differing_counts(adds))
}

/// A store may have heard of a later time than its frame has: recorded time never goes back.
fn is_same(is: &Head, adds: &Head) -> bool {
    let Head { frame, recorded, open, directory, totals } = is;
    *recorded >= adds.recorded
        && (frame, open, directory, totals)
            == (&adds.frame, &adds.open, &adds.directory, &adds.totals)
}

/// The keys in which records differ from those that history adds up to.
pub fn differing_records<'a>(
    is: &'a Records,
    adds: &'a Records,
) -> impl Iterator<Item = Difference<'a>> {
    differing(is, adds).map(|(key, is, adds)| Difference::Record { key, is, adds })
}

/// The forgotten keys of which something else is kept than history adds up to.
pub fn differing_tombstones<'a>(
    is: &'a Tombstones,
    adds: &'a Tombstones,
) -> impl Iterator<Item = Difference<'a>> {
    let all = differing(is, adds);
    all.map(|(digest, is, adds)| Difference::Tombstone { digest: *digest, is, adds })
}

/// The destinations for which a state counts something else than waits in its keys.
pub fn differing_counts(state: &PartitionState) -> impl Iterator<Item = Difference<'_>> {
    let (counted, waiting) = (state.head.totals.backlog.clone(), state.waiting());
    let all: BTreeSet<DestinationId> = counted.keys().chain(waiting.keys()).copied().collect();
    all.into_iter().filter_map(move |destination| {
        let of = |backlogs: &BTreeMap<DestinationId, Backlog>| backlogs.get(&destination).copied();
        let (is, adds) = (of(&counted).unwrap_or_default(), of(&waiting).unwrap_or_default());
        (is != adds).then_some(Difference::Waiting { destination, is, adds })
    })
}

fn differing<'a, K: Ord, V: PartialEq>(
    is: &'a BTreeMap<K, V>,
    adds: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let both = is.iter().map(|(key, value)| (key, Some(value), adds.get(key)));
    let added = adds.iter().filter(|(key, _)| !is.contains_key(key));
    both.chain(added.map(|(key, value)| (key, None, Some(value))))
        .filter(|(_, is, adds)| is != adds)
}
