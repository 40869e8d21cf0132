//! One connection of a provider: sign, post, and try again what was not taken.

use super::connection::Connection;
use super::post::Post;
use super::target::Target;
use crate::clock::Clock;
use crate::verify::{Signed, Signer};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use std::sync::Arc;

/// What became of one event at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: durable. The `status` member of the answer, such as `released` or `duplicate`; empty
    /// when the answer has none.
    Acknowledged(String),
    /// Any other status, with the `code` of its problem document.
    Refused(u16, String),
    /// No answer, or 429 and 5xx until the last try.
    Unanswered(String),
}

/// A connection that signs what it posts.
pub(super) struct Client {
    target: Arc<Target>,
    signer: Arc<Signer>,
    clock: Clock,
    connection: Connection,
}

impl Client {
    pub(super) fn new(target: Arc<Target>, signer: Arc<Signer>, clock: Clock) -> Self {
        let connection = Connection::to(&target);
        Self { target, signer, clock, connection }
    }

    /// Posts one event until it is taken, refused, or the tries are used up. Says how often it was
    /// tried.
    pub(super) async fn post(&mut self, post: &Post, again: impl Fn(&str)) -> (Answer, u32) {
        let (target, signer, clock) = (&self.target, &self.signer, self.clock);
        self.connection.post(|| request(target, Some(signer), clock, post), again).await
    }
}

/// An event on its way to a target, signed now; none when it cannot be sent in a header.
pub(crate) fn request(
    target: &Target,
    signer: Option<&Signer>,
    clock: Clock,
    post: &Post,
) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(post.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.uri(&post.query)?;
    let headers = request.headers_mut();
    headers.extend(post.headers.iter().cloned());
    if let Some(signer) = signer {
        let at_us = i64::try_from(clock.now().clock.0).unwrap_or(i64::MAX);
        let signed = Signed { id: &post.id, at_us, sequence: post.sequence, query: &post.query };
        // What is signed wins: it is the same value where the source reads both from one header.
        for (name, value) in signer.sign(signed, &post.body)? {
            headers.insert(name, value);
        }
    }
    headers.insert(HOST, target.host());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(post.body.len()));
    Some(request)
}
