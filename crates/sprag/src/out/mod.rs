//! The consumers' side: `/out/{destination}/…`, opened by the token of that destination.
//!
//! It reads requests and writes answers; what they mean for a lane is the core's. Must not know: how
//! events are delivered.
//!
//! | file | what |
//! |---|---|
//! | `ack` | `POST ack`: what was accepted with 202 is done |
//! | `events` | `GET events`: a page of what entered the lane of a key |
//! | `past` | what entered a lane, and what became of the rest |
//! | `reading` | what pages are read with, and how many at once |

mod ack;
mod events;
mod past;
mod reading;

pub use reading::Reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use sprag_core::id::{DestinationId, SourceId};
use sprag_core::pattern::Pattern;
use tokio::sync::Semaphore;

use crate::config::Destination;
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
    reading: Arc<Reading>,
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
    /// The sources that it takes events of.
    from: Vec<String>,
    /// The types that it takes.
    types: Vec<Pattern>,
    /// The provider's headers that are passed on.
    forward: Vec<HeaderName>,
    /// Room for ids that wait for the node: it must not queue without a bound.
    room: UnderWay,
    /// Room for pages of events.
    reads: Arc<Semaphore>,
}

impl OutDestination {
    /// The consumers' side of a destination.
    #[must_use]
    pub fn new(id: DestinationId, config: &Destination) -> Self {
        Self {
            id,
            token: config.token.as_ref().map(Token::new),
            from: config.from.clone(),
            types: config.types.clone(),
            forward: config.forward.clone(),
            room: Arc::new(Semaphore::new(limits::ACK_IDS_UNDER_WAY)),
            reads: Arc::new(Semaphore::new(limits::OUT_READS)),
        }
    }
}

impl Out {
    /// What pages of events are read with.
    #[must_use]
    pub fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

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
                destination.reads = known.reads.clone();
            }
        }
        self
    }

    /// The consumers' side of these destinations, for events of these sources.
    pub fn new<'a>(
        destinations: BTreeMap<String, OutDestination>,
        sources: impl Iterator<Item = (&'a str, SourceId)>,
        (node, reading): (NodeHandle, Arc<Reading>),
        request_time: Duration,
    ) -> Self {
        let sources = sources.map(|(name, id)| (encode_part(name.as_bytes()), id)).collect();
        Self { destinations, sources, node, reading, request_time }
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
    let allowed = match what {
        "ack" => Method::POST,
        "events" => Method::GET,
        _ => {
            let detail = "the path is /out/{destination}/ack or /out/{destination}/events";
            return problem(&Problem::new(Code::UnknownPath).with_detail(detail));
        }
    };
    if parts.method != allowed {
        let mut response = problem(&Problem::new(Code::MethodNotAllowed));
        if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
            response.headers_mut().insert(ALLOW, allowed);
        }
        return response;
    }
    let given = async {
        match what {
            "ack" => ack::acknowledge(out, destination, body).await,
            _ => events::list(out, destination, parts.uri.query().unwrap_or_default()).await,
        }
    };
    match tokio::time::timeout(out.request_time, given).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(refused)) => problem(&refused),
        Err(_) if what == "events" => problem(&Problem::new(Code::NotReady).retry_after(1)),
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
