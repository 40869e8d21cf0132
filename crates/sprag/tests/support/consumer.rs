//! A consumer that lives across all rounds, remembers every attempt, and fails in every way a
//! consumer can: errors, answers that never come, connections that close after reading. Of ranges it
//! takes a part at times; what comes to `/queue` it acknowledges by a request of its own, early, late
//! or never.

use std::collections::HashMap;
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

use crate::support::acknowledger::{self, Plan};
use crate::support::clock::Deadline;
use crate::support::dice::Dice;
use crate::support::ledger::{Moments, no_moments};

/// Of a thousand attempts, so many are answered 500, never answered, or their connection closed.
const FAILED: usize = 60;
const HUNG: usize = 5;
const CLOSED: usize = 30;
/// Of a thousand ranges, of so many only a part is taken.
const IN_PART: usize = 250;
/// For a consumer to see that a dead process is gone.
const GONE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(2);
/// The destination whose events it acknowledges by requests.
pub(crate) const EXPLICIT: &str = "queue";

/// What it does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Acknowledge,
    Fail,
    Hang,
    Close,
    /// 202: it says later that it is done.
    Accept,
    /// It says so now, by a request.
    Request,
    /// That request was refused: the event does not wait for it.
    Refused,
}

/// An attempt that was read whole.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Its path: the name of the destination.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) reaction: Reaction,
    /// The first sequence of its request: its own, unless it came in a range.
    pub(crate) first: u64,
    /// When it was read, as [`Consumer::keeps`] says.
    pub(crate) moment: u64,
}

/// What all connections share.
struct Shared {
    arrivals: Vec<Arc<Arrival>>,
    dice: Dice,
    /// The next attempt hangs, whatever the dice say.
    hang_next: bool,
    /// Every attempt is acknowledged, whatever the dice say.
    calm: bool,
    moments: Moments,
    /// Where what it accepted is acknowledged.
    gateway: Option<SocketAddr>,
    problems: Vec<String>,
}

/// What happens to a request.
struct Reply {
    reaction: Reaction,
    /// Of a range, how many are taken.
    taken: Option<usize>,
    /// What is acknowledged by a request, and when.
    accepted: Option<(Arrival, Plan)>,
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
        let shared = Shared {
            arrivals: Vec::new(),
            dice: Dice::new(seed),
            hang_next: false,
            calm: false,
            moments: no_moments(),
            gateway: None,
            problems: Vec::new(),
        };
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
        let Reply { reaction, taken, accepted } =
            self.lock().remember(head.uri.path(), head.headers, body);
        if let Some(taken) = taken {
            response.headers_mut().insert("sprag-acknowledged", taken.into());
        }
        match reaction {
            Reaction::Acknowledge => return Ok(response),
            Reaction::Fail => {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            }
            Reaction::Accept => {
                if let Some((arrival, plan)) = accepted {
                    self.acknowledge(arrival, plan).await;
                }
                *response.status_mut() = StatusCode::ACCEPTED;
                return Ok(response);
            }
            Reaction::Close => return Err(Closed),
            Reaction::Hang | Reaction::Request | Reaction::Refused => {}
        }
        let never: Infallible = std::future::pending().await;
        match never {}
    }

    /// Says that it is done with what it accepted; at times before its answer leaves.
    async fn acknowledge(&self, arrival: Arrival, plan: Plan) {
        let acknowledging = acknowledger::acknowledge(self.clone(), arrival, plan);
        match plan {
            Plan::Early => acknowledging.await,
            Plan::Late(_) => drop(tokio::spawn(acknowledging)),
            Plan::Never => {}
        }
    }

    /// Where the gateway takes acknowledgements now.
    pub(crate) fn meets(&self, gateway: SocketAddr) {
        self.lock().gateway = Some(gateway);
    }

    pub(crate) fn gateway(&self) -> Option<SocketAddr> {
        self.lock().gateway
    }

    /// Remembers what it did about an event beside an answer.
    pub(crate) fn note(&self, arrival: Arrival) {
        self.lock().arrivals.push(Arc::new(arrival));
    }

    pub(crate) fn note_problem(&self, what: String) {
        self.lock().problems.push(what);
    }

    /// What it was told that no consumer should be.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.lock().problems.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next attempt gets no answer.
    pub(crate) fn hang_next(&self) {
        self.lock().hang_next = true;
    }

    /// From now on it acknowledges everything.
    pub(crate) fn calm_down(&self) {
        self.lock().calm = true;
    }

    /// What arrives from now on has its moment from there.
    pub(crate) fn keeps(&self, moments: Moments) {
        self.lock().moments = moments;
    }

    /// Remembers what another consumer had seen until a moment.
    pub(crate) fn remembers(&self, other: &Self, moment: u64) {
        let mut seen = other.arrivals();
        seen.retain(|arrival| arrival.moment <= moment);
        self.lock().arrivals = seen;
    }

    /// Attempts of all kinds.
    pub(crate) fn arrived(&self) -> usize {
        self.lock().arrivals.len()
    }

    /// Attempts it reacted to so.
    pub(crate) fn count(&self, reaction: Reaction) -> usize {
        self.lock().arrivals.iter().filter(|one| one.reaction == reaction).count()
    }

    /// Attempts of events that came behind others in one request.
    pub(crate) fn in_ranges(&self) -> usize {
        let behind = |one: &&Arc<Arrival>| one.first < sequence(&one.headers);
        self.lock().arrivals.iter().filter(behind).count()
    }

    /// All attempts until now in their order. Others are taken while somebody looks at them: what
    /// waits for an answer must not wait for a judge.
    pub(crate) fn arrivals(&self) -> Vec<Arc<Arrival>> {
        self.lock().arrivals.clone()
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
    /// Remembers a request, as one arrival for each of its events.
    fn remember(&mut self, path: &str, headers: HeaderMap, body: Bytes) -> Reply {
        let explicit = path.trim_start_matches('/') == EXPLICIT;
        let reaction = match self.react() {
            Reaction::Acknowledge if explicit => Reaction::Accept,
            reaction => reaction,
        };
        let mut events = events(headers, body);
        let first = events.first().map_or(0, |(headers, _)| sequence(headers));
        let taken =
            (reaction == Reaction::Acknowledge && events.len() > 1 && self.dice.per_mille(IN_PART))
                .then(|| 1 + self.dice.below(events.len() - 1));
        let moment = (self.moments)();
        for (at, (headers, body)) in events.drain(..).enumerate() {
            let is_taken = taken.is_none_or(|taken| at < taken);
            let reaction = if is_taken { reaction } else { Reaction::Fail };
            let arrival = Arrival { path: path.to_owned(), headers, body, reaction, first, moment };
            self.arrivals.push(Arc::new(arrival));
        }
        let accepted = self.arrivals.last().filter(|_| reaction == Reaction::Accept);
        let accepted = accepted.map(|arrival| Arrival::clone(arrival));
        let accepted = accepted.map(|arrival| (arrival, acknowledger::plan(&mut self.dice)));
        Reply { reaction, taken, accepted }
    }

    fn react(&mut self) -> Reaction {
        if self.calm {
            return Reaction::Acknowledge;
        }
        if std::mem::take(&mut self.hang_next) {
            return Reaction::Hang;
        }
        match self.dice.below(1000) {
            0..FAILED => Reaction::Fail,
            chance if chance < FAILED + HUNG => Reaction::Hang,
            chance if chance < FAILED + HUNG + CLOSED => Reaction::Close,
            _ => Reaction::Acknowledge,
        }
    }
}

fn sequence(headers: &HeaderMap) -> u64 {
    let text = headers.get("sprag-sequence").and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The events of a request: itself, or those in the envelopes of a range.
fn events(headers: HeaderMap, body: Bytes) -> Vec<(HeaderMap, Bytes)> {
    if !headers.contains_key("sprag-batch") {
        return vec![(headers, body)];
    }
    let envelopes: Vec<Envelope> = serde_json::from_slice(&body).expect("an array of envelopes");
    let redelivery = headers.get("sprag-redelivery");
    let event = |envelope: Envelope| {
        let mut own: HeaderMap = (&envelope.headers).try_into().expect("headers");
        redelivery.map(|redelivery| own.insert("sprag-redelivery", redelivery.clone()));
        (own, Bytes::from(envelope.body))
    };
    envelopes.into_iter().map(event).collect()
}

/// An event of a range, as the guide says.
#[derive(serde::Deserialize)]
struct Envelope {
    headers: HashMap<String, String>,
    body: String,
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
