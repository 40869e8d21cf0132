//! What the store counts over all keys, in memory or not: for metrics and alerts.

use std::collections::BTreeMap;

use sprag_core::id::{DestinationId, Key, PartitionId, SourceId};
use sprag_core::time::{OpenMicros, UnixMicros};

use super::bytes::{Fault, column, number};
use super::reader::StateReader;
use super::{limits, rows};

/// What waits for missing positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldCounts {
    /// Keys with events that wait.
    pub keys: u64,
    /// These events.
    pub events: u64,
}

/// Lanes that stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoppedCounts {
    /// How many.
    pub lanes: u64,
    /// The events in them.
    pub events: u64,
    /// When the first of them stopped, as far as known.
    pub since: Option<UnixMicros>,
}

impl StoppedCounts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let since = [self.since, other.since].into_iter().flatten().min();
        Self { lanes: self.lanes + other.lanes, events: self.events + other.events, since }
    }
}

impl StateReader {
    /// What waits for missing positions, by source.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held(&self) -> Result<BTreeMap<SourceId, HeldCounts>, Fault> {
        let connection = self.connection();
        let mut select = connection
            .prepare_cached("SELECT source, sum(keys), sum(events) FROM held GROUP BY source")?;
        let mut rows = select.query([])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let held = HeldCounts { keys: number(row.get(1)?)?, events: number(row.get(2)?)? };
            counts.insert(SourceId(row.get(0)?), held);
        }
        Ok(counts)
    }

    /// When the wait of a source that is over first ends, by partition: open time. Takes time in
    /// the number of keys that wait.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn first_deadlines(
        &self,
    ) -> Result<BTreeMap<SourceId, Vec<(PartitionId, OpenMicros)>>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT source, partition, min(due) FROM waiting WHERE queue = ?1 \
             GROUP BY partition, source",
        )?;
        let mut rows = select.query([rows::queue(sprag_core::record::Queue::Holds)])?;
        let mut deadlines: BTreeMap<SourceId, Vec<_>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let due = OpenMicros(number(row.get(2)?)?);
            deadlines
                .entry(SourceId(row.get(0)?))
                .or_default()
                .push((PartitionId(row.get(1)?), due));
        }
        Ok(deadlines)
    }

    /// Lanes that stopped, by destination and partition. Takes time in their number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stopped(&self) -> Result<BTreeMap<(DestinationId, PartitionId), StoppedCounts>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT destination, partition, count(*), sum(tail - head + 1), min(since) \
             FROM stopped GROUP BY destination, partition",
        )?;
        let mut rows = select.query([])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let since: Option<i64> = row.get(4)?;
            let stopped = StoppedCounts {
                lanes: number(row.get(2)?)?,
                events: number(row.get(3)?)?,
                since: since.map(number).transpose()?.map(UnixMicros),
            };
            counts.insert((DestinationId(row.get(0)?), PartitionId(row.get(1)?)), stopped);
        }
        Ok(counts)
    }

    /// Keys of these sources whose wait for missing positions is over and that hold events all the
    /// same, at most so many. `open` is the open time of each partition.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn overdue_holds(
        &self,
        open: &[(PartitionId, OpenMicros)],
        sources: &[SourceId],
        most: usize,
    ) -> Result<Vec<Key>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT source, key FROM waiting WHERE partition = ?1 AND queue = ?2 AND due <= ?3 \
             ORDER BY due LIMIT ?4",
        )?;
        let queue = rows::queue(sprag_core::record::Queue::Holds);
        let limit = i64::try_from(limits::LOOKED_AT)?;
        let mut keys = Vec::new();
        for (partition, open) in open {
            let mut rows = select.query((partition.0, queue, column(open.0), limit))?;
            while let Some(row) = rows.next()? {
                let key = rows::key(row.get(0)?, row.get(1)?)?;
                if sources.contains(&key.source) {
                    keys.push(key);
                }
                if keys.len() == most {
                    return Ok(keys);
                }
            }
        }
        Ok(keys)
    }
}
