//! The rows of keys: where one is, what is read of it, and what a batch makes of it.
//!
//! A table by name would keep whole rows in its inner pages, ten to each, and of a million keys one would be six
//! pages down. So a row has a number, which its key's name makes, and inner pages hold numbers only. Two
//! names may make the same: who comes second is *displaced*, has a negative number, and is found by the name. So numbers
//! say how soon a row is found, never whose it is.

use std::hash::Hasher;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use sprag_core::id::{Key, PartitionId};
use sprag_core::record::KeyRecord;

use super::bytes::{self, Fault, column};
use super::rows;

/// Bits of a row's number that the name gives; above them stands the partition, so that one partition's rows lie
/// together. 16 bits of partition leave these of 63.
const NAME_BITS: u32 = 47;

/// The number that the row of a key has unless another key's row has it. Part of the form of the file: who changes
/// it counts the version of the tables up, or none of the rows that are there would be found.
pub(super) fn number(partition: PartitionId, key: &Key) -> i64 {
    // The same on every machine, unlike the standard library's. Whoever makes names that meet only displaces rows.
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(&key.source.0.to_le_bytes());
    hasher.write(key.name.as_bytes());
    let hash = hasher.finish();
    let name = (hash ^ (hash >> NAME_BITS)) & ((1 << NAME_BITS) - 1);
    column(u64::from(partition.0) << NAME_BITS | name)
}

/// Whether a key's row is found where it is.
pub(super) fn is_found_at(id: i64, partition: PartitionId, key: &Key) -> bool {
    id < 0 || id == number(partition, key)
}

/// The numbers of a partition's rows that are not displaced.
pub(super) fn numbers(partition: PartitionId) -> (i64, i64) {
    let first = u64::from(partition.0) << NAME_BITS;
    (column(first), column(first + ((1 << NAME_BITS) - 1)))
}

/// Reads records by their keys.
pub(super) struct Finder<'a> {
    connection: &'a Connection,
    select: CachedStatement<'a>,
}

impl<'a> Finder<'a> {
    pub(super) fn of(connection: &'a Connection) -> rusqlite::Result<Self> {
        let select = "SELECT record FROM keys WHERE id = ?1 AND source = ?2 AND key = ?3";
        Ok(Self { connection, select: connection.prepare_cached(select)? })
    }

    /// One record; none when nothing is known of the key.
    pub(super) fn find(
        &mut self,
        partition: PartitionId,
        key: &Key,
    ) -> Result<Option<KeyRecord>, Fault> {
        let named = (number(partition, key), key.source.0, &*key.name);
        let found = self.select.query_row(named, |row| Ok(decoded(row, 0))).optional()?;
        match found {
            Some(record) => record.map(Some),
            None => self.displaced(partition, key),
        }
    }

    fn displaced(&self, partition: PartitionId, key: &Key) -> Result<Option<KeyRecord>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT record FROM keys INDEXED BY keys_displaced \
             WHERE partition = ?1 AND source = ?2 AND key = ?3 AND id < 0",
        )?;
        let named = (partition.0, key.source.0, &*key.name);
        select.query_row(named, |row| Ok(decoded(row, 0))).optional()?.transpose()
    }
}

/// The record in a column.
pub(super) fn decoded(row: &Row<'_>, column: usize) -> Result<KeyRecord, Fault> {
    bytes::decode(row.get_ref(column)?.as_blob().map_err(|_| Fault::Value("record"))?)
}

/// What a row has beside its name.
pub(super) struct Columns<'a> {
    pub(super) dues: Vec<u8>,
    pub(super) standing: Standing,
    active: i64,
    record: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Of a record, which is encoded into the buffer.
    pub(super) fn of(record: &KeyRecord, buffer: &'a mut Vec<u8>) -> Result<Self, Fault> {
        bytes::encode(record, buffer)?;
        let standing = Standing { flags: rows::flags(record), drift: rows::drift(record) };
        let (dues, active) = (rows::pack_dues(record), column(record.active.0));
        Ok(Self { dues, standing, active, record: buffer })
    }
}

/// Flags and drift of a key; all zero when nothing of it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    pub(super) flags: i64,
    pub(super) drift: i64,
}

/// A row that is there.
pub(super) struct Found {
    id: i64,
    pub(super) dues: Vec<u8>,
    pub(super) standing: Standing,
}

impl Found {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let standing = Standing { flags: row.get(2)?, drift: row.get(3)? };
        Ok(Self { id: row.get(0)?, dues: row.get(1)?, standing })
    }
}

/// The statements that keep the rows.
pub(super) struct KeyRows<'a> {
    same: CachedStatement<'a>,
    select: CachedStatement<'a>,
    displaced: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    displace: CachedStatement<'a>,
    update: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> KeyRows<'a> {
    pub(super) fn prepare(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            same: connection.prepare_cached(
                "UPDATE keys SET active = ?6, record = ?7 \
                 WHERE id = ?1 AND source = ?2 AND key = ?3 AND dues = ?4 AND flags = ?5",
            )?,
            select: connection.prepare_cached(
                "SELECT id, dues, flags, drift FROM keys WHERE id = ?1 AND source = ?2 AND key = ?3",
            )?,
            displaced: connection.prepare_cached(
                "SELECT id, dues, flags, drift FROM keys INDEXED BY keys_displaced \
                 WHERE partition = ?1 AND source = ?2 AND key = ?3 AND id < 0",
            )?,
            insert: connection.prepare_cached(
                "INSERT INTO keys (id, partition, source, key, dues, flags, drift, active, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
            )?,
            displace: connection.prepare_cached(
                "INSERT INTO keys (id, partition, source, key, dues, flags, drift, active, record) \
                 VALUES (ifnull((SELECT id FROM keys WHERE id < 0 ORDER BY id LIMIT 1), 0) - 1, \
                 ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            update: connection.prepare_cached(
                "UPDATE keys SET dues = ?2, flags = ?3, drift = ?4, active = ?5, record = ?6 \
                 WHERE id = ?1",
            )?,
            delete: connection.prepare_cached("DELETE FROM keys WHERE id = ?1")?,
        })
    }

    /// Writes a row that stays in the same places of the same lists, which is one search; false where there is none.
    pub(super) fn stays(
        &mut self,
        number: i64,
        key: &Key,
        columns: &Columns<'_>,
    ) -> Result<bool, Fault> {
        let Columns { dues, standing: Standing { flags, .. }, active, record } = columns;
        let row = (number, key.source.0, &*key.name, &dues[..], flags, active, record);
        Ok(self.same.execute(row)? > 0)
    }

    /// The row of a key, wherever it is.
    pub(super) fn find(
        &mut self,
        number: i64,
        partition: PartitionId,
        key: &Key,
    ) -> Result<Option<Found>, Fault> {
        let (source, name) = (key.source.0, &*key.name);
        let found = self.select.query_row((number, source, name), Found::of).optional()?;
        if found.is_some() {
            return Ok(found);
        }
        Ok(self.displaced.query_row((partition.0, source, name), Found::of).optional()?)
    }

    /// Writes the row of a key of which none was found.
    pub(super) fn add(
        &mut self,
        number: i64,
        partition: PartitionId,
        key: &Key,
        columns: &Columns<'_>,
    ) -> Result<(), Fault> {
        let (partition, source, name) = (partition.0, key.source.0, &*key.name);
        let Columns { dues, standing: Standing { flags, drift }, active, record } = columns;
        let row = (number, partition, source, name, &dues[..], flags, drift, active, record);
        if self.insert.execute(row)? == 0 {
            let row = (partition, source, name, &dues[..], flags, drift, active, record);
            self.displace.execute(row)?;
        }
        Ok(())
    }

    /// Writes a row that was found.
    pub(super) fn put(&mut self, found: &Found, columns: &Columns<'_>) -> Result<(), Fault> {
        let Columns { dues, standing: Standing { flags, drift }, active, record } = columns;
        self.update.execute((found.id, &dues[..], flags, drift, active, record))?;
        Ok(())
    }

    /// Deletes a row that was found.
    pub(super) fn remove(&mut self, found: &Found) -> Result<(), Fault> {
        self.delete.execute([found.id])?;
        Ok(())
    }
}
