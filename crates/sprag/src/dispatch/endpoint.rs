//! A destination as an HTTP endpoint: its address, keys, connections and time limits.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use rustls::{ClientConfig, RootCertStore};
use sprag_core::fact::Outcome;
use sprag_core::id::Sequence;
use sprag_core::output::Attempt;
use sprag_core::time::UnixMicros;
use sprag_driver::cache::ReleasedEvent;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch;
use super::connect::{ALPN_HTTP1, ALPN_HTTP2, Target, Unconnected};
use super::connections::{Carrier, Connections};
use super::headers::Delivery;
use super::{Ended, answer, http1, http2};
use crate::authorities;
use crate::clock::within;
use crate::config::{Ack, Destination, HttpVersion, Url};
use crate::descriptors::Descriptors;
use crate::limits;
use crate::metrics::DestinationMetrics;
use crate::verify::SecretProblem;
use crate::verify::signature::DestinationKeys;

/// A destination ready to be sent to.
pub struct Endpoint {
    target: Uri,
    /// The same with scheme and authority, as HTTP/2 has it.
    absolute: Uri,
    host: HeaderValue,
    keys: Option<DestinationKeys>,
    headers: Vec<(HeaderName, HeaderValue)>,
    forward: Vec<HeaderName>,
    timeout: Duration,
    connections: Arc<Connections>,
    /// Whether 202 is no acknowledgement, but says that one will come.
    acknowledges_later: bool,
    metrics: DestinationMetrics,
    /// How the newest attempt ended.
    newest: Mutex<Option<Outcome>>,
    /// Whether it was told that no address of it may be connected to.
    refusal_told: AtomicBool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What an attempt without an answer has to end.
#[derive(Debug)]
enum Open {
    /// A connection for itself; whether it was kept from an attempt before.
    Http1 {
        connection: http1::Connection,
        is_kept: bool,
    },
    Http2(http2::Exchange),
}

impl From<http2::Exchange> for Open {
    fn from(exchange: http2::Exchange) -> Self {
        Self::Http2(exchange)
    }
}

impl Open {
    /// Returns once the consumer is cut off from the attempt.
    async fn abort(self) {
        match self {
            Self::Http1 { connection, .. } => connection.abort().await,
            Self::Http2(exchange) => exchange.abort().await,
        }
    }
}

/// Why a destination cannot be sent to.
#[derive(Debug)]
pub enum EndpointProblem {
    /// Its URL has no form a request can have.
    Url,
    /// One of its secrets is no `whsec_` secret.
    Secret(SecretProblem),
    /// Its `ca` file cannot be read or holds no certificate.
    Authorities(String),
    /// TLS cannot be set up.
    Tls(rustls::Error),
}

impl fmt::Display for EndpointProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => formatter.write_str("its url cannot be requested"),
            Self::Secret(problem) => write!(formatter, "one of its secrets: {problem}"),
            Self::Authorities(why) => write!(formatter, "its ca file: {why}"),
            Self::Tls(error) => write!(formatter, "TLS: {error}"),
        }
    }
}

impl Endpoint {
    /// Prepares keys, TLS and connections.
    ///
    /// # Errors
    /// [`EndpointProblem`] says what of the configuration cannot be used.
    pub fn new(
        config: &Destination,
        metrics: DestinationMetrics,
        descriptors: &Arc<Descriptors>,
    ) -> Result<Self, EndpointProblem> {
        let url = config.url.clone();
        let keys = (!config.secrets.is_empty()).then(|| DestinationKeys::new(&config.secrets));
        let target = Uri::try_from(&url.target).map_err(|_| EndpointProblem::Url)?;
        let scheme = if url.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let absolute = Uri::builder().scheme(scheme).authority(&*url.authority);
        let absolute = absolute.path_and_query(&*url.target).build();
        let host = HeaderValue::try_from(&url.authority).map_err(|_| EndpointProblem::Url)?;
        let tls = tls(&url, config.ca.as_deref(), config.http)?;
        let concurrency = usize::try_from(config.concurrency).unwrap_or(usize::MAX);
        let (allow, http) = (config.allow.clone(), config.http);
        let to = Target { url, allow, tls, http, connect_timeout: config.connect_timeout };
        Ok(Self {
            target,
            absolute: absolute.map_err(|_| EndpointProblem::Url)?,
            host,
            keys: keys.transpose().map_err(EndpointProblem::Secret)?,
            headers: config.headers.clone(),
            forward: config.forward.clone(),
            timeout: config.timeout,
            connections: Connections::new(to, concurrency, descriptors.clone()),
            acknowledges_later: matches!(config.ack, Ack::Explicit(_)),
            metrics,
            newest: Mutex::default(),
            refusal_told: AtomicBool::new(false),
        })
    }

    /// Whether the consumer says that it has what was sent, and will acknowledge it by itself.
    pub(super) fn is_accepted(&self, outcome: Outcome) -> bool {
        self.acknowledges_later && outcome.is_accepted()
    }

    /// An attempt ended: it is counted, and the first that was not allowed is told.
    pub(super) fn ended(&self, outcome: Outcome) {
        self.metrics.attempt(outcome);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        if outcome == Outcome::Refused && !self.refusal_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "address-not-allowed: destination {:?} is at an address that is not public ({}), and \
                 its `allow` names no network of it: nothing is delivered there",
                self.metrics.name(),
                self.host.to_str().unwrap_or_default()
            );
        }
    }

    /// How the newest attempt ended, where one did.
    pub(super) fn newest_outcome(&self) -> Option<Outcome> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> &DestinationMetrics {
        &self.metrics
    }

    /// One try to deliver, until it ends or `broken_off` says so. One without an answer has its
    /// connection closed, or its stream reset, when this returns.
    pub async fn attempt(
        &self,
        source: &str,
        attempt: &Attempt,
        (event, others): (&ReleasedEvent, &[ReleasedEvent]),
        now: UnixMicros,
        mut broken_off: oneshot::Receiver<()>,
    ) -> Ended {
        let keys = self.keys.as_ref();
        let (added, forward) = (&self.headers[..], &self.forward[..]);
        let host = &self.host;
        let mut delivery = Delivery { attempt, event, source, keys, host, added, forward, now };
        let range = attempt.last.map(|last| (last, batch::body(&delivery, others)));
        loop {
            let (mut open, began) = (None, Instant::now());
            let mut is_broken_off = false;
            let ended = {
                // Pinned here: handed on by value it would be in this attempt three times over, and be copied as often.
                let exchange = pin!(self.exchange(&delivery, range.as_ref(), &mut open));
                tokio::select! {
                    biased;
                    _ = &mut broken_off => {
                        is_broken_off = true;
                        None
                    }
                    ended = within(self.timeout, exchange) => ended,
                }
            };
            if let Some(open) = open {
                // A new connection says nothing about those that rest, and pings look after shared ones.
                if matches!(open, Open::Http1 { is_kept: true, .. }) && !is_broken_off {
                    self.connections.distrust(began);
                }
                Box::pin(open.abort()).await;
            }
            match ended {
                Some(Some(ended)) => return ended,
                // It has not begun: the destination is not to blame, and must not be given up.
                Some(None) => tokio::select! {
                    biased;
                    _ = &mut broken_off => return Ended::with(Outcome::Unknown),
                    () = tokio::time::sleep(limits::DESCRIPTOR_PAUSE) => {
                        // Its signed time is that of its sending.
                        delivery.now = delivery.now.after(limits::DESCRIPTOR_PAUSE);
                    }
                },
                // Without an end it may have been applied: nobody knows (DESIGN L1).
                None => return Ended::with(Outcome::Unknown),
            }
        }
    }

    /// The event as it came, or the range that its attempt carries.
    fn request(
        &self,
        delivery: &Delivery<'_>,
        range: Option<&(Sequence, Bytes)>,
    ) -> Request<Bytes> {
        let (headers, body) = match range {
            None => (delivery.headers(), Bytes::from_owner(delivery.event.event.body.clone())),
            Some((last, body)) => (batch::headers(delivery, *last, body), body.clone()),
        };
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        request
    }

    /// What is sent on stays in `open` until there is the head of an answer. None when this process
    /// has no descriptor to connect with.
    async fn exchange(
        &self,
        delivery: &Delivery<'_>,
        range: Option<&(Sequence, Bytes)>,
        open: &mut Option<Open>,
    ) -> Option<Ended> {
        // As long as the consumer saw nothing of the request, another connection carries it: that
        // is no retry. A kept connection may have been closed meanwhile, a shared one be closing.
        let mut closing = 0;
        loop {
            // What it is sent on comes first: for want of a descriptor it is looked for many times, and a
            // request takes work to make.
            let carrier = self.connections.carrier().await;
            let request = || self.request(delivery, range);
            let ended = match carrier {
                Err(Unconnected::Ended(outcome)) => return Some(Ended::with(outcome)),
                Err(Unconnected::NoDescriptor) => return None,
                Ok(Carrier::Http1 { connection, is_kept }) => {
                    let carried = open.insert(Open::Http1 { connection, is_kept });
                    let Open::Http1 { connection, .. } = carried else { continue };
                    let sent = connection.send(request()).await;
                    let ended = self.sent_http1(sent, delivery.now, open);
                    ended.or((!is_kept).then_some(Ended::with(Outcome::Unreachable)))
                }
                Ok(Carrier::Http2(slot)) => {
                    closing += 1;
                    let gives_up = closing > limits::CLOSING_CONNECTIONS;
                    let sending = self.send_http2(slot, request(), delivery.now, open);
                    let ended = Box::pin(sending).await;
                    ended.or(gives_up.then_some(Ended::with(Outcome::Unreachable)))
                }
            };
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// What came of a request on a connection of its own; none when nothing of it was sent.
    fn sent_http1(
        &self,
        sent: http1::Sent,
        now: UnixMicros,
        open: &mut Option<Open>,
    ) -> Option<Ended> {
        match sent {
            http1::Sent::Unsent => {
                *open = None;
                None
            }
            http1::Sent::Unknown => Some(Ended::with(Outcome::Unknown)),
            http1::Sent::Answered(response) => {
                let ended = ended(&response, now);
                if let Some(Open::Http1 { connection, .. }) = open.take() {
                    self.connections.keep_after(connection, response.into_body());
                }
                Some(ended)
            }
        }
    }

    /// Sends on a stream of a shared connection; none when the consumer has not looked at it.
    async fn send_http2(
        &self,
        slot: http2::Slot,
        mut request: Request<Bytes>,
        now: UnixMicros,
        open: &mut Option<Open>,
    ) -> Option<Ended> {
        *request.uri_mut() = self.absolute.clone();
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(header::HOST);
        match slot.send(request, open).await {
            http2::Sent::Unsent => None,
            http2::Sent::Ended(outcome) => Some(Ended::with(outcome)),
            http2::Sent::Answered(response) => {
                let ended = ended(&response, now);
                if let Some(Open::Http2(exchange)) = open.take() {
                    self.connections.end_after(exchange, response.into_body());
                }
                Some(ended)
            }
        }
    }
}

/// What the head of an answer says.
fn ended<B>(response: &Response<B>, now: UnixMicros) -> Ended {
    let headers = response.headers();
    let outcome = Outcome::Answered { status: response.status().as_u16() };
    let retry_after = answer::retry_after(headers, now);
    let (dropped, acknowledged) = (answer::dropped(headers), answer::acknowledged(headers));
    Ended { outcome, retry_after, dropped, acknowledged }
}

/// The machine's roots and those of a `ca` file; none where the URL is `http`.
pub(crate) fn tls(
    url: &Url,
    ca: Option<&Path>,
    http: HttpVersion,
) -> Result<Option<Arc<ClientConfig>>, EndpointProblem> {
    if !url.tls {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca {
        let pem = std::fs::read(file);
        let pem = pem.map_err(|error| EndpointProblem::Authorities(error.to_string()))?;
        authorities::add(&mut roots, &pem).map_err(EndpointProblem::Authorities)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EndpointProblem::Tls)?;
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    let offered: &[&[u8]] = match http {
        HttpVersion::Auto => &[ALPN_HTTP2, ALPN_HTTP1],
        HttpVersion::Http1 => &[ALPN_HTTP1],
        HttpVersion::Http2 => &[ALPN_HTTP2],
    };
    tls.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(Some(Arc::new(tls)))
}
