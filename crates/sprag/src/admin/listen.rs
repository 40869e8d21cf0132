//! Connections of operators: bounded in number, head and time, and let go gracefully.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::limits;
use super::state::AdminState;
use crate::descriptors::Descriptors;

/// The admin API on its listener.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    state: AdminState,
    stop: watch::Sender<bool>,
    connections: Arc<Semaphore>,
}

/// Serves the admin API until it is stopped. Needs a tokio runtime.
///
/// # Errors
/// When the listener has no address.
pub fn serve(
    listener: TcpListener,
    state: AdminState,
    descriptors: Arc<Descriptors>,
) -> io::Result<Serving> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let most = usize::try_from(limits::CONNECTIONS).unwrap_or(usize::MAX);
    let connections = Arc::new(Semaphore::new(most));
    let router = super::router(state.clone());
    tokio::spawn(accept_all(listener, router, connections.clone(), descriptors, stopped));
    Ok(Serving { address, state, stop, connections })
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What all requests share.
    #[must_use]
    pub fn state(&self) -> &AdminState {
        &self.state
    }

    /// Takes no more connections, and returns when all are closed or patience is over.
    pub async fn stop(self) {
        // Nobody listens any more: then there is nothing to stop.
        let _ = self.stop.send(true);
        let all_closed = self.connections.acquire_many(limits::CONNECTIONS);
        let _ = tokio::time::timeout(limits::STOP_PATIENCE, all_closed).await;
    }
}

async fn accept_all(
    listener: TcpListener,
    router: Router,
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
            Ok((stream, _)) => {
                tokio::spawn(serve_one(stream, router.clone(), permit, stopped.clone()));
            }
            // Out of descriptors, or a connection that broke before it was taken: go on, but not
            // in a busy loop.
            Err(error) => {
                descriptors.could_not_accept(&error);
                tokio::time::sleep(crate::limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(
    stream: TcpStream,
    router: Router,
    permit: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What broke is the other side's.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(permit);
}
