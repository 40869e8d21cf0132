//! A range of events as one request (rule L9): an array of envelopes, signed as a whole.
//!
//! The form is written down in docs/guides/batches.md; consumers that ask for events (`out/events`) get
//! the same envelopes. It must not know which range is sent, nor what an answer means.

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use sprag_core::id::Sequence;
use sprag_core::output::Attempt;
use sprag_driver::cache::ReleasedEvent;

use super::header_name;
use super::headers::{Delivery, Values, forwarded, omitted, own};
use crate::extract::encode::webhook_id;

/// The array of envelopes: for each event its delivery headers and its body.
pub(super) fn body(delivery: &Delivery<'_>, others: &[ReleasedEvent]) -> Bytes {
    let first = delivery.attempt.sequence.0;
    let events = std::iter::once(delivery.event).chain(others);
    let envelopes = (first..).zip(events).map(|(sequence, event)| {
        let attempt = of_event(delivery.attempt, sequence);
        envelope(delivery.source, event, Some(&attempt), delivery.forward)
    });
    Bytes::from(Value::Array(envelopes.collect()).to_string())
}

/// The attempt as it would be of one event alone: those before it come with it.
fn of_event(attempt: &Attempt, sequence: u64) -> Attempt {
    let is_first = sequence == attempt.sequence.0;
    Attempt {
        sequence: Sequence(sequence),
        last: None,
        others: Vec::new(),
        previous: if is_first { attempt.previous } else { Sequence(sequence - 1) },
        omitted: if is_first { attempt.omitted.clone() } else { Vec::new() },
        unmet: is_first && attempt.unmet,
        ..attempt.clone()
    }
}

/// `{"headers": {…}, "body": "…"}`. A body is the text as received, so that its digest follows from
/// it; one that is no text is `body_base64`. Without an attempt, as the event is in history.
pub(crate) fn envelope(
    source: &str,
    event: &ReleasedEvent,
    attempt: Option<&Attempt>,
    forward: &[HeaderName],
) -> Value {
    let (released, received) = (&event.released, &event.event.received);
    let mut headers = Map::new();
    let mut put = |name: &str, value: &[u8]| {
        // What a provider sent and is no text is told as far as it is.
        headers.insert(name.to_owned(), String::from_utf8_lossy(value).into());
    };
    for (name, value) in forwarded(event, forward) {
        put(name.as_str(), value);
    }
    put("webhook-id", webhook_id(source, &released.key.name, released.sequence.0).as_bytes());
    if !received.content_type.is_empty() {
        put("content-type", received.content_type.as_bytes());
    }
    own(source, event, attempt).iter().for_each(|(name, value)| put(name, value));
    let body = &event.event.body;
    let (name, body) = match std::str::from_utf8(body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_base64", BASE64.encode(body)),
    };
    Value::Object(Map::from_iter([
        ("headers".to_owned(), Value::Object(headers)),
        (name.to_owned(), body.into()),
    ]))
}

/// The headers of the request: what holds for the range as a whole.
pub(super) fn headers(delivery: &Delivery<'_>, last: Sequence, body: &[u8]) -> HeaderMap {
    let attempt = delivery.attempt;
    let (first, last) = (attempt.sequence.0, last.0);
    let one = webhook_id(delivery.source, &attempt.key.name, first);
    let id = format!("{one}-{last}");
    let mut values = whole(delivery, first, last);
    let mut headers = HeaderMap::new();
    headers.insert(HOST, delivery.host.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    delivery.sign(&mut values, &id, body);
    values.insert_into(&mut headers);
    for (name, value) in delivery.added {
        headers.insert(name, value.clone());
    }
    headers
}

/// The `sprag-*` headers of the range, sorted by name.
fn whole(delivery: &Delivery<'_>, first: u64, last: u64) -> Values {
    let attempt = delivery.attempt;
    let mut own = Values::new();
    own.number(header_name::ATTEMPT, attempt.number);
    own.number(header_name::BATCH, last - first + 1);
    own.number(header_name::EPOCH, attempt.id.epoch.0);
    own.text(header_name::KEY, &attempt.key.name);
    if !attempt.omitted.is_empty() {
        own.text(header_name::OMITTED, &omitted(&attempt.omitted));
    }
    if attempt.out_of_order {
        own.text(header_name::OUT_OF_ORDER, "true");
    } else {
        own.number(header_name::PREVIOUS_SEQUENCE, attempt.previous.0);
    }
    if attempt.redelivery {
        own.text(header_name::REDELIVERY, "true");
    }
    own.text(header_name::SEQUENCE, &format!("{first}-{last}"));
    own.text(header_name::SOURCE, delivery.source);
    own
}
