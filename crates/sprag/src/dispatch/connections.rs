//! The connections to one destination: what the next attempt is sent on, and who connects.
//!
//! HTTP/1.1 connections are kept while they are idle, and used for a minute of that: what lies between may forget one without a word.
//! Where an attempt on one gets no answer, those that rested meanwhile go with it. HTTP/2 connections are shared. As long as it is
//! not known that a consumer speaks HTTP/1.1, one connects for all that wait: else every attempt of
//! a busy start would open an HTTP/2 connection of its own. Idle ones are given up when file descriptors
//! are missing (`descriptors`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hyper::body::Incoming;
use sprag_core::fact::Outcome;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::connect::{Connected, Target, Unconnected};
use super::{http1, http2};
use crate::clock::within;
use crate::config::HttpVersion;
use crate::descriptors::{Descriptors, Spare};
use crate::limits;

/// See the module.
#[derive(Debug)]
pub(super) struct Connections {
    target: Target,
    state: Mutex<State>,
    /// Idle connections kept at the most.
    most: usize,
    /// Room for as many answers whose rest is still read: each has a connection, beside those of attempts.
    answers: Arc<Semaphore>,
    descriptors: Arc<Descriptors>,
}

#[derive(Debug, Default)]
struct State {
    /// The most recently used last: it is the least likely to be closed.
    idle: Vec<Idle>,
    shared: Vec<Arc<http2::Connection>>,
    /// Whether the newest connection spoke HTTP/1.1.
    speaks_http1: bool,
    /// What came of the connecting that is under way.
    opening: Option<watch::Receiver<Opened>>,
}

/// A connection that rests.
#[derive(Debug)]
struct Idle {
    connection: http1::Connection,
    since: Instant,
}

/// None while it is under way.
type Opened = Option<Result<(), Unconnected>>;

/// What an attempt is sent on.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A connection for itself; whether it was kept, so that it may have been closed meanwhile.
    Http1 { connection: http1::Connection, is_kept: bool },
    /// A stream of a shared one.
    Http2(http2::Slot),
}

/// How an attempt gets there.
enum Step {
    Go(Carrier),
    Connect,
    Wait(watch::Receiver<Opened>),
}

impl Connections {
    /// Keeps at most `most` idle connections, fewer while descriptors are scarce.
    pub(super) fn new(target: Target, most: usize, descriptors: Arc<Descriptors>) -> Arc<Self> {
        // Without TLS nothing is negotiated.
        let speaks_http1 = target.tls.is_none() && target.http != HttpVersion::Http2;
        let state = Mutex::new(State { speaks_http1, ..State::default() });
        let answers = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let connections = Arc::new(Self { target, state, most, answers, descriptors });
        let weak: Weak<Self> = Arc::downgrade(&connections);
        connections.descriptors.ask(weak);
        connections
    }

    /// What the next attempt is sent on: something that is there already, or a new connection.
    pub(super) async fn carrier(self: &Arc<Self>) -> Result<Carrier, Unconnected> {
        loop {
            match self.step() {
                Step::Go(carrier) => return Ok(carrier),
                Step::Connect => match Box::pin(self.connect()).await? {
                    Connected::Http1(connection) => {
                        return Ok(Carrier::Http1 { connection, is_kept: false });
                    }
                    // It has begun to speak HTTP/2: from now on one connects for all.
                    connected @ Connected::Http2(_) => self.take_in(connected),
                },
                Step::Wait(mut opening) => match opening.wait_for(Option::is_some).await.as_deref()
                {
                    Ok(Some(Err(why))) => return Err(*why),
                    Ok(_) => {}
                    Err(_) => return Err(Outcome::Unreachable.into()),
                },
            }
        }
    }

    /// Keeps a connection once the rest of its answer is read. Beyond so many such answers it is closed: their head
    /// has decided, and a consumer that never ends them would have connections without a bound.
    pub(super) fn keep_after(self: &Arc<Self>, mut connection: http1::Connection, body: Incoming) {
        if hyper::body::Body::is_end_stream(&body) && connection.is_ready() {
            return self.keep(connection);
        }
        let Ok(room) = self.answers.clone().try_acquire_owned() else { return };
        let connections = self.clone();
        tokio::spawn(async move {
            if connection.drain(body).await {
                connections.keep(connection);
            }
            drop(room);
        });
    }

    /// The same for a stream: beyond so many it is reset.
    pub(super) fn end_after(&self, exchange: http2::Exchange, body: h2::RecvStream) {
        let Ok(room) = self.answers.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            within(limits::ANSWER_PATIENCE, exchange.drain(body)).await;
            drop(room);
        });
    }

    /// Keeps a connection whose last answer was read to its end.
    fn keep(&self, connection: http1::Connection) {
        let most = self.descriptors.keep(self.most);
        let mut state = self.lock();
        if state.idle.len() < most && !connection.is_closed() {
            state.idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// An attempt that began then had no answer. What rested meanwhile may be as dead as its connection, and each would
    /// cost an attempt to find out, or a probe of the breaker; what was used since is not.
    pub(super) fn distrust(&self, began: Instant) {
        self.lock().idle.retain(|idle| idle.since > began);
    }

    fn step(self: &Arc<Self>) -> Step {
        let mut state = self.lock();
        state.shared.retain(|shared| !shared.is_closed());
        if let Some(slot) = state.shared.iter().find_map(http2::Connection::slot) {
            return Step::Go(Carrier::Http2(slot));
        }
        while let Some(Idle { connection, since }) = state.idle.pop() {
            if since.elapsed() >= limits::IDLE_KEPT {
                // So have all that rested for longer.
                state.idle.clear();
            } else if connection.is_ready() {
                return Step::Go(Carrier::Http1 { connection, is_kept: true });
            }
        }
        if state.speaks_http1 {
            return Step::Connect;
        }
        let opening = state.opening.get_or_insert_with(|| self.clone().open());
        Step::Wait(opening.clone())
    }

    /// A new connection; where there is no descriptor for it, idle ones are given up for the next try.
    async fn connect(&self) -> Result<Connected, Unconnected> {
        let connected = self.target.connect().await;
        if matches!(connected, Err(Unconnected::NoDescriptor)) {
            self.descriptors.could_not_connect();
        }
        connected
    }

    /// Connects apart from the attempts: one that is broken off takes nothing from the others.
    fn open(self: Arc<Self>) -> watch::Receiver<Opened> {
        let (tell, opening) = watch::channel(None);
        tokio::spawn(async move {
            let opened = self.connect().await.map(|connected| self.take_in(connected));
            self.lock().opening = None;
            tell.send_replace(Some(opened));
        });
        opening
    }

    fn take_in(&self, connected: Connected) {
        let mut state = self.lock();
        state.speaks_http1 = matches!(connected, Connected::Http1(_));
        match connected {
            Connected::Http1(connection) => {
                state.idle.push(Idle { connection, since: Instant::now() });
            }
            Connected::Http2(connection) => state.shared.push(connection),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare for Connections {
    fn give_up(&self, but: usize) {
        let mut state = self.lock();
        // The most recently used stays: it is the least likely to be closed.
        let given_up = state.idle.len().saturating_sub(but);
        state.idle.drain(..given_up);
        if but == 0 {
            state.shared.retain(|shared| !shared.close_unused());
        }
    }
}
