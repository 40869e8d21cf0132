//! Lanes that stopped, and lanes that have events to deliver, as the store lists them.

use rusqlite::{Connection, Params};
use sprag_core::id::{DestinationId, Key, PartitionId, Sequence};
use sprag_core::record::{Lane, LaneMode};
use sprag_core::time::UnixMicros;

use super::bytes::{Fault, column, number};
use super::keys::Finder;
use super::reader::StateReader;
use super::selection::Selection;
use super::{limits, rows};

/// A lane that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedLane {
    /// Where its key lives.
    pub partition: PartitionId,
    /// The key.
    pub key: Key,
    /// Where it leads.
    pub destination: DestinationId,
    /// The event of a strand, which stopped by itself; none where the lane did.
    pub strand: Option<Sequence>,
    /// Halted or parked.
    pub mode: LaneMode,
    /// The event it stopped at.
    pub head: Sequence,
    /// The last event that waits in it.
    pub tail: Sequence,
    /// When it stopped, where that is known.
    pub since: Option<UnixMicros>,
    /// What came of its last try: the status of an answer, or why there is none.
    pub outcome: Option<String>,
}

/// A lane that has events to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLane {
    /// Where its key lives.
    pub partition: PartitionId,
    /// The key.
    pub key: Key,
    /// The lane.
    pub lane: Lane,
}

/// Where a page of waiting lanes ended: their order is that of these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCursor {
    /// The last lane's partition.
    pub partition: PartitionId,
    /// Its destination.
    pub destination: DestinationId,
    /// When it is due, in microseconds.
    pub due: u64,
    /// Its key.
    pub key: Key,
}

/// A page of waiting lanes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitingPage {
    /// The lanes.
    pub lanes: Vec<WaitingLane>,
    /// Where the next page begins; none after the last.
    pub next: Option<WaitingCursor>,
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
    /// The event of a strand; none is the lane.
    pub strand: Option<Sequence>,
}

/// A page of stopped lanes. It may have fewer than wanted, or none, and still a next one: a page
/// looks at a bounded number of lanes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LanePage {
    /// The lanes.
    pub lanes: Vec<StoppedLane>,
    /// Where the next page begins; none after the last.
    pub next: Option<LaneCursor>,
}

impl StateReader {
    /// A page of stopped lanes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stopped_lanes(
        &self,
        wanted: &Selection,
        after: Option<&LaneCursor>,
        most: usize,
    ) -> Result<LanePage, Fault> {
        let looked_at = if wanted.has_conditions() { limits::LOOKED_AT } else { most };
        let found = self.stopped_rows(wanted.destination, after, looked_at)?;
        let mut page = LanePage::default();
        let last = found.len().min(looked_at);
        for (at, lane) in found[..last].iter().enumerate() {
            let outcome = lane.outcome.as_deref().unwrap_or_default();
            if wanted.takes(&lane.key, lane.since, &[outcome, rows::mode_name(lane.mode)]) {
                page.lanes.push(lane.clone());
            }
            let full = page.lanes.len() == most || at + 1 == looked_at;
            if full && at + 1 < found.len() {
                page.next = Some(LaneCursor {
                    destination: lane.destination,
                    partition: lane.partition,
                    key: lane.key.clone(),
                    strand: lane.strand,
                });
                break;
            }
        }
        Ok(page)
    }

    /// One more row than asked for, where there is one.
    fn stopped_rows(
        &self,
        destination: Option<DestinationId>,
        after: Option<&LaneCursor>,
        most: usize,
    ) -> Result<Vec<StoppedLane>, Fault> {
        let connection = self.connection();
        let limit = i64::try_from(most)?.saturating_add(1);
        let (from, to) = match destination {
            Some(destination) => (i64::from(destination.0), i64::from(destination.0)),
            None => (0, i64::MAX),
        };
        match after {
            None => lanes(&connection, FIRST_LANES, (from, to, limit)),
            Some(LaneCursor { destination, partition, key, strand }) => {
                let strand = strand.map_or(0, |event| column(event.0));
                let (source, name) = (key.source.0, &*key.name);
                let after = (destination.0, partition.0, source, name, strand, to, limit);
                lanes(&connection, NEXT_LANES, after)
            }
        }
    }

    /// A page of lanes that have events to deliver, whether or not one is under way.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn waiting_lanes(
        &self,
        wanted: &Selection,
        after: Option<&WaitingCursor>,
        most: usize,
    ) -> Result<WaitingPage, Fault> {
        let connection = self.connection();
        let mut page = WaitingPage::default();
        let mut looked_at = 0;
        for partition in partitions(&connection, after.map(|after| after.partition))? {
            let after = after.filter(|after| after.partition == partition);
            let limit = limits::LOOKED_AT - looked_at;
            for place in waiting(&connection, partition, wanted.destination, after, limit)? {
                looked_at += 1;
                if wanted.takes(&place.key, None, &[]) {
                    page.lanes.extend(waiting_lane(&connection, &place)?);
                }
                if page.lanes.len() == most || looked_at == limits::LOOKED_AT {
                    page.next = Some(place);
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

/// The partitions the store has, from one on.
pub(super) fn partitions(
    connection: &Connection,
    first: Option<PartitionId>,
) -> Result<Vec<PartitionId>, Fault> {
    let mut select = connection
        .prepare_cached("SELECT partition FROM heads WHERE partition >= ?1 ORDER BY partition")?;
    let first = first.map_or(0, |first| first.0);
    let found = select.query_map([first], |row| Ok(PartitionId(row.get(0)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Places of lanes in the queues of a partition.
fn waiting(
    connection: &Connection,
    partition: PartitionId,
    destination: Option<DestinationId>,
    after: Option<&WaitingCursor>,
    limit: usize,
) -> Result<Vec<WaitingCursor>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT queue, due, source, key FROM waiting WHERE partition = ?1 \
         AND queue BETWEEN ?2 AND ?3 AND (queue, due, source, key) > (?4, ?5, ?6, ?7) \
         ORDER BY queue, due, source, key LIMIT ?8",
    )?;
    let (from, to) = match destination {
        Some(destination) => (i64::from(destination.0), i64::from(destination.0)),
        None => (0, i64::MAX),
    };
    let (queue, due, source, name) = after.map_or((-1, -1, -1, ""), |after| {
        let (queue, source) = (i64::from(after.destination.0), i64::from(after.key.source.0));
        (queue, column(after.due), source, &*after.key.name)
    });
    let limit = i64::try_from(limit)?;
    let mut rows = select.query((partition.0, from, to, queue, due, source, name, limit))?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        places.push(WaitingCursor {
            partition,
            destination: DestinationId(row.get(0)?),
            due: number(row.get(1)?)?,
            key: rows::key(row.get(2)?, row.get(3)?)?,
        });
    }
    Ok(places)
}

fn waiting_lane(
    connection: &Connection,
    place: &WaitingCursor,
) -> Result<Option<WaitingLane>, Fault> {
    let (partition, key) = (place.partition, place.key.clone());
    let record = Finder::of(connection)?.find(partition, &key)?;
    let first = record.and_then(|record| {
        let lanes = record.lanes_to(place.destination).iter();
        lanes.filter(|lane| record.sends(lane)).min_by_key(|lane| lane.due).cloned()
    });
    let lane = first;
    Ok(lane.map(|lane| WaitingLane { partition, key, lane }))
}

const FIRST_LANES: &str = "SELECT destination, partition, source, key, mode, head, tail, \
    since, outcome, strand FROM stopped INDEXED BY stopped_by_destination \
    WHERE destination BETWEEN ?1 AND ?2 \
    ORDER BY destination, partition, source, key, strand LIMIT ?3";
const NEXT_LANES: &str = "SELECT destination, partition, source, key, mode, head, tail, \
    since, outcome, strand FROM stopped INDEXED BY stopped_by_destination \
    WHERE (destination, partition, source, key, strand) > (?1, ?2, ?3, ?4, ?5) \
    AND destination <= ?6 \
    ORDER BY destination, partition, source, key, strand LIMIT ?7";

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
            since: row.get::<_, Option<i64>>(7)?.map(number).transpose()?.map(UnixMicros),
            outcome: row.get(8)?,
            strand: Some(number(row.get(9)?)?).filter(|event| *event > 0).map(Sequence),
        });
    }
    Ok(lanes)
}
