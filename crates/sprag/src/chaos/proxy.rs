//! The proxy on a socket: takes requests, answers them at once, and lets them go on when the queue
//! says so.
//!
//! What goes on is what came: method, path, query, headers in their case, body. Only what belongs to a
//! connection is that of the other one (RFC 9110 section 7.6.1), and `Host` is the target's.

use super::counts::Counts;
use super::limits::{BODY_TIME, CONNECTIONS, HEAD_BYTES, HEAD_TIME};
use super::queue::Queue;
use super::road::Drive;
use super::room::{Place, Room};
use super::waiting::{Taken, Waiting};
use super::{Settings, Watch};
use crate::clock::Clock;
use crate::limits::BODY_BYTES;
use crate::provider::{Connection, Target};
use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RETRY_AFTER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Headers that belong to a connection, besides those `Connection` names.
const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    CONTENT_LENGTH,
];

/// A proxy that takes requests until it is stopped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    proxy: Arc<Proxy>,
    accepting: JoinHandle<()>,
    drive: Drive,
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Running({})", self.address)
    }
}

impl Running {
    /// Counts until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.proxy.waiting.counts()
    }

    /// Takes nothing more and lets what waits go on at once; the counts at the end.
    pub async fn stop(self) -> Counts {
        self.accepting.abort();
        // An aborted task ends with an error that says so.
        let _ = self.accepting.await;
        self.proxy.waiting.end();
        self.drive.end().await;
        self.proxy.waiting.counts()
    }
}

struct Proxy {
    target: Target,
    room: Arc<Room>,
    waiting: Arc<Waiting>,
}

/// Starts a proxy.
///
/// # Errors
/// When the address cannot be listened on, or is the target itself.
pub async fn listen(
    listen: SocketAddr,
    settings: Settings,
    queue: Queue,
    clock: Clock,
    watch: impl Watch,
) -> io::Result<Running> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    if settings.target.address() == address.to_string() {
        return Err(io::Error::other("the target is the proxy itself"));
    }
    let waiting = Arc::new(Waiting::new(queue, clock, Box::new(watch)));
    let drive = Drive::start(&waiting, &settings.target, settings.concurrency);
    let proxy = Arc::new(Proxy { target: settings.target, room: Arc::default(), waiting });
    let accepting = tokio::spawn(accept(listener, proxy.clone()));
    Ok(Running { address, proxy, accepting, drive })
}

/// Takes connections. Dropping the future closes them all.
async fn accept(listener: TcpListener, proxy: Arc<Proxy>) {
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
        let proxy = proxy.clone();
        connections.spawn(async move {
            serve(stream, proxy).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, proxy: Arc<Proxy>) {
    // Small answers must not wait for more; an error only costs time.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let proxy = proxy.clone();
        async move { Ok::<_, Infallible>(proxy.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks is its sender's matter: what was not answered is not taken.
    let _ = connection.await;
}

type Answer = Response<Full<Bytes>>;

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        let Some(place) = self.room.enter() else { return self.turn_away() };
        let (body, place) = match read(body, place).await {
            Ok(read) => read,
            Err(StatusCode::SERVICE_UNAVAILABLE) => return self.turn_away(),
            Err(code) => return words(code, "the body cannot be taken"),
        };
        if let Err(code) = self.redirect(&mut head, body.len()) {
            return words(code, "no such path at the target");
        }
        if head.method != Method::POST {
            return self.pass(head, body).await;
        }
        match self.waiting.take(Taken { head, body, _place: place }) {
            Some(number) => taken(number),
            None => self.turn_away(),
        }
    }

    /// The head as the target gets it.
    fn redirect(&self, head: &mut Parts, length: usize) -> Result<(), StatusCode> {
        head.uri = self.target.behind(&head.uri).ok_or(StatusCode::BAD_REQUEST)?;
        head.version = Version::HTTP_11;
        remove_hop_by_hop(&mut head.headers);
        head.headers.insert(HOST, self.target.host());
        if length > 0 || head.method == Method::POST {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(())
    }

    /// What is no event (a handshake by GET, somebody who looks) goes on at once, and its answer back.
    async fn pass(&self, head: Parts, body: Bytes) -> Answer {
        self.waiting.passed();
        let request = Request::from_parts(head, Full::new(body));
        match Connection::to(&self.target).exchange(request).await {
            Ok(mut response) => {
                remove_hop_by_hop(response.headers_mut());
                response.map(Full::new)
            }
            Err(why) => words(StatusCode::BAD_GATEWAY, &format!("the target: {why}")),
        }
    }

    fn turn_away(&self) -> Answer {
        self.waiting.turned_away();
        let mut answer = words(StatusCode::SERVICE_UNAVAILABLE, "as much waits as may");
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        answer
    }
}

/// The whole body, in its place; the status to answer otherwise.
async fn read(mut body: Incoming, mut place: Place) -> Result<(Bytes, Place), StatusCode> {
    let read = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            let Ok(data) = frame.into_data() else { continue };
            if (whole.len() + data.len()) as u64 > BODY_BYTES {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            if !place.grow(data.len()) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    match tokio::time::timeout(BODY_TIME, read).await {
        Ok(read) => read.map(|body| (body, place)),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// 200, with the number that the schedule has.
fn taken(number: u64) -> Answer {
    let body = serde_json::json!({ "status": "taken", "request": number });
    let mut answer = Response::new(Full::from(format!("{body}\n")));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn words(code: StatusCode, why: &str) -> Answer {
    let mut answer = Response::new(Full::from(format!("sprag chaos: {why}\n")));
    *answer.status_mut() = code;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_a_connection_is_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("webhook-signature", "v1,a"),
            ("webhook-signature", "v1,b"),
            ("authorization", "Bearer x"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["webhook-signature", "authorization"]);
        assert_eq!(headers.get_all("webhook-signature").iter().count(), 2);
    }
}
