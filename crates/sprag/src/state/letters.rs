//! Dead letters that no lane stands at, as the store lists them.

use rusqlite::{Connection, Params};
use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Key, PartitionId};
use sprag_core::ranges::Range;
use sprag_driver::state::Letter;

use super::bytes::{Fault, column, number};
use super::reader::StateReader;
use super::selection::Selection;
use super::{limits, rows};

/// Where a page of dead letters ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterCursor(pub i64);

/// A page of dead letters that no lane stands at, the newest first. It may have fewer than wanted
/// and still a next one, as [`super::LanePage`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetterPage {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Where the next page begins; none after the last.
    pub next: Option<LetterCursor>,
}

impl StateReader {
    /// A page of dead letters that no lane stands at; those of no destination were dead-lettered at
    /// ingress.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letters(
        &self,
        wanted: &Selection,
        before: Option<LetterCursor>,
        most: usize,
    ) -> Result<LetterPage, Fault> {
        let looked_at = if wanted.has_conditions() { limits::LOOKED_AT } else { most };
        let found = self.letter_rows(wanted.destination, before, looked_at)?;
        let mut page = LetterPage::default();
        let last = found.len().min(looked_at);
        for (at, (id, letter)) in found[..last].iter().enumerate() {
            let reasons = [letter.reason.as_str()];
            if wanted.takes(&letter.key, Some(letter.recorded), &reasons) {
                page.letters.push(letter.clone());
            }
            let full = page.letters.len() == most || at + 1 == looked_at;
            if full && at + 1 < found.len() {
                page.next = Some(LetterCursor(*id));
                break;
            }
        }
        Ok(page)
    }

    /// One more row than asked for, where there is one.
    fn letter_rows(
        &self,
        destination: Option<DestinationId>,
        before: Option<LetterCursor>,
        most: usize,
    ) -> Result<Vec<(i64, Letter)>, Fault> {
        let connection = self.connection();
        let limit = i64::try_from(most)?.saturating_add(1);
        let before = before.map_or(i64::MAX, |before| before.0);
        let (condition, of) = match destination {
            None => ("?3 IS NULL", None),
            Some(destination) => ("destination = ?3", Some(destination.0)),
        };
        let select = format!(
            "SELECT {} FROM letters WHERE id < ?1 AND {condition} ORDER BY id DESC LIMIT ?2",
            rows::LETTER
        );
        letters(&connection, &select, (before, limit, of))
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

    /// The events of a key's lane in a range that are dead letters and no lane stands at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn letters_of(
        &self,
        partition: PartitionId,
        key: &Key,
        destination: DestinationId,
        range: Range,
    ) -> Result<Vec<u64>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT sequence FROM letters WHERE partition = ?1 AND source = ?2 AND key = ?3 \
             AND destination = ?4 AND sequence BETWEEN ?5 AND ?6",
        )?;
        let range = (column(range.from), column(range.to));
        let lane = (partition.0, key.source.0, &*key.name, destination.0, range.0, range.1);
        let mut rows = select.query(lane)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(number(row.get(0)?)?);
        }
        Ok(found)
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
