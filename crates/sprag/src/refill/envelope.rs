//! An element of a page that holds an event's headers beside its body: another Sprag's envelope (rule L9),
//! a provider's record of what it delivered.
//!
//! What is taken out is what would have been posted: a body that is a string is that text, one that is an
//! object or array is those bytes as written. Must not know what headers and body say.

use std::borrow::Cow;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::extract::json::{Found, members, scan, unescape};
use crate::extract::{Paths, Pointer};
use crate::limits;
use crate::problem::Code;

/// Where the parts of an event are in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The object whose members are its headers; none: it has none.
    pub headers: Option<Pointer>,
    /// Its body; none: the element is the body.
    pub body: Option<Pointer>,
    /// Its body in Base64, where the other is absent.
    pub base64: Option<Pointer>,
}

/// An envelope's paths prepared for use on elements.
#[derive(Debug)]
pub struct Opener {
    envelope: Envelope,
    paths: Paths,
}

/// What was in an envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The headers of the event.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Cow<'a, [u8]>,
}

impl Opener {
    /// Prepares an envelope.
    #[must_use]
    pub fn new(envelope: Envelope) -> Self {
        let mut paths = Paths::default();
        let pointers = [&envelope.headers, &envelope.body, &envelope.base64];
        pointers.into_iter().flatten().for_each(|pointer| {
            // Three always fit.
            paths.add(pointer);
        });
        Self { envelope, paths }
    }

    /// Opens an element.
    ///
    /// # Errors
    /// The code that a request like it would be refused with.
    pub fn open<'a>(&self, element: &'a [u8]) -> Result<Opened<'a>, Code> {
        let found = scan(element, &self.paths).map_err(|_| Code::UnreadableJson)?;
        let at = |pointer: &Option<Pointer>| {
            pointer.as_ref().map(|pointer| self.paths.find(pointer, &found))
        };
        let Envelope { headers, body, base64 } = &self.envelope;
        let headers = at(headers).map_or(Ok(HeaderMap::new()), headers_of)?;
        let body = match (at(body), at(base64)) {
            (None, _) => Cow::Borrowed(element),
            (Some(Found::Missing), Some(coded)) => Cow::Owned(decoded(coded)?),
            (Some(body), _) => body_of(body)?,
        };
        Ok(Opened { headers, body })
    }
}

/// Members that are no texts are no headers of one value, and left out as names are that no header has.
fn headers_of(found: Found<'_>) -> Result<HeaderMap, Code> {
    let Found::Object(object) = found else { return Err(Code::InvalidEvents) };
    let members = members(object, limits::REQUEST_HEADERS).map_err(|_| Code::UnreadableJson)?;
    if members.len() > limits::REQUEST_HEADERS {
        return Err(Code::InvalidEvents);
    }
    let header = |(name, value): (Option<String>, Found<'_>)| {
        let name = HeaderName::from_bytes(name?.as_bytes()).ok()?;
        let value = text(value)?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in members.into_iter().filter_map(header) {
        headers.append(name, value);
    }
    Ok(headers)
}

fn body_of(found: Found<'_>) -> Result<Cow<'_, [u8]>, Code> {
    match found {
        Found::Object(written) | Found::Array(written) => Ok(Cow::Borrowed(written.as_bytes())),
        found => match text(found).ok_or(Code::InvalidEvents)? {
            Cow::Borrowed(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Cow::Owned(text) => Ok(Cow::Owned(text.into_bytes())),
        },
    }
}

fn decoded(found: Found<'_>) -> Result<Vec<u8>, Code> {
    let text = text(found).ok_or(Code::InvalidEvents)?;
    BASE64.decode(text.as_bytes()).map_err(|_| Code::InvalidEvents)
}

fn text(found: Found<'_>) -> Option<Cow<'_, str>> {
    match found {
        Found::String { quoted, escaped: false } => Some(quoted[1..quoted.len() - 1].into()),
        Found::String { quoted, escaped: true } => unescape(quoted).map(Cow::Owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener() -> Opener {
        let pointer = |text| Pointer::parse(text).ok();
        let (headers, body, base64) = (pointer("/headers"), pointer("/body"), pointer("/base64"));
        Opener::new(Envelope { headers, body, base64 })
    }

    #[test]
    fn what_would_have_been_posted_is_taken_out() {
        let element =
            br#"{"body":"{\"a\": \u0031}\n","headers":{"Sprag-Key":"a/b","x":7,"no name":"y"}}"#;
        let opened = opener().open(element).unwrap();
        assert_eq!(&*opened.body, b"{\"a\": 1}\n");
        assert_eq!(opened.headers.get("sprag-key").unwrap(), "a/b");
        assert_eq!(opened.headers.len(), 1, "a number and a name that is none are no headers");
        let opened = opener();
        let body = |element: &'static str| opened.open(element.as_bytes()).unwrap().body;
        assert_eq!(&*body(r#"{"headers":{},"body":{ "as" : 1.0 }}"#), br#"{ "as" : 1.0 }"#);
        assert_eq!(&*body(r#"{"headers":{},"body":[1, 2]}"#), b"[1, 2]");
        assert_eq!(&*body(r#"{"headers":{},"base64":"/wA="}"#), b"\xff\0");
        assert_eq!(&*body(r#"{"headers":{},"body":"","base64":"/wA="}"#), b"");
        let whole = Opener::new(Envelope { headers: None, body: None, base64: None });
        assert_eq!(&*whole.open(b"[7]").unwrap().body, b"[7]");
    }

    #[test]
    fn what_is_no_envelope_is_told() {
        for (element, code) in [
            ("{", Code::UnreadableJson),
            ("7", Code::InvalidEvents),
            (r#"{"body":""}"#, Code::InvalidEvents),
            (r#"{"headers":[],"body":""}"#, Code::InvalidEvents),
            (r#"{"headers":{}}"#, Code::InvalidEvents),
            (r#"{"headers":{},"body":null}"#, Code::InvalidEvents),
            (r#"{"headers":{},"body":7}"#, Code::InvalidEvents),
            (r#"{"headers":{},"body":"\ud800"}"#, Code::InvalidEvents),
            (r#"{"headers":{},"base64":"/w"}"#, Code::InvalidEvents),
            (r#"{"headers":{},"base64":{}}"#, Code::InvalidEvents),
            (r#"{"headers":{},"body":"a","body":"b"}"#, Code::InvalidEvents),
        ] {
            assert_eq!(opener().open(element.as_bytes()), Err(code), "{element}");
        }
        let header = |at: usize| format!(r#""h{at}":"v""#);
        let many: Vec<String> = (0..=limits::REQUEST_HEADERS).map(header).collect();
        let many = format!(r#"{{"headers":{{{}}},"body":""}}"#, many.join(","));
        assert_eq!(opener().open(many.as_bytes()), Err(Code::InvalidEvents));
    }

    #[test]
    fn a_header_that_is_there_twice_has_no_one_value() {
        let element = br#"{"headers":{"a":"1","A":"2"},"body":""}"#;
        assert_eq!(opener().open(element).unwrap().headers.get_all("a").iter().count(), 2);
    }
}
