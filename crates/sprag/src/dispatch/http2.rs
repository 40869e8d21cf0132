//! One HTTP/2 connection to a consumer, shared by many attempts: a stream each.
//!
//! What rule L1 needs of it: an attempt that is given up has its stream reset, and is over only
//! when the consumer has answered a PING sent after the reset, or the connection is gone. The same
//! PING tells a dead connection from a slow consumer. It must not know when an attempt is made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::{HeaderValue, Request, Response, header};
use sprag_core::fact::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::clock::within;
use crate::limits;

/// A connection. Dropped, it closes, and with it every stream.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    streams: Arc<Streams>,
    pings: mpsc::UnboundedSender<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The streams of a connection as attempts hold them.
#[derive(Debug, Default)]
struct Streams {
    /// How many are held; [`Streams::CLOSED`] once no more are given out.
    held: AtomicUsize,
    /// Whether one was given out since the last look.
    used: AtomicBool,
}

impl Streams {
    const CLOSED: usize = 1 << (usize::BITS - 1);

    /// One more, of at most `most`.
    fn take(&self, most: usize) -> bool {
        let one_more = |held| (held < most.min(Self::CLOSED)).then_some(held + 1);
        let taken = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok();
        self.used.fetch_or(taken, Ordering::AcqRel);
        taken
    }

    /// No more are given out.
    fn close(&self) {
        self.held.fetch_or(Self::CLOSED, Ordering::AcqRel);
    }

    /// The same, if none is held; says whether that is so.
    fn close_unheld(&self) -> bool {
        let closed =
            self.held.compare_exchange(0, Self::CLOSED, Ordering::AcqRel, Ordering::Acquire);
        closed.is_ok()
    }

    fn is_closed(&self) -> bool {
        self.held.load(Ordering::Acquire) & Self::CLOSED != 0
    }
}

/// A stream that an attempt may open.
#[derive(Debug)]
pub(super) struct Slot(Arc<Connection>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.streams.held.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    stream: SendStream<Bytes>,
    slot: Slot,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// There is the head of an answer.
    Answered(Response<RecvStream>),
    /// The connection takes no more, or was closing in good order and the protocol says that the
    /// consumer has not looked at it: another connection may carry it.
    Unsent,
    /// It ended thus.
    Ended(Outcome),
}

/// Begins HTTP/2 on a stream, and waits until the consumer has said how many requests it takes at
/// once: its SETTINGS come before the answer to our PING.
pub(super) async fn connect<S>(stream: S) -> Result<Arc<Connection>, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = Builder::new()
        .enable_push(false)
        .max_header_list_size(u32::try_from(limits::ANSWER_HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_connection_window_size(limits::ANSWERS_WINDOW_BYTES)
        .handshake(stream)
        .await;
    let (sender, mut connection) = handshake.map_err(|_| Outcome::Unreachable)?;
    let mut pings = connection.ping_pong().ok_or(Outcome::Unreachable)?;
    let (begun, has_begun) = oneshot::channel();
    let (ask, asked) = mpsc::unbounded_channel();
    let streams = Arc::new(Streams::default());
    let held = streams.clone();
    let task = tokio::spawn(async move {
        let beats = async {
            if pong(&mut pings).await {
                let _ = begun.send(());
                beat(pings, asked, &held).await;
            }
        };
        tokio::select! {
            // First what is to be sent, then a PING behind it.
            biased;
            _ = connection => {}
            () = beats => {}
        }
        held.close();
    });
    let connection = Connection { sender, streams, pings: ask, task };
    has_begun.await.map_err(|_| Outcome::Unreachable)?;
    // One that takes nothing would be opened again and again.
    let takes_some = connection.sender.current_max_send_streams() > 0;
    if takes_some { Ok(Arc::new(connection)) } else { Err(Outcome::Unreachable) }
}

/// Answers those who ask whether the consumer has read all that was sent. Ends when it does not
/// answer, or when nothing was sent for a while.
async fn beat(
    mut pings: PingPong,
    mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    streams: &Streams,
) {
    let mut idle = Duration::ZERO;
    loop {
        let mut waiting = Vec::new();
        match tokio::time::timeout(limits::PING_EVERY, asked.recv()).await {
            Ok(Some(one)) => waiting.push(one),
            Ok(None) => return,
            Err(_) if streams.used.swap(false, Ordering::AcqRel) => idle = Duration::ZERO,
            Err(_) => idle += limits::PING_EVERY,
        }
        if idle >= limits::SHARED_IDLE && streams.close_unheld() {
            return;
        }
        while let Ok(one) = asked.try_recv() {
            waiting.push(one);
        }
        let is_wanted = !waiting.is_empty() || streams.held.load(Ordering::Acquire) > 0;
        if is_wanted && !pong(&mut pings).await {
            return;
        }
        // The first may have overtaken a reset that waited for room in the socket; where it was
        // answered, there is room.
        if !waiting.is_empty() && !pong(&mut pings).await {
            return;
        }
        for one in waiting {
            // Who asked may have gone.
            let _ = one.send(());
        }
    }
}

/// Whether the consumer answers a PING in time.
async fn pong(pings: &mut PingPong) -> bool {
    let answered = within(limits::PONG_PATIENCE, pings.ping(Ping::opaque()));
    matches!(answered.await, Some(Ok(_)))
}

impl Connection {
    /// A stream for one attempt; none while the consumer takes no more, or for good.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let most = self.sender.current_max_send_streams().min(limits::SHARED_STREAMS);
        self.streams.take(most).then(|| Slot(self.clone()))
    }

    /// Gives out no more streams, if no attempt holds one; says whether that is so.
    pub(super) fn close_unused(&self) -> bool {
        self.streams.close_unheld()
    }

    /// Whether it gives out no more streams.
    pub(super) fn is_closed(&self) -> bool {
        self.streams.is_closed() || self.task.is_finished()
    }
}

impl Slot {
    /// Sends a request. From the moment it may have left, it stays in `open` until there is the head
    /// of an answer.
    pub(super) async fn send<O: From<Exchange>>(
        self,
        request: Request<Bytes>,
        open: &mut Option<O>,
    ) -> Sent {
        let connection = self.0.clone();
        let (head, body) = request.into_parts();
        let mut head = Request::from_parts(head, ());
        head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let sent = connection.sender.clone().send_request(head, body.is_empty());
        let (response, mut stream) = match sent {
            Ok(sent) => sent,
            Err(_) => {
                connection.streams.close();
                return Sent::Unsent;
            }
        };
        if !body.is_empty() {
            // It lies in memory anyway; the consumer's windows say when it leaves. When this fails,
            // the stream is closed, and the answer says how.
            let _ = stream.send_data(body, true);
        }
        *open = Some(Exchange { stream, slot: self }.into());
        match response.await {
            Ok(response) => Sent::Answered(response),
            Err(error) => {
                *open = None;
                without_answer(&error, &connection)
            }
        }
    }
}

impl Exchange {
    /// Resets the stream, and returns once the consumer has heard of it or the connection is gone
    /// (DESIGN L1). The other streams go on.
    pub(super) async fn abort(mut self) {
        self.stream.send_reset(Reason::CANCEL);
        let (answer, answered) = oneshot::channel();
        if self.slot.0.pings.send(answer).is_ok() {
            let _ = answered.await;
        }
    }

    /// Reads the rest of an answer, as far as that is worth while; beyond, the stream is reset.
    pub(super) async fn drain(self, mut body: RecvStream) {
        let mut left = limits::ANSWER_BYTES;
        while let Some(Ok(data)) = body.data().await {
            let Some(rest) = left.checked_sub(data.len()) else { return };
            left = rest;
            if body.flow_control().release_capacity(data.len()).is_err() {
                return;
            }
        }
        drop(self.slot);
    }
}

/// A request that was sent, and got no answer: what the protocol says of it (RFC 9113 section 8.7).
fn without_answer(error: &h2::Error, connection: &Connection) -> Sent {
    if !error.is_remote() {
        return Sent::Ended(Outcome::Unknown);
    }
    // The streams that a GOAWAY ends are those behind the last one the consumer looked at.
    if error.is_go_away() {
        connection.streams.close();
        let in_order = error.reason() == Some(Reason::NO_ERROR);
        return if in_order { Sent::Unsent } else { Sent::Ended(Outcome::Unreachable) };
    }
    match error.reason() {
        Some(Reason::REFUSED_STREAM | Reason::HTTP_1_1_REQUIRED) => {
            Sent::Ended(Outcome::Unreachable)
        }
        _ => Sent::Ended(Outcome::Unknown),
    }
}
