//! One request, from its head to its answer: route, read, verify, extract, hand over.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use sprag_core::fact::{Origin, StoredHeader};
use sprag_core::id::{Hash, Key};
use sprag_core::output::Answer;
use sprag_core::position::Position;
use sprag_log::digest::sha256;

use super::{Ingress, IngressSource, answer, body, handshake};
use crate::config::OnInvalid;
use crate::extract::{Extracted, Extraction, Received};
use crate::node::NewArrival;
use crate::problem::{Code, Problem};
use crate::verify::Verified;
use crate::{life, order};

/// Answers a request. It never fails: everything that is wrong is an answer too.
pub(super) async fn respond(
    ingress: &Ingress,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    life::step!("ingress");
    let (parts, mut body) = request.into_parts();
    let response = respond_to(ingress, peer, &parts, &mut body).await;
    // Whoever is slow has had its time, and who waits to be asked for its body sends none.
    let is_over = response.status() == StatusCode::REQUEST_TIMEOUT;
    if !is_over && !parts.headers.contains_key(EXPECT) {
        body::discard(body);
    }
    response
}

async fn respond_to(
    ingress: &Ingress,
    peer: IpAddr,
    parts: &Parts,
    body: &mut Incoming,
) -> Response<Full<Bytes>> {
    if parts.uri.path().starts_with("/out/") {
        return Box::pin(crate::out::respond(&ingress.out, parts, body)).await;
    }
    let source = match route(ingress, parts) {
        Ok(source) => source,
        Err(refused) => return answer::problem(&refused),
    };
    let response = if parts.method == Method::POST {
        accept(ingress, source, parts, body).await
    } else if handshake::asks(source.handshake, &parts.method) {
        handshake::grant(&parts.headers)
    } else {
        return answer::method_not_allowed(handshake::methods(source.handshake));
    };
    response.unwrap_or_else(|refused| {
        source.metrics.refused(refused.code);
        // What cannot be taken now was not refused: it will be sent again (DESIGN D7).
        if (400..500).contains(&refused.code.status()) && refused.retry_after_s.is_none() {
            ingress.node.refuse(source.id, refused.code.as_str(), peer, refused.digest);
        }
        answer::problem(&refused)
    })
}

fn route<'a>(ingress: &'a Ingress, parts: &Parts) -> Result<&'a IngressSource, Problem> {
    let path = parts.uri.path();
    let name = path.strip_prefix("/in/").ok_or_else(|| Problem::new(Code::UnknownPath))?;
    let unknown = || Problem::new(Code::UnknownSource).with_detail("the path is /in/{source}");
    ingress.sources.get(name).ok_or_else(unknown)
}

async fn accept(
    ingress: &Ingress,
    source: &IngressSource,
    parts: &Parts,
    incoming: &mut Incoming,
) -> Result<Response<Full<Bytes>>, Problem> {
    let content_type = check_head(ingress, source, parts)?;
    let reading = body::read(incoming, source.max_body);
    let body = tokio::time::timeout(ingress.request_time, reading).await;
    let body = body.map_err(|_| Problem::new(Code::RequestTimeout))??;
    let now_us = i64::try_from(ingress.clock.now().clock.0).unwrap_or(i64::MAX);
    life::step!("verify");
    let query = parts.uri.query().unwrap_or_default();
    let verified = source.verifier.verify(now_us, &parts.headers, query, &body);
    let refused = |refusal| source.refused(refusal, &parts.headers).of_body(sha256(&[&body]));
    let verified = verified.map_err(refused)?;
    let in_time = verified == Verified::InTime;
    if let Some(challenge) = handshake::challenge(source.handshake, &body) {
        let late = || Problem::new(Code::TimestampOutsideTolerance);
        return if in_time { Ok(challenge) } else { Err(late()) };
    }
    life::step!("extract");
    let kept = source.stored_headers(&parts.headers);
    let request = Authentic { source, parts, query, content_type, in_time, kept };
    if source.extractor.splits() {
        let events = request.several(&body)?;
        let several = events.into_iter().map(|event| event.commit(ingress, source));
        let answers = in_due_time(ingress, join_all(several)).await?;
        return answer::of_several(answers.iter().map(|(key, answer)| (answer, key.as_ref())));
    }
    let event = request.event(body)?;
    let (key, answer) = in_due_time(ingress, event.commit(ingress, source)).await?;
    answer::of(&answer, &key)
}

/// A wait past the deadline of the request is 503 (DESIGN D2); a repeat is recognised.
async fn in_due_time<T>(ingress: &Ingress, commit: impl Future<Output = T>) -> Result<T, Problem> {
    let answer = tokio::time::timeout(ingress.request_time, commit).await;
    answer.map_err(|_| answer::later(Code::NotDurable))
}

/// A request whose sender is known.
struct Authentic<'a> {
    source: &'a IngressSource,
    parts: &'a Parts,
    query: &'a str,
    content_type: Arc<str>,
    in_time: bool,
    /// The headers that are kept with each event: their bytes are shared.
    kept: Vec<StoredHeader>,
}

/// An event ready for the node.
enum Ready {
    Arrival(NewArrival, Arc<[u8]>),
    Ignored { event_type: Arc<str>, digest: Hash },
}

impl Authentic<'_> {
    /// All events of a request; one that cannot be used refuses the request before any is
    /// recorded.
    fn several(&self, body: &[u8]) -> Result<Vec<Ready>, Problem> {
        let bodies = self.source.extractor.bodies(body).map_err(|error| Problem::from(&error))?;
        let event = |(number, body): (usize, &[u8])| {
            self.event(Arc::from(body)).map_err(|problem| {
                let which = format!("event {number} of the request");
                let detail = problem.detail.as_ref().map(|detail| format!("{which}: {detail}"));
                problem.with_detail(detail.unwrap_or(which))
            })
        };
        bodies.into_iter().enumerate().map(event).collect()
    }

    fn event(&self, body: Arc<[u8]>) -> Result<Ready, Problem> {
        let digest = sha256(&[&body]);
        let received = Received {
            headers: &self.parts.headers,
            query: self.query,
            body: &body,
            digest: &digest.0,
        };
        match self.source.extractor.extract(received) {
            // No id of it is known: nobody is to fill history with what was signed long ago.
            Ok(Extraction::Ignored { .. }) if !self.in_time => {
                Err(Problem::new(Code::TimestampOutsideTolerance).of_body(digest))
            }
            Ok(Extraction::Ignored { event_type }) => {
                Ok(Ready::Ignored { event_type: event_type.into(), digest })
            }
            Ok(Extraction::Event(extracted)) => {
                Ok(Ready::Arrival(self.arrival(extracted, digest), body))
            }
            Err(_) if self.source.on_invalid == OnInvalid::DeadLetter => {
                Ok(Ready::Arrival(self.unreadable(digest), body))
            }
            Err(error) => Err(Problem::from(&error).of_body(digest)),
        }
    }

    fn arrival(&self, extracted: Extracted, digest: Hash) -> NewArrival {
        NewArrival {
            key: Key { source: self.source.id, name: Arc::from(extracted.key) },
            id: extracted.id.map(Arc::from),
            position: order::position(extracted.position),
            event_type: Arc::from(extracted.event_type),
            content_type: self.content_type.clone(),
            headers: self.kept.clone(),
            digest,
            in_time: self.in_time,
            origin: Origin::Posted,
            depends_on: extracted.depends_on.map(Arc::from),
        }
    }

    /// An event that belongs to no resource, to be kept as a dead letter (`on_invalid`). Its body
    /// is its id: sent again, it is a duplicate.
    fn unreadable(&self, digest: Hash) -> NewArrival {
        NewArrival {
            key: Key { source: self.source.id, name: Arc::from("") },
            id: Some(Arc::from(digest.to_string())),
            position: Position::None,
            event_type: Arc::from(""),
            content_type: self.content_type.clone(),
            headers: self.kept.clone(),
            digest,
            in_time: self.in_time,
            origin: Origin::Posted,
            depends_on: None,
        }
    }
}

impl Ready {
    /// Its key and what it became, once that is durable.
    async fn commit(self, ingress: &Ingress, source: &IngressSource) -> (Arc<str>, Answer) {
        let (key, answer) = match self {
            Self::Ignored { event_type, digest } => {
                let answer = ingress.node.ignore(source.id, None, event_type, digest).await;
                (Arc::from(""), answer)
            }
            Self::Arrival(new, body) => {
                (new.key.name.clone(), ingress.node.receive(new, body).await)
            }
        };
        if let Answer::Event { status, .. } = &answer {
            source.metrics.event(*status);
        }
        (key, answer)
    }
}

/// What the head alone decides. Gives the content type as text.
fn check_head(
    ingress: &Ingress,
    source: &IngressSource,
    parts: &Parts,
) -> Result<Arc<str>, Problem> {
    if ingress.disk.is_reached() {
        return Err(answer::later(Code::DiskReserve));
    }
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Err(Problem::new(Code::UnsupportedContentEncoding));
    }
    let content_type = match parts.headers.get(CONTENT_TYPE) {
        None => "",
        Some(value) => value.to_str().map_err(|_| Problem::new(Code::UnsupportedContentType))?,
    };
    let fits = content_type.len() <= sprag_core::limits::TEXT_BYTES;
    if !fits || !source.takes_content_type(content_type) {
        return Err(source.other_content_type(content_type));
    }
    Ok(Arc::from(content_type))
}
