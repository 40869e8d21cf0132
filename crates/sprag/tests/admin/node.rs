//! A small node in this process: memory log, SQLite state, a consumer told what to answer, and the
//! admin API on a loopback port.

use std::collections::BTreeMap;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sprag::admin::{self, AdminState, GapPolicy, History, HistoryAnswer, InForce, Parts, Serving};
use sprag::backup::BackupSource;
use sprag::clock::Clock;
use sprag::descriptors::Descriptors;
use sprag::metrics::Metrics;
use sprag::node::{self, Commit, Committed, Network, NewArrival, NodeHandle, ThreadState};
use sprag::secret::Secret;
use sprag::state::{SqliteState, StateReader};
use sprag_core::fact::{Outcome, StoredHeader};
use sprag_core::id::{DestinationId, Key, PartitionId, Revision, SourceId};
use sprag_core::input::{AttemptId, Ended};
use sprag_core::lists::ListAsk;
use sprag_core::output::{Answer, Attempt, Compare, Fetch, Status, Theirs};
use sprag_core::plan::{Plan, PlannedDestination, PlannedSource};
use sprag_core::position::Position;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, OnGap, OnGiveUp, OnLate, RetentionSettings, Retry,
    SourceSettings,
};
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::Notice;
use sprag_driver::node::Node;
use sprag_log::digest::{Sha256, sha256};
use sprag_log::embedded::Catalog;
use sprag_log::memory::MemoryLog;
use sprag_log::{Completion, Log, Query, ReadError, Request, Ticket};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "a token of this test";
const PARTITIONS: u16 = 4;
const HOLD: Duration = Duration::from_secs(60);
/// Beyond the tickets a node uses.
const OWN_TICKET: Ticket = Ticket(u64::MAX);

/// A memory log that the node and the admin API share.
#[derive(Clone)]
struct SharedLog(Arc<Mutex<(MemoryLog, VecDeque<Completion>)>>);

impl SharedLog {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((MemoryLog::new(PARTITIONS), VecDeque::new()))))
    }
}

impl Log for SharedLog {
    fn submit(&mut self, request: Request) {
        self.0.lock().unwrap().0.submit(request);
    }

    fn complete(&mut self) -> Option<Completion> {
        let (log, kept) = &mut *self.0.lock().unwrap();
        kept.pop_front().or_else(|| log.complete())
    }
}

impl Commit for SharedLog {
    fn commit(&mut self) -> Committed {
        // Memory keeps what is submitted at once.
        Committed::Later
    }

    fn rest(&mut self) {}
}

impl History for SharedLog {
    fn query(&self, query: Query) -> HistoryAnswer<'_> {
        let (log, kept) = &mut *self.0.lock().unwrap();
        log.submit(Request::Query { ticket: OWN_TICKET, query });
        let mut answer = Err(ReadError::Missing);
        while let Some(completion) = log.complete() {
            match completion {
                Completion::Answered { ticket: OWN_TICKET, result } => answer = result,
                other => kept.push_back(other),
            }
        }
        Box::pin(std::future::ready(answer))
    }
}

/// What the consumer does with events of a key; unknown keys are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consumer {
    Answers(u16),
    Hangs,
}

type Script = Arc<Mutex<HashMap<String, Consumer>>>;

fn ended(attempt: AttemptId, outcome: Outcome, took: Duration) -> Ended {
    Ended { attempt, outcome, retry_after: None, dropped: None, acknowledged: None, took }
}

struct ScriptedNetwork {
    node: NodeHandle,
    script: Script,
}

impl Network for ScriptedNetwork {
    fn deliver(
        &mut self,
        partition: PartitionId,
        attempt: Box<Attempt>,
        _: ReleasedEvent,
        _: Vec<ReleasedEvent>,
    ) {
        let consumer = self.script.lock().unwrap().get(&*attempt.key.name).copied();
        let Consumer::Answers(status) = consumer.unwrap_or(Consumer::Answers(204)) else { return };
        let (outcome, took) = (Outcome::Answered { status }, Duration::from_millis(3));
        self.node.ended(partition, ended(attempt.id, outcome, took));
    }

    fn abort(&mut self, partition: PartitionId, attempt: AttemptId) {
        self.node.ended(partition, ended(attempt, Outcome::Unknown, Duration::ZERO));
    }

    fn fetch(&mut self, _: PartitionId, fetch: Box<Fetch>) {
        panic!("no source is asked: {fetch:?}");
    }

    fn compare(&mut self, _: PartitionId, _: Box<Compare>) {
        // No source is compared.
    }

    fn bring_theirs(&mut self, _: Box<Theirs>) {
        // Nor has it anything.
    }

    fn read_list(&mut self, asked: ListAsk) {
        panic!("no list is read: {asked:?}");
    }

    fn newest_outcome(&self, _: DestinationId) -> Option<Outcome> {
        None
    }

    fn notice(&mut self, _: Notice) {}
}

/// A running node with its admin API.
pub(crate) struct World {
    pub(crate) node: NodeHandle,
    pub(crate) api: Serving,
    pub(crate) directory: TempDir,
    pub(crate) metrics: Arc<Metrics>,
    script: Script,
}

fn source(name: &str, contract: Contract) -> PlannedSource {
    let settings = SourceSettings {
        name: Arc::from(name),
        contract,
        hold_wait: HOLD,
        hold_events: 1_000,
        hold_span: 100,
        rate: None,
        refill: None,
        list: None,
        reconcile: None,
        depends_on: None,
        facts: Duration::from_secs(34_560_000),
        max_ahead: Duration::from_secs(300),
        states: Arc::default(),
        ranks: Vec::new(),
        on_gap: OnGap::Skip,
        on_late: OnLate::Deliver,
        dedupe: Duration::from_secs(3_600),
        forget_after: None,
        destinations: Vec::new(),
    };
    PlannedSource {
        identity: Arc::from(format!("identity of {name}")),
        late_to: None,
        depends_on: None,
        settings,
    }
}

fn destination(name: &str, from: &[&str], on_give_up: OnGiveUp) -> PlannedDestination {
    let retry = Retry {
        first: Duration::from_millis(1),
        cap: Duration::from_millis(1),
        give_up_after: Duration::from_secs(3_600),
        attempts: Some(2),
    };
    let settings = DestinationSettings {
        name: Arc::from(name),
        start: sprag_core::settings::Start::Now,
        types: vec![sprag_core::pattern::Pattern::any()],
        concurrency: 8,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
        rate: None,
        key_rate: None,
        retry,
        on_give_up,
        ack: Ack::Answer,
        batch: None,
    };
    PlannedDestination { from: from.iter().map(|from| Arc::from(*from)).collect(), settings }
}

/// `billing` (fifo) goes to `app`, which parks, and `audit`, which skips; `notes` (arrival) to
/// `app` only. Two failed tries give an event up.
fn plan() -> Plan {
    Plan {
        revision: Revision(7),
        sources: vec![
            source("billing", Contract::Fifo { first: First::At(1) }),
            source("notes", Contract::Arrival),
        ],
        destinations: vec![
            destination("app", &["billing", "notes"], OnGiveUp::Park),
            destination("audit", &["billing"], OnGiveUp::Skip),
        ],
        retired: Vec::new(),
        hot_keys: 1_000,
        key_backlog: 1_000,
        destination_backlog: None,
        dedupe_ids: 10_000,
        forgotten: usize::MAX,
        partition_rate: None,
        retention: RetentionSettings::default(),
        restore: None,
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let (log, clock, script) = (SharedLog::new(), Clock::start(), Script::default());
        let opened = SqliteState::open(directory.path(), "memory").unwrap();
        assert_eq!(opened.rebuilt, None);
        let health = opened.store.health();
        let (queries, told) = (log.clone(), script.clone());
        let make = |waker| {
            let state = ThreadState::start(opened.store, waker)?;
            Ok(Node::new(log, state, Sha256, plan(), PARTITIONS, 1))
        };
        let network = |node, _| ScriptedNetwork { node, script: told };
        let node = node::start(clock, make, network).unwrap().handle;
        let metrics = Arc::new(Metrics::new());
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
        let backups = BackupSource::new(directory.path().to_owned(), Catalog::default());
        let state = AdminState::new(Parts {
            node: node.clone(),
            queries,
            backups,
            reader: StateReader::open(directory.path()).unwrap(),
            health,
            partitions: PARTITIONS,
            configured: InForce {
                revision: Revision(1),
                since: clock.now().clock,
                expected: BTreeMap::new(),
                documents: BTreeMap::new(),
                gaps: std::iter::once((
                    SourceId(1),
                    GapPolicy { wait: HOLD, halts: false, first: Some(First::At(1)) },
                ))
                .collect(),
                sources: (1..).map(SourceId).zip(names(&["billing", "notes"])).collect(),
                destinations: (1..).map(DestinationId).zip(names(&["app", "audit"])).collect(),
                token: Secret::from(TOKEN),
                reload: None,
            },
            metrics: metrics.clone(),
            clock,
        });
        let descriptors = Arc::new(Descriptors::new(clock, metrics.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = admin::serve(listener, state, descriptors).unwrap();
        let world = Self { node, api, directory, metrics, script };
        // The declared names stand in history once the first partition has committed them.
        world.until("/v1/destinations", |page| page["items"][1]["name"] == "audit").await;
        world.until("/readyz", |answer| answer["status"] == "ready").await;
        world
    }

    pub(crate) fn consumer(&self, key: &str, consumer: Consumer) {
        self.script.lock().unwrap().insert(key.to_owned(), consumer);
    }

    /// Receives an event; gives its permanent id.
    pub(crate) async fn receive(&self, source: u32, key: &str, position: u64, id: &str) -> String {
        let (status, event) = self.arrive(source, key, position, id).await;
        assert_ne!(status, Status::Duplicate);
        event
    }

    pub(crate) async fn arrive(
        &self,
        source: u32,
        key: &str,
        at: u64,
        id: &str,
    ) -> (Status, String) {
        let body = format!("{{\"id\":\"{id}\"}}").into_bytes();
        let position = if at == 0 { Position::None } else { Position::Sequence(at) };
        let header = StoredHeader { name: Arc::from("x-signature"), value: Arc::from(*b"s\xff") };
        let arrival = NewArrival {
            key: Key { source: SourceId(source), name: Arc::from(key) },
            id: Some(Arc::from(id)),
            position,
            event_type: Arc::from("invoice.paid"),
            content_type: Arc::from("application/json"),
            headers: vec![header],
            digest: sha256(&[&body]),
            in_time: true,
            origin: sprag_core::fact::Origin::Posted,
            depends_on: None,
        };
        match self.node.receive(arrival, Arc::from(body)).await {
            Answer::Event { status, event: Some(event), .. } => (status, event.to_string()),
            other => panic!("{other:?}"),
        }
    }
}
