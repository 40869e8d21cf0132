//! Records of keys that come into memory: also while a batch is being written, which takes long.
//!
//! A key leaves memory only once its record is stored, so none of a batch is asked for before that batch is taken in,
//! and what a load finds in the middle of it is what it would find before or behind it. Of tombstones it may find one
//! that the batch drops or writes anew: the core has those in memory until the batch is written.

use rusqlite::Connection;
use sprag_core::id::{Key, PartitionId};
use sprag_core::record::KeyRecord;

use super::bytes::Fault;
use super::keys::Finder;
use super::{limits, tombstones};
use crate::node::Loads;

/// One moment of the file for several reads, so that the lock is taken once. It begins and ends by statements that are
/// kept: to parse them anew costs as much as a good part of finding a record.
pub(super) struct Moment<'a>(&'a Connection);

impl<'a> Moment<'a> {
    pub(super) fn of(connection: &'a Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }

    pub(super) fn end(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

/// What failed in between leaves no transaction open.
impl Drop for Moment<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // Where even that fails, so does the next batch, and says so.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// A load that was taken up.
pub(super) type Taken = (PartitionId, Vec<Key>);

/// Reads what is known of keys; its statement is made ready once, for all loads that are answered in one pause.
pub(super) struct Reading<'a> {
    connection: &'a Connection,
    records: Option<Finder<'a>>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(connection: &'a Connection) -> Self {
        Self { connection, records: None }
    }

    /// What is known of these keys.
    pub(super) fn known(
        &mut self,
        partition: PartitionId,
        keys: &[Key],
    ) -> Result<Vec<(Key, Option<KeyRecord>)>, Fault> {
        let records = match &mut self.records {
            Some(records) => records,
            none => none.insert(Finder::of(self.connection)?),
        };
        let mut of = |key: &Key| {
            let found = records.find(partition, key)?;
            let record = tombstones::or(self.connection, partition, key, found)?;
            Ok((key.clone(), record))
        };
        keys.iter().map(&mut of).collect()
    }

    /// Answers the loads that wait next, as many as one pause is for. `taken` is the one that could not be read.
    pub(super) fn answer(
        &mut self,
        loads: &mut impl Loads,
        taken: &mut Option<Taken>,
    ) -> Result<(), Fault> {
        for _ in 0..limits::LOADS_AT_ONCE {
            let Some(load) = loads.next() else { return Ok(()) };
            let (partition, keys) = taken.insert(load);
            let known = self.known(*partition, keys)?;
            loads.loaded(*partition, known);
            *taken = None;
        }
        Ok(())
    }
}
