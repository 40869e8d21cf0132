//! One connection to a consumer: resolve, judge the address, connect, TLS, HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sprag_core::fact::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::guard;
use crate::config::{Network, Url};
use crate::limits;

/// A connection: what sends on it, and the task that moves its bytes. Dropped, it closes.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Closes, whatever the consumer does, and returns once it is closed (DESIGN L1).
    pub(super) async fn abort(mut self) {
        self.task.abort();
        // It ended, one way or the other.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Connection {
    /// Without this a task that still has bytes to send would wait for a consumer that reads none.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects. The first address that is allowed and answers is taken.
///
/// # Errors
/// [`Outcome::Refused`] when no address is allowed, [`Outcome::Unreachable`] when none could be
/// connected to: in both cases nothing was sent.
pub(super) async fn connect(
    url: &Url,
    allow: &[Network],
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Connection, Outcome> {
    let stream = connect_tcp(url, allow).await?;
    // Small requests must not wait for more; an error only costs time.
    let _ = stream.set_nodelay(true);
    match tls {
        None => handshake(stream).await,
        Some(config) => {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| Outcome::Unreachable)?;
            let connector = TlsConnector::from(config.clone());
            let stream = connector.connect(name, stream).await;
            handshake(stream.map_err(|_| Outcome::Unreachable)?).await
        }
    }
}

async fn connect_tcp(url: &Url, allow: &[Network]) -> Result<TcpStream, Outcome> {
    let addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    let addresses: Vec<SocketAddr> = addresses.map_err(|_| Outcome::Unreachable)?.collect();
    let mut last = if addresses.is_empty() { Outcome::Unreachable } else { Outcome::Refused };
    for address in addresses.into_iter().take(limits::RESOLVED_ADDRESSES) {
        if !guard::is_allowed(address.ip(), allow) {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(_) => last = Outcome::Unreachable,
        }
    }
    Err(last)
}

async fn handshake<S>(stream: S) -> Result<Connection, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(limits::ANSWER_HEAD_BYTES)
        .max_headers(limits::ANSWER_HEADERS)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = handshake.map_err(|_| Outcome::Unreachable)?;
    // It ends when the connection is dropped or the consumer closes; how is told by the request.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok(Connection { sender, task })
}
