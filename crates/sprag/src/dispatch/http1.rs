//! One HTTP/1.1 connection to a consumer: one attempt at a time.

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use sprag_core::fact::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::answer;
use crate::clock::within;
use crate::limits;

/// A connection: what sends on it, and the task that moves its bytes. Dropped, it closes.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    /// Without this a task that still has bytes to send would wait for a consumer that reads none.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Sent {
    /// There is the head of an answer.
    Answered(Response<Incoming>),
    /// Nothing of it left: another connection may carry it.
    Unsent,
    /// Nobody knows what became of it.
    Unknown,
}

/// Begins HTTP/1.1 on a stream.
pub(super) async fn connect<S>(stream: S) -> Result<Connection, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(limits::ANSWER_HEAD_BYTES)
        .max_headers(limits::ANSWER_HEADERS)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(|_| Outcome::Unreachable)?;
    // It ends when the connection is dropped or the consumer closes; how is told by the request.
    let task = tokio::spawn(async move { drop(connection.await) });
    // Its task has begun: from here on, not being ready means that it is closed.
    sender.ready().await.map_err(|_| Outcome::Unreachable)?;
    Ok(Connection { sender, task })
}

impl Connection {
    /// Whether another request can be sent, as far as is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it is known to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer. It is handed over at once, so that who waits does not
    /// carry it.
    pub(crate) fn send(&mut self, request: Request<Bytes>) -> impl Future<Output = Sent> + use<> {
        let sent = self.sender.try_send_request(request.map(Full::new));
        sent.map(|sent| match sent {
            Ok(response) => Sent::Answered(response),
            Err(mut error) => match error.take_message() {
                Some(_) => Sent::Unsent,
                None => Sent::Unknown,
            },
        })
    }

    /// Reads the rest of an answer; says whether the connection can carry another request.
    pub(super) async fn drain(&mut self, body: Incoming) -> bool {
        // A consumer may answer before it has read the request: then the rest is still sent.
        let done = async { answer::drain(body).await && self.sender.ready().await.is_ok() };
        within(limits::ANSWER_PATIENCE, done).await == Some(true)
    }

    /// Closes, whatever the consumer does, and returns once it is closed (DESIGN L1).
    pub(super) async fn abort(mut self) {
        self.task.abort();
        // It ended, one way or the other.
        let _ = (&mut self.task).await;
    }
}
