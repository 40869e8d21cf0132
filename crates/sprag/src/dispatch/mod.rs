//! What goes out over HTTP: attempts, and asks for what is missing (`refill` makes those).
//!
//! It carries out what the core decided and reports how it ended; when to try, and what an
//! outcome means, is the core's. Nothing is retried here (DESIGN L1).

pub(crate) mod answer;
mod batch;
pub(crate) mod connect;
mod connections;
mod endpoint;
mod guard;
mod header_name;
mod headers;
pub(crate) mod http1;
mod http2;

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sprag_core::fact::{Outcome, RefillOutcome};
use sprag_core::id::{DestinationId, PartitionId, SourceId};
use sprag_core::input::{AttemptId, Compared, Fetched};
use sprag_core::lists::{ListAsk, ListRead};
use sprag_core::output::{Attempt, Compare, Fetch, Theirs};
use sprag_core::ranges::Ranges;
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::{Configured, Notice};
use sprag_driver::numbered::ByNumber;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::life;
use crate::node::{Network, NodeHandle};
use crate::refill::{Comparer, Comparers, Lister, Listers, Refiller, Refillers};

pub(crate) use batch::envelope;
pub(crate) use endpoint::tls;
pub use endpoint::{Endpoint, EndpointProblem};
pub(crate) use guard::is_allowed;
pub use guard::is_public;
pub(crate) use headers::reason;

/// What came of an attempt, as the wire showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// What the consumer asked for with `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Why it drops the event, with `sprag-drop` in a 2xx (DESIGN L3).
    pub dropped: Option<Arc<str>>,
    /// How many events of a range it acknowledges, with `sprag-acknowledged` (rule L9).
    pub acknowledged: Option<u64>,
}

impl Ended {
    pub(crate) fn with(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None, dropped: None, acknowledged: None }
    }

    /// The same as the core hears it.
    fn of(self, attempt: AttemptId, took: Duration) -> sprag_core::input::Ended {
        let Self { outcome, retry_after, dropped, acknowledged } = self;
        sprag_core::input::Ended { attempt, outcome, retry_after, dropped, acknowledged, took }
    }
}

/// The destinations' endpoints by name.
pub type Endpoints = BTreeMap<String, Arc<Endpoint>>;

/// All that goes out: to destinations, and to sources that are asked for what is missing.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The destinations' endpoints.
    pub endpoints: Endpoints,
    /// What sources are asked with.
    pub refillers: Refillers,
    /// What sources are compared with.
    pub comparers: Comparers,
    /// What the lists of sources are read with.
    pub listers: Listers,
}

/// What takes the place of that in use once another configuration is in force.
#[derive(Debug, Clone, Default)]
pub struct NextOutgoing(Arc<Mutex<Option<Outgoing>>>);

impl NextOutgoing {
    /// This is next; none: there is none any more.
    pub fn set(&self, next: Option<Outgoing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    fn take(&self) -> Option<Outgoing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Called for what an operator must know.
pub type OnNotice = Box<dyn FnMut(Notice) + Send>;

/// Where tasks run.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// Attempts.
    pub attempts: runtime::Handle,
    /// Asks for what is missing: reading a page may take long.
    pub asks: runtime::Handle,
}

/// Carries attempts and asks out as tasks.
pub struct Dispatcher {
    runtimes: Runtimes,
    node: NodeHandle,
    outgoing: Outgoing,
    next: NextOutgoing,
    /// By the numbers that history has for the names: known before anything is to be sent.
    numbered: BTreeMap<DestinationId, Arc<Endpoint>>,
    refillers: BTreeMap<SourceId, Arc<Refiller>>,
    comparers: BTreeMap<SourceId, Arc<Comparer>>,
    listers: BTreeMap<SourceId, Arc<Lister>>,
    sources: BTreeMap<SourceId, Arc<str>>,
    clock: Clock,
    running: Arc<Running>,
    on_notice: OnNotice,
}

/// Attempts under way, each with what breaks it off.
#[derive(Debug, Default)]
struct Running(Mutex<ByNumber<(PartitionId, AttemptId), oneshot::Sender<()>>>);

impl Running {
    fn insert(&self, name: (PartitionId, AttemptId), breaker: oneshot::Sender<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, breaker);
    }

    fn remove(&self, name: (PartitionId, AttemptId)) -> Option<oneshot::Sender<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name)
    }
}

impl Dispatcher {
    /// A dispatcher whose tasks report to `node`.
    #[must_use]
    pub fn new(
        runtimes: Runtimes,
        node: NodeHandle,
        (outgoing, next): (Outgoing, NextOutgoing),
        clock: Clock,
        on_notice: OnNotice,
    ) -> Self {
        Self {
            runtimes,
            node,
            outgoing,
            next,
            numbered: BTreeMap::new(),
            refillers: BTreeMap::new(),
            comparers: BTreeMap::new(),
            listers: BTreeMap::new(),
            sources: BTreeMap::new(),
            clock,
            running: Arc::default(),
            on_notice,
        }
    }

    fn number(&mut self, notice: &Notice) {
        let (Notice::Configured(configured) | Notice::Reloaded(configured)) = notice else {
            return;
        };
        if matches!(notice, Notice::Reloaded(_))
            && let Some(next) = self.next.take()
        {
            self.outgoing = next;
        }
        let Configured { sources, destinations, .. } = configured;
        // What is decided already is sent still, also where it is configured no more.
        self.sources.extend(sources.iter().map(|(id, name)| (*id, name.clone())));
        let endpoint = |(id, name): (&DestinationId, &Arc<str>)| {
            Some((*id, self.outgoing.endpoints.get(&**name)?.clone()))
        };
        self.numbered.extend(destinations.iter().filter_map(endpoint).collect::<Vec<_>>());
        let refiller = |(id, name): (&SourceId, &Arc<str>)| {
            Some((*id, self.outgoing.refillers.get(&**name)?.clone()))
        };
        self.refillers = sources.iter().filter_map(refiller).collect();
        let comparer = |(id, name): (&SourceId, &Arc<str>)| {
            Some((*id, self.outgoing.comparers.get(&**name)?.clone()))
        };
        self.comparers = sources.iter().filter_map(comparer).collect();
        let lister = |(id, name): (&SourceId, &Arc<str>)| {
            Some((*id, self.outgoing.listers.get(&**name)?.clone()))
        };
        self.listers = sources.iter().filter_map(lister).collect();
    }
}

impl Network for Dispatcher {
    fn deliver(
        &mut self,
        partition: PartitionId,
        attempt: Box<Attempt>,
        event: ReleasedEvent,
        others: Vec<ReleasedEvent>,
    ) {
        let endpoint = self.numbered.get(&attempt.destination).cloned();
        let source = self.sources.get(&attempt.key.source).cloned();
        let id = attempt.id;
        let Some((endpoint, source)) = endpoint.zip(source) else {
            // No longer configured: nothing was sent, the lane waits.
            let nothing_sent = Ended::with(Outcome::Unreachable);
            self.node.ended(partition, nothing_sent.of(id, Duration::ZERO));
            return;
        };
        let (breaker, broken_off) = oneshot::channel();
        self.running.insert((partition, id), breaker);
        let (node, clock, running) = (self.node.clone(), self.clock, self.running.clone());
        self.runtimes.attempts.spawn(async move {
            life::step!("attempt");
            let started = clock.now();
            let events = (&event, &others[..]);
            let ended = endpoint.attempt(&source, &attempt, events, started.clock, broken_off);
            let ended = ended.await;
            running.remove((partition, id));
            let now = clock.now();
            let took = now.elapsed.since(started.elapsed);
            endpoint.ended(ended.outcome);
            let ended = ended.of(id, took);
            if !attempt.out_of_order {
                let is_accepted = endpoint.is_accepted(ended.outcome);
                let count = ended.acknowledges(attempt.sequence, attempt.last, is_accepted);
                let sent = iter::once(&event).chain(&others);
                let lags = sent.map(|event| now.clock.since(event.event.recorded));
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                endpoint.metrics().delivered(partition, lags.take(count));
            }
            node.ended(partition, ended);
        });
    }

    fn abort(&mut self, partition: PartitionId, attempt: AttemptId) {
        // The task reports the end once its connection is gone; without one it has reported
        // already.
        if let Some(breaker) = self.running.remove((partition, attempt)) {
            let _ = breaker.send(());
        }
    }

    fn fetch(&mut self, partition: PartitionId, fetch: Box<Fetch>) {
        let source = fetch.key.source;
        let Some(refiller) = self.refillers.get(&source).cloned() else {
            // No longer configured: nothing was asked.
            let (outcome, retry_after) = (RefillOutcome::Unreachable, None);
            let (id, none) = (fetch.id, Ranges::default());
            let nothing = Fetched { id, source, outcome, events: 0, retry_after, none };
            self.node.fetched(partition, nothing);
            return;
        };
        let (node, clock) = (self.node.clone(), self.clock);
        self.runtimes.asks.spawn(async move {
            let fetched = refiller.fetch(&node, clock, &fetch).await;
            node.fetched(partition, fetched);
        });
    }

    fn compare(&mut self, partition: PartitionId, compare: Box<Compare>) {
        let Some(comparer) = self.comparers.get(&compare.key.source).cloned() else {
            // No longer configured: nothing was asked.
            let Compare { id, key, quiet } = *compare;
            let outcome = RefillOutcome::Unreachable;
            let (theirs, body, retry_after) = (None, None, None);
            let nothing = Compared { id, key, quiet, outcome, theirs, body, retry_after };
            self.node.compared(partition, nothing);
            return;
        };
        let (node, clock) = (self.node.clone(), self.clock);
        self.runtimes.asks.spawn(async move {
            let compared = comparer.compare(clock, *compare).await;
            node.compared(partition, compared);
        });
    }

    fn bring_theirs(&mut self, theirs: Box<Theirs>) {
        if let Some(comparer) = self.comparers.get(&theirs.key.source).cloned() {
            let node = self.node.clone();
            self.runtimes.asks.spawn(async move { comparer.bring(&node, *theirs).await });
        }
    }

    fn read_list(&mut self, asked: ListAsk) {
        let ListAsk { number, source, .. } = asked;
        let Some(lister) = self.listers.get(&source).cloned() else {
            // No longer configured: nothing was asked.
            let (outcome, newest, retry_after) = (RefillOutcome::Unreachable, None, None);
            self.node.list_read(ListRead { number, source, outcome, newest, retry_after });
            return;
        };
        let (node, clock) = (self.node.clone(), self.clock);
        self.runtimes.asks.spawn(async move {
            let read = lister.read(&node, clock, &asked).await;
            node.list_read(read);
        });
    }

    fn newest_outcome(&self, destination: DestinationId) -> Option<Outcome> {
        self.numbered.get(&destination)?.newest_outcome()
    }

    fn notice(&mut self, notice: Notice) {
        self.number(&notice);
        if let Notice::SequenceReset(key) = &notice {
            let source = self.sources.get(&key.source).map(|name| &**name).unwrap_or_default();
            tracing::warn!(
                "sequence-reset: {source}:{} got many old positions with new ids in a row; if it counts \
                 anew: sprag override rebase {source}:{}",
                key.name,
                key.name
            );
        }
        (self.on_notice)(notice);
    }
}
