//! The consumers' side: `/out/{destination}/…`, opened by the token of that destination.
//!
//! It reads requests and writes answers; what they mean for a lane is the core's. Must not know: how
//! events are delivered.

mod ack;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use sprag_core::id::{DestinationId, SourceId};
use tokio::sync::Semaphore;

use crate::extract::encode::encode_part;
use crate::ingress::answer::problem;
use crate::limits;
use crate::node::NodeHandle;
use crate::problem::{Code, Problem};
use crate::token::Token;

/// What every request of a consumer needs.
#[derive(Debug)]
pub struct Out {
    destinations: BTreeMap<String, OutDestination>,
    /// By name as it stands in a `webhook-id`.
    sources: BTreeMap<String, SourceId>,
    node: NodeHandle,
    /// For the body of one request, and for its commit.
    request_time: Duration,
}

/// Ids of one destination that wait for the node.
pub(super) type UnderWay = Arc<Semaphore>;

/// A destination whose consumers may ask.
#[derive(Debug)]
pub struct OutDestination {
    /// Its number.
    pub id: DestinationId,
    /// What its consumers bring; without one its side is closed.
    pub token: Option<Token>,
    /// Room for ids that wait for the node: it must not queue without a bound.
    room: UnderWay,
}

impl OutDestination {
    /// A destination whose consumers bring this token.
    #[must_use]
    pub fn new(id: DestinationId, token: Option<Token>) -> Self {
        Self { id, token, room: Arc::new(Semaphore::new(limits::ACK_IDS_UNDER_WAY)) }
    }
}

impl Out {
    /// A destination by its number.
    fn numbered(&self, id: DestinationId) -> Option<&OutDestination> {
        self.destinations.values().find(|destination| destination.id == id)
    }

    /// What waits under another configuration takes its room here too.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for destination in self.destinations.values_mut() {
            if let Some(known) = before.numbered(destination.id) {
                destination.room = known.room.clone();
            }
        }
        self
    }

    /// The consumers' side of these destinations, for events of these sources.
    pub fn new<'a>(
        destinations: BTreeMap<String, OutDestination>,
        sources: impl Iterator<Item = (&'a str, SourceId)>,
        node: NodeHandle,
        request_time: Duration,
    ) -> Self {
        let sources = sources.map(|(name, id)| (encode_part(name.as_bytes()), id)).collect();
        Self { destinations, sources, node, request_time }
    }
}

/// Answers a request below `/out/`; none when its path is another.
pub(crate) async fn respond(
    out: &Out,
    parts: &Parts,
    body: &mut Incoming,
) -> Response<Full<Bytes>> {
    let (destination, what) = match route(out, parts) {
        Ok(route) => route,
        Err(refused) => return refuse(&refused),
    };
    if what != "ack" {
        let detail = "the path is /out/{destination}/ack";
        return problem(&Problem::new(Code::UnknownPath).with_detail(detail));
    }
    if parts.method != Method::POST {
        let mut response = problem(&Problem::new(Code::MethodNotAllowed));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let given = ack::acknowledge(out, destination, body);
    match tokio::time::timeout(out.request_time, given).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(refused)) => problem(&refused),
        Err(_) => problem(&Problem::new(Code::NotDurable).retry_after(1)),
    }
}

/// The destination of a path whose token the request brings, and what is behind its name.
fn route<'a>(out: &'a Out, parts: &'a Parts) -> Result<(&'a OutDestination, &'a str), Problem> {
    let path = parts.uri.path().strip_prefix("/out/").unwrap_or_default();
    let (name, what) = path.split_once('/').unwrap_or((path, ""));
    let unknown = || Problem::new(Code::UnknownDestination);
    let destination = out.destinations.get(name).ok_or_else(unknown)?;
    let Some(token) = &destination.token else {
        let detail = format!("destination {name:?} has no `token`: its consumers' side is closed");
        return Err(Problem::new(Code::TokenMismatch).with_detail(detail));
    };
    token.judge(&parts.headers).map_err(Problem::new)?;
    Ok((destination, what))
}

fn refuse(refused: &Problem) -> Response<Full<Bytes>> {
    let mut response = problem(refused);
    if refused.code.status() == 401 {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn json(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
