//! A new state store in the place of the old one, built from the log.
//!
//! It is built beside the old one and takes its place when it is whole: where the log turns out damaged, what
//! was there is there still.

use std::path::Path;
use std::{fs, io};

use sprag_core::id::PartitionId;
use sprag_driver::limits::CHECKPOINT_KEYS;
use sprag_driver::rebuilt::PartitionState;
use sprag_driver::state::{Batch, LetterChange, StateCompletion, StateRequest};

use super::RebuildError;
use super::history::History;
use crate::node::StateStep;
use crate::state::{Opened, SqliteState, embedded_log, replace};

/// Where the new state is built, within the data directory.
const BESIDE: &str = "rebuilding";

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anew {
    /// Frames of all partitions that were read.
    pub frames: u64,
    /// Keys, those that are forgotten included.
    pub keys: u64,
}

/// Builds the state store of a data directory anew from its log.
///
/// # Errors
/// When the log cannot be read, or the new state not be written: the old one stays.
pub fn rebuild(data: &Path) -> Result<Anew, RebuildError> {
    let mut history = History::open(data)?;
    let beside = data.join(BESIDE);
    let failed = |error: &dyn ToString| RebuildError::New(beside.clone(), error.to_string());
    empty(&beside).map_err(|error| failed(&error))?;
    let opened = SqliteState::open(&beside, &embedded_log(history.partitions));
    let Opened { mut store, .. } = opened.map_err(|error| failed(&error))?;
    let mut anew = Anew::default();
    for partition in (0..history.partitions).map(PartitionId) {
        let mut rebuilding = history.rebuild(partition, |_| anew.frames += 1)?;
        let letters = rebuilding.take_letters();
        let state = rebuilding.finish();
        anew.keys += (state.records.len() + state.tombstones.len()) as u64;
        write(&mut store, partition, state, letters).map_err(|error| failed(&error))?;
    }
    // Its connection is the last: SQLite brings all into the file and syncs it.
    drop(store);
    replace(data, &beside).map_err(|error| RebuildError::Replace(error.to_string()))?;
    // Empty, and removed by the next attempt if not now.
    let _ = fs::remove_dir(&beside);
    Ok(anew)
}

fn empty(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(directory)
}

/// Writes a partition in batches. Each says that it reflects all: none is used before the last is there.
fn write(
    store: &mut SqliteState,
    partition: PartitionId,
    state: PartitionState,
    letters: Vec<LetterChange>,
) -> Result<(), String> {
    let PartitionState { head, records, tombstones } = state;
    let (mut records, mut letters) = (records.into_iter(), letters.into_iter());
    let mut tombstones = tombstones.into_iter().map(|(digest, record)| (digest, Some(record)));
    loop {
        let batch = Batch {
            head: head.clone(),
            records: records.by_ref().take(CHECKPOINT_KEYS).collect(),
            tombstones: tombstones.by_ref().take(CHECKPOINT_KEYS).collect(),
            letters: Vec::new(),
        };
        if batch.records.is_empty() && batch.tombstones.is_empty() {
            break;
        }
        step(store, partition, batch)?;
    }
    // What they say of stopped lanes, they say of rows that are there by now.
    loop {
        let letters: Vec<_> = letters.by_ref().take(CHECKPOINT_KEYS).collect();
        let is_last = letters.len() < CHECKPOINT_KEYS;
        let (records, tombstones) = (Vec::new(), Vec::new());
        step(store, partition, Batch { head: head.clone(), records, tombstones, letters })?;
        if is_last {
            return Ok(());
        }
    }
}

fn step(store: &mut SqliteState, partition: PartitionId, batch: Batch) -> Result<(), String> {
    match store.step(StateRequest::Write(partition, Box::new(batch))) {
        Some(StateCompletion::Written(..)) => Ok(()),
        _ => Err(store.health().fault().unwrap_or_else(|| "a batch was refused".to_owned())),
    }
}
