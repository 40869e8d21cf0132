//! What pages of events are read with: the log, the state store, and room for so many pages.
//!
//! Only what is committed is told. The store has a key's lanes and dead letters some time behind the log, so
//! it is brought up to date first; pages that are asked for meanwhile share that. Must not know requests.

use std::sync::Arc;

use sprag_core::id::{Key, PartitionId, Sequence};
use sprag_core::output::Answer as NodeAnswer;
use sprag_core::partitioning::partition_of;
use sprag_core::record::KeyRecord;
use sprag_core::time::ElapsedMicros;
use sprag_log::digest::Sha256;
use sprag_log::{Answer, Query, ReadError, StoredEvent, StoredFact};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::ingress::answer::later;
use crate::limits;
use crate::node::{LogQueries, NodeHandle};
use crate::problem::{Code, Problem};
use crate::state::{Fault, StateReader};

/// Reads for consumers. One for the process: configurations come and go.
#[derive(Debug)]
pub struct Reading {
    queries: LogQueries,
    store: StateReader,
    partitions: u16,
    clock: Clock,
    /// Room for pages of all destinations.
    room: Arc<Semaphore>,
    /// When the store was last brought up to date; none: never.
    stored: Mutex<Option<ElapsedMicros>>,
}

/// Room for one page, until it is sent.
#[derive(Debug)]
pub(super) struct Room {
    _of_destination: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Reading {
    /// Reads this log, which has so many partitions, and this store.
    #[must_use]
    pub fn new(queries: LogQueries, store: StateReader, partitions: u16, clock: Clock) -> Self {
        let room = Arc::new(Semaphore::new(limits::OUT_READS_OF_ALL));
        Self { queries, store, partitions, clock, room, stored: Mutex::new(None) }
    }

    /// Room for a page of a destination.
    pub(super) fn room(&self, of_destination: &Arc<Semaphore>) -> Result<Room, Problem> {
        let of_destination = of_destination.clone().try_acquire_owned();
        let of_all = self.room.clone().try_acquire_owned();
        match (of_destination, of_all) {
            (Ok(of_destination), Ok(of_all)) => {
                Ok(Room { _of_destination: of_destination, _of_all: of_all })
            }
            _ => Err(later(Code::TooManyReads)),
        }
    }

    /// The partition of a key (DESIGN K2).
    pub(super) fn partition(&self, source: &str, key: &str) -> PartitionId {
        partition_of(&Sha256, source, key, self.partitions)
    }

    /// What is committed of a key.
    pub(super) async fn record(
        &self,
        node: &NodeHandle,
        partition: PartitionId,
        key: &Key,
    ) -> Result<KeyRecord, Problem> {
        self.bring_up_to_date(node).await?;
        let key = key.clone();
        let record = self.look_up(move |store| store.record(partition, &key)).await?;
        record.ok_or(Problem::new(Code::UnknownKey).with_detail(
            "no event of this key was ever released here, or it was forgotten for good",
        ))
    }

    async fn bring_up_to_date(&self, node: &NodeHandle) -> Result<(), Problem> {
        let asked = self.clock.now().elapsed;
        let mut stored = self.stored.lock().await;
        if stored.is_some_and(|began| began > asked) {
            return Ok(());
        }
        if let Some(began) = *stored {
            let rests =
                limits::OUT_STORE_EVERY.saturating_sub(self.clock.now().elapsed.since(began));
            tokio::time::sleep(rests).await;
        }
        let began = self.clock.now().elapsed;
        match node.store().await {
            NodeAnswer::Done => {
                *stored = Some(began);
                Ok(())
            }
            _ => Err(later(Code::NotReady)),
        }
    }

    /// Reads the state store on a thread that may block.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(fault)) => Err(later(Code::NotReady)
                .with_detail(format!("the state store cannot be read: {fault}"))),
            Err(_) => Err(Problem::new(Code::Internal)),
        }
    }

    /// The releases of a key from a sequence on, as far as they are kept and looked for at once.
    pub(super) async fn releases(
        &self,
        partition: PartitionId,
        key: &Key,
        (from, to): (u64, u64),
    ) -> Result<Vec<StoredFact>, Problem> {
        let (key, most) = (key.clone(), usize::MAX);
        let (from, to) = (Sequence(from), Sequence(to));
        match self.queries.query(Query::Sequences { partition, key, from, to, most }).await {
            Ok(Answer::Sequences(found)) => Ok(found),
            Ok(_) | Err(ReadError::NoSuchPartition) => Ok(Vec::new()),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// A received event with its body; none where that is kept no longer.
    pub(super) async fn event(
        &self,
        place: sprag_core::id::Place,
    ) -> Result<Option<StoredEvent>, Problem> {
        match self.queries.query(Query::Event { place }).await {
            Ok(Answer::Event(event)) => Ok(Some(*event)),
            Ok(_) | Err(ReadError::BodyDropped | ReadError::Trimmed { .. }) => Ok(None),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &ReadError) -> Problem {
    match error {
        // The node has stopped.
        ReadError::Missing => later(Code::NotReady),
        error => Problem::new(Code::Internal).with_detail(error.to_string()),
    }
}
