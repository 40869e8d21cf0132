//! What the admin API reads: keys, stopped lanes, dead letters, a page at a time.
//!
//! It has a connection of its own and sees whole batches only. Lists are as old as the newest
//! batch; `NodeHandle::store` makes that now. Calls block: they belong on a blocking thread.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Params};
use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence, SourceId};
use sprag_core::partition::Head;
use sprag_core::record::{KeyRecord, LaneMode};
use sprag_driver::state::Letter;

use super::bytes::{Fault, number};
use super::open::{self, OpenError};
use super::{rows, sqlite};

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

/// A lane that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedLane {
    /// Where its key lives.
    pub partition: PartitionId,
    /// The key.
    pub key: Key,
    /// Where it leads.
    pub destination: DestinationId,
    /// Halted or parked.
    pub mode: LaneMode,
    /// The event it stopped at.
    pub head: Sequence,
    /// The last event that waits in it.
    pub tail: Sequence,
}

/// Where a page of stopped lanes ended: their order is that of these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneCursor {
    /// The last lane's destination.
    pub destination: DestinationId,
    /// Its partition.
    pub partition: PartitionId,
    /// Its key.
    pub key: Key,
}

/// A page of stopped lanes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LanePage {
    /// The lanes.
    pub lanes: Vec<StoppedLane>,
    /// Where the next page begins; none after the last.
    pub next: Option<LaneCursor>,
}

/// Where a page of dead letters ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterCursor(pub i64);

/// A page of dead letters that no lane stands at, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetterPage {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Where the next page begins; none after the last.
    pub next: Option<LetterCursor>,
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
            Err(error) => Err(OpenError::Sqlite(path, error)),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
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

    /// The record of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn record(&self, partition: PartitionId, key: &Key) -> Result<Option<KeyRecord>, Fault> {
        let connection = self.connection();
        sqlite::record(&mut sqlite::record_statement(&connection)?, partition, key)
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

    /// A page of stopped lanes, of one destination or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stopped_lanes(
        &self,
        destination: Option<DestinationId>,
        after: Option<&LaneCursor>,
        most: usize,
    ) -> Result<LanePage, Fault> {
        let connection = self.connection();
        let limit = i64::try_from(most)?.saturating_add(1);
        let (from, to) = match destination {
            Some(destination) => (i64::from(destination.0), i64::from(destination.0)),
            None => (0, i64::MAX),
        };
        let mut lanes = match after {
            None => lanes(&connection, FIRST_LANES, (from, to, limit))?,
            Some(LaneCursor { destination, partition, key }) => {
                let after = (destination.0, partition.0, key.source.0, &*key.name, to, limit);
                lanes(&connection, NEXT_LANES, after)?
            }
        };
        let more = lanes.len() > most;
        lanes.truncate(most);
        let next = lanes.last().filter(|_| more).map(|last| LaneCursor {
            destination: last.destination,
            partition: last.partition,
            key: last.key.clone(),
        });
        Ok(LanePage { lanes, next })
    }

    /// A page of dead letters that no lane stands at, of one destination or of all; those of no
    /// destination were dead-lettered at ingress.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letters(
        &self,
        destination: Option<DestinationId>,
        before: Option<LetterCursor>,
        most: usize,
    ) -> Result<LetterPage, Fault> {
        let connection = self.connection();
        let limit = i64::try_from(most)?.saturating_add(1);
        let before = before.map_or(i64::MAX, |before| before.0);
        let columns = rows::LETTER;
        let mut letters = match destination {
            None => {
                let select = format!(
                    "SELECT {columns} FROM letters WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
                );
                letters(&connection, &select, (before, limit))?
            }
            Some(destination) => {
                let select = format!(
                    "SELECT {columns} FROM letters WHERE id < ?1 AND destination = ?3 \
                     ORDER BY id DESC LIMIT ?2"
                );
                letters(&connection, &select, (before, limit, destination.0))?
            }
        };
        let more = letters.len() > most;
        letters.truncate(most);
        let next = letters.last().filter(|_| more).map(|(id, _)| LetterCursor(*id));
        Ok(LetterPage { letters: letters.into_iter().map(|(_, letter)| letter).collect(), next })
    }

    /// One dead letter that no lane stands at, if the list has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letter(
        &self,
        partition: PartitionId,
        key: &Key,
        letter: &DeadLetter,
    ) -> Result<Option<Letter>, Fault> {
        let connection = self.connection();
        let select = format!(
            "SELECT {} FROM letters WHERE partition = ?1 AND source = ?2 AND key = ?3 \
             AND destination = ?4 AND sequence = ?5 AND event = ?6",
            rows::LETTER
        );
        let (destination, sequence, event) = rows::letter_name(letter);
        let name = (partition.0, key.source.0, &*key.name, destination, sequence, event);
        let found = letters(&connection, &select, name)?;
        Ok(found.into_iter().next().map(|(_, letter)| letter))
    }

    /// How many letters left the list because it was full. History has them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letters_left(&self) -> Result<u64, Fault> {
        let select = "SELECT value FROM facts_of_file WHERE name = 'letters_left'";
        number(self.connection().query_row(select, [], |row| row.get(0))?)
    }

    /// Events that are dead letters or wait in stopped lanes, by destination; none is ingress.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_letters(&self) -> Result<Vec<(Option<DestinationId>, u64)>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT destination, sum(events) FROM ( \
                 SELECT destination, tail - head + 1 AS events FROM stopped \
                 UNION ALL SELECT destination, 1 FROM letters) GROUP BY destination",
        )?;
        let mut rows = select.query([])?;
        let mut counts = Vec::new();
        while let Some(row) = rows.next()? {
            let destination: i64 = row.get(0)?;
            let destination = u32::try_from(destination).ok().map(DestinationId);
            counts.push((destination, number(row.get(1)?)?));
        }
        Ok(counts)
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
        keys.push(KeyRow { partition, key, record: sqlite::decoded(row, 1)? });
    }
    Ok(())
}

const FIRST_LANES: &str = "SELECT destination, partition, source, key, mode, head, tail \
    FROM stopped INDEXED BY stopped_by_destination WHERE destination BETWEEN ?1 AND ?2 \
    ORDER BY destination, partition, source, key LIMIT ?3";
const NEXT_LANES: &str = "SELECT destination, partition, source, key, mode, head, tail \
    FROM stopped INDEXED BY stopped_by_destination \
    WHERE (destination, partition, source, key) > (?1, ?2, ?3, ?4) AND destination <= ?5 \
    ORDER BY destination, partition, source, key LIMIT ?6";

fn lanes(
    connection: &Connection,
    select: &str,
    parameters: impl Params,
) -> Result<Vec<StoppedLane>, Fault> {
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(parameters)?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let mode = row.get_ref(4)?.as_str().map_err(|_| Fault::Value("lane mode"))?;
        lanes.push(StoppedLane {
            destination: DestinationId(row.get(0)?),
            partition: PartitionId(row.get(1)?),
            key: rows::key(row.get(2)?, row.get(3)?)?,
            mode: rows::mode(mode)?,
            head: Sequence(number(row.get(5)?)?),
            tail: Sequence(number(row.get(6)?)?),
        });
    }
    Ok(lanes)
}

fn letters(
    connection: &Connection,
    select: &str,
    parameters: impl Params,
) -> Result<Vec<(i64, Letter)>, Fault> {
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(parameters)?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(rows::letter(row)?);
    }
    Ok(letters)
}
