//! Connections of providers, HTTP/1.1 or HTTP/2 as they begin: accepted within a limit, bounded in head, time and count,
//! and let go gracefully.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::activity::Activity;
use super::{Ingress, answer, request};
use crate::descriptors::Descriptors;
use crate::limits;
use crate::problem::Code;

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
    let accepting = accept_all(listener, rules, connections.clone(), descriptors, stopped);
    tokio::spawn(accepting);
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
    // All places are free still: as many requests over HTTP/2 as connections.
    let streams = Arc::new(Semaphore::new(connections.available_permits()));
    loop {
        // Beyond the limit connections wait in the listener's queue.
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let requests =
                    Requests { rules: rules.clone(), peer: peer.ip(), streams: streams.clone() };
                tokio::spawn(serve(stream, requests, permit, stopped.clone()));
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

/// What takes the requests of one connection.
struct Requests {
    rules: watch::Receiver<Arc<Ingress>>,
    peer: IpAddr,
    /// Room for requests over HTTP/2, of which a connection may have many: shared by all connections.
    streams: Arc<Semaphore>,
}

impl Requests {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let ingress = self.rules.borrow().clone();
        if request.version() != Version::HTTP_2 {
            return request::respond(&ingress, self.peer, request).await;
        }
        // HTTP/2 bounds bytes of a head and not headers.
        if request.headers().len() > limits::REQUEST_HEADERS {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return response;
        }
        // Until there is room the body is not read, and its sender may send no more than a window.
        match tokio::time::timeout(ingress.request_time, self.streams.acquire()).await {
            Ok(_room) => request::respond(&ingress, self.peer, request).await,
            Err(_) => answer::problem(&answer::later(Code::NotDurable)),
        }
    }
}

fn protocols(request_time: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(request_time)
        // Who says that it sends no more still waits for the answer.
        .half_close(true)
        .max_buf_size(limits::REQUEST_HEAD_BYTES)
        .max_headers(limits::REQUEST_HEADERS);
    // Its frames stay as small as the standard has them.
    builder
        .http2()
        .max_concurrent_streams(limits::REQUEST_STREAMS)
        .initial_stream_window_size(limits::REQUEST_WINDOW_BYTES)
        .initial_connection_window_size(limits::REQUESTS_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(limits::REQUEST_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits::CANCELLED_REQUESTS)
        .max_local_error_reset_streams(limits::FAULTY_REQUESTS)
        .max_send_buf_size(limits::ANSWER_SEND_BYTES);
    builder
}

async fn serve(
    stream: TcpStream,
    requests: Requests,
    permit: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<bool>,
) {
    // Small answers must not wait for more; an error only costs time.
    let _ = stream.set_nodelay(true);
    let request_time = requests.rules.borrow().request_time;
    let shared = Arc::new((requests, Activity::new()));
    let of_service = shared.clone();
    let service = service_fn(move |request| {
        let shared = of_service.clone();
        async move {
            let (requests, activity) = &*shared;
            let _under_way = activity.begin();
            Ok::<_, Infallible>(requests.respond(request).await)
        }
    });
    let protocols = protocols(request_time);
    let connection = protocols.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        // What broke is the other side's; an event that was durable is found as a duplicate.
        _ = connection.as_mut() => {}
        () = shared.1.is_over(request_time) => {
            connection.as_mut().graceful_shutdown();
            // What crossed with the farewell is under way: it has its time.
            let gone = async {
                tokio::time::sleep(limits::FAREWELL_TIME).await;
                shared.1.is_over(limits::FAREWELL_TIME).await;
            };
            tokio::select! {
                _ = connection.as_mut() => {}
                () = gone => {}
            }
        }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(permit);
}
