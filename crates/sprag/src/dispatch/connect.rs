//! From a URL to a connection: resolve, judge the address, connect, TLS, and which HTTP is spoken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sprag_core::fact::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{guard, http1, http2};
use crate::clock::within;
use crate::config::{HttpVersion, Network, Url};
use crate::descriptors::is_exhausted;
use crate::limits;

/// The name of HTTP/2 in ALPN (RFC 9113 section 3.2).
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
/// The name of HTTP/1.1 in ALPN (RFC 7301 section 6).
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Where connections go, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) allow: Vec<Network>,
    /// None where the URL is `http`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) http: HttpVersion,
    pub(crate) connect_timeout: Duration,
}

/// A connection that was just made.
#[derive(Debug)]
pub(crate) enum Connected {
    /// For one attempt at a time.
    Http1(http1::Connection),
    /// For many.
    Http2(Arc<http2::Connection>),
}

/// Why there is no connection; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unconnected {
    /// [`Outcome::Refused`] when no address is allowed, [`Outcome::Unreachable`] when none could be
    /// connected to.
    Ended(Outcome),
    /// This process has no file descriptor left, which says nothing about the destination.
    NoDescriptor,
}

impl From<Outcome> for Unconnected {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

impl Target {
    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Connected, Unconnected> {
        let connected = within(self.connect_timeout, self.handshake()).await;
        connected.unwrap_or(Err(Outcome::Unreachable.into()))
    }

    async fn handshake(&self) -> Result<Connected, Unconnected> {
        let stream = connect_tcp(&self.url, &self.allow).await?;
        // Small requests must not wait for more; an error only costs time.
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else {
            return Ok(speak(stream, self.http == HttpVersion::Http2).await?);
        };
        let name = ServerName::try_from(self.url.host.clone()).map_err(|_| Outcome::Unreachable)?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
        let stream = stream.map_err(|_| Outcome::Unreachable)?;
        let takes_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
        if self.http == HttpVersion::Http2 && !takes_http2 {
            return Err(Outcome::Unreachable.into());
        }
        Ok(speak(stream, takes_http2).await?)
    }
}

async fn speak<S>(stream: S, takes_http2: bool) -> Result<Connected, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if takes_http2 {
        http2::connect(stream).await.map(Connected::Http2)
    } else {
        http1::connect(stream).await.map(Connected::Http1)
    }
}

/// Resolves, and connects to the first address that is allowed and answers.
async fn connect_tcp(url: &Url, allow: &[Network]) -> Result<TcpStream, Unconnected> {
    let addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    // A resolver does not tell what it lacked.
    let unresolved = |_| match TcpSocket::new_v4() {
        Err(error) if is_exhausted(&error) => Unconnected::NoDescriptor,
        _ => Outcome::Unreachable.into(),
    };
    let (allowed, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.map_err(unresolved)?.partition(|address| guard::is_allowed(address.ip(), allow));
    if allowed.is_empty() && !refused.is_empty() {
        return Err(Outcome::Refused.into());
    }
    first_that_answers(allowed.into_iter().take(limits::RESOLVED_ADDRESSES)).await
}

/// Connects to one address after another, the next once the one before has failed or not answered for
/// [`limits::NEXT_ADDRESS`], and takes the first connection (RFC 8305 section 5): an address whose packets are lost
/// would else take all the time there is for connecting.
async fn first_that_answers(
    addresses: impl ExactSizeIterator<Item = SocketAddr>,
) -> Result<TcpStream, Unconnected> {
    let mut left = addresses;
    let mut trying = FuturesUnordered::new();
    let mut end = Outcome::Unreachable.into();
    loop {
        trying.extend(left.next().map(TcpStream::connect));
        let next = trying.next();
        let ended = if left.len() == 0 {
            next.await
        } else {
            let Ok(ended) = tokio::time::timeout(limits::NEXT_ADDRESS, next).await else {
                continue;
            };
            ended
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) if is_exhausted(&error) => end = Unconnected::NoDescriptor,
            Some(Err(_)) => {}
            None => return Err(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn listener(backlog: u32) -> tokio::net::TcpListener {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        socket.listen(backlog).unwrap()
    }

    /// Its queue is full, so the system drops what asks for a connection.
    async fn deaf() -> (tokio::net::TcpListener, Vec<TcpStream>) {
        let listener = listener(1);
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let ask = || tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address));
        while let Ok(Ok(stream)) = ask().await {
            waiting.push(stream);
        }
        (listener, waiting)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        let (deaf, _waiting) = deaf().await;
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (deaf, good) = (deaf.local_addr().unwrap(), good.local_addr().unwrap());
        let connected = first_that_answers([deaf, good].into_iter());
        let connected = tokio::time::timeout(Duration::from_secs(5), connected).await;
        let connected = connected.expect("the second within its time").unwrap();
        assert_eq!(connected.peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn all_are_tried_before_a_destination_is_unreachable() {
        let closed = listener(1).local_addr().unwrap();
        let unreachable = Unconnected::Ended(Outcome::Unreachable);
        let none = first_that_answers([closed, closed].into_iter()).await;
        assert_eq!(none.unwrap_err(), unreachable);
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let good = good.local_addr().unwrap();
        let connected = first_that_answers([closed, closed, good].into_iter()).await.unwrap();
        assert_eq!(connected.peer_addr().unwrap(), good);
    }
}
