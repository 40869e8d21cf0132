//! The checking consumer on a socket.
//!
//! Deliveries are judged alone without a lock and in their lane under the lock of their shard, so
//! that the consumer is never what a measurement measures.

use super::batch;
use super::checker::Checker;
use super::delivery::Delivery;
use super::faults::{Faults, Reaction};
use super::inspect::Inspector;
use super::limits::{CONNECTIONS, HEAD_BYTES, HEAD_TIME, SHARDS};
use super::summary::Summary;
use super::violation::{Violation, ViolationKind};
use crate::clock::Clock;
use crate::limits::BODY_BYTES;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// What a consumer is started with.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens; port 0 is any free port.
    pub listen: SocketAddr,
    /// Which secrets sign its deliveries.
    pub inspector: Inspector,
    /// Must every key begin at its first event?
    pub from_first: bool,
    /// How it misbehaves.
    pub faults: Faults,
}

/// Looks on while deliveries come. Called on the connection's task: it must not block.
pub trait Watch: Send + Sync + 'static {
    /// A readable delivery came; `fresh` when it is the first of its sequence.
    fn arrived(&self, _delivery: &Delivery, _fresh: bool) {}

    /// A delivery is about to be answered with 2xx for the first time.
    fn acknowledged(&self, _delivery: &Delivery) {}

    /// Something is wrong.
    fn violation(&self, _violation: &Violation) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Watch for Silent {}

/// A consumer that takes deliveries until it is stopped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    consumer: Arc<Consumer>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Running({})", self.address)
    }
}

impl Running {
    /// Counts until now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.consumer.summary()
    }

    /// Closes the listener and all connections; the counts at the end.
    pub async fn stop(self) -> Summary {
        self.accepting.abort();
        // An aborted task ends with an error that says so.
        let _ = self.accepting.await;
        self.consumer.summary()
    }
}

struct Consumer {
    inspector: Arc<Inspector>,
    shards: Vec<Mutex<Checker>>,
    hasher: RandomState,
    faults: Faults,
    clock: Clock,
    watch: Box<dyn Watch>,
}

/// Starts a consumer. `POST` on any path is a delivery, `GET /summary` tells the counts.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn start(settings: Settings, clock: Clock, watch: impl Watch) -> io::Result<Running> {
    let listener = TcpListener::bind(settings.listen).await?;
    let address = listener.local_addr()?;
    let inspector = Arc::new(settings.inspector);
    let shard = || Mutex::new(Checker::new(inspector.clone(), settings.from_first));
    let consumer = Arc::new(Consumer {
        shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        inspector,
        hasher: RandomState::new(),
        faults: settings.faults,
        clock,
        watch: Box::new(watch),
    });
    let accepting = tokio::spawn(accept(listener, consumer.clone()));
    Ok(Running { address, consumer, accepting })
}

/// Takes connections. Dropping the future closes them all.
async fn accept(listener: TcpListener, consumer: Arc<Consumer>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: some connection must end first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let consumer = consumer.clone();
        connections.spawn(async move {
            serve(stream, consumer).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, consumer: Arc<Consumer>) {
    // Small answers must not wait for more; an error only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let consumer = consumer.clone();
        async move { consumer.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks, or that we break on purpose, is no fault of the consumer.
    let _ = connection.await;
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no answer, on purpose")
    }
}

impl std::error::Error for NoAnswer {}

type Answer = Result<Response<Full<Bytes>>, NoAnswer>;

impl Consumer {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::POST, _) => self.take(request).await,
            (&Method::GET, "/summary") => Ok(json(&self.summary().to_json())),
            _ => Ok(status(StatusCode::NOT_FOUND)),
        }
    }

    async fn take(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let limit = usize::try_from(BODY_BYTES).unwrap_or(usize::MAX);
        let Ok(body) = Limited::new(body, limit).collect().await else {
            return Ok(status(StatusCode::BAD_REQUEST));
        };
        let now_us = i64::try_from(self.clock.now().clock.0).unwrap_or(i64::MAX);
        if batch::is_batch(&head.headers) {
            return self.take_batch(now_us, &head.headers, &body.to_bytes()).await;
        }
        let inspected = self.inspector.inspect(now_us, &head.headers, &body.to_bytes());
        let refused = refusal(&inspected.violations);
        let lane = inspected.delivery.as_ref().map_or("", Delivery::lane);
        let shard = self.shard(lane);
        let observed = lock(shard).follow(inspected);
        observed.violations.iter().for_each(|violation| self.watch.violation(violation));
        match (refused, observed.delivery) {
            (Some(code), _) => Ok(status(code)),
            (None, Some(delivery)) => {
                self.watch.arrived(&delivery, observed.fresh);
                self.react(shard, std::slice::from_ref(&delivery)).await
            }
            // What cannot be read is refused.
            (None, None) => Ok(status(StatusCode::BAD_REQUEST)),
        }
    }

    /// A range of events in one request: answered as one.
    async fn take_batch(&self, now_us: i64, headers: &HeaderMap, body: &[u8]) -> Answer {
        let inspected = self.inspector.inspect_batch(now_us, headers, body);
        let refused = refusal(&inspected.whole);
        let first = inspected.events.first().and_then(|one| one.delivery.as_ref());
        let shard = self.shard(first.map_or("", Delivery::lane));
        let observed = lock(shard).follow_batch(inspected);
        let each = observed.events.iter().flat_map(|one| &one.violations);
        each.chain(&observed.violations).for_each(|wrong| self.watch.violation(wrong));
        if let Some(code) = refused {
            return Ok(status(code));
        }
        let mut deliveries = Vec::new();
        for one in observed.events {
            if let Some(delivery) = one.delivery {
                self.watch.arrived(&delivery, one.fresh);
                deliveries.push(delivery);
            }
        }
        self.react(shard, &deliveries).await
    }

    async fn react(&self, shard: &Mutex<Checker>, deliveries: &[Delivery]) -> Answer {
        // What cannot be read is refused.
        let Some(first) = deliveries.first() else { return Ok(status(StatusCode::BAD_REQUEST)) };
        let (reaction, delay) = self.faults.react(first);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match reaction {
            Reaction::Fail => Ok(status(StatusCode::INTERNAL_SERVER_ERROR)),
            Reaction::Silence => Err(NoAnswer),
            Reaction::Acknowledge => {
                for delivery in deliveries {
                    if lock(shard).acknowledge(delivery) {
                        self.watch.acknowledged(delivery);
                    }
                }
                Ok(status(StatusCode::OK))
            }
        }
    }

    fn shard(&self, lane: &str) -> &Mutex<Checker> {
        let shards = self.shards.len() as u64;
        let at = self.hasher.hash_one(lane) % shards;
        // Below the number of shards, which is a usize.
        &self.shards[usize::try_from(at).unwrap_or_default()]
    }

    fn summary(&self) -> Summary {
        let parts = self.shards.iter().map(|shard| lock(shard).summary());
        parts.fold(Summary::default(), |sum, part| sum.joined(&part))
    }
}

/// A real consumer refuses what it cannot trust or read.
fn refusal(violations: &[Violation]) -> Option<StatusCode> {
    violations.iter().find_map(|violation| match violation.kind {
        ViolationKind::Signature => Some(StatusCode::UNAUTHORIZED),
        ViolationKind::Malformed => Some(StatusCode::BAD_REQUEST),
        _ => None,
    })
}

/// A task that panicked while it held the lock leaves counts that are at worst one too low.
fn lock(shard: &Mutex<Checker>) -> std::sync::MutexGuard<'_, Checker> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}

fn json(value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{value}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
