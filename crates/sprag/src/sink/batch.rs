//! A range of events in one request, as docs/guides/batches.md describes it, before anything is judged.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::delivery::{Delivery, text};

/// One event of a range as it stands in the array.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
}

/// An event as if it had come alone.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Whether a request carries a range.
pub(super) fn is_batch(headers: &HeaderMap) -> bool {
    headers.contains_key("sprag-batch")
}

/// The events of a request. The error says what of its form is wrong.
pub(super) fn events(body: &[u8]) -> Result<Vec<Event>, String> {
    let envelopes: Vec<Envelope> = serde_json::from_slice(body)
        .map_err(|error| format!("not an array of envelopes: {error}"))?;
    envelopes.into_iter().map(event).collect()
}

fn event(envelope: Envelope) -> Result<Event, String> {
    let body = match (envelope.body, envelope.body_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => {
            BASE64.decode(text.as_bytes()).map_err(|error| format!("body_base64: {error}"))?
        }
        _ => return Err("an envelope has either body or body_base64".into()),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in envelope.headers {
        let parsed = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(&value).ok());
        let (name, value) = parsed.ok_or_else(|| format!("{name:?} is no header"))?;
        headers.insert(name, value);
    }
    Ok(Event { headers, body })
}

/// Whether the request says of the whole what its events say: count, id, order, lane.
pub(super) fn check_whole(headers: &HeaderMap, events: &[Delivery]) -> Result<(), String> {
    let count = text(headers, "sprag-batch")?.unwrap_or_default();
    if count != events.len().to_string() {
        return Err(format!("sprag-batch is {count:?}, {} events came", events.len()));
    }
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err("no events".into());
    };
    let expected = format!("{}:{}-{}", first.lane(), first.sequence, last.sequence);
    if text(headers, "webhook-id")? != Some(&expected) {
        return Err(format!("webhook-id is not {expected}"));
    }
    let follows = |pair: &[Delivery]| {
        pair[0].lane() == pair[1].lane() && pair[0].sequence + 1 == pair[1].sequence
    };
    match events.windows(2).all(follows) {
        true => Ok(()),
        false => Err("the events do not follow one another".into()),
    }
}
