//! From a URL to a connection: resolve, judge the address, connect, TLS, and which HTTP is spoken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// Connects. The first address that is allowed and answers is taken.
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

async fn connect_tcp(url: &Url, allow: &[Network]) -> Result<TcpStream, Unconnected> {
    let addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    // A resolver does not tell what it lacked.
    let unresolved = |_| match TcpSocket::new_v4() {
        Err(error) if is_exhausted(&error) => Unconnected::NoDescriptor,
        _ => Outcome::Unreachable.into(),
    };
    let addresses: Vec<SocketAddr> = addresses.map_err(unresolved)?.collect();
    let mut last = if addresses.is_empty() { Outcome::Unreachable } else { Outcome::Refused };
    for address in addresses.into_iter().take(limits::RESOLVED_ADDRESSES) {
        if !guard::is_allowed(address.ip(), allow) {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if is_exhausted(&error) => return Err(Unconnected::NoDescriptor),
            Err(_) => last = Outcome::Unreachable,
        }
    }
    Err(last.into())
}
