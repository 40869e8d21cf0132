//! Requests to the API of a source, one after another over one connection.
//!
//! HTTP/1.1 only: an ask is one request after another, and there are few. A redirect is an answer that is
//! none, for the secrets in the headers are meant for the server that is configured.
//! Must not know: what is asked for, what an answer says.

use std::path::Path;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sprag_core::fact::{Outcome, RefillOutcome};

use crate::config::{HttpVersion, Network, Url};
use crate::dispatch::connect::{Connected, Target, Unconnected};
use crate::dispatch::http1::{Connection, Sent};
use crate::dispatch::{EndpointProblem, tls};
use crate::limits;

/// What the API of a source is asked with.
pub(super) struct Asker {
    to: Target,
    host: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Bytes of an answer at the most.
    most: usize,
}

/// Which addresses may be connected to, and who vouches for them.
pub(super) struct Trusted<'a> {
    pub(super) allow: &'a [Network],
    pub(super) ca: Option<&'a Path>,
}

/// An answer. The body of one that is no success is not read.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
pub(super) struct NoAnswer {
    pub(super) outcome: RefillOutcome,
    pub(super) detail: String,
}

impl NoAnswer {
    fn with(outcome: RefillOutcome, detail: impl Into<String>) -> Self {
        Self { outcome, detail: detail.into() }
    }
}

impl Asker {
    /// Prepares TLS.
    ///
    /// # Errors
    /// [`EndpointProblem`] says what of the configuration cannot be used.
    pub(super) fn new(
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        trusted: &Trusted<'_>,
    ) -> Result<Self, EndpointProblem> {
        let (url, http) = (url.clone(), HttpVersion::Http1);
        let host = HeaderValue::try_from(&url.authority).map_err(|_| EndpointProblem::Url)?;
        let tls = tls(&url, trusted.ca, http)?;
        let (allow, connect_timeout) = (trusted.allow.to_vec(), limits::REFILL_CONNECT_TIME);
        let to = Target { url, allow, tls, http, connect_timeout };
        Ok(Self { to, host, headers: headers.to_vec(), most: limits::REFILL_PAGE_BYTES })
    }

    /// Reads no more of an answer than this.
    pub(super) fn reading_at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// The server that is asked.
    pub(super) fn url(&self) -> &Url {
        &self.to.url
    }

    /// What is at this path and query, on a connection that is kept for the next request.
    pub(super) async fn get(
        &self,
        connection: &mut Option<Connection>,
        target: &str,
    ) -> Result<Answered, NoAnswer> {
        let kept = connection.take().filter(Connection::is_ready);
        let is_kept = kept.is_some();
        let mut sending = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let mut sent = sending.send(self.request(target)).await;
        if is_kept && matches!(sent, Sent::Unsent) {
            // The server closed it meanwhile.
            sending = self.connect().await?;
            sent = sending.send(self.request(target)).await;
        }
        let Sent::Answered(response) = sent else {
            return Err(NoAnswer::with(RefillOutcome::Unfinished, "the connection broke"));
        };
        let answered = read(response, self.most).await?;
        if answered.status.is_success() {
            *connection = Some(sending);
        }
        Ok(answered)
    }

    async fn connect(&self) -> Result<Connection, NoAnswer> {
        match self.to.connect().await {
            Ok(Connected::Http1(connection)) => Ok(connection),
            Ok(Connected::Http2(_)) => {
                Err(NoAnswer::with(RefillOutcome::Unreachable, "it speaks HTTP/2 only"))
            }
            Err(Unconnected::Ended(Outcome::Refused)) => {
                let detail = "its address is private; `allow` says which may be connected to";
                Err(NoAnswer::with(RefillOutcome::Refused, detail))
            }
            Err(Unconnected::Ended(_)) => {
                Err(NoAnswer::with(RefillOutcome::Unreachable, "there is no connection"))
            }
            Err(Unconnected::NoDescriptor) => {
                Err(NoAnswer::with(RefillOutcome::Unreachable, "no file descriptor is left"))
            }
        }
    }

    fn request(&self, target: &str) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        // It was read as one before: by the template, or as a link.
        *request.uri_mut() = target.parse().unwrap_or_else(|_| Uri::from_static("/"));
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let agent = HeaderValue::from_static(concat!("sprag/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, agent);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        request
    }
}

/// An answer whose body is not too large.
async fn read(response: Response<Incoming>, most: usize) -> Result<Answered, NoAnswer> {
    let (parts, mut incoming) = response.into_parts();
    let (status, headers) = (parts.status, parts.headers);
    let mut body = Vec::new();
    if !status.is_success() {
        return Ok(Answered { status, headers, body });
    }
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(NoAnswer::with(RefillOutcome::Unreadable, "its answer is compressed"));
    }
    while let Some(frame) = incoming.frame().await {
        let broke = |_| NoAnswer::with(RefillOutcome::Unfinished, "its answer broke off");
        let frame = frame.map_err(broke)?;
        let Some(data) = frame.data_ref() else { continue };
        if body.len() + data.len() > most {
            let detail = format!("it has more than {most} bytes");
            return Err(NoAnswer::with(RefillOutcome::Cut, detail));
        }
        body.extend_from_slice(data);
    }
    Ok(Answered { status, headers, body })
}
