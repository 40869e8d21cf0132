//! A destination as an HTTP endpoint: its address, keys, connections and time limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sprag_core::fact::Outcome;
use sprag_core::output::Attempt;
use sprag_core::time::UnixMicros;
use sprag_driver::cache::ReleasedEvent;
use tokio::sync::oneshot;

use super::connect::{Connection, connect};
use super::headers::Delivery;
use super::pool::Pool;
use super::{Ended, answer};
use crate::config::{Destination, Network, Url};
use crate::limits;
use crate::metrics::DestinationMetrics;
use crate::verify::SecretProblem;
use crate::verify::signature::DestinationKeys;

/// A destination ready to be sent to.
pub struct Endpoint {
    url: Url,
    target: Uri,
    host: HeaderValue,
    keys: Option<DestinationKeys>,
    headers: Vec<(HeaderName, HeaderValue)>,
    forward: Vec<HeaderName>,
    allow: Vec<Network>,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    connect_timeout: Duration,
    pool: Arc<Pool>,
    metrics: DestinationMetrics,
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
    pub fn new(config: &Destination, metrics: DestinationMetrics) -> Result<Self, EndpointProblem> {
        let url = config.url.clone();
        let keys = (!config.secrets.is_empty()).then(|| DestinationKeys::new(&config.secrets));
        let target = Uri::try_from(&url.target).map_err(|_| EndpointProblem::Url)?;
        let host = HeaderValue::try_from(&url.authority).map_err(|_| EndpointProblem::Url)?;
        let tls = if url.tls { Some(Arc::new(tls(config)?)) } else { None };
        let concurrency = usize::try_from(config.concurrency).unwrap_or(usize::MAX);
        Ok(Self {
            target,
            host,
            url,
            keys: keys.transpose().map_err(EndpointProblem::Secret)?,
            headers: config.headers.clone(),
            forward: config.forward.clone(),
            allow: config.allow.clone(),
            tls,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
            pool: Arc::new(Pool::new(concurrency)),
            metrics,
        })
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> &DestinationMetrics {
        &self.metrics
    }

    /// One try to deliver, until it ends or `broken_off` says so. One without an answer has its
    /// connection closed when this returns.
    pub async fn attempt(
        &self,
        source: &str,
        attempt: &Attempt,
        event: &ReleasedEvent,
        now: UnixMicros,
        broken_off: oneshot::Receiver<()>,
    ) -> Ended {
        let keys = self.keys.as_ref();
        let (added, forward) = (&self.headers[..], &self.forward[..]);
        let host = &self.host;
        let delivery = Delivery { attempt, event, source, keys, host, added, forward, now };
        let request = self.request(&delivery);
        let mut open = None;
        let exchange = self.exchange(request, now, &mut open);
        let ended = tokio::select! {
            biased;
            _ = broken_off => None,
            ended = tokio::time::timeout(self.timeout, exchange) => ended.ok(),
        };
        if let Some(connection) = open {
            connection.abort().await;
        }
        // Without an end it may have been applied: nobody knows (DESIGN L1).
        ended.unwrap_or(Ended::with(Outcome::Unknown))
    }

    fn request(&self, delivery: &Delivery<'_>) -> Request<Full<Bytes>> {
        let body = Bytes::from_owner(delivery.event.event.body.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = delivery.headers();
        request
    }

    /// What is sent on stays in `open` until there is the head of an answer.
    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        now: UnixMicros,
        open: &mut Option<Connection>,
    ) -> Ended {
        // A kept connection may have been closed meanwhile. As long as nothing of the request was
        // sent on it, another connection carries it: that is no retry, the consumer saw nothing.
        while let Some(kept) = self.pool.take() {
            match self.send(kept, request, now, open).await {
                Ok(ended) => return ended,
                Err(unsent) => request = *unsent,
            }
        }
        let connecting = connect(&self.url, &self.allow, self.tls.as_ref());
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Err(_) => Ended::with(Outcome::Unreachable),
            Ok(Err(outcome)) => Ended::with(outcome),
            Ok(Ok(connection)) => match self.send(connection, request, now, open).await {
                Ok(ended) => ended,
                Err(_) => Ended::with(Outcome::Unreachable),
            },
        }
    }

    /// Sends on a connection; gives the request back when nothing of it was sent.
    async fn send(
        &self,
        connection: Connection,
        request: Request<Full<Bytes>>,
        now: UnixMicros,
        open: &mut Option<Connection>,
    ) -> Result<Ended, Box<Request<Full<Bytes>>>> {
        match open.insert(connection).sender.try_send_request(request).await {
            Ok(response) => {
                let outcome = Outcome::Answered { status: response.status().as_u16() };
                let retry_after = answer::retry_after(response.headers(), now);
                let dropped = answer::dropped(response.headers());
                if let Some(connection) = open.take() {
                    self.keep(connection, response.into_body());
                }
                Ok(Ended { outcome, retry_after, dropped })
            }
            Err(mut error) => match error.take_message() {
                Some(request) => Err(Box::new(request)),
                None => Ok(Ended::with(Outcome::Unknown)),
            },
        }
    }

    /// The head of the answer decides; its body is read apart, so that the lane need not wait.
    fn keep(&self, mut connection: Connection, body: Incoming) {
        let pool = self.pool.clone();
        if hyper::body::Body::is_end_stream(&body) && connection.sender.is_ready() {
            pool.keep(connection);
            return;
        }
        tokio::spawn(async move {
            // A consumer may answer before it has read the request: then the rest is still sent.
            let done =
                async { answer::drain(body).await && connection.sender.ready().await.is_ok() };
            if tokio::time::timeout(limits::ANSWER_PATIENCE, done).await == Ok(true) {
                pool.keep(connection);
            }
        });
    }
}

/// The machine's roots and those of the destination's `ca` file.
fn tls(config: &Destination) -> Result<ClientConfig, EndpointProblem> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &config.ca {
        let authorities = CertificateDer::pem_file_iter(file);
        let authorities = authorities.map_err(|e| EndpointProblem::Authorities(e.to_string()))?;
        for authority in authorities {
            let authority = authority.map_err(|e| EndpointProblem::Authorities(e.to_string()))?;
            roots.add(authority).map_err(EndpointProblem::Tls)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EndpointProblem::Tls)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
