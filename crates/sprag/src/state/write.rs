//! One batch, one transaction: the records, the lists derived from them, and the head.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Sequence};
use sprag_driver::state::{Batch, Letter, LetterChange, Stop};

use super::bytes::{self, Fault, column};
use super::records::Records;
use super::{keys, limits, rows, tombstones};

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
    let write = Records { transaction: &transaction, partition };
    write.all(&batch.records, &mut counts.stopped, buffer, || between(&transaction))?;
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
    let tables = ["heads", "tombstones", "forgotten", "held", "waiting", "stopped", "letters"];
    let (first, last) = keys::numbers(partition);
    transaction.execute("DELETE FROM keys WHERE id BETWEEN ?1 AND ?2", (first, last))?;
    transaction.execute(
        "DELETE FROM keys INDEXED BY keys_displaced WHERE partition = ?1 AND id < 0",
        [partition.0],
    )?;
    for table in tables {
        let delete = format!("DELETE FROM {table} WHERE partition = ?1");
        transaction.execute(&delete, [partition.0])?;
    }
    let counts = Counts::of(&transaction)?;
    transaction.commit()?;
    Ok(counts)
}
