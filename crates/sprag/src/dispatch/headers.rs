//! The headers of a delivery (DESIGN section 5, rules C1–C4).

use std::fmt::{Display, Write as _};
use std::ops::Range as Span;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use sprag_core::chain::Digest as _;
use sprag_core::clocks::Causes;
use sprag_core::fact::{Kind, Origin};
use sprag_core::fields::push_name;
use sprag_core::id::Hash;
use sprag_core::links::{Link, push_hash};
use sprag_core::output::Attempt;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::record::{Omission, OmitReason};
use sprag_core::time::UnixMicros;
use sprag_driver::cache::ReleasedEvent;
use sprag_log::digest::Sha256;

use super::header_name;
use crate::extract::encode::{push_part, webhook_id};
use crate::limits;
use crate::verify::signature::DestinationKeys;

/// What the headers of an attempt are made of.
pub(super) struct Delivery<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) event: &'a ReleasedEvent,
    pub(super) source: &'a str,
    pub(super) keys: Option<&'a DestinationKeys>,
    pub(super) host: &'a HeaderValue,
    /// Headers of the operator's own.
    pub(super) added: &'a [(HeaderName, HeaderValue)],
    /// The provider's headers to pass on.
    pub(super) forward: &'a [HeaderName],
    pub(super) now: UnixMicros,
}

/// Bytes that the values of a delivery usually need.
const USUAL_BYTES: usize = 512;
/// Headers that a delivery has at most, but `missing` and the like.
const USUAL_HEADERS: usize = 20;

/// Names and values of headers. The values lie one after another in one buffer, which the headers
/// of the request then share: one allocation for all of them.
pub(super) struct Values {
    text: String,
    /// The name of each value and where it ends.
    ends: Vec<(HeaderName, usize)>,
}

impl Values {
    pub(super) fn new() -> Self {
        let text = String::with_capacity(USUAL_BYTES);
        Self { text, ends: Vec::with_capacity(USUAL_HEADERS) }
    }

    /// Adds a header whose value `write` appends.
    pub(super) fn put(&mut self, name: HeaderName, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push((name, self.text.len()));
    }

    pub(super) fn number(&mut self, name: HeaderName, number: impl itoa::Integer) {
        self.put(name, |text| text.push_str(itoa::Buffer::new().format(number)));
    }

    pub(super) fn text(&mut self, name: HeaderName, value: &str) {
        self.put(name, |text| text.push_str(value));
    }

    fn hash(&mut self, name: HeaderName, hash: &Hash) {
        self.put(name, |text| HEXLOWER.encode_append(&hash.0, text));
    }

    fn encoded(&mut self, name: HeaderName, value: &str) {
        self.put(name, |text| push_part(text, value.as_bytes()));
    }

    /// Each name with where its value lies.
    fn ranges(&self) -> impl Iterator<Item = (&HeaderName, Span<usize>)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((name, end), start)| (name, start..*end))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.ranges().map(|(name, range)| (name.as_str(), &self.text.as_bytes()[range]))
    }

    /// Every value is encoded or made of digits and fixed words, so it is a header value.
    pub(super) fn insert_into(mut self, headers: &mut HeaderMap) {
        let text = Bytes::from(std::mem::take(&mut self.text));
        for (name, range) in self.ranges() {
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(range)) {
                headers.insert(name.clone(), value);
            }
        }
    }
}

impl Delivery<'_> {
    /// All headers of the request.
    pub(super) fn headers(&self) -> HeaderMap {
        let received = &self.event.event.received;
        let id = webhook_id(self.source, &self.attempt.key.name, self.attempt.sequence.0);
        let mut values = self.own();
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS + 4);
        headers.insert(HOST, self.host.clone());
        if let Ok(value) = HeaderValue::from_str(&received.content_type)
            && !value.is_empty()
        {
            headers.insert(CONTENT_TYPE, value);
        }
        self.sign(&mut values, &id, &self.event.event.body);
        values.insert_into(&mut headers);
        self.add_foreign(&mut headers);
        headers
    }

    /// Adds id, time and signatures.
    pub(super) fn sign(&self, values: &mut Values, id: &str, body: &[u8]) {
        let seconds = i64::try_from(self.now.0 / 1_000_000).unwrap_or(i64::MAX);
        if let Some(keys) = self.keys {
            let signature = keys.sprag_signature(id, seconds, values.iter());
            values.text(header_name::SIGNATURE, &signature);
            let signature = keys.webhook_signature(id, seconds, body);
            values.text(header_name::WEBHOOK_SIGNATURE, &signature);
        }
        values.text(header_name::WEBHOOK_ID, id);
        values.number(header_name::WEBHOOK_TIMESTAMP, seconds);
    }

    /// The provider's headers, then the operator's, which win.
    fn add_foreign(&self, headers: &mut HeaderMap) {
        for (name, value) in forwarded(self.event, self.forward) {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.insert(name, value);
            }
        }
        for (name, value) in self.added {
            headers.insert(name, value.clone());
        }
    }

    /// The `sprag-*` headers but the signature, sorted by name.
    pub(super) fn own(&self) -> Values {
        own(self.source, self.event, Some(self.attempt))
    }
}

/// The provider's headers that are passed on.
pub(super) fn forwarded<'a>(
    event: &'a ReleasedEvent,
    forward: &'a [HeaderName],
) -> impl Iterator<Item = (&'a HeaderName, &'a [u8])> {
    event.event.received.headers.iter().filter_map(|stored| {
        let name = forward.iter().find(|name| *name.as_str() == *stored.name)?;
        Some((name, &stored.value[..]))
    })
}

/// The `sprag-*` headers of an event but the signature, sorted by name. Without an attempt those are
/// left out that only one has.
pub(super) fn own(source: &str, event: &ReleasedEvent, attempt: Option<&Attempt>) -> Values {
    let released = &event.released;
    let in_order = !attempt.is_some_and(|attempt| attempt.out_of_order);
    let is_unmet = attempt.is_some_and(|attempt| attempt.unmet);
    let mut own = Values::new();
    if let Some(attempt) = attempt {
        own.number(header_name::ATTEMPT, attempt.number);
    }
    let earlier = released.earlier.map(|earlier| earlier.0);
    let (undone, repeated) = match released.kind {
        Kind::Compensation => (earlier, None),
        Kind::Event | Kind::Late => (None, earlier),
    };
    if let Some(undone) = undone {
        own.number(header_name::COMPENSATES, undone);
    }
    if released.concurrent {
        own.text(header_name::CONCURRENT, "true");
    }
    if let Some(attempt) = attempt {
        own.number(header_name::EPOCH, attempt.id.epoch.0);
    }
    // Behind newer ones that were delivered, what was fresh when it was released is not.
    if !released.fresh.is_empty() && in_order {
        own.text(header_name::FRESH, &names(&released.fresh));
    }
    own.hash(header_name::HASH, &released.hash);
    own.text(header_name::KEY, &released.key.name);
    own.text(header_name::KIND, released.kind.as_str());
    if !released.missing.is_empty() {
        own.text(header_name::MISSING, &missing(&released.missing));
    } else if !released.causes.is_empty() {
        own.text(header_name::MISSING, &causes(&released.causes));
    } else if let (Some(from), Position::Link(link)) = (&released.broken_from, &released.position) {
        own.text(header_name::MISSING, &broken(from, link));
    }
    if let Some(attempt) = attempt.filter(|attempt| !attempt.omitted.is_empty()) {
        own.text(header_name::OMITTED, &omitted(&attempt.omitted));
    }
    match event.event.received.origin {
        Origin::Posted | Origin::Again => {}
        Origin::Refilled => own.text(header_name::ORIGIN, "refilled"),
        Origin::Reconciled => own.text(header_name::ORIGIN, "reconciled"),
    }
    if !in_order {
        own.text(header_name::OUT_OF_ORDER, "true");
    }
    if !released.passed.is_empty() {
        own.text(header_name::PASSED, &names(&released.passed));
    }
    let position = released.position.header_text(&Sha256);
    if !position.is_empty() {
        own.text(header_name::POSITION, &position);
    }
    own.hash(header_name::PREVIOUS_HASH, &released.previous_hash);
    if let Some(attempt) = attempt.filter(|_| in_order) {
        own.number(header_name::PREVIOUS_SEQUENCE, attempt.previous.0);
    }
    own.put(header_name::RECEIVED_AT, |text| push_instant(text, event.event.recorded));
    if attempt.is_some_and(|attempt| attempt.redelivery) {
        own.text(header_name::REDELIVERY, "true");
    }
    if let Some(repeated) = repeated {
        own.number(header_name::REPEATS, repeated);
    }
    own.number(header_name::SEQUENCE, released.sequence.0);
    own_of_source(&mut own, source, event);
    if let Some(depends_on) = released.depends_on.as_ref().filter(|_| is_unmet) {
        own.text(header_name::UNMET, &depends_on.of.name);
    }
    own
}

/// Nearly the end of the alphabet.
fn own_of_source(own: &mut Values, source: &str, event: &ReleasedEvent) {
    let received = &event.event.received;
    own.text(header_name::SOURCE, source);
    if let Some(id) = &received.id {
        own.encoded(header_name::SOURCE_ID, id);
    }
    if !received.event_type.is_empty() {
        own.encoded(header_name::TYPE, &received.event_type);
    }
}

fn push(text: &mut String, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{value}");
}

/// RFC 3339 in UTC with microseconds.
fn push_instant(text: &mut String, at: UnixMicros) {
    let since = jiff::SignedDuration::try_from(Duration::from_micros(at.0)).unwrap_or_default();
    let instant = jiff::Timestamp::from_duration(since).unwrap_or_default();
    push(text, format_args!("{instant:.6}"));
}

/// `mail,name`, percent-encoded as in the position; beyond what a header may hold, `;more`.
fn names(names: &[Arc<str>]) -> String {
    let mut text = String::new();
    for name in names {
        let before = text.len();
        if before > 0 {
            text.push(',');
        }
        push_name(&mut text, name);
        if text.len() > limits::RANGES_HEADER_BYTES {
            text.truncate(before);
            text.push_str(";more");
            break;
        }
    }
    text
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

/// `a=3-5,b=8`: events that its clock knows and never came, by node; beyond what a header may hold, `;more`.
fn causes(causes: &[Causes]) -> String {
    let mut text = String::new();
    for (at, causes) in causes.iter().enumerate() {
        let before = text.len();
        if at > 0 {
            text.push(',');
        }
        push_name(&mut text, &causes.node);
        text.push('=');
        text.push_str(&range_text(causes.range));
        if at == sprag_core::limits::HEADER_RANGES || text.len() > limits::RANGES_HEADER_BYTES {
            text.truncate(before);
            text.push_str(";more");
            break;
        }
    }
    text
}

/// `from..before`: what led from where the key stood to where the event begins; of hashes too long for a header each
/// is its digest.
fn broken(from: &str, link: &Link) -> String {
    let hash = |hash: &str| {
        let mut text = String::new();
        push_hash(&mut text, hash);
        if text.len() < limits::RANGES_HEADER_BYTES / 2 {
            return text;
        }
        format!("sha256:{}", Sha256.sha256(&[text.as_bytes()]))
    };
    format!("{}..{}", hash(from), hash(&link.before))
}

/// `4-6;filtered,8;dead`; a merged range says `;more`.
pub(super) fn omitted(omitted: &[Omission]) -> String {
    let text = join(omitted.iter().map(|omission| {
        let reason = reason(omission.reason);
        let more = if omission.merged { ";more" } else { "" };
        format!("{};{reason}{more}", range_text(omission.range))
    }));
    if text.len() <= limits::RANGES_HEADER_BYTES {
        return text;
    }
    enclosing(omitted.first().map(|o| o.range), omitted.last().map(|o| o.range))
}

/// Why an event was passed, in one word.
pub(crate) fn reason(reason: OmitReason) -> &'static str {
    match reason {
        OmitReason::Filtered => "filtered",
        OmitReason::Dead => "dead",
        OmitReason::Skipped => "skipped",
        OmitReason::Restored => "restored",
        OmitReason::Boundary => "boundary",
    }
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
        let of = |node: &str, range| Causes { node: node.into(), range };
        let some = [of("a", Range { from: 3, to: 5 }), of("b c", Range::one(8))];
        assert_eq!(causes(&some), "a=3-5,b%20c=8");
        let many: Vec<_> = (0..33).map(|node| of(&format!("{node:02}"), Range::one(1))).collect();
        let text = causes(&many);
        assert!(text.ends_with("31=1;more") && !text.contains("32="), "{text}");
        assert!(!causes(&many[..32]).contains("more"));
        let dead = Omission { range: Range::one(8), reason: OmitReason::Dead, merged: false };
        let range = Range { from: 4, to: 6 };
        let filtered = Omission { range, reason: OmitReason::Filtered, merged: false };
        assert_eq!(omitted(&[filtered, dead]), "4-6;filtered,8;dead");
    }

    #[test]
    fn a_break_reads_as_git_has_ranges() {
        let link = |before: &str| Link { before: before.into(), after: "d4".into(), forced: true };
        assert_eq!(broken("b2", &link("c.3")), "b2..c%2E3");
        let long = broken(&"%".repeat(256), &link("c3"));
        assert!(long.starts_with("sha256:") && long.ends_with("..c3"), "{long}");
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
        let mut text = String::new();
        push_instant(&mut text, UnixMicros(1_700_000_000_000_042));
        assert_eq!(text, "2023-11-14T22:13:20.000042Z");
    }
}
