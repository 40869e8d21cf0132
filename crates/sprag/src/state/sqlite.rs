//! The store the node turns: one request, one completion.
//!
//! A read that fails gets no completion: to answer "nothing is known of this key" would give its
//! sequences a second time. The keys it was about wait, [`StateHealth`] says why, and the next
//! start rebuilds the file, which is deleted at once when it is damaged.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sprag_core::id::{FrameNumber, Key, PartitionId, Sequence};
use sprag_core::input::PageCursor;
use sprag_core::output::PageRequest;
use sprag_core::partition::Head;
use sprag_core::record::{KeyRecord, Queue};
use sprag_core::time::{OpenMicros, UnixMicros};
use sprag_driver::state::{Batch, StateCompletion, StateRequest, Surveyed};

use super::bytes::{self, Fault, column, number};
use super::checkpoint::Checkpoints;
use super::health::StateHealth;
use super::keys::Finder;
use super::load::{Moment, Reading};
use super::open::{self, OpenError, Opened};
use super::{limits, rows, tombstones, write};
use crate::node::{Loads, StateStep};

/// The state of all partitions in one SQLite file.
#[derive(Debug)]
pub struct SqliteState {
    /// Ends before the connection does.
    checkpoints: Checkpoints,
    connection: Connection,
    path: PathBuf,
    health: StateHealth,
    counts: write::Counts,
    /// Reused for every record.
    buffer: Vec<u8>,
}

impl SqliteState {
    /// Opens `state.sqlite` in the data directory, or makes it. `log` names the log whose state it
    /// is; any text that another log would not have. What does not fit is deleted and begun anew.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(directory: &Path, log: &str) -> Result<Opened, OpenError> {
        let path = open::path(directory);
        let (mut connection, rebuilt) = open::writing(&path, log)?;
        let counts =
            write::Counts::of(&connection).map_err(|error| OpenError::sqlite(&path, error))?;
        let checkpoints = Checkpoints::of(&mut connection, &path, limits::WAL_BYTES)
            .map_err(|error| OpenError::sqlite(&path, error))?;
        let health = StateHealth::default();
        let store = Self { checkpoints, connection, path, health, counts, buffer: Vec::new() };
        Ok(Opened { store, rebuilt })
    }

    /// Whether it works, for others to ask.
    #[must_use]
    pub fn health(&self) -> StateHealth {
        self.health.clone()
    }

    fn read(&mut self, request: &StateRequest) -> Result<Option<StateCompletion>, Fault> {
        Ok(match request {
            StateRequest::Open(partition) => {
                let head = head(&self.connection, *partition)?;
                Some(StateCompletion::Opened(*partition, head.unwrap_or_default()))
            }
            StateRequest::Clear(partition) => {
                self.counts = write::clear(&mut self.connection, *partition)?;
                None
            }
            StateRequest::Survey(partition, asked, keys, digests) => {
                let keys = self.survey(*partition, keys)?;
                let tombstones = tombstones::all(&self.connection, *partition, digests)?;
                Some(StateCompletion::Surveyed(*partition, *asked, keys, tombstones))
            }
            StateRequest::Idle(partition, request) => {
                Some(tombstones::idle(&mut self.connection, *partition, request)?)
            }
            StateRequest::Page(partition, page) => {
                let (keys, next) = self.page(*partition, page)?;
                let (partition, queue) = (*partition, page.queue);
                Some(StateCompletion::Paged { partition, queue, keys, next })
            }
            StateRequest::Load(..) | StateRequest::Write(..) => None,
        })
    }

    /// The records of these keys, and of those that are asked for behind them.
    fn load(
        &mut self,
        partition: PartitionId,
        keys: &[Key],
        loads: &mut impl Loads,
    ) -> Result<(), Fault> {
        let moment = Moment::of(&self.connection)?;
        let mut reading = Reading::of(&self.connection);
        loads.loaded(partition, reading.known(partition, keys)?);
        reading.answer(loads, &mut None)?;
        drop(reading);
        moment.end()?;
        Ok(())
    }

    fn survey(&mut self, partition: PartitionId, keys: &[Key]) -> Result<Vec<Surveyed>, Fault> {
        let transaction = self.connection.transaction()?;
        let mut records = Finder::of(&transaction)?;
        let mut letters = transaction.prepare_cached(
            "SELECT sequence, recorded FROM letters \
             WHERE partition = ?1 AND source = ?2 AND key = ?3 AND destination >= 0",
        )?;
        let mut surveyed = Vec::with_capacity(keys.len());
        for key in keys {
            let record = records.find(partition, key)?;
            let record = tombstones::or(&transaction, partition, key, record)?;
            let mut rows = letters.query((partition.0, key.source.0, &*key.name))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (sequence, recorded) = (number(row.get(0)?)?, number(row.get(1)?)?);
                found.push((Sequence(sequence), UnixMicros(recorded)));
            }
            surveyed.push(Surveyed { key: key.clone(), record, letters: found });
        }
        drop((records, letters));
        transaction.commit()?;
        Ok(surveyed)
    }

    fn page(&mut self, partition: PartitionId, page: &PageRequest) -> Result<Page, Fault> {
        let transaction = self.connection.transaction()?;
        let (keys, next) = places(&transaction, partition, page)?;
        let mut records = Finder::of(&transaction)?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let record = records.find(partition, &key)?;
            found.push((key, record.ok_or(Fault::Value("waiting key"))?));
        }
        drop(records);
        transaction.commit()?;
        Ok((found, next))
    }

    fn write(
        &mut self,
        partition: PartitionId,
        batch: Box<Batch>,
        loads: &mut impl Loads,
    ) -> StateCompletion {
        if self.health.is_broken() {
            return StateCompletion::NotWritten(partition, batch);
        }
        match self.written(partition, &batch, loads) {
            Ok(counts) => {
                self.counts = counts;
                self.health.written(None);
                StateCompletion::Written(partition, batch.head.frame)
            }
            Err(fault) => {
                self.health.written(Some(fault.to_string()));
                if fault.is_damage() {
                    self.give_up(&fault);
                }
                StateCompletion::NotWritten(partition, batch)
            }
        }
    }

    fn written(
        &mut self,
        partition: PartitionId,
        batch: &Batch,
        loads: &mut impl Loads,
    ) -> Result<write::Counts, Fault> {
        self.stay_small();
        self.checkpoints.before_batch(&self.connection);
        let mut taken = None;
        let between = |connection: &Connection| Reading::of(connection).answer(loads, &mut taken);
        let (connection, buffer) = (&mut self.connection, &mut self.buffer);
        let written = write::write(connection, partition, batch, self.counts, buffer, between);
        // A load that fails ends the batch, for SQLite may have rolled back what there is of it: the load may succeed
        // without, as where the disk is full.
        if let Some((partition, keys)) = taken
            && let Err(fault) = self.load(partition, &keys, loads)
        {
            self.give_up(&fault);
        }
        let counts = written?;
        self.checkpoints.after_batch(&self.connection);
        Ok(counts)
    }

    /// Where less is free than the write-ahead log may grow by, it goes into the file before each batch
    /// and begins anew where it stands: a disk that fills up does not end the batches.
    fn stay_small(&self) {
        let free = self.path.parent().and_then(|directory| fs4::available_space(directory).ok());
        let growth = limits::WAL_BYTES.saturating_mul(limits::WAL_TIMES_MOST).unsigned_abs();
        if free.is_some_and(|free| free < growth) {
            // What hinders it hinders the batch too, which says so.
            let _ = open::checkpoint(&self.connection);
        }
    }

    /// Nothing read from the file can be relied on any more.
    fn give_up(&mut self, fault: &Fault) {
        let mut why = fault.to_string();
        if fault.is_damage()
            && let Err(error) = open::delete(&self.path)
        {
            why = format!("{why}; and it cannot be deleted: {error}");
        }
        if !self.health.is_broken() {
            tracing::error!("the state store cannot be read: {why}; the process ends");
        }
        self.health.broken(why);
    }
}

impl StateStep for SqliteState {
    fn step_among(
        &mut self,
        request: StateRequest,
        loads: &mut impl Loads,
    ) -> Option<StateCompletion> {
        if let StateRequest::Write(partition, batch) = request {
            return Some(self.write(partition, batch, loads));
        }
        if self.health.is_broken() {
            return None;
        }
        let read = match request {
            StateRequest::Load(partition, keys) => {
                self.load(partition, &keys, loads).map(|()| None)
            }
            other => self.read(&other),
        };
        read.unwrap_or_else(|fault| {
            self.give_up(&fault);
            None
        })
    }
}

/// What the store reflects of a partition.
pub(super) fn head(connection: &Connection, partition: PartitionId) -> Result<Option<Head>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT frame, recorded, open, directory, totals FROM heads WHERE partition = ?1",
    )?;
    let mut rows = select.query([partition.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let directory = row.get_ref(3)?.as_blob().map_err(|_| Fault::Value("directory"))?;
    let totals = row.get_ref(4)?.as_blob().map_err(|_| Fault::Value("totals"))?;
    Ok(Some(Head {
        frame: FrameNumber(number(row.get(0)?)?),
        recorded: UnixMicros(number(row.get(1)?)?),
        open: OpenMicros(number(row.get(2)?)?),
        directory: bytes::decode_directory(directory)?,
        totals: bytes::decode_totals(totals)?,
    }))
}

/// Waiting keys, and the first place behind them.
type Page = (Vec<(Key, KeyRecord)>, Option<PageCursor>);

/// Keys in their order, as many as wanted, and the first behind them.
fn all_keys(
    connection: &Connection,
    partition: PartitionId,
    page: &PageRequest,
) -> Result<(Vec<Key>, Option<PageCursor>), Fault> {
    let mut select = connection.prepare_cached(
        "SELECT source, key FROM keys WHERE partition = ?1 AND (source, key) >= (?2, ?3) \
         ORDER BY source, key LIMIT ?4",
    )?;
    let first = page.from.key.as_ref();
    let (source, name) = first.map_or((-1, ""), |key| (i64::from(key.source.0), &*key.name));
    let limit = i64::try_from(page.keys)?.saturating_add(1);
    let mut rows = select.query((partition.0, source, name, limit))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let key = rows::key(row.get(0)?, row.get(1)?)?;
        if keys.len() == page.keys {
            return Ok((keys, Some(PageCursor { due: 0, key: Some(key) })));
        }
        keys.push(key);
    }
    Ok((keys, None))
}

/// The keys that are due in a queue, as many as wanted, and the first place behind them.
fn places(
    connection: &Connection,
    partition: PartitionId,
    page: &PageRequest,
) -> Result<(Vec<Key>, Option<PageCursor>), Fault> {
    if page.queue == Queue::Keys {
        return all_keys(connection, partition, page);
    }
    let mut select = connection.prepare_cached(
        "SELECT due, source, key FROM waiting WHERE partition = ?1 AND queue = ?2 \
         AND (due, source, key) >= (?3, ?4, ?5) ORDER BY due, source, key LIMIT ?6",
    )?;
    let from = column(page.from.due);
    // Without a key the place lies before every source.
    let first = page.from.key.as_ref();
    let (source, name) = first.map_or((-1, ""), |key| (i64::from(key.source.0), &*key.name));
    let limit = i64::try_from(page.keys)?.saturating_add(1);
    let queue = rows::queue(page.queue);
    let mut rows = select.query((partition.0, queue, from, source, name, limit))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let (due, key) = (number(row.get(0)?)?, rows::key(row.get(1)?, row.get(2)?)?);
        if due > page.until || keys.len() == page.keys {
            return Ok((keys, Some(PageCursor { due, key: Some(key) })));
        }
        keys.push(key);
    }
    Ok((keys, None))
}
