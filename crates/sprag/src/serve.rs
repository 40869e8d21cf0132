//! Starts and stops a whole gateway: node, ingress, attempts, admin API.

mod asked;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sprag_core::id::{DestinationId, SourceId};
use sprag_core::plan::SourceChanged;
use sprag_core::settings::Restore;
use sprag_driver::effect::{Configured, Notice, RemovedTooEarly};
use sprag_driver::node::Node;
use sprag_log::digest::Sha256;
use sprag_log::embedded::{self, Dropped, FileDisk, OpenError};
use sprag_log::pack::Packing;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::admin;
use crate::backup::{self, BackupError, BackupSource, Marker};
use crate::clock::Clock;
use crate::config::{Config, Contract, Destination, OnGap};
use crate::cores;
use crate::descriptors::Descriptors;
use crate::disk_reserve::DiskReserve;
use crate::dispatch::{
    Dispatcher, Endpoint, EndpointProblem, Endpoints, NextOutgoing, Outgoing, Runtimes,
};
use crate::extract::{Pointer, PositionRule};
use crate::ingress::{self, Ingress, IngressSource, Listening, SourceProblem};
use crate::limits;
use crate::metrics::Metrics;
use crate::node::{self, LogQueries, Meter, NodeHandle, NodeLog, StartedThread, ThreadState};
use crate::order;
use crate::out::{Out, OutDestination, Reading};
use crate::plan;
use crate::secret::Secret;
use crate::source_changed;
use crate::state;

/// Why a gateway does not start.
#[derive(Debug)]
pub enum StartError {
    /// The log cannot be opened: in use, corrupt, of another format, or the disk fails.
    Log(PathBuf, OpenError),
    /// What is on disk of history is not what was written.
    Damaged(Notice),
    /// Something of the machine: a file, a thread, the random generator.
    Machine(io::Error),
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// A source is not what its history was written with (DESIGN K8).
    SourceChanged(SourceChanged),
    /// Something waits for a destination that is configured no more (DESIGN L7).
    RemovedTooEarly(RemovedTooEarly),
    /// A source cannot be used.
    Source(String, SourceProblem),
    /// What a source is asked with cannot be used.
    Refill(String, EndpointProblem),
    /// What a source is compared with cannot be used.
    Reconcile(String, EndpointProblem),
    /// A destination cannot be used.
    Destination(String, EndpointProblem),
    /// The state store cannot be opened.
    State(String),
    /// The log was restored from a backup, and nobody said how far sequences must jump (D10).
    Restored(PathBuf),
    /// What is written about a restore cannot be read, or what a backup left cannot be removed.
    Backup(BackupError),
    /// The node ended before it served.
    Ended,
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It says by itself that it cannot be opened, or which directory it is.
            Self::Log(_, error @ OpenError::InUse { .. }) => write!(formatter, "{error}"),
            Self::Log(directory, error) => write!(formatter, "{}: {error}", directory.display()),
            Self::Damaged(damage) => {
                write!(formatter, "{damage}; restore this file from a backup, or the whole log")
            }
            Self::Machine(error) => write!(formatter, "{error}"),
            Self::Listen(address, error) => {
                write!(formatter, "cannot listen on {address}: {error}; choose another address")
            }
            Self::SourceChanged(changed) => formatter.write_str(&source_changed::told(changed)),
            Self::RemovedTooEarly(removed) => write!(formatter, "{removed}"),
            Self::Source(name, problem) => write!(formatter, "source {name:?}: {problem}"),
            Self::Destination(name, problem) => {
                write!(formatter, "destination {name:?}: {problem}")
            }
            Self::Refill(name, problem) => {
                write!(formatter, "refill of source {name:?}: {problem}")
            }
            Self::Reconcile(name, problem) => {
                write!(formatter, "reconcile of source {name:?}: {problem}")
            }
            Self::State(why) => write!(formatter, "the state store cannot be opened: {why}"),
            Self::Restored(data) => write!(
                formatter,
                "restored: this log was restored from a backup, and sequences that were given after \
                 it was made must not be given again. Tell the newest that consumers have seen:\n  \
                 sprag restore --data {0} --newest FILE\nor how many of a key may have been given \
                 at the most:\n  sprag restore --data {0} --jump N",
                data.display()
            ),
            Self::Backup(error) => write!(formatter, "{error}"),
            Self::Ended => formatter.write_str("the node ended before it served"),
        }
    }
}

impl std::error::Error for StartError {}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// Where providers post.
    pub listen: SocketAddr,
    /// Where the admin API is.
    pub admin: SocketAddr,
    /// The admin token that was made because none was configured.
    pub made_token: Option<String>,
    pub(crate) node: NodeHandle,
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
    health: state::StateHealth,
    pub(crate) ingress: Listening,
    pub(crate) admin_api: admin::Serving,
    /// What is in force, and what takes its place.
    pub(crate) starting: Starting,
    pub(crate) outgoing: Outgoing,
    pub(crate) next: NextOutgoing,
    /// What the node says of reloads.
    pub(crate) heard: mpsc::UnboundedReceiver<Notice>,
}

/// What the parts of a gateway are made from.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) descriptors: Arc<Descriptors>,
    pub(crate) disk: Arc<DiskReserve>,
}

/// The node and what belongs to it.
struct StartedNode {
    handle: NodeHandle,
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
    queries: LogQueries,
    backups: BackupSource,
    health: state::StateHealth,
    configured: Configured,
    heard: mpsc::UnboundedReceiver<Notice>,
}

/// Starts a gateway and returns once it serves: history is taken in, both listeners answer.
///
/// # Errors
/// [`StartError`] says what stands in the way and what to do. Nothing was lost.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let listener = bind(config.server.listen).await?;
    let admin_listener = bind(config.server.admin).await?;
    let clock = Clock::start();
    let metrics = Arc::new(Metrics::new());
    let descriptors = Arc::new(Descriptors::new(clock, metrics.clone()));
    let disk = Arc::new(DiskReserve::default());
    let starting = Starting { config, clock, metrics, descriptors, disk };
    let outgoing = starting.outgoing(&Endpoints::new(), None)?;
    let next = NextOutgoing::default();
    let node = starting.node((outgoing.clone(), next.clone())).await?;
    starting.metrics.in_force(node.configured.revision.0);
    let server = &starting.config.server;
    let disk = starting.disk.clone();
    disk.clone().watch(server.data.clone(), starting.config.limits.disk_reserve);
    let sources = starting.sources(&node.configured)?;
    let reading = starting.reading(&node)?;
    let ingress = starting.ingress((&node.handle, reading), &node.configured, sources, disk);
    let (token, made_token) = starting.admin_token()?;
    let admin_api = starting.admin(&node, admin_listener, token)?;
    let most = starting.config.limits.connections;
    let descriptors = starting.descriptors.clone();
    let ingress = ingress::listen(listener, ingress, most, descriptors);
    let ingress = ingress.map_err(StartError::Machine)?;
    Ok(Running {
        listen: ingress.address(),
        admin: admin_api.address(),
        made_token,
        node: node.handle,
        thread: node.thread,
        ended: node.ended,
        health: node.health,
        ingress,
        admin_api,
        starting,
        outgoing,
        next,
        heard: node.heard,
    })
}

/// Why a process ends whose state cannot be read, and what becomes of it.
fn unreadable(why: &str) -> String {
    format!(
        "the state store cannot be read: {why}; nothing is lost, the next start builds what is damaged anew from the log"
    )
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

impl Running {
    /// How the node is spoken to.
    #[must_use]
    pub fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// Returns when it cannot go on, and why: the node has ended by itself, or its state cannot be read.
    pub async fn fails(&mut self) -> String {
        tokio::select! {
            // The channel closes when the thread ends.
            _ = &mut self.ended => "the node ended by a fault of its own".to_owned(),
            why = self.health.broken_for() => unreadable(&why),
        }
    }

    /// Stops gracefully: no new connections, requests under way are answered, what was decided is
    /// committed and stored. Attempts under way are left to their consumers; they are made again.
    pub async fn stop(self) {
        self.ingress.stop(limits::STOP_PATIENCE).await;
        let stopped = tokio::time::timeout(limits::STOP_PATIENCE, self.node.stop()).await;
        self.admin_api.stop().await;
        if stopped.is_ok() {
            // It has said that it ends; what it was is gone with it.
            let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
        }
    }
}

impl Starting {
    /// All that goes out: see [`Self::endpoints`].
    pub(crate) fn outgoing(
        &self,
        known: &Endpoints,
        before: Option<&Config>,
    ) -> Result<Outgoing, StartError> {
        let endpoints = self.endpoints(known, before)?;
        let (refillers, comparers) = (self.refillers()?, self.comparers()?);
        Ok(Outgoing { endpoints, refillers, comparers, listers: self.listers()? })
    }

    /// An endpoint for each destination. One whose configuration is what it was `before` stays, with
    /// its connections; what its `ca` file holds by now is read.
    fn endpoints(
        &self,
        known: &Endpoints,
        before: Option<&Config>,
    ) -> Result<Endpoints, StartError> {
        let endpoint = |(name, config): (&String, &Destination)| {
            let same = before.and_then(|before| before.destinations.get(name)) == Some(config);
            if let Some(endpoint) = known.get(name).filter(|_| same && config.ca.is_none()) {
                return Ok((name.clone(), endpoint.clone()));
            }
            let metrics = self.metrics.destination(name);
            let endpoint = Endpoint::new(config, metrics, &self.descriptors);
            let endpoint = endpoint.map_err(|p| StartError::Destination(name.clone(), p))?;
            Ok((name.clone(), Arc::new(endpoint)))
        };
        self.config.destinations.iter().map(endpoint).collect()
    }

    /// Starts the node and waits until it has taken its history in.
    async fn node(&self, outgoing: (Outgoing, NextOutgoing)) -> Result<StartedNode, StartError> {
        let (data, partitions) = (self.config.server.data.clone(), self.config.server.partitions);
        let packing = self.config.body_codec;
        let opened = tokio::task::spawn_blocking(move || open(&data, partitions, packing));
        let opened = opened.await.map_err(|e| StartError::Machine(e.into()))??;
        let Opened { log, state, restore } = opened;
        let backups = log.writer.catalog().clone();
        let backups = BackupSource::new(self.config.server.data.clone(), backups);
        let health = state.health();
        let (notices, mut heard) = mpsc::unbounded_channel();
        let (clock, asks) = (self.clock, runtime::Handle::current());
        let (plan, seed) = (plan::plan(&self.config, restore), seed()?);
        let meter = Meter { clock, metrics: self.metrics.clone() };
        let mut queries = None;
        let make = |waker: node::Waker| -> io::Result<_> {
            let OpenedLog { writer, reader, disk } = log;
            let (log, others) = NodeLog::start(writer, reader, disk, waker.clone(), meter)?;
            queries = Some(others);
            let state = ThreadState::start(state, waker)?;
            Ok(Node::new(log, state, Sha256, plan, partitions, seed))
        };
        let mut serving = 0;
        let on_notice = Box::new(move |notice: Notice| {
            log_notice(&notice);
            let of_reload = matches!(notice, Notice::Reloaded(_) | Notice::ReloadRefused(_));
            let is_start = serving < u32::from(partitions);
            serving += u32::from(matches!(notice, Notice::Serving(_)));
            // After the start only what becomes of reloads is waited for: others would pile up. Nobody waits at its end.
            if of_reload || is_start {
                let _ = notices.send(notice);
            }
        });
        let network = |handle, deciding| {
            let attempts = if cores::are_few() { deciding } else { asks.clone() };
            Dispatcher::new(Runtimes { attempts, asks }, handle, outgoing, clock, on_notice)
        };
        let started = node::start(clock, make, network).map_err(StartError::Machine)?;
        let StartedThread { handle, thread, ended } = started;
        let queries = queries.ok_or(StartError::Ended)?;
        let configured = tokio::select! {
            configured = until_serving(&mut heard, partitions) => configured?,
            why = health.broken_for() => return Err(StartError::State(unreadable(&why))),
        };
        Ok(StartedNode { handle, thread, ended, queries, backups, health, configured, heard })
    }

    /// The sources with everything they are verified and read with.
    pub(crate) fn sources(
        &self,
        configured: &Configured,
    ) -> Result<BTreeMap<String, IngressSource>, StartError> {
        let mut sources = BTreeMap::new();
        for (id, name) in &configured.sources {
            let Some(config) = self.config.sources.get(&**name) else { continue };
            let forwarded = self.forwarded(name);
            let metrics = self.metrics.source(name);
            let source = IngressSource::new(*id, config, forwarded, metrics);
            let source = source.map_err(|p| StartError::Source(name.to_string(), p))?;
            sources.insert(name.to_string(), source);
        }
        Ok(sources)
    }

    pub(crate) fn ingress(
        &self,
        (node, reading): (&NodeHandle, Arc<Reading>),
        configured: &Configured,
        sources: BTreeMap<String, IngressSource>,
        disk: Arc<DiskReserve>,
    ) -> Ingress {
        Ingress {
            out: self.out((node.clone(), reading), configured),
            sources,
            node: node.clone(),
            clock: self.clock,
            request_time: self.config.limits.request_time,
            disk,
        }
    }

    /// What consumers' pages are read with: a connection to the store of their own, so that none waits for
    /// an operator's list, nor the other way round.
    fn reading(&self, node: &StartedNode) -> Result<Arc<Reading>, StartError> {
        let store = state::StateReader::open(&self.config.server.data)
            .map_err(|error| StartError::State(error.to_string()))?;
        let (queries, partitions) = (node.queries.clone(), self.config.server.partitions);
        Ok(Arc::new(Reading::new(queries, store, partitions, self.clock)))
    }

    /// The consumers' side of every configured destination.
    fn out(&self, node: (NodeHandle, Arc<Reading>), configured: &Configured) -> Out {
        let destination = |(id, name): (&DestinationId, &Arc<str>)| {
            let config = self.config.destinations.get(&**name)?;
            Some((name.to_string(), OutDestination::new(*id, config)))
        };
        let destinations = configured.destinations.iter().filter_map(destination).collect();
        let sources = configured.sources.iter().map(|(id, name)| (&**name, *id));
        Out::new(destinations, sources, node, self.config.limits.request_time)
    }

    /// The configured admin token, or a random one on a loopback address.
    fn admin_token(&self) -> Result<(Secret, Option<String>), StartError> {
        if let Some(token) = &self.config.admin_token {
            return Ok((token.clone(), None));
        }
        let made = data_encoding::HEXLOWER.encode(&random::<16>()?);
        Ok((Secret::from(made.as_str()), Some(made)))
    }

    /// What the configured sources do about missing positions.
    fn gaps(&self, configured: &Configured) -> BTreeMap<SourceId, admin::GapPolicy> {
        let policy = |(id, name): (&SourceId, &Arc<str>)| {
            let contract = &self.config.sources.get(&**name)?.contract;
            let (wait, on_gap) = match contract {
                Contract::Fifo(fifo) => (fifo.hold.wait, fifo.on_gap),
                Contract::Causal(causal) => (causal.hold.wait, causal.on_gap),
                Contract::States(states) => (states.wait, states.on_gap),
                Contract::Links(links) => (links.wait, links.on_gap),
                _ => return None,
            };
            let first = match contract {
                Contract::Fifo(fifo) => Some(order::first(fifo.first)),
                _ => None,
            };
            Some((*id, admin::GapPolicy { wait, halts: on_gap == OnGap::Halt, first }))
        };
        configured.sources.iter().filter_map(policy).collect()
    }

    /// How long a silence of the configured sources may be.
    fn expected(&self, configured: &Configured) -> BTreeMap<SourceId, Duration> {
        let expected = |(id, name): (&SourceId, &Arc<str>)| {
            Some((*id, self.config.sources.get(&**name)?.expect_every?))
        };
        configured.sources.iter().filter_map(expected).collect()
    }

    /// Where the values of fields are, of the configured sources that say so.
    fn documents(&self, configured: &Configured) -> BTreeMap<SourceId, Pointer> {
        let values = |(id, name): (&SourceId, &Arc<str>)| {
            let rule = &self.config.sources.get(&**name)?.rules.position;
            let PositionRule::Fields { values, .. } = rule else { return None };
            values.clone().map(|values| (*id, values))
        };
        configured.sources.iter().filter_map(values).collect()
    }

    /// What operators see of the configuration that is in force from now on.
    pub(crate) fn in_force(&self, configured: &Configured, token: Secret) -> admin::InForce {
        admin::InForce {
            revision: configured.revision,
            since: self.clock.now().clock,
            sources: configured.sources.clone(),
            gaps: self.gaps(configured),
            expected: self.expected(configured),
            documents: self.documents(configured),
            destinations: configured.destinations.clone(),
            token,
            reload: None,
        }
    }

    fn admin(
        &self,
        node: &StartedNode,
        listener: TcpListener,
        token: Secret,
    ) -> Result<admin::Serving, StartError> {
        let reader = state::StateReader::open(&self.config.server.data)
            .map_err(|error| StartError::State(error.to_string()))?;
        let shared = admin::AdminState::new(admin::Parts {
            node: node.handle.clone(),
            queries: node.queries.clone(),
            backups: node.backups.clone(),
            reader,
            health: node.health.clone(),
            partitions: self.config.server.partitions,
            configured: self.in_force(&node.configured, token),
            metrics: self.metrics.clone(),
            clock: self.clock,
        });
        admin::serve(listener, shared, self.descriptors.clone()).map_err(StartError::Machine)
    }
}

/// An opened log with its parts.
struct OpenedLog {
    writer: embedded::Writer<FileDisk>,
    reader: embedded::Reader<FileDisk>,
    disk: FileDisk,
}

/// What a data directory holds.
struct Opened {
    log: OpenedLog,
    state: state::SqliteState,
    /// The restore it comes from; none where it was not restored.
    restore: Option<Restore>,
}

/// Opens log and state store of a data directory; refuses one in use, and one that was restored and
/// not told how far sequences jump.
fn open(data: &Path, partitions: u16, packing: Packing) -> Result<Opened, StartError> {
    let marker = Marker::read(data).map_err(StartError::Backup)?;
    let restore = marker.as_ref().and_then(Marker::restore);
    if marker.is_some() && restore.is_none() {
        return Err(StartError::Restored(data.to_owned()));
    }
    let directory = data.join("log");
    let in_log = |error| StartError::Log(directory.clone(), error);
    let disk = FileDisk::open(&directory).map_err(in_log)?;
    backup::clear_holds(data).map_err(StartError::Machine)?;
    let after = marker.as_ref().map(Marker::after).unwrap_or_default();
    let salt = random().map(u64::from_ne_bytes)?;
    let options = embedded::Options { after, packing, ..embedded::Options::new(partitions, salt) };
    let (writer, reader, report) = embedded::open(disk.clone(), options).map_err(in_log)?;
    if let Some(Dropped { segment, offset, bytes }) = report.dropped {
        tracing::warn!(segment, offset, bytes, "dropped the end of the log that was not synced");
    }
    node::warn_of_damages(writer.catalog());
    let opened = state::SqliteState::open(data, &state::embedded_log(partitions));
    let opened = opened.map_err(|error| StartError::State(error.to_string()))?;
    if let Some(rebuilt) = opened.rebuilt {
        tracing::warn!("{rebuilt}");
    }
    let log = OpenedLog { writer, reader, disk };
    Ok(Opened { log, state: opened.store, restore })
}

/// Waits until every partition serves; gives the numbers of the names.
async fn until_serving(
    heard: &mut mpsc::UnboundedReceiver<Notice>,
    partitions: u16,
) -> Result<Configured, StartError> {
    let mut names = None;
    let mut serving = 0;
    while serving < partitions {
        match heard.recv().await.ok_or(StartError::Ended)? {
            Notice::Configured(configured) => names = Some(configured),
            Notice::SourceChanged(changed) => return Err(StartError::SourceChanged(changed)),
            Notice::RemovedTooEarly(removed) => return Err(StartError::RemovedTooEarly(removed)),
            damage @ Notice::Damaged(..) => return Err(StartError::Damaged(damage)),
            Notice::Serving(_) => serving += 1,
            Notice::Lost(..)
            | Notice::StateFailed(_)
            | Notice::SequenceReset(_)
            | Notice::Reloaded(_)
            | Notice::ReloadRefused(_)
            | Notice::Backlog(_) => {}
        }
    }
    names.ok_or(StartError::Ended)
}

fn log_notice(notice: &Notice) {
    match notice {
        Notice::Configured(_) | Notice::Serving(_) => tracing::debug!("{notice}"),
        // Told with all there is to say about it.
        Notice::Reloaded(_) | Notice::ReloadRefused(_) => {}
        Notice::SourceChanged(changed) => tracing::error!("{}", source_changed::told(changed)),
        Notice::RemovedTooEarly(_) | Notice::Damaged(..) => tracing::error!("{notice}"),
        // Told with the name of its source.
        Notice::SequenceReset(_) => {}
        Notice::Lost(..) | Notice::StateFailed(_) | Notice::Backlog(_) => {
            tracing::warn!("{notice}");
        }
    }
}

fn seed() -> Result<u64, StartError> {
    random().map(u64::from_ne_bytes)
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], StartError> {
    let mut bytes = [0; BYTES];
    let failed = |_| StartError::Machine(io::Error::other("the machine gives no randomness"));
    aws_lc_rs::rand::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
