//! Whether the state store of a data directory is what its log adds up to.

use std::collections::BTreeMap;
use std::path::Path;

use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, SourceId};
use sprag_core::record::{Directory, KeyRecord};
use sprag_driver::rebuilt::{Difference, PartitionState, Rebuilding, differences};
use sprag_log::ReadFrame;
use sprag_log::digest::Sha256;

use super::RebuildError;
use super::differs::differs;
use super::history::History;
use crate::limits;
use crate::state::{ListDifference, StoppedState, embedded_log};

/// What comparing came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Frames of all partitions that were read.
    pub frames: u64,
    /// Keys that were compared, those that are forgotten included.
    pub keys: u64,
    /// In how much the state is not what the log adds up to.
    pub differences: u64,
    /// The first of that, in words.
    pub first: Vec<String>,
}

impl Checked {
    fn note(&mut self, words: impl FnOnce() -> String) {
        self.differences += 1;
        if self.first.len() < limits::REBUILD_DIFFERENCES {
            self.first.push(words());
        }
    }
}

/// Compares keys, tombstones, totals and lists of the state store with the log. Both are taken to the log's
/// end: the state as a start takes it there.
///
/// # Errors
/// When the log cannot be read, or there is no state that could be compared.
pub fn check(data: &Path) -> Result<Checked, RebuildError> {
    let mut history = History::open(data)?;
    let state = StoppedState::open(data, &embedded_log(history.partitions));
    let state = state.map_err(RebuildError::State)?;
    let (mut checked, mut names) = (Checked::default(), Names::default());
    for partition in (0..history.partitions).map(PartitionId) {
        let (stored, lists) = state.partition(partition).map_err(RebuildError::State)?;
        let mut continued = Continued::of(partition, stored, history.last(partition));
        let rebuilt = history.rebuild(partition, |frame| {
            checked.frames += 1;
            continued.take_in(frame);
        })?;
        let rebuilt = rebuilt.finish();
        if partition == PartitionId(0) {
            names = Names::of(&rebuilt);
        }
        checked.keys += (rebuilt.records.len() + rebuilt.tombstones.len()) as u64;
        match continued.finish() {
            Ok(Some(state)) => {
                let all = differences(&state, &rebuilt);
                all.for_each(|one| checked.note(|| names.told(partition, &one)));
            }
            Ok(None) => {}
            Err(why) => checked.note(|| format!("partition {}: {why}", partition.0)),
        }
        lists.iter().for_each(|list| checked.note(|| names.told_list(partition, list)));
    }
    Ok(checked)
}

/// What is stored of a partition on its way to the log's end.
struct Continued {
    /// None where nothing is stored: a start takes all from the log.
    rebuilding: Option<Rebuilding<Sha256>>,
    /// Why no start could continue it.
    apart: Option<String>,
}

impl Continued {
    fn of(partition: PartitionId, stored: PartitionState, last: FrameNumber) -> Self {
        let reflects = stored.head.frame;
        let apart = (reflects > last).then(|| {
            format!("the state reflects frame {}, the log ends with frame {}", reflects.0, last.0)
        });
        let is_empty = stored == PartitionState::default();
        let from = || Rebuilding::from_stored(partition, stored, Sha256);
        let rebuilding = (!is_empty).then(from);
        Self { rebuilding, apart }
    }

    fn take_in(&mut self, frame: &ReadFrame) {
        let Some(rebuilding) = self.rebuilding.as_mut().filter(|_| self.apart.is_none()) else {
            return;
        };
        let next = rebuilding.next();
        if frame.number == next {
            rebuilding.take_in(frame);
        } else if frame.number > next {
            let (reflects, first) = (next.0 - 1, frame.number.0);
            let why =
                format!("the state reflects frame {reflects}, the log begins with frame {first}");
            self.apart = Some(why);
        }
    }

    fn finish(self) -> Result<Option<PartitionState>, String> {
        match self.apart {
            Some(why) => Err(format!("{why}: the next start builds it anew")),
            None => Ok(self.rebuilding.map(Rebuilding::finish)),
        }
    }
}

/// What numbers are called in the log.
#[derive(Debug, Default)]
struct Names {
    sources: BTreeMap<SourceId, String>,
    destinations: BTreeMap<DestinationId, String>,
}

impl Names {
    /// Partition 0 knows them.
    fn of(state: &PartitionState) -> Self {
        let mut directory = Directory::default();
        for fact in &state.head.directory {
            directory.evolve(fact);
        }
        let sources = directory.sources.iter().map(|(id, source)| (*id, source.name.to_string()));
        let destinations = directory.destinations.iter();
        let destinations = destinations.map(|(id, to)| (*id, to.name.to_string()));
        Self { sources: sources.collect(), destinations: destinations.collect() }
    }

    fn source(&self, source: SourceId) -> String {
        self.sources.get(&source).cloned().unwrap_or_else(|| format!("source {}", source.0))
    }

    fn key(&self, key: &Key) -> String {
        format!("{}:{}", self.source(key.source), key.name)
    }

    fn destination(&self, destination: DestinationId) -> String {
        let name = self.destinations.get(&destination).cloned();
        name.unwrap_or_else(|| format!("destination {}", destination.0))
    }

    fn told(&self, partition: PartitionId, difference: &Difference<'_>) -> String {
        match difference {
            Difference::Record { key, is, adds } => {
                format!("{}: {}", self.key(key), both(*is, *adds))
            }
            Difference::Tombstone { digest, is, adds } => {
                format!("forgotten key {:032x}: {}", digest.0, both(*is, *adds))
            }
            Difference::Head { is, adds } => {
                format!("partition {}: {}", partition.0, differs(*is, *adds))
            }
            Difference::Waiting { destination, is, adds } => {
                let (partition, to) = (partition.0, self.destination(*destination));
                format!(
                    "partition {partition}: what waits for {to} is not counted right: {}",
                    differs(is, adds)
                )
            }
        }
    }

    fn told_list(&self, partition: PartitionId, list: &ListDifference) -> String {
        const RECORD: &str = "is not what its record says";
        match list {
            ListDifference::Columns(key) => {
                format!("{}: what stands beside its record {RECORD}", self.key(key))
            }
            ListDifference::Row(key) => {
                format!("{}: where its row is, nobody looks for it", self.key(key))
            }
            ListDifference::Queues(key) => {
                format!("{}: when it is due {RECORD}", self.key(key))
            }
            ListDifference::StoppedLanes(key) => {
                format!("{}: the list of its stopped lanes {RECORD}", self.key(key))
            }
            ListDifference::Tombstone(digest) => {
                format!("forgotten key {:032x}: what stands beside its record {RECORD}", digest.0)
            }
            ListDifference::Held(source) => format!(
                "partition {}: how much of {} is held is not what its keys hold",
                partition.0,
                self.source(*source)
            ),
            ListDifference::Forgotten => {
                format!("partition {}: forgotten keys are not counted right", partition.0)
            }
        }
    }
}

fn both(is: Option<&KeyRecord>, adds: Option<&KeyRecord>) -> String {
    match (is, adds) {
        (Some(is), Some(adds)) => differs(is, adds),
        (None, Some(adds)) => format!(
            "the state knows nothing of it, by the log {} events were released",
            adds.sequence.0
        ),
        (Some(is), None) => format!(
            "the state says that {} events were released, the log knows nothing of it",
            is.sequence.0
        ),
        (None, None) => "nothing is known of it".to_owned(),
    }
}
