//! The headers of a delivery (DESIGN section 5, rules C1–C4).

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use sprag_core::output::Attempt;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::record::{Omission, OmitReason};
use sprag_core::time::UnixMicros;
use sprag_driver::cache::ReleasedEvent;

use crate::extract::encode::{encode_part, webhook_id};
use crate::limits;
use crate::verify::signature::DestinationKeys;

/// What the headers of an attempt are made of.
pub(super) struct Delivery<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) event: &'a ReleasedEvent,
    pub(super) source: &'a str,
    pub(super) keys: Option<&'a DestinationKeys>,
    pub(super) host: &'a HeaderValue,
    pub(super) now: UnixMicros,
}

/// A `sprag-*` header.
type Own = (&'static str, String);

impl Delivery<'_> {
    /// All headers of the request.
    pub(super) fn headers(&self) -> HeaderMap {
        let received = &self.event.event.received;
        let id = webhook_id(self.source, &self.attempt.key.name, self.attempt.sequence.0);
        let seconds = i64::try_from(self.now.0 / 1_000_000).unwrap_or(i64::MAX);
        let own = self.own();
        let mut headers = HeaderMap::with_capacity(own.len() + 8);
        headers.insert(HOST, self.host.clone());
        if let Ok(value) = HeaderValue::from_str(&received.content_type)
            && !value.is_empty()
        {
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(keys) = self.keys {
            let signed = own.iter().map(|(name, value)| (*name, value.as_bytes()));
            let signature = keys.sprag_signature(&id, seconds, signed);
            put(&mut headers, "sprag-signature", signature);
            let signature = keys.webhook_signature(&id, seconds, &self.event.event.body);
            put(&mut headers, "webhook-signature", signature);
        }
        put(&mut headers, "webhook-id", id);
        put(&mut headers, "webhook-timestamp", seconds.to_string());
        own.into_iter().for_each(|(name, value)| put(&mut headers, name, value));
        headers
    }

    /// The `sprag-*` headers but the signature, sorted by name.
    fn own(&self) -> Vec<Own> {
        let (attempt, released) = (self.attempt, &self.event.released);
        let received = &self.event.event.received;
        let mut own = Vec::with_capacity(18);
        own.push(("sprag-attempt", attempt.number.to_string()));
        own.push(("sprag-epoch", attempt.id.epoch.0.to_string()));
        own.push(("sprag-hash", released.hash.to_string()));
        own.push(("sprag-key", attempt.key.name.to_string()));
        own.push(("sprag-kind", released.kind.as_str().to_owned()));
        if !released.missing.is_empty() {
            own.push(("sprag-missing", missing(&released.missing)));
        }
        if !attempt.omitted.is_empty() {
            own.push(("sprag-omitted", omitted(&attempt.omitted)));
        }
        if attempt.out_of_order {
            own.push(("sprag-out-of-order", "true".to_owned()));
        }
        let position = released.position.header_text();
        if !position.is_empty() {
            own.push(("sprag-position", position));
        }
        own.push(("sprag-previous-hash", released.previous_hash.to_string()));
        if !attempt.out_of_order {
            own.push(("sprag-previous-sequence", attempt.previous.0.to_string()));
        }
        own.push(("sprag-received-at", instant(self.event.event.recorded)));
        if attempt.redelivery {
            own.push(("sprag-redelivery", "true".to_owned()));
        }
        own.push(("sprag-sequence", attempt.sequence.0.to_string()));
        own.push(("sprag-source", self.source.to_owned()));
        if let Some(id) = &received.id {
            own.push(("sprag-source-id", encode_part(id.as_bytes())));
        }
        if !received.event_type.is_empty() {
            own.push(("sprag-type", encode_part(received.event_type.as_bytes())));
        }
        own
    }
}

/// Every value is encoded or made of digits and fixed words, so it is a header value.
fn put(headers: &mut HeaderMap, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// RFC 3339 in UTC with microseconds.
fn instant(at: UnixMicros) -> String {
    let since = jiff::SignedDuration::try_from(Duration::from_micros(at.0)).unwrap_or_default();
    let instant = jiff::Timestamp::from_duration(since).unwrap_or_default();
    format!("{instant:.6}")
}

/// `3-5,8`; above the bounds of rule C4 the enclosing range with `;more`.
fn missing(missing: &Ranges) -> String {
    let ranges = missing.as_slice();
    let text = join(ranges.iter().map(|range| range_text(*range)));
    let fits = ranges.len() <= sprag_core::limits::HEADER_RANGES;
    if fits && text.len() <= limits::RANGES_HEADER_BYTES {
        return text;
    }
    enclosing(ranges.first().copied(), ranges.last().copied())
}

/// `4-6;filtered,8;dead`; a merged range says `;more`.
fn omitted(omitted: &[Omission]) -> String {
    let text = join(omitted.iter().map(|omission| {
        let reason = match omission.reason {
            OmitReason::Filtered => "filtered",
            OmitReason::Dead => "dead",
        };
        let more = if omission.merged { ";more" } else { "" };
        format!("{};{reason}{more}", range_text(omission.range))
    }));
    if text.len() <= limits::RANGES_HEADER_BYTES {
        return text;
    }
    enclosing(omitted.first().map(|o| o.range), omitted.last().map(|o| o.range))
}

fn enclosing(first: Option<Range>, last: Option<Range>) -> String {
    let range = first.zip(last).map(|(first, last)| Range { from: first.from, to: last.to });
    range.map_or_else(String::new, |range| format!("{};more", range_text(range)))
}

fn range_text(range: Range) -> String {
    if range.from == range.to {
        return range.from.to_string();
    }
    format!("{}-{}", range.from, range.to)
}

fn join(texts: impl Iterator<Item = String>) -> String {
    texts.enumerate().fold(String::new(), |mut joined, (at, text)| {
        // Writing to a string cannot fail.
        let _ = write!(joined, "{}{text}", if at == 0 { "" } else { "," });
        joined
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_the_design_has_them() {
        let ranges = Ranges::from_ranges([Range { from: 3, to: 5 }, Range::one(8)]);
        assert_eq!(missing(&ranges), "3-5,8");
        let dead = Omission { range: Range::one(8), reason: OmitReason::Dead, merged: false };
        let range = Range { from: 4, to: 6 };
        let filtered = Omission { range, reason: OmitReason::Filtered, merged: false };
        assert_eq!(omitted(&[filtered, dead]), "4-6;filtered,8;dead");
    }

    #[test]
    fn too_many_ranges_become_the_enclosing_one() {
        let many = Ranges::from_ranges((0..40).map(|n| Range::one(10 + 2 * n)));
        assert_eq!(missing(&many), "10-88;more");
        let long = (0..30).map(|n| Omission {
            range: Range { from: u64::MAX - 100 + 2 * n, to: u64::MAX - 100 + 2 * n },
            reason: OmitReason::Filtered,
            merged: false,
        });
        let long: Vec<_> = long.collect();
        assert!(omitted(&long).len() <= limits::RANGES_HEADER_BYTES);
        assert!(omitted(&long).ends_with(";more") || omitted(&long).len() > 600);
    }

    #[test]
    fn instants_are_utc_with_microseconds() {
        assert_eq!(instant(UnixMicros(1_700_000_000_000_042)), "2023-11-14T22:13:20.000042Z");
    }
}
