//! One batch, one transaction: the records, the lists derived from them, and the head.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, Row, Transaction, TransactionBehavior};
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Sequence, SourceId};
use sprag_core::record::KeyRecord;
use sprag_driver::state::{Batch, Letter, LetterChange, Stop};

use super::bytes::{self, Fault, column};
use super::keys::{self, Columns, KeyRows, Standing};
use super::{limits, rows, tombstones};

/// How many rows the small tables have, so that most batches need not touch them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    stopped: i64,
    letters: i64,
}

impl Counts {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let count = "SELECT (SELECT count(*) FROM stopped), (SELECT count(*) FROM letters)";
        connection
            .query_row(count, [], |row| Ok(Self { stopped: row.get(0)?, letters: row.get(1)? }))
    }
}

/// Takes a batch in, whole or not at all. What is asked meanwhile has its turn `between` some of the
/// records; where that fails, nothing of the batch is taken in.
pub(super) fn write(
    connection: &mut Connection,
    partition: PartitionId,
    batch: &Batch,
    mut counts: Counts,
    buffer: &mut Vec<u8>,
    mut between: impl FnMut(&Connection) -> Result<(), Fault>,
) -> Result<Counts, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut moves, mut known) = (Vec::new(), true);
    for records in in_rows(partition, batch).chunks(limits::RECORDS_AT_ONCE) {
        known &= write_records(&transaction, partition, records, &mut counts, &mut moves, buffer)?;
        if known {
            write_pages(&transaction, records)?;
        }
        between(&transaction)?;
    }
    for moves in moves.chunks(limits::RECORDS_AT_ONCE) {
        write_moves(&transaction, partition, moves)?;
        between(&transaction)?;
    }
    tombstones::write(&transaction, partition, &batch.tombstones, buffer)?;
    for change in &batch.letters {
        write_letter(&transaction, partition, change, &mut counts)?;
    }
    bound_letters(&transaction, &mut counts)?;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO heads (partition, frame, recorded, open, directory, totals) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            partition.0,
            column(batch.head.frame.0),
            column(batch.head.recorded.0),
            column(batch.head.open.0),
            bytes::encode_directory(&batch.head.directory)?,
            bytes::encode_totals(&batch.head.totals)?,
        ))?;
    transaction.commit()?;
    Ok(counts)
}

/// A record with the number of its row.
type Numbered<'a> = (i64, &'a Key, &'a KeyRecord);

/// The records of a batch as their rows lie, so that those on one page are written one after another.
fn in_rows(partition: PartitionId, batch: &Batch) -> Vec<Numbered<'_>> {
    let numbered = |(key, record)| (keys::number(partition, key), key, record);
    let mut records: Vec<_> =
        batch.records.iter().map(|(key, record)| (key, record)).map(numbered).collect();
    records.sort_unstable_by_key(|(number, ..)| *number);
    records
}

/// Brings the pages that changed into the write-ahead log, where they count for nothing before the batch does: all of
/// them when it ends would keep who asks meanwhile waiting. But for the last row's: the next record may be on it, and a
/// page that comes twice has all checksums behind it computed anew.
fn write_pages(transaction: &Transaction<'_>, records: &[Numbered<'_>]) -> Result<(), Fault> {
    let Some((number, ..)) = records.last() else { return Ok(()) };
    // Pages that a statement stands on stay.
    let mut last = transaction.prepare_cached("SELECT id FROM keys WHERE id = ?1")?;
    let mut rows = last.query([number])?;
    rows.next()?;
    Ok(transaction.cache_flush()?)
}

/// Writes records as their rows lie, but for their places in the queues; whether each had a row and has it still, so
/// that only pages of rows changed, each once.
fn write_records<'a>(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    records: &[Numbered<'a>],
    counts: &mut Counts,
    moves: &mut Vec<Move<'a>>,
    buffer: &mut Vec<u8>,
) -> Result<bool, Fault> {
    let mut rows = KeyRows::prepare(transaction)?;
    let mut lanes = StoppedLanes::prepare(transaction)?;
    let mut held = Held::default();
    let mut known = true;
    for (number, key, record) in records {
        lanes.write(partition, key, record, counts)?;
        if record.forgotten {
            if let Some(found) = rows.find(*number, partition, key)? {
                rows.remove(&found)?;
                held.change(key.source, found.standing, Standing::default());
                moves.push(Move { key, old: found.dues, new: Vec::new() });
            }
            known = false;
            continue;
        }
        let columns = Columns::of(record, buffer)?;
        // Most keys wait for nothing and did not before: one search, and no list changes. Nothing that is held, no
        // drift: that need not be looked at.
        if columns.dues.is_empty() && rows.stays(*number, key, &columns)? {
            continue;
        }
        let found = rows.find(*number, partition, key)?;
        match &found {
            Some(found) => rows.put(found, &columns)?,
            None => rows.add(*number, partition, key, &columns)?,
        }
        known &= found.is_some();
        let (old, before) =
            found.map_or_else(Default::default, |found| (found.dues, found.standing));
        held.change(key.source, before, columns.standing);
        moves.push(Move { key, old, new: columns.dues });
    }
    held.write(transaction, partition)?;
    Ok(known)
}

/// A key's places in the queues, as they were and as they are.
struct Move<'a> {
    key: &'a Key,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// Moves keys to their new places, behind all rows: pages of the queues, which many keys share, would come again and
/// again otherwise.
fn write_moves(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    moves: &[Move<'_>],
) -> Result<(), Fault> {
    let mut waiting = WaitingRows::prepare(transaction)?;
    moves.iter().try_for_each(|Move { key, old, new }| waiting.write(partition, key, old, new))
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

    /// Moves a key to its new places; where none changed, no row is touched.
    fn write(
        &mut self,
        partition: PartitionId,
        key: &Key,
        old: &[u8],
        new: &[u8],
    ) -> Result<(), Fault> {
        if old == new {
            return Ok(());
        }
        let (partition, source, name) = (partition.0, key.source.0, &*key.name);
        for (queue, due) in rows::unpack_dues(old) {
            self.delete.execute((partition, queue, due, source, name))?;
        }
        for (queue, due) in rows::unpack_dues(new) {
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
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        let (partition, source, name) = (partition.0, key.source.0, &*key.name);
        let mut listed: Vec<(u32, i64)> = Vec::new();
        if counts.stopped > 0 {
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
                None => counts.stopped += 1,
            }
        }
        for (destination, strand) in listed {
            let gone = self.delete.execute((partition, source, name, destination, strand))?;
            counts.stopped -= i64::try_from(gone)?;
        }
        Ok(())
    }
}

/// Notes when and why a lane stopped; one that goes on again is in no row.
fn write_stop(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    stop: &Stop,
) -> Result<(), Fault> {
    let mut update = transaction.prepare_cached(
        "UPDATE stopped SET since = ?5, outcome = ?6 \
         WHERE partition = ?1 AND source = ?2 AND key = ?3 AND destination = ?4 \
         AND strand IN (0, ?7)",
    )?;
    let (source, name, destination) = (stop.key.source.0, &*stop.key.name, stop.destination.0);
    let (since, outcome) = (column(stop.recorded.0), rows::outcome_name(stop.outcome));
    let strand = column(stop.sequence.0);
    update.execute((partition.0, source, name, destination, since, outcome, strand))?;
    Ok(())
}

fn write_letter(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    change: &LetterChange,
    counts: &mut Counts,
) -> Result<(), Fault> {
    let (key, name) = match change {
        LetterChange::Trimmed(before) => {
            return trim_letters(transaction, partition, *before, counts);
        }
        LetterChange::Added(letter) => (&letter.key, &letter.letter),
        LetterChange::Removed(key, name) => (key, name),
        LetterChange::Stopped(stop) => return write_stop(transaction, partition, stop),
        LetterChange::Again { key, destination, from, until } => {
            let range = (*from, *until);
            return remove_letters(transaction, partition, (key, *destination), range, counts);
        }
    };
    let (destination, sequence, event) = rows::letter_name(name);
    // One that is added again (redriven, and given up again) is listed once, as the newest.
    let mut delete = transaction.prepare_cached(
        "DELETE FROM letters WHERE partition = ?1 AND source = ?2 AND key = ?3 \
         AND destination = ?4 AND sequence = ?5 AND event = ?6",
    )?;
    let named = (partition.0, key.source.0, &*key.name, destination, sequence, event);
    counts.letters -= i64::try_from(delete.execute(named)?)?;
    if let LetterChange::Added(letter) = change {
        insert_letter(transaction, partition, letter)?;
        counts.letters += 1;
    }
    Ok(())
}

/// Dead letters of a lane that is set back leave the list.
fn remove_letters(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    (key, destination): (&Key, DestinationId),
    (from, until): (Sequence, Sequence),
    counts: &mut Counts,
) -> Result<(), Fault> {
    if counts.letters == 0 {
        return Ok(());
    }
    let mut delete = transaction.prepare_cached(
        "DELETE FROM letters WHERE partition = ?1 AND source = ?2 AND key = ?3 \
         AND destination = ?4 AND sequence BETWEEN ?5 AND ?6",
    )?;
    let range = (column(from.0), column(until.0));
    let (source, name) = (key.source.0, &*key.name);
    let gone = delete.execute((partition.0, source, name, destination.0, range.0, range.1))?;
    counts.letters -= i64::try_from(gone)?;
    Ok(())
}

/// Dead letters that history has nothing of any more leave the list. They stand in it in the order
/// of their places.
fn trim_letters(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    before: FrameNumber,
    counts: &mut Counts,
) -> Result<(), Fault> {
    if counts.letters == 0 {
        return Ok(());
    }
    let mut select = transaction
        .prepare_cached("SELECT id, place FROM letters WHERE partition = ?1 ORDER BY id")?;
    let mut delete = transaction.prepare_cached("DELETE FROM letters WHERE id = ?1")?;
    let mut found = select.query([partition.0])?;
    while let Some(row) = found.next()? {
        if rows::place(row, 1)?.frame >= before {
            break;
        }
        let id: i64 = row.get(0)?;
        counts.letters -= i64::try_from(delete.execute([id])?)?;
    }
    Ok(())
}

fn insert_letter(
    transaction: &Transaction<'_>,
    partition: PartitionId,
    letter: &Letter,
) -> Result<(), Fault> {
    let (destination, sequence, event) = rows::letter_name(&letter.letter);
    let mut insert = transaction.prepare_cached(
        "INSERT INTO letters (partition, place, recorded, source, key, destination, sequence, \
         event, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute((
        partition.0,
        letter.place.to_string(),
        column(letter.recorded.0),
        letter.key.source.0,
        &*letter.key.name,
        destination,
        sequence,
        event,
        letter.reason.as_str(),
    ))?;
    Ok(())
}

/// Beyond the limit the oldest leave the list, and are counted.
fn bound_letters(transaction: &Transaction<'_>, counts: &mut Counts) -> Result<(), Fault> {
    let excess = counts.letters - limits::LETTERS;
    if excess <= 0 {
        return Ok(());
    }
    transaction.execute(
        "DELETE FROM letters WHERE id IN (SELECT id FROM letters ORDER BY id LIMIT ?1)",
        [excess],
    )?;
    transaction.execute(
        "UPDATE facts_of_file SET value = value + ?1 WHERE name = 'letters_left'",
        [excess],
    )?;
    counts.letters -= excess;
    Ok(())
}

/// Forgets all of a partition.
pub(super) fn clear(connection: &mut Connection, partition: PartitionId) -> Result<Counts, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables =
        ["heads", "keys", "tombstones", "forgotten", "held", "waiting", "stopped", "letters"];
    for table in tables {
        let delete = format!("DELETE FROM {table} WHERE partition = ?1");
        transaction.execute(&delete, [partition.0])?;
    }
    let counts = Counts::of(&transaction)?;
    transaction.commit()?;
    Ok(counts)
}
