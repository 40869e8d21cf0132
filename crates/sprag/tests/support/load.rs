//! Providers: several connections that post what the ledger says until it has nothing more or
//! the gateway is gone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::event::Event;
use crate::support::ledger::{Job, Ledger};

const CONNECTIONS: usize = 8;
/// An answer that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The ledger all connections share.
pub(crate) type Shared = Arc<Mutex<Ledger>>;

/// What posts are made of, one after another, until there is none.
type Next = fn(&mut Ledger) -> Option<(Job, Event)>;

/// Starts posting what there is to post.
pub(crate) fn start(ledger: &Shared, to: SocketAddr, next: Next) -> JoinSet<()> {
    let provider = |_| connection(ledger.clone(), to, next);
    (0..CONNECTIONS).map(provider).collect()
}

/// Posts one after another over a connection, and over a new one when it broke.
async fn connection(ledger: Shared, to: SocketAddr, next: Next) {
    'connected: while let Some(mut sender) = connect(to).await {
        loop {
            let chosen = locked(&ledger, next);
            let Some((job, event)) = chosen else { return };
            let answered = timeout(PATIENCE, post(&mut sender, &event)).await;
            let answered = answered.unwrap_or_else(|_| panic!("no answer to {}", event.id()));
            let Some((status, answer)) = answered else {
                locked(&ledger, |ledger| ledger.no_answer(&job));
                continue 'connected;
            };
            locked(&ledger, |ledger| ledger.answer(&job, status, &answer));
        }
    }
}

/// None when nobody listens there any more.
async fn connect(to: SocketAddr) -> Option<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // How it ends is seen by the request that is under way.
    tokio::spawn(connection);
    Some(sender)
}

/// None when the connection ended before the whole answer was there.
async fn post(sender: &mut SendRequest<Full<Bytes>>, event: &Event) -> Option<(StatusCode, Value)> {
    sender.ready().await.ok()?;
    let response = sender.send_request(event.request()).await.ok()?;
    let status = response.status();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

pub(crate) fn locked<Result>(ledger: &Shared, act: impl FnOnce(&mut Ledger) -> Result) -> Result {
    act(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
}
