//! What the store counts over all keys, in memory or not: for metrics and alerts.

use std::collections::BTreeMap;

use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId, Place, SourceId};
use sprag_core::time::UnixMicros;

use super::bytes::{Fault, number};
use super::keys::Finder;
use super::reader::StateReader;
use super::{lanes, limits, rows};

/// What waits for missing positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldCounts {
    /// Keys with events that wait.
    pub keys: u64,
    /// These events.
    pub events: u64,
    /// How far the highest positions held are ahead of the last released, summed over the keys.
    pub drift: u64,
}

impl HeldCounts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            events: self.events + other.events,
            drift: self.drift + other.drift,
        }
    }
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
    /// What waits for missing positions, by source and partition.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held(&self) -> Result<BTreeMap<(SourceId, PartitionId), HeldCounts>, Fault> {
        let connection = self.connection();
        let mut select =
            connection.prepare_cached("SELECT source, partition, keys, events, drift FROM held")?;
        let mut rows = select.query([])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let held = HeldCounts {
                keys: number(row.get(2)?)?,
                events: number(row.get(3)?)?,
                drift: number(row.get(4)?)?,
            };
            counts.insert((SourceId(row.get(0)?), PartitionId(row.get(1)?)), held);
        }
        Ok(counts)
    }

    /// The key of each source and partition that waits longest for missing positions, with its
    /// oldest event that waits.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn longest_holds(&self) -> Result<Vec<(Key, Place)>, Fault> {
        // By partition, so that it is a range of the table: lanes that wait are not looked at.
        // Beside `min` the key is that of its row.
        self.holds(
            "SELECT source, key, min(due) FROM waiting WHERE partition = ?1 AND queue = ?2 \
             GROUP BY source LIMIT ?3",
            limits::LOOKED_AT,
        )
    }

    /// Keys that wait for missing positions, those that wait longest first, so many of each
    /// partition; with the oldest event that waits.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn oldest_holds(&self, most: usize) -> Result<Vec<(Key, Place)>, Fault> {
        self.holds(
            "SELECT source, key, due FROM waiting WHERE partition = ?1 AND queue = ?2 \
             ORDER BY due LIMIT ?3",
            most,
        )
    }

    fn holds(&self, select: &str, most: usize) -> Result<Vec<(Key, Place)>, Fault> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(select)?;
        let mut records = Finder::of(&connection)?;
        let (queue, most) = (rows::queue(sprag_core::record::Queue::Holds), i64::try_from(most)?);
        let mut holds = Vec::new();
        for partition in lanes::partitions(&connection, None)? {
            let mut rows = select.query((partition.0, queue, most))?;
            while let Some(row) = rows.next()? {
                let key = rows::key(row.get(0)?, row.get(1)?)?;
                let record = records.find(partition, &key)?;
                let held = record.iter().flat_map(|record| record.order.held.values());
                let oldest = held.min_by_key(|held| held.deadline).map(|held| held.event);
                holds.extend(oldest.map(|event| (key, event)));
            }
        }
        Ok(holds)
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

    /// The newest frame of each partition that the store reflects, with its recorded time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reflected(&self) -> Result<BTreeMap<PartitionId, (FrameNumber, UnixMicros)>, Fault> {
        let connection = self.connection();
        let mut select =
            connection.prepare_cached("SELECT partition, frame, recorded FROM heads")?;
        let mut rows = select.query([])?;
        let mut reflected = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let head = (FrameNumber(number(row.get(1)?)?), UnixMicros(number(row.get(2)?)?));
            reflected.insert(PartitionId(row.get(0)?), head);
        }
        Ok(reflected)
    }
}
