//! What the admin API reads: keys here, lanes in [`super::lanes`], dead letters in
//! [`super::letters`], a page at a time.
//!
//! It has a connection of its own and sees whole batches only. Lists are as old as the newest
//! batch; `NodeHandle::store` makes that now. Calls block: they belong on a blocking thread.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use sprag_core::id::{Key, PartitionId, SourceId};
use sprag_core::partition::Head;
use sprag_core::record::KeyRecord;

use super::bytes::Fault;
use super::keys::Finder;
use super::open::{self, OpenError};
use super::{keys, rows, sqlite, tombstones};

/// Reads the state store beside the one who writes it. Cheap to clone; one call at a time.
#[derive(Debug, Clone)]
pub struct StateReader(Arc<Mutex<Connection>>);

/// Which keys a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyFilter {
    /// All that are known.
    #[default]
    All,
    /// Those whose events wait for missing positions.
    Held,
    /// Those with a lane that stopped.
    Stopped,
    /// Those an operator paused.
    Paused,
    /// Those whose source seems to count their positions anew (DESIGN K9).
    Reset,
}

/// A list of keys. Its order is fixed but means nothing: by partition, then by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    /// Of this source.
    pub source: SourceId,
    /// With names that begin so.
    pub prefix: String,
    /// Which of them.
    pub filter: KeyFilter,
    /// Behind this one.
    pub after: Option<KeyCursor>,
    /// At most so many.
    pub most: usize,
}

/// Where a page of keys ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCursor {
    /// The last key's partition.
    pub partition: PartitionId,
    /// The last key's name.
    pub name: String,
}

/// A key in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Where it lives.
    pub partition: PartitionId,
    /// The key.
    pub key: Key,
    /// Its record.
    pub record: KeyRecord,
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<KeyRow>,
    /// Where the next page begins; none after the last.
    pub next: Option<KeyCursor>,
}

impl StateReader {
    /// Opens the file that a [`super::SqliteState`] of this directory has opened.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = open::path(directory);
        match open::reading(&path) {
            Ok(connection) => Ok(Self(Arc::new(Mutex::new(connection)))),
            Err(error) => Err(OpenError::sqlite(&path, error)),
        }
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while reading leaves nothing behind that a next read could meet.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store reflects of a partition.
    ///
    /// # Errors
    /// When the store cannot be read, as for every call here.
    pub fn head(&self, partition: PartitionId) -> Result<Head, Fault> {
        Ok(sqlite::head(&self.connection(), partition)?.unwrap_or_default())
    }

    /// The record of a key, or its tombstone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn record(&self, partition: PartitionId, key: &Key) -> Result<Option<KeyRecord>, Fault> {
        let connection = self.connection();
        let record = Finder::of(&connection)?.find(partition, key)?;
        tombstones::or(&connection, partition, key, record)
    }

    /// A page of keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keys(&self, query: &KeyQuery) -> Result<KeyPage, Fault> {
        let connection = self.connection();
        let first = query.after.as_ref().map_or(0, |after| after.partition.0);
        let mut select = connection.prepare_cached(
            "SELECT partition FROM heads WHERE partition >= ?1 ORDER BY partition",
        )?;
        let partitions: Result<Vec<u16>, _> =
            select.query_map([first], |row| row.get(0))?.collect();
        let mut page = KeyPage::default();
        for partition in partitions?.into_iter().map(PartitionId) {
            keys_of(&connection, query, partition, &mut page.keys)?;
            if page.keys.len() > query.most {
                page.keys.truncate(query.most);
                page.next = page.keys.last().map(|last| KeyCursor {
                    partition: last.partition,
                    name: last.key.name.to_string(),
                });
                break;
            }
        }
        Ok(page)
    }
}

/// Appends the keys of one partition, at most one more than the query wants in all.
fn keys_of(
    connection: &Connection,
    query: &KeyQuery,
    partition: PartitionId,
    keys: &mut Vec<KeyRow>,
) -> Result<(), Fault> {
    let bit = match query.filter {
        KeyFilter::All => None,
        KeyFilter::Held => Some(rows::HELD),
        KeyFilter::Stopped => Some(rows::STOPPED),
        KeyFilter::Paused => Some(rows::PAUSED),
        KeyFilter::Reset => Some(rows::RESET),
    };
    let (index, flagged) = match bit {
        None => ("", "?4 IS NULL"),
        Some(_) => ("INDEXED BY keys_flagged", "flags <> 0 AND flags & ?4"),
    };
    let after = query.after.as_ref().filter(|after| after.partition == partition);
    let (from, comparison) = match after {
        Some(after) if *after.name >= *query.prefix => (&*after.name, ">"),
        _ => (&*query.prefix, ">="),
    };
    let select = format!(
        "SELECT key, record FROM keys {index} WHERE partition = ?1 AND source = ?2 \
         AND key {comparison} ?3 AND {flagged} ORDER BY key LIMIT ?5"
    );
    let mut select = connection.prepare_cached(&select)?;
    let limit = i64::try_from(query.most.saturating_sub(keys.len()))?.saturating_add(1);
    let mut rows = select.query((partition.0, query.source.0, from, bit, limit))?;
    while let Some(row) = rows.next()? {
        let key = Key { source: query.source, name: row.get(0)? };
        if !key.name.starts_with(&query.prefix) {
            break;
        }
        keys.push(KeyRow { partition, key, record: keys::decoded(row, 1)? });
    }
    Ok(())
}
