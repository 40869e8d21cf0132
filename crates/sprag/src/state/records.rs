//! The records of a batch: first the rows of keys, and behind all of them what is derived from them.
//!
//! While only rows change, pages are written as they are: all of them when a batch ends would keep who asks meanwhile
//! waiting. Until the batch is whole they count for nothing.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Row, Transaction};
use sprag_core::id::{Key, PartitionId, SourceId};
use sprag_core::record::{KeyRecord, Lane};

use super::bytes::{Fault, column};
use super::keys::{self, Columns, KeyRows, Standing};
use super::{limits, rows};

/// A record with the number of its row.
type Numbered<'a> = (i64, &'a Key, &'a KeyRecord);

/// Writes the records of a partition.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) partition: PartitionId,
}

/// What the rows of a batch change besides.
#[derive(Default)]
struct Derived<'a> {
    moves: Vec<Move<'a>>,
    held: Held,
}

/// A key's places in the queues, as they were and as they are.
struct Move<'a> {
    key: &'a Key,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'a> Derived<'a> {
    fn moved(&mut self, key: &'a Key, old: Vec<u8>, new: Vec<u8>) {
        if old != new {
            self.moves.push(Move { key, old, new });
        }
    }
}

impl Records<'_> {
    /// All of a batch, each key once. `stopped` counts the rows of stopped lanes; what is asked meanwhile has its turn
    /// `between` some of the records.
    pub(super) fn all(
        self,
        records: &[(Key, KeyRecord)],
        stopped: &mut i64,
        buffer: &mut Vec<u8>,
        mut between: impl FnMut() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let records = self.in_rows(records);
        let (mut derived, mut rows_only) = (Derived::default(), true);
        for records in records.chunks(limits::RECORDS_AT_ONCE) {
            rows_only &= self.rows(records, &mut derived, buffer)?;
            if rows_only {
                self.pages(records)?;
            }
            between()?;
        }
        for moves in derived.moves.chunks(limits::RECORDS_AT_ONCE) {
            self.moves(moves)?;
            between()?;
        }
        for records in records.chunks(limits::RECORDS_AT_ONCE) {
            if *stopped > 0 || records.iter().any(|(.., record)| has_stopped(record)) {
                self.lanes(records, stopped)?;
                between()?;
            }
        }
        derived.held.write(self.transaction, self.partition)
    }

    /// The records as their rows lie, so that those on one page are written one after another.
    fn in_rows<'a>(self, records: &'a [(Key, KeyRecord)]) -> Vec<Numbered<'a>> {
        let numbered =
            |(key, record): &'a (Key, KeyRecord)| (keys::number(self.partition, key), key, record);
        let mut records: Vec<_> = records.iter().map(numbered).collect();
        records.sort_by_key(|(number, ..)| *number);
        records
    }

    /// Writes rows; whether no other pages changed, neither those of names nor of flags, so that each changes once.
    fn rows<'a>(
        self,
        records: &[Numbered<'a>],
        derived: &mut Derived<'a>,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let mut rows = KeyRows::prepare(self.transaction)?;
        let mut rows_only = true;
        for (number, key, record) in records {
            if record.forgotten {
                if let Some(found) = rows.find(*number, self.partition, key)? {
                    rows.remove(&found)?;
                    derived.held.change(key.source, found.standing, Standing::default());
                    derived.moved(key, found.dues, Vec::new());
                    rows_only = false;
                }
                continue;
            }
            let columns = Columns::of(record, buffer)?;
            // Most keys wait for nothing and did not before: one search, and no list changes. Nothing that is held, no
            // drift: that need not be looked at.
            if columns.dues.is_empty() && rows.stays(*number, key, &columns)? {
                continue;
            }
            let found = rows.find(*number, self.partition, key)?;
            match &found {
                Some(found) => rows.put(found, &columns)?,
                None => rows.add(*number, self.partition, key, &columns)?,
            }
            let flags = columns.standing.flags;
            rows_only &= found.as_ref().is_some_and(|found| found.standing.flags == flags);
            let (old, before) =
                found.map_or_else(Default::default, |found| (found.dues, found.standing));
            derived.held.change(key.source, before, columns.standing);
            derived.moved(key, old, columns.dues);
        }
        Ok(rows_only)
    }

    /// Brings the pages that changed into the write-ahead log, but for the last row's: the next record may be on it, and
    /// a page that comes twice has SQLite compute all checksums behind it anew when the batch ends.
    fn pages(self, records: &[Numbered<'_>]) -> Result<(), Fault> {
        let Some((number, ..)) = records.last() else { return Ok(()) };
        // A page in use is passed over, and this one is while the statement stands on it.
        let mut last = self.transaction.prepare_cached("SELECT id FROM keys WHERE id = ?1")?;
        let mut rows = last.query([number])?;
        rows.next()?;
        Ok(self.transaction.cache_flush()?)
    }

    /// Moves keys to their new places in the queues, whose pages many keys share.
    fn moves(self, moves: &[Move<'_>]) -> Result<(), Fault> {
        let mut waiting = WaitingRows::prepare(self.transaction)?;
        moves.iter().try_for_each(|moved| waiting.write(self.partition, moved))
    }

    /// Brings the list of stopped lanes up to the records.
    fn lanes(self, records: &[Numbered<'_>], stopped: &mut i64) -> Result<(), Fault> {
        let mut lanes = StoppedLanes::prepare(self.transaction)?;
        records
            .iter()
            .try_for_each(|(_, key, record)| lanes.write(self.partition, key, record, stopped))
    }
}

fn has_stopped(record: &KeyRecord) -> bool {
    record.lanes.iter().any(Lane::is_stopped)
}

/// What a batch changes about how much is held, by source: keys with a gap, events, drift.
#[derive(Default)]
struct Held(BTreeMap<SourceId, [i64; 3]>);

impl Held {
    fn change(&mut self, source: SourceId, before: Standing, after: Standing) {
        let of = |Standing { flags, drift }| {
            [i64::from(rows::has_gap(flags)), rows::held_events(flags), drift]
        };
        let (before, after) = (of(before), of(after));
        if before != after {
            let change = self.0.entry(source).or_default();
            for at in 0..change.len() {
                change[at] += after[at] - before[at];
            }
        }
    }

    fn write(&self, transaction: &Transaction<'_>, partition: PartitionId) -> Result<(), Fault> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO held (partition, source, keys, events, drift) \
             VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (partition, source) \
             DO UPDATE SET keys = keys + excluded.keys, events = events + excluded.events, \
             drift = drift + excluded.drift",
        )?;
        for (source, [keys, events, drift]) in &self.0 {
            add.execute((partition.0, source.0, keys, events, drift))?;
        }
        Ok(())
    }
}

/// The statements that keep the queues.
struct WaitingRows<'a> {
    delete: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

impl<'a> WaitingRows<'a> {
    fn prepare(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            delete: transaction.prepare_cached(
                "DELETE FROM waiting WHERE partition = ?1 AND queue = ?2 AND due = ?3 \
                 AND source = ?4 AND key = ?5",
            )?,
            insert: transaction.prepare_cached(
                "INSERT INTO waiting (partition, queue, due, source, key) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
        })
    }

    fn write(&mut self, partition: PartitionId, moved: &Move<'_>) -> Result<(), Fault> {
        let (partition, source, name) = (partition.0, moved.key.source.0, &*moved.key.name);
        for (queue, due) in rows::unpack_dues(&moved.old) {
            self.delete.execute((partition, queue, due, source, name))?;
        }
        for (queue, due) in rows::unpack_dues(&moved.new) {
            self.insert.execute((partition, queue, due, source, name))?;
        }
        Ok(())
    }
}

/// The statements that keep the list of stopped lanes.
struct StoppedLanes<'a> {
    select: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    put: CachedStatement<'a>,
}

impl<'a> StoppedLanes<'a> {
    fn prepare(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            select: transaction.prepare_cached(
                "SELECT destination, strand FROM stopped WHERE partition = ?1 AND source = ?2 AND key = ?3",
            )?,
            delete: transaction.prepare_cached(
                "DELETE FROM stopped WHERE partition = ?1 AND source = ?2 AND key = ?3 \
                 AND destination = ?4 AND strand = ?5",
            )?,
            // What only the stop itself says stays.
            put: transaction.prepare_cached(
                "INSERT INTO stopped \
                 (partition, source, key, destination, strand, mode, head, tail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                 ON CONFLICT (partition, source, key, destination, strand) \
                 DO UPDATE SET mode = excluded.mode, head = excluded.head, tail = excluded.tail",
            )?,
        })
    }

    fn write(
        &mut self,
        partition: PartitionId,
        key: &Key,
        record: &KeyRecord,
        stopped: &mut i64,
    ) -> Result<(), Fault> {
        let (partition, source, name) = (partition.0, key.source.0, &*key.name);
        let mut listed: Vec<(u32, i64)> = Vec::new();
        if *stopped > 0 {
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let rows = self.select.query_map((partition, source, name), row)?;
            listed = rows.collect::<rusqlite::Result<_>>()?;
        }
        for lane in record.lanes.iter().filter(|lane| lane.is_stopped()) {
            let of @ (destination, strand) = (lane.destination.0, rows::strand(lane));
            let mode = rows::mode_name(lane.mode);
            let (head, tail) = (column(lane.head.0), column(lane.tail.0));
            self.put.execute((partition, source, name, destination, strand, mode, head, tail))?;
            match listed.iter().position(|listed| *listed == of) {
                Some(at) => drop(listed.swap_remove(at)),
                None => *stopped += 1,
            }
        }
        for (destination, strand) in listed {
            let gone = self.delete.execute((partition, source, name, destination, strand))?;
            *stopped -= i64::try_from(gone)?;
        }
        Ok(())
    }
}
