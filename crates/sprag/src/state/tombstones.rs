//! Keys that are forgotten (DESIGN D8): their tombstones by the fingerprints of their names, how many
//! there are, and the look for keys that are idle.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction};
use sprag_core::chain::Fingerprint;
use sprag_core::id::{Key, PartitionId, Sequence};
use sprag_core::limits::{IDLE_DROPPED, IDLE_KEYS, IDLE_LOOKED};
use sprag_core::output::IdleRequest;
use sprag_core::record::KeyRecord;
use sprag_driver::state::StateCompletion;
use sprag_log::digest::Sha256;

use super::bytes::{self, Fault, column, number};
use super::keys::Finder;
use super::reader::StateReader;
use super::{keys, rows};

/// What is known of a key: its record, else its tombstone.
pub(super) fn or(
    connection: &Connection,
    partition: PartitionId,
    key: &Key,
    record: Option<KeyRecord>,
) -> Result<Option<KeyRecord>, Fault> {
    match record {
        Some(record) => Ok(Some(record)),
        None => of(connection, partition, Fingerprint::of_key(&Sha256, key)),
    }
}

fn of(
    connection: &Connection,
    partition: PartitionId,
    digest: Fingerprint,
) -> Result<Option<KeyRecord>, Fault> {
    let mut select = connection
        .prepare_cached("SELECT record FROM tombstones WHERE partition = ?1 AND digest = ?2")?;
    let named = (partition.0, digest.0.to_be_bytes());
    let found = select.query_row(named, |row| Ok(keys::decoded(row, 0))).optional()?;
    found.transpose()
}

/// The tombstones of these fingerprints, as far as there are.
pub(super) fn all(
    connection: &Connection,
    partition: PartitionId,
    digests: &[Fingerprint],
) -> Result<BTreeMap<Fingerprint, KeyRecord>, Fault> {
    let mut found = BTreeMap::new();
    for digest in digests {
        if let Some(record) = of(connection, partition, *digest)? {
            found.insert(*digest, record);
        }
    }
    Ok(found)
}

/// Takes in tombstones that came and that are gone.
pub(super) fn write(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    tombstones: &[(Fingerprint, Option<KeyRecord>)],
    buffer: &mut Vec<u8>,
) -> Result<(), Fault> {
    if tombstones.is_empty() {
        return Ok(());
    }
    let mut remove = transaction
        .prepare_cached("DELETE FROM tombstones WHERE partition = ?1 AND digest = ?2")?;
    let mut put = transaction.prepare_cached(
        "INSERT INTO tombstones (partition, digest, active, record) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut more = 0;
    for (digest, record) in tombstones {
        let name = digest.0.to_be_bytes();
        more -= i64::try_from(remove.execute((partition.0, name))?)?;
        if let Some(record) = record {
            bytes::encode(record, buffer)?;
            put.execute((partition.0, name, column(record.active.0), &buffer[..]))?;
            more += 1;
        }
    }
    let mut add = transaction.prepare_cached(
        "INSERT INTO forgotten (partition, tombstones) VALUES (?1, ?2) \
         ON CONFLICT (partition) DO UPDATE SET tombstones = tombstones + excluded.tombstones",
    )?;
    add.execute((partition.0, more))?;
    Ok(())
}

/// A page of idle keys, and the oldest tombstones beyond as many as are kept.
pub(super) fn idle(
    connection: &mut Connection,
    partition: PartitionId,
    request: &IdleRequest,
) -> Result<StateCompletion, Fault> {
    let transaction = connection.transaction()?;
    let (names, next) = idle_keys(&transaction, partition, request)?;
    let mut records = Finder::of(&transaction)?;
    let mut keys = Vec::with_capacity(names.len());
    for key in names {
        let record = records.find(partition, &key)?;
        keys.push((key, record.ok_or(Fault::Value("idle key"))?));
    }
    drop(records);
    let beyond = beyond(&transaction, partition, request.tombstones)?;
    transaction.commit()?;
    Ok(StateCompletion::Idle { partition, keys, next, beyond })
}

fn idle_keys(
    connection: &Connection,
    partition: PartitionId,
    request: &IdleRequest,
) -> Result<(Vec<Key>, Option<Key>), Fault> {
    let mut select = connection.prepare_cached(
        "SELECT key, active FROM keys WHERE partition = ?1 AND source = ?2 AND key >= ?3 \
         ORDER BY key LIMIT ?4",
    )?;
    let (source, until) = (request.source, column(request.until.0));
    let from = request.from.as_ref().map_or("", |key| &*key.name);
    let limit = i64::try_from(IDLE_LOOKED)?.saturating_add(1);
    let mut found = select.query((partition.0, source.0, from, limit))?;
    let (mut keys, mut looked) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let key = rows::key(i64::from(source.0), row.get(0)?)?;
        if looked == IDLE_LOOKED || keys.len() == IDLE_KEYS {
            return Ok((keys, Some(key)));
        }
        looked += 1;
        if row.get::<_, i64>(1)? <= until {
            keys.push(key);
        }
    }
    Ok((keys, None))
}

fn beyond(
    connection: &Connection,
    partition: PartitionId,
    most: usize,
) -> Result<Vec<(Fingerprint, Sequence)>, Fault> {
    let mut count =
        connection.prepare_cached("SELECT tombstones FROM forgotten WHERE partition = ?1")?;
    let count: i64 = count.query_row([partition.0], |row| row.get(0)).optional()?.unwrap_or(0);
    let excess = count.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX));
    if excess <= 0 {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "SELECT digest, record FROM tombstones WHERE partition = ?1 \
         ORDER BY active, digest LIMIT ?2",
    )?;
    let mut found = select.query((partition.0, excess.min(i64::try_from(IDLE_DROPPED)?)))?;
    let mut oldest = Vec::new();
    while let Some(row) = found.next()? {
        let digest: [u8; 16] = row.get(0)?;
        let record = keys::decoded(row, 1)?;
        oldest.push((Fingerprint(u128::from_be_bytes(digest)), record.sequence));
    }
    Ok(oldest)
}

impl StateReader {
    /// How many tombstones there are, by partition.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forgotten(&self) -> Result<BTreeMap<PartitionId, u64>, Fault> {
        let connection = self.connection();
        let mut select =
            connection.prepare_cached("SELECT partition, tombstones FROM forgotten")?;
        let mut found = select.query([])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = found.next()? {
            counts.insert(PartitionId(row.get(0)?), number(row.get(1)?)?);
        }
        Ok(counts)
    }
}
