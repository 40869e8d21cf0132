//! How a provider makes sure that it may post here, answered before anything is an event.
//!
//! Slack posts a signed challenge (after verification), CloudEvents and Event Grid ask with
//! `OPTIONS` (CloudEvents HTTP webhook specification, section 4).

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::Full;

use crate::config::Handshake;
use crate::extract::json::{Found, scan, unescape};
use crate::extract::{Paths, Pointer};
use crate::limits;
use crate::problem::{Code, Problem};

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// What Slack's challenge is made of.
struct Challenge {
    paths: Paths,
    kind: Pointer,
    text: Pointer,
}

static CHALLENGE: LazyLock<Challenge> = LazyLock::new(|| {
    let pointer = |text| Pointer::parse(text).expect("a constant with a slash and no escape");
    let mut challenge =
        Challenge { paths: Paths::default(), kind: pointer("/type"), text: pointer("/challenge") };
    challenge.paths.add(&challenge.kind);
    challenge.paths.add(&challenge.text);
    challenge
});

/// Is this a method of the handshake and not of events?
pub(super) fn asks(handshake: Handshake, method: &Method) -> bool {
    handshake == Handshake::CloudEvents && method == Method::OPTIONS
}

/// What a source with this handshake takes, for `Allow`.
pub(super) const fn methods(handshake: Handshake) -> &'static str {
    match handshake {
        Handshake::None | Handshake::Slack => "POST",
        Handshake::CloudEvents => "POST, OPTIONS",
    }
}

/// The grant. Who may really post is for the verifier to say, so every origin is granted; the
/// callback that may be named is never called.
///
/// # Errors
/// 400 when no origin asks.
pub(super) fn grant(headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Problem> {
    let origin = headers.get(REQUEST_ORIGIN).ok_or_else(|| Problem::new(Code::MissingOrigin))?;
    let mut response = Response::new(Full::default());
    let granted = response.headers_mut();
    // Of the methods that bring events (section 4.2 of that specification).
    granted.insert(ALLOW, HeaderValue::from_static("POST"));
    granted.insert(ALLOWED_ORIGIN, origin.clone());
    if headers.contains_key(REQUEST_RATE) {
        granted.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    Ok(response)
}

/// The answer to a verified post that is a challenge and no event.
pub(super) fn challenge(handshake: Handshake, body: &[u8]) -> Option<Response<Full<Bytes>>> {
    if handshake != Handshake::Slack {
        return None;
    }
    let challenge = &*CHALLENGE;
    let found = scan(body, &challenge.paths).ok()?;
    let text = |pointer| match challenge.paths.find(pointer, &found) {
        Found::String { quoted, .. } => unescape(quoted),
        _ => None,
    };
    if text(&challenge.kind)? != "url_verification" {
        return None;
    }
    let text = text(&challenge.text).filter(|text| text.len() <= limits::CHALLENGE_BYTES)?;
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_of_slack_is_one() {
        let body = br#"{"token":"t","challenge":"3eZb\u0072Q","type":"url_verification"}"#;
        assert!(challenge(Handshake::Slack, body).is_some());
        assert!(challenge(Handshake::None, body).is_none());
        let long = format!(
            r#"{{"type":"url_verification","challenge":"{}"}}"#,
            "x".repeat(limits::CHALLENGE_BYTES + 1)
        );
        for body in [
            &br#"{"type":"event_callback","challenge":"a"}"#[..],
            br#"{"type":"url_verification"}"#,
            br#"{"type":"url_verification","challenge":7}"#,
            b"type=url_verification",
            long.as_bytes(),
        ] {
            assert!(challenge(Handshake::Slack, body).is_none());
        }
    }
}
