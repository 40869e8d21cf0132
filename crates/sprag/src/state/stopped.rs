//! The whole store of a gateway that does not run, to be compared with history: every key of a partition, and
//! whether the lists beside the records say what the records say.
//!
//! What is derived from records is written in the same transaction, so each row can be told from its
//! record: a key's columns, its places in the queues, its stopped lanes, and the counts. Only reads, and
//! deletes nothing, whatever it finds. A partition at a time is in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};
use sprag_core::chain::Fingerprint;
use sprag_core::id::{Key, PartitionId, SourceId};
use sprag_core::record::{KeyRecord, Lane};
use sprag_driver::rebuilt::{PartitionState, Records, Tombstones};

use super::bytes::{Fault, column};
use super::open::{self, OpenError, Rebuilt};
use super::{keys, rows, sqlite};

/// Why there is nothing to compare.
#[derive(Debug)]
pub enum Unusable {
    /// There is no file.
    Missing(PathBuf),
    /// It is not the state of this log, or damaged: a start builds it anew.
    Misfit(PathBuf, Rebuilt),
    /// It cannot be opened.
    Open(OpenError),
    /// It cannot be read.
    Read(PathBuf, Fault),
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ANEW: &str = "`sprag keys rebuild`, or the next start, builds it anew from the log";
        match self {
            Self::Missing(path) => write!(formatter, "there is no {}; {ANEW}", path.display()),
            Self::Misfit(path, Rebuilt::Damaged(why)) => {
                write!(formatter, "{} is damaged: {why}; {ANEW}", path.display())
            }
            Self::Misfit(path, Rebuilt::OtherVersion) => {
                write!(formatter, "another version wrote {}; {ANEW}", path.display())
            }
            Self::Misfit(path, Rebuilt::OtherLog) => {
                write!(formatter, "{} belongs to another log; {ANEW}", path.display())
            }
            Self::Open(error) => write!(formatter, "{error}"),
            Self::Read(path, fault) => {
                write!(formatter, "{} cannot be read: {fault}; {ANEW}", path.display())
            }
        }
    }
}

impl std::error::Error for Unusable {}

/// A list that does not say what the records say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListDifference {
    /// What stands beside a key's record: its flags, its drift, when it was active, when it is due.
    Columns(Key),
    /// The number of a key's row: by it nothing is known of the key.
    Row(Key),
    /// The places of a key in the queues of what is due.
    Queues(Key),
    /// The stopped lanes of a key.
    StoppedLanes(Key),
    /// What stands beside a tombstone.
    Tombstone(Fingerprint),
    /// How much of a source is held.
    Held(SourceId),
    /// How many keys are forgotten.
    Forgotten,
}

/// The file, open to be read.
#[derive(Debug)]
pub struct StoppedState {
    connection: Connection,
    path: PathBuf,
}

impl StoppedState {
    /// Opens the file of a directory that no gateway uses; `log` as [`super::SqliteState::open`] has it.
    ///
    /// # Errors
    /// When there is none, it is another log's, or damaged.
    pub fn open(directory: &Path, log: &str) -> Result<Self, Unusable> {
        let path = open::path(directory);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(Unusable::Missing(path)),
            Err(error) => return Err(Unusable::Open(OpenError::File(path, error))),
        }
        let opened = open::stopped(&path, log).map_err(Unusable::Open)?;
        let connection = opened.map_err(|why| Unusable::Misfit(path.clone(), why))?;
        let stopped = Self { connection, path };
        match stopped.damage() {
            Ok(None) => Ok(stopped),
            Ok(Some(why)) => Err(Unusable::Misfit(stopped.path, Rebuilt::Damaged(why))),
            Err(fault) => Err(stopped.unusable(fault)),
        }
    }

    /// What SQLite finds wrong with the file.
    fn damage(&self) -> Result<Option<String>, Fault> {
        let said: String =
            self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        Ok((said != "ok").then_some(said))
    }

    fn unusable(&self, fault: Fault) -> Unusable {
        let path = self.path.clone();
        if fault.is_damage() {
            return Unusable::Misfit(path, Rebuilt::Damaged(fault.to_string()));
        }
        Unusable::Read(path, fault)
    }

    /// All of a partition, and which of its lists say something else.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn partition(
        &self,
        partition: PartitionId,
    ) -> Result<(PartitionState, BTreeSet<ListDifference>), Unusable> {
        self.read(partition).map_err(|fault| self.unusable(fault))
    }

    fn read(
        &self,
        partition: PartitionId,
    ) -> Result<(PartitionState, BTreeSet<ListDifference>), Fault> {
        let mut lists = Lists::default();
        let head = sqlite::head(&self.connection, partition)?.unwrap_or_default();
        let records = self.records(partition, &mut lists)?;
        let tombstones = self.tombstones(partition, &mut lists)?;
        self.compare_queues(partition, &mut lists)?;
        self.compare_stopped(partition, &records, &mut lists)?;
        self.compare_counts(partition, &mut lists)?;
        Ok((PartitionState { head, records, tombstones }, lists.differences))
    }

    fn records(&self, partition: PartitionId, lists: &mut Lists) -> Result<Records, Fault> {
        let mut select = self.connection.prepare(
            "SELECT source, key, record, dues, flags, drift, active, id FROM keys NOT INDEXED \
             WHERE partition = ?1 AND id BETWEEN ?2 AND ?3 UNION ALL \
             SELECT source, key, record, dues, flags, drift, active, id FROM keys \
             INDEXED BY keys_displaced WHERE partition = ?1 AND id < 0",
        )?;
        let (first, last) = keys::numbers(partition);
        let mut found = select.query((partition.0, first, last))?;
        let mut records = Records::new();
        self.rows_of_others(partition, lists)?;
        while let Some(row) = found.next()? {
            let (key, record) = (rows::key(row.get(0)?, row.get(1)?)?, keys::decoded(row, 2)?);
            lists.expect(&key, &record, &Beside::of_row(row)?);
            if !keys::is_found_at(row.get(7)?, partition, &key) {
                lists.differences.insert(ListDifference::Row(key.clone()));
            }
            records.insert(key, record);
        }
        Ok(records)
    }

    /// Rows whose numbers are those of another partition: by them nothing is known of their keys.
    fn rows_of_others(&self, partition: PartitionId, lists: &mut Lists) -> Result<(), Fault> {
        let mut select = self.connection.prepare(
            "SELECT source, key FROM keys INDEXED BY keys_by_name \
             WHERE partition = ?1 AND id >= 0 AND id NOT BETWEEN ?2 AND ?3",
        )?;
        let (first, last) = keys::numbers(partition);
        let mut found = select.query((partition.0, first, last))?;
        while let Some(row) = found.next()? {
            lists.differences.insert(ListDifference::Row(rows::key(row.get(0)?, row.get(1)?)?));
        }
        Ok(())
    }

    fn tombstones(&self, partition: PartitionId, lists: &mut Lists) -> Result<Tombstones, Fault> {
        let mut select = self
            .connection
            .prepare("SELECT digest, record, active FROM tombstones WHERE partition = ?1")?;
        let mut found = select.query([partition.0])?;
        let mut tombstones = Tombstones::new();
        while let Some(row) = found.next()? {
            let digest = Fingerprint(u128::from_be_bytes(row.get(0)?));
            let record = keys::decoded(row, 1)?;
            if row.get::<_, i64>(2)? != column(record.active.0) {
                lists.differences.insert(ListDifference::Tombstone(digest));
            }
            tombstones.insert(digest, record);
        }
        lists.forgotten = i64::try_from(tombstones.len())?;
        Ok(tombstones)
    }

    fn compare_queues(&self, partition: PartitionId, lists: &mut Lists) -> Result<(), Fault> {
        let mut select = self
            .connection
            .prepare("SELECT queue, due, source, key FROM waiting WHERE partition = ?1")?;
        let mut found = select.query([partition.0])?;
        while let Some(row) = found.next()? {
            let place = (rows::key(row.get(2)?, row.get(3)?)?, row.get(0)?, row.get(1)?);
            if !lists.queues.remove(&place) {
                lists.differences.insert(ListDifference::Queues(place.0));
            }
        }
        let missing = std::mem::take(&mut lists.queues).into_iter();
        lists.differences.extend(missing.map(|(key, ..)| ListDifference::Queues(key)));
        Ok(())
    }

    fn compare_stopped(
        &self,
        partition: PartitionId,
        records: &Records,
        lists: &mut Lists,
    ) -> Result<(), Fault> {
        let of = |key: &Key, lane: &Lane| {
            let (mode, strand) = (rows::mode_name(lane.mode).to_owned(), rows::strand(lane));
            let range = (column(lane.head.0), column(lane.tail.0));
            (key.clone(), lane.destination.0, strand, mode, range)
        };
        let stopped = records.iter().flat_map(|(key, record)| {
            let lanes = record.lanes.iter().filter(|lane| lane.is_stopped());
            lanes.map(move |lane| of(key, lane))
        });
        let mut stopped: BTreeSet<_> = stopped.collect();
        let mut select = self.connection.prepare(
            "SELECT source, key, destination, strand, mode, head, tail FROM stopped \
             WHERE partition = ?1",
        )?;
        let mut found = select.query([partition.0])?;
        while let Some(row) = found.next()? {
            let key = rows::key(row.get(0)?, row.get(1)?)?;
            let range = (row.get(5)?, row.get(6)?);
            let lane = (key, row.get(2)?, row.get(3)?, row.get(4)?, range);
            if !stopped.remove(&lane) {
                lists.differences.insert(ListDifference::StoppedLanes(lane.0));
            }
        }
        lists
            .differences
            .extend(stopped.into_iter().map(|lane| ListDifference::StoppedLanes(lane.0)));
        Ok(())
    }

    fn compare_counts(&self, partition: PartitionId, lists: &mut Lists) -> Result<(), Fault> {
        let mut select = self
            .connection
            .prepare("SELECT source, keys, events, drift FROM held WHERE partition = ?1")?;
        let mut found = select.query([partition.0])?;
        while let Some(row) = found.next()? {
            let held: [i64; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            let source = SourceId(row.get(0)?);
            if lists.held.remove(&source).unwrap_or_default() != held {
                lists.differences.insert(ListDifference::Held(source));
            }
        }
        let missing = std::mem::take(&mut lists.held).into_iter();
        let missing = missing.filter(|(_, held)| *held != [0; 3]);
        lists.differences.extend(missing.map(|(source, _)| ListDifference::Held(source)));
        let counted: i64 = self.connection.query_row(
            "SELECT coalesce(sum(tombstones), 0) FROM forgotten WHERE partition = ?1",
            [partition.0],
            |row| row.get(0),
        )?;
        if counted != lists.forgotten {
            lists.differences.insert(ListDifference::Forgotten);
        }
        Ok(())
    }
}

/// What the records of a partition say the lists must be.
#[derive(Debug, Default)]
struct Lists {
    /// Keys, with queue and due time.
    queues: BTreeSet<(Key, i64, i64)>,
    /// Keys with a gap, events and drift of what is held.
    held: BTreeMap<SourceId, [i64; 3]>,
    forgotten: i64,
    differences: BTreeSet<ListDifference>,
}

impl Lists {
    fn expect(&mut self, key: &Key, record: &KeyRecord, columns: &Beside) {
        let expected = Beside::of(record);
        if *columns != expected {
            self.differences.insert(ListDifference::Columns(key.clone()));
        }
        let places = rows::unpack_dues(&expected.dues);
        self.queues.extend(places.map(|(queue, due)| (key.clone(), queue, due)));
        let held = self.held.entry(key.source).or_default();
        let of = [
            i64::from(rows::has_gap(expected.flags)),
            rows::held_events(expected.flags),
            expected.drift,
        ];
        held.iter_mut().zip(of).for_each(|(sum, one)| *sum = sum.saturating_add(one));
    }
}

/// What stands beside a record.
#[derive(Debug, PartialEq, Eq)]
struct Beside {
    dues: Vec<u8>,
    flags: i64,
    drift: i64,
    active: i64,
}

impl Beside {
    fn of(record: &KeyRecord) -> Self {
        let (dues, flags) = (rows::pack_dues(record), rows::flags(record));
        Self { dues, flags, drift: rows::drift(record), active: column(record.active.0) }
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { dues: row.get(3)?, flags: row.get(4)?, drift: row.get(5)?, active: row.get(6)? })
    }
}
