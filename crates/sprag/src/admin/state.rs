//! What all requests share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::id::{DestinationId, Key, PartitionId, Place, Revision, SourceId};
use sprag_core::input::Command;
use sprag_core::output::Answer as NodeAnswer;
use sprag_core::partition::KeyView;
use sprag_core::partitioning::partition_of;
use sprag_core::record::KeyRecord;
use sprag_core::settings::First;
use sprag_core::time::UnixMicros;
use sprag_log::digest::Sha256;
use sprag_log::{Answer, Query, ReadError};
use tokio::sync::{Mutex, Semaphore, watch};

use super::history::History;
use super::metrics::StoreCounted;
use super::names::Names;
use super::observe::Counted;
use crate::backup::BackupSource;
use crate::clock::Clock;
use crate::extract::Pointer;
use crate::metrics::Metrics;
use crate::node::NodeHandle;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::state::{Fault, StateHealth, StateReader};
use crate::token::Token;

/// What the admin API is made of.
pub struct Parts<H> {
    /// Speaks to the node.
    pub node: NodeHandle,
    /// Reads the log.
    pub queries: H,
    /// Makes backups.
    pub backups: BackupSource,
    /// Reads the state store.
    pub reader: StateReader,
    /// Whether the state store works.
    pub health: StateHealth,
    /// How many partitions there are (DESIGN K2).
    pub partitions: u16,
    /// What is in force.
    pub configured: InForce,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// The node's clock.
    pub clock: Clock,
}

/// What is in force of the configuration, as far as operators see it.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Which configuration it is.
    pub revision: Revision,
    /// Since when.
    pub since: UnixMicros,
    /// The configured sources.
    pub sources: BTreeMap<SourceId, Arc<str>>,
    /// How long sources with holds wait, and what then.
    pub gaps: BTreeMap<SourceId, GapPolicy>,
    /// How long a silence of a source may be (`expect_every`).
    pub expected: BTreeMap<SourceId, Duration>,
    /// Where the values of fields are in the bodies of sources that say so (contract `merge`).
    pub documents: BTreeMap<SourceId, Pointer>,
    /// The configured destinations.
    pub destinations: BTreeMap<DestinationId, Arc<str>>,
    /// What `/v1` is protected with.
    pub token: Secret,
    /// What became of the last reload; none where there was none.
    pub reload: Option<LastReload>,
}

/// What became of a reload.
#[derive(Debug, Clone)]
pub struct LastReload {
    /// When.
    pub at: UnixMicros,
    /// Why it was refused; nothing where it was not.
    pub findings: Vec<String>,
    /// What it changed.
    pub changes: Vec<String>,
}

/// What a source does about missing positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapPolicy {
    /// `hold.wait`
    pub wait: Duration,
    /// Whether it then halts rather than skips.
    pub halts: bool,
    /// Where positions are numbers, of which an operator may give up what is missing by itself: where they begin.
    pub first: Option<First>,
}

impl<H> std::fmt::Debug for Parts<H> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Parts")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct AdminState(Arc<Shared>);

struct Shared {
    parts: Parts<Box<dyn History>>,
    in_force: watch::Sender<Arc<(InForce, Token)>>,
    counted: Mutex<Option<Counted>>,
    store_counted: Mutex<Option<StoreCounted>>,
    streams: Arc<Semaphore>,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.parts.fmt(formatter)
    }
}

/// A key of which something is known.
pub(super) struct KnownKey {
    pub(super) partition: PartitionId,
    pub(super) key: Key,
    pub(super) record: KeyRecord,
    /// None while it is not in memory.
    pub(super) view: Option<KeyView>,
}

impl AdminState {
    /// Puts the parts together.
    #[must_use]
    pub fn new<H: History>(parts: Parts<H>) -> Self {
        let token = Token::new(&parts.configured.token);
        let in_force = watch::Sender::new(Arc::new((parts.configured.clone(), token)));
        let parts = Parts {
            queries: Box::new(parts.queries) as Box<dyn History>,
            node: parts.node,
            backups: parts.backups,
            reader: parts.reader,
            health: parts.health,
            partitions: parts.partitions,
            configured: parts.configured,
            metrics: parts.metrics,
            clock: parts.clock,
        };
        Self(Arc::new(Shared {
            parts,
            in_force,
            counted: Mutex::new(None),
            store_counted: Mutex::new(None),
            streams: super::facts::permits(),
        }))
    }

    pub(super) fn parts(&self) -> &Parts<Box<dyn History>> {
        &self.0.parts
    }

    pub(super) fn node(&self) -> &NodeHandle {
        &self.0.parts.node
    }

    /// What is in force now.
    #[must_use]
    pub fn in_force(&self) -> InForce {
        self.0.in_force.borrow().0.clone()
    }

    /// From now on this is in force.
    pub fn replace(&self, in_force: InForce) {
        let token = Token::new(&in_force.token);
        self.0.in_force.send_replace(Arc::new((in_force, token)));
    }

    pub(super) fn current(&self) -> Arc<(InForce, Token)> {
        self.0.in_force.borrow().clone()
    }

    pub(super) fn counted(&self) -> &Mutex<Option<Counted>> {
        &self.0.counted
    }

    pub(super) fn store_counted(&self) -> &Mutex<Option<StoreCounted>> {
        &self.0.store_counted
    }

    /// A permit for each stream of facts that may be open.
    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// The names history knows.
    pub(super) async fn names(&self) -> Names {
        Names::new(self.node().directory().await)
    }

    /// Reads the state store on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        let reader = self.0.parts.reader.clone();
        let read = tokio::task::spawn_blocking(move || read(&reader)).await;
        match read {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(fault)) => Err(Problem::new(Code::NotReady)
                .with_detail(format!("the state store cannot be read: {fault}"))
                .retry_after(1)),
            Err(_) => Err(Problem::new(Code::Internal)),
        }
    }

    /// Makes lists read from the store from now on no older than this call.
    pub(super) async fn store(&self) -> Result<(), Problem> {
        match self.node().store().await {
            NodeAnswer::Done => Ok(()),
            _ => Err(Problem::new(Code::NotReady).retry_after(1)),
        }
    }

    /// Carries a command out; the answer comes once it is durable.
    pub(super) async fn command(&self, command: Command) -> Result<(), Problem> {
        match self.node().command(command).await {
            NodeAnswer::Done | NodeAnswer::Settled | NodeAnswer::Event { .. } => Ok(()),
            NodeAnswer::Busy(busy) => Err(Problem::new(busy.into()).retry_after(1)),
            NodeAnswer::Rejected(rejection) => Err(Problem::new(rejection.into())),
            NodeAnswer::Unavailable => Err(Problem::new(Code::NotDurable).retry_after(1)),
        }
    }

    /// Asks the log. What is not there is none.
    pub(super) async fn ask(&self, query: Query) -> Result<Option<Answer>, Problem> {
        match self.0.parts.queries.query(query).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ReadError::Missing | ReadError::NoSuchPartition | ReadError::Trimmed { .. }) => {
                Ok(None)
            }
            Err(error) => Err(Problem::new(Code::Internal).with_detail(error.to_string())),
        }
    }

    /// When a fact was recorded; none when it is no longer kept.
    pub(super) async fn recorded(&self, place: Place) -> Result<Option<UnixMicros>, Problem> {
        match self.ask(Query::Fact { place }).await? {
            Some(Answer::Fact(stored)) => Ok(Some(stored.recorded)),
            _ => Ok(None),
        }
    }

    /// Asks the log for something that has an id: where that was deleted, the answer says so.
    pub(super) async fn ask_kept(&self, query: Query) -> Result<Option<Answer>, Problem> {
        match self.0.parts.queries.query(query).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ReadError::Missing | ReadError::NoSuchPartition) => Ok(None),
            Err(ReadError::BodyDropped) => Err(Problem::new(Code::BodyGone)),
            Err(ReadError::Trimmed { oldest }) => {
                let detail = format!("history of this partition begins at frame {}", oldest.0);
                Err(Problem::new(Code::HistoryGone).with_detail(detail))
            }
            Err(error) => Err(Problem::new(Code::Internal).with_detail(error.to_string())),
        }
    }

    /// The partition of a key (DESIGN K2).
    pub(super) fn partition(&self, source: &str, key: &str) -> PartitionId {
        partition_of(&Sha256, source, key, self.0.parts.partitions)
    }

    /// A key in memory or in the store.
    pub(super) async fn key(
        &self,
        names: &Names,
        source: &str,
        name: &str,
    ) -> Result<KnownKey, Problem> {
        let key = names.key(source, name)?;
        if let Some((partition, view)) = self.node().view(key.clone()).await {
            let record = view.record.clone();
            let known = KnownKey { partition, key, record, view: Some(view) };
            return known.if_known();
        }
        let partition = self.partition(source, name);
        let asked = key.clone();
        let record = self.read(move |reader| reader.record(partition, &asked)).await?;
        let record = record.ok_or(Problem::new(Code::UnknownKey))?;
        KnownKey { partition, key, record, view: None }.if_known()
    }
}

impl KnownKey {
    /// A key that history names and of which nothing is kept: it was forgotten for good (rule D8), so
    /// nothing of it waits.
    pub(super) fn forgotten(partition: PartitionId, key: Key) -> Self {
        let record = KeyRecord { forgotten: true, ..KeyRecord::default() };
        Self { partition, key, record, view: None }
    }

    /// Whether nothing of it is kept, though it once was.
    pub(super) fn is_gone(&self) -> bool {
        self.record.forgotten && self.record.begins()
    }

    /// A key that is only asked for has an empty record in memory.
    fn if_known(self) -> Result<Self, Problem> {
        // One that was forgotten for good and only asked for since is in memory all the same.
        let known = self.record.newest.frame.0 > 0 && !self.is_gone();
        if known { Ok(self) } else { Err(Problem::new(Code::UnknownKey)) }
    }
}
