//! One request, from its head to its answer: route, read, verify, extract, hand over.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use sprag_core::id::Key;
use sprag_core::output::Answer;
use sprag_core::position::Position;
use sprag_log::digest::sha256;

use super::{Ingress, IngressSource, answer, body};
use crate::extract::{Extracted, ExtractedPosition, Extraction, Received};
use crate::life;
use crate::node::NewArrival;
use crate::problem::{Code, Problem};
use crate::verify::Verified;

/// Answers a request. It never fails: everything that is wrong is an answer too.
pub(super) async fn respond(
    ingress: &Ingress,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    life::step!("ingress");
    let (parts, body) = request.into_parts();
    let source = match route(ingress, &parts) {
        Ok(source) => source,
        Err(refused) => return answer::problem(&refused),
    };
    let response = accept(ingress, source, &parts, body).await;
    response.unwrap_or_else(|refused| {
        source.metrics.refused(refused.code);
        answer::problem(&refused)
    })
}

fn route<'a>(ingress: &'a Ingress, parts: &Parts) -> Result<&'a IngressSource, Problem> {
    let path = parts.uri.path();
    let name = path.strip_prefix("/in/").ok_or_else(|| Problem::new(Code::UnknownPath))?;
    let source = ingress
        .sources
        .get(name)
        .ok_or_else(|| Problem::new(Code::UnknownSource).with_detail("the path is /in/{source}"))?;
    if parts.method == Method::POST {
        Ok(source)
    } else {
        Err(Problem::new(Code::MethodNotAllowed))
    }
}

async fn accept(
    ingress: &Ingress,
    source: &IngressSource,
    parts: &Parts,
    incoming: Incoming,
) -> Result<Response<Full<Bytes>>, Problem> {
    let content_type = check_head(ingress, source, parts)?;
    let reading = body::read(incoming, source.max_body);
    let body = tokio::time::timeout(ingress.request_time, reading).await;
    let body = body.map_err(|_| Problem::new(Code::RequestTimeout))??;
    let now_us = i64::try_from(ingress.clock.now().clock.0).unwrap_or(i64::MAX);
    life::step!("verify");
    let verified = source.verifier.verify(now_us, &parts.headers, &body)?;
    let digest = sha256(&[&body]);
    let received = Received {
        headers: &parts.headers,
        query: parts.uri.query().unwrap_or_default(),
        body: &body,
        digest: &digest.0,
    };
    life::step!("extract");
    let extraction = source.extractor.extract(received).map_err(|e| Problem::from(&e))?;
    let (key, committing) = match extraction {
        Extraction::Ignored { event_type } => {
            let ignored = ingress.node.ignore(source.id, None, event_type.into(), digest);
            (Arc::from(""), Either::Left(ignored))
        }
        Extraction::Event(extracted) => {
            let in_time = verified == Verified::InTime;
            let headers = source.stored_headers(&parts.headers);
            let new = arrival(source, extracted, content_type);
            let key = new.key.name.clone();
            let new = NewArrival { headers, digest, in_time, ..new };
            (key, Either::Right(ingress.node.receive(new, body)))
        }
    };
    // A wait past the deadline of the request is 503 (DESIGN D2); a repeat is recognised.
    let answer = tokio::time::timeout(ingress.request_time, committing).await;
    let answer = answer.map_err(|_| answer::later(Code::NotDurable))?;
    count(source, &answer);
    answer::of(answer, &key)
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
        let detail = format!("the content type is {content_type:?}");
        return Err(Problem::new(Code::UnsupportedContentType).with_detail(detail));
    }
    Ok(Arc::from(content_type))
}

fn arrival(source: &IngressSource, extracted: Extracted, content_type: Arc<str>) -> NewArrival {
    NewArrival {
        key: Key { source: source.id, name: Arc::from(extracted.key) },
        id: extracted.id.map(Arc::from),
        position: match extracted.position {
            ExtractedPosition::None => Position::None,
            ExtractedPosition::Sequence(number) => Position::Sequence(number),
        },
        event_type: Arc::from(extracted.event_type),
        content_type,
        headers: Vec::new(),
        digest: sprag_core::id::Hash::default(),
        in_time: true,
    }
}

fn count(source: &IngressSource, answer: &Answer) {
    if let Answer::Event { status, .. } = answer {
        source.metrics.event(*status);
    }
}
