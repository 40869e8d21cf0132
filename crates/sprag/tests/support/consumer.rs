//! A consumer that lives across all rounds, remembers every attempt, and fails in every way a
//! consumer can: errors, answers that never come, connections that close after reading.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::clock::Deadline;
use crate::support::dice::Dice;

/// Of a thousand attempts, so many are answered 500, never answered, or their connection closed.
const FAILED: usize = 60;
const HUNG: usize = 5;
const CLOSED: usize = 30;
/// For a consumer to see that a dead process is gone.
const GONE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);

/// What it does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Acknowledge,
    Fail,
    Hang,
    Close,
}

/// An attempt that was read whole.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Its path: the name of the destination.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) reaction: Reaction,
}

/// What all connections share.
struct Shared {
    arrivals: Vec<Arrival>,
    dice: Dice,
    /// The next attempt hangs, whatever the dice say.
    hang_next: bool,
}

/// A running consumer.
#[derive(Clone)]
pub(crate) struct Consumer {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    open: Arc<AtomicUsize>,
}

impl Consumer {
    pub(crate) async fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared { arrivals: Vec::new(), dice: Dice::new(seed), hang_next: false };
        let consumer = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Mutex::new(shared)),
            open: Arc::default(),
        };
        tokio::spawn(consumer.clone().accept(listener));
        consumer
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (consumer, open) = (self.clone(), Open::one(&self.open));
            tokio::spawn(async move {
                let service = service_fn(|request| consumer.take(request));
                // A broken connection is the other side's affair, or was meant.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                drop(open);
            });
        }
    }

    /// What arrives is remembered, and judged acknowledged, before any answer leaves.
    async fn take(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Closed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let mut response = Response::new(Empty::new());
        if head.uri.path() == "/fence" {
            return Ok(response);
        }
        match self.lock().remember(head.uri.path(), head.headers, body) {
            Reaction::Acknowledge => return Ok(response),
            Reaction::Fail => {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            }
            Reaction::Close => return Err(Closed),
            Reaction::Hang => {}
        }
        let never: Infallible = std::future::pending().await;
        match never {}
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next attempt gets no answer.
    pub(crate) fn hang_next(&self) {
        self.lock().hang_next = true;
    }

    /// Attempts of all kinds.
    pub(crate) fn arrived(&self) -> usize {
        self.lock().arrivals.len()
    }

    /// Attempts it reacted to so.
    pub(crate) fn count(&self, reaction: Reaction) -> usize {
        self.lock().arrivals.iter().filter(|one| one.reaction == reaction).count()
    }

    /// All attempts in their order; nothing is taken meanwhile.
    pub(crate) fn look_at<Seen>(&self, look: impl FnOnce(&[Arrival]) -> Seen) -> Seen {
        look(&self.lock().arrivals)
    }

    /// Returns when all a dead gateway had sent is read: connections are accepted in their order,
    /// so once a new one is answered all older ones are counted, and each ends with its data.
    pub(crate) async fn fence(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let fence = b"GET /fence HTTP/1.1\r\nhost: consumer\r\nconnection: close\r\n\r\n";
        stream.write_all(fence).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        let deadline = Deadline::after(GONE);
        while self.open.load(Ordering::SeqCst) > 0 {
            assert!(
                !deadline.has_passed(),
                "connections of a dead gateway are open after {GONE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Shared {
    fn remember(&mut self, path: &str, headers: HeaderMap, body: Bytes) -> Reaction {
        let reaction = if std::mem::take(&mut self.hang_next) {
            Reaction::Hang
        } else {
            match self.dice.below(1000) {
                0..FAILED => Reaction::Fail,
                chance if chance < FAILED + HUNG => Reaction::Hang,
                chance if chance < FAILED + HUNG + CLOSED => Reaction::Close,
                _ => Reaction::Acknowledge,
            }
        };
        self.arrivals.push(Arrival { path: path.to_owned(), headers, body, reaction });
        reaction
    }
}

/// A connection while it is open.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn one(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("closed without an answer")
    }
}

impl std::error::Error for Closed {}
