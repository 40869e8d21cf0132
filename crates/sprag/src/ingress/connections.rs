//! Connections of providers: accepted within a limit, bounded in head, time and count, and let go
//! gracefully.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Ingress, request};
use crate::descriptors::Descriptors;
use crate::limits;

/// A listener that takes requests until it is stopped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    current: watch::Sender<Arc<Ingress>>,
    connections: Arc<Semaphore>,
    most: u32,
}

/// Takes events on `listener`, over at most so many connections at a time.
///
/// # Errors
/// When the listener has no address.
pub fn listen(
    listener: TcpListener,
    ingress: Ingress,
    most: u32,
    descriptors: Arc<Descriptors>,
) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let connections = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
    let (current, rules) = watch::channel(Arc::new(ingress));
    tokio::spawn(accept_all(listener, rules, connections.clone(), descriptors, stopped));
    Ok(Listening { address, stop, current, connections, most })
}

impl Listening {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What requests are taken by.
    #[must_use]
    pub fn current(&self) -> Arc<Ingress> {
        self.current.borrow().clone()
    }

    /// Requests that begin from now on are taken by other rules, also on connections that are open.
    pub fn replace(&self, ingress: Ingress) {
        self.current.send_replace(Arc::new(ingress));
    }

    /// Takes no more connections, lets requests under way be answered, and returns when all are
    /// closed or `patience` is over.
    pub async fn stop(self, patience: Duration) {
        // Nobody listens any more: then there is nothing to stop.
        let _ = self.stop.send(true);
        let all_closed = self.connections.acquire_many(self.most);
        let _ = tokio::time::timeout(patience, all_closed).await;
    }
}

async fn accept_all(
    listener: TcpListener,
    rules: watch::Receiver<Arc<Ingress>>,
    connections: Arc<Semaphore>,
    descriptors: Arc<Descriptors>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        // Beyond the limit connections wait in the listener's queue.
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let rules = rules.clone();
                tokio::spawn(serve(stream, peer.ip(), rules, permit, stopped.clone()));
            }
            // Out of descriptors, or a connection that broke before it was taken: go on, but not
            // in a busy loop.
            Err(error) => {
                descriptors.could_not_accept(&error);
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    rules: watch::Receiver<Arc<Ingress>>,
    permit: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<bool>,
) {
    // Small answers must not wait for more; an error only costs time.
    let _ = stream.set_nodelay(true);
    let request_time = rules.borrow().request_time;
    let service = service_fn(|request| {
        let ingress = rules.borrow().clone();
        async move { Ok::<_, Infallible>(request::respond(&ingress, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(request_time)
        // Who says that it sends no more still waits for the answer.
        .half_close(true)
        .max_buf_size(limits::REQUEST_HEAD_BYTES)
        .max_headers(limits::REQUEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What broke is the other side's; an event that was durable is found as a duplicate.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(permit);
}
