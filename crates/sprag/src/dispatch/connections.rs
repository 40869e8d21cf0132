//! The connections to one destination: what the next attempt is sent on, and who connects.
//!
//! HTTP/1.1 connections are kept when they are idle; HTTP/2 connections are shared. As long as it is
//! not known that a consumer speaks HTTP/1.1, one connects for all that wait: else every attempt of
//! a busy start would open an HTTP/2 connection of its own. Idle ones are given up when file descriptors
//! are missing (`descriptors`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sprag_core::fact::Outcome;
use tokio::sync::watch;

use super::connect::{Connected, Target, Unconnected};
use super::{http1, http2};
use crate::config::HttpVersion;
use crate::descriptors::{Descriptors, Spare};

/// See the module.
#[derive(Debug)]
pub(super) struct Connections {
    target: Target,
    state: Mutex<State>,
    /// Idle connections kept at the most.
    most: usize,
    descriptors: Arc<Descriptors>,
}

#[derive(Debug, Default)]
struct State {
    /// The most recently used last: it is the least likely to be closed.
    idle: Vec<http1::Connection>,
    shared: Vec<Arc<http2::Connection>>,
    /// Whether the newest connection spoke HTTP/1.1.
    speaks_http1: bool,
    /// What came of the connecting that is under way.
    opening: Option<watch::Receiver<Opened>>,
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
        let connections = Arc::new(Self { target, state, most, descriptors });
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

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(&self, connection: http1::Connection) {
        let most = self.descriptors.keep(self.most);
        let mut state = self.lock();
        if state.idle.len() < most && !connection.is_closed() {
            state.idle.push(connection);
        }
    }

    fn step(self: &Arc<Self>) -> Step {
        let mut state = self.lock();
        state.shared.retain(|shared| !shared.is_closed());
        if let Some(slot) = state.shared.iter().find_map(http2::Connection::slot) {
            return Step::Go(Carrier::Http2(slot));
        }
        while let Some(connection) = state.idle.pop() {
            if connection.is_ready() {
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
            Connected::Http1(connection) => state.idle.push(connection),
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
