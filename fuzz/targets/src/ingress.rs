//! Requests over a connection to a gateway in this process: head, signature, rules, log and answer
//! are the real ones. What is answered is what a plain reading of the request leads to, and the next
//! one is served.

mod gateway;

use std::cell::Cell;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue};
use sprag::extract::Extraction;

use crate::reference::event::Reading;
use crate::reference::json::{Led, Tree};
use crate::reference::mac;
use gateway::{Answer, GATEWAY, KEY, MAX_BODY};

/// Sends the request that the bytes choose.
///
/// # Panics
/// When it is answered otherwise than it should be, or the next one is not served.
pub fn run(data: &[u8]) {
    // Bytes that have run out choose the first of everything.
    let _ = ask(&mut Unstructured::new(data));
}

fn ask(choices: &mut Unstructured<'_>) -> Result<()> {
    if choices.ratio(1, 4)? {
        let bytes = crate::rest(choices);
        let status = GATEWAY.send(bytes).map_or(400, |answer| answer.status);
        assert!((200..500).contains(&status), "{status}: {}", String::from_utf8_lossy(bytes));
        return Ok(());
    }
    let request = Request::choose(choices)?;
    let bytes = request.bytes();
    let Some(expected) = request.expected() else {
        drop(GATEWAY.send(&bytes));
        return Ok(());
    };
    let answer = GATEWAY.send(&bytes);
    let shown = String::from_utf8_lossy(&bytes);
    let answer = answer.as_ref();
    let status = answer.map(|answer| answer.status);
    assert_eq!(status, Some(expected.status), "{:?}\n{shown}", answer.map(Answer::text));
    if let (Some(answer), Some(key)) = (answer, expected.key) {
        let tree = Tree::read(&answer.body).ok();
        let key = Tree::Text(key);
        assert_eq!(tree.as_ref().map(|tree| tree.at("/key")), Some(Led::To(&key)), "{shown}");
    }
    Ok(())
}

struct Request {
    method: &'static str,
    path: String,
    query: String,
    /// But those that say how long the body is.
    headers: Vec<(&'static str, Vec<u8>)>,
    chunked: bool,
    body: Vec<u8>,
}

/// What a plain reading leads to.
struct Expected {
    status: u16,
    /// Of an event that was taken.
    key: Option<String>,
}

impl Request {
    fn choose(choices: &mut Unstructured<'_>) -> Result<Self> {
        let method = if choices.ratio(1, 16)? {
            *choices.choose(&["GET", "PUT", "OPTIONS"])?
        } else {
            "POST"
        };
        let path = *choices.choose(&[
            "/in/open",
            "/in/signed",
            "/in/open",
            "/in/signed",
            "/in/form",
            "/in/nobody",
            "/in/",
            "/else",
        ])?;
        let query = *choices.choose(&["", "a=1", "a=%31&b", "a=1&a=2"])?;
        let body = body(choices, path)?;
        let mut headers = Vec::new();
        let usual = if path == "/in/form" {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let content_type = *choices.choose(&[
            usual,
            usual,
            usual,
            "",
            "text/plain",
            "application/cloudevents+json; charset=utf-8",
        ])?;
        if !content_type.is_empty() {
            headers.push(("content-type", content_type.as_bytes().to_vec()));
        }
        let id =
            if choices.ratio(1, 8)? { choices.arbitrary::<Vec<u8>>()? } else { b"e-1".to_vec() };
        if choices.ratio(15, 16)? {
            headers.push(("x-id", id.clone()));
        }
        if choices.ratio(1, 16)? {
            headers.push(("content-encoding", b"gzip".to_vec()));
        }
        if path == "/in/signed" {
            let time = GATEWAY.seconds().to_string();
            let text = [&id, b".".as_slice(), time.as_bytes(), b".", &body].concat();
            let mut tag = mac::sha256_tag(KEY, &text);
            if choices.ratio(1, 8)? {
                tag[0] ^= 1;
            }
            headers.push(("webhook-id", id));
            headers.push(("webhook-timestamp", time.into_bytes()));
            headers.push(("webhook-signature", format!("v1,{}", mac::base64(&tag)).into_bytes()));
        }
        let chunked = choices.ratio(1, 4)?;
        Ok(Self { method, path: path.to_owned(), query: query.to_owned(), headers, chunked, body })
    }

    fn bytes(&self) -> Vec<u8> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let start = format!(
            "{} {}{mark}{} HTTP/1.1\r\nhost: sprag\r\n",
            self.method, self.path, self.query
        );
        let mut bytes = start.into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"connection: close\r\n");
        if self.chunked {
            bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
            for piece in self.body.chunks(100) {
                bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                bytes.extend([piece, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
        }
        bytes
    }

    fn header_map(&self) -> Option<HeaderMap> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            // Blanks around a value are not part of it (RFC 9110, section 5.5); what ends a line is none.
            let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
            let from = value.iter().take_while(|byte| is_blank(byte)).count();
            let end = value.len() - value.iter().rev().take_while(|byte| is_blank(byte)).count();
            let value = value.get(from..end).unwrap_or_default();
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
        }
        Some(map)
    }

    /// None where it cannot be told.
    fn expected(&self) -> Option<Expected> {
        // A value that ends a line or is none makes another request of this one.
        let headers = self.header_map()?;
        let refused = |status| Some(Expected { status, key: None });
        let rules = match self.path.as_str() {
            "/in/open" => GATEWAY.rules("open"),
            "/in/signed" => GATEWAY.rules("signed"),
            "/in/form" => GATEWAY.rules("form"),
            _ => return refused(404),
        };
        if self.method != "POST" {
            return refused(405);
        }
        let is_form = self.path == "/in/form";
        let content_type = headers.get("content-type").map(HeaderValue::as_bytes);
        let is_taken = match content_type {
            None | Some(b"") => !is_form,
            Some(b"application/x-www-form-urlencoded") => is_form,
            Some(text) => !is_form && text != b"text/plain",
        };
        if headers.contains_key("content-encoding") || !is_taken {
            return refused(415);
        }
        if self.body.len() > MAX_BODY {
            return refused(413);
        }
        if self.path == "/in/signed" && !self.is_signed(&headers) {
            return refused(401);
        }
        let tree = Tree::read(&self.body);
        if let Err(error) = &tree
            && !is_form
        {
            let text = error.to_string();
            let is_judged_later = ["out of range", "surrogate", "hex escape", "recursion"];
            let can_tell = !is_judged_later.iter().any(|word| text.contains(word));
            return if can_tell { refused(400) } else { None };
        }
        let (query, body) = (self.query.as_str(), self.body.as_slice());
        let (tree, cannot_tell) = (tree.as_ref().ok(), Cell::new(false));
        let reading = Reading { rules, headers: &headers, query, body, tree, cannot_tell };
        let expected = match reading.extraction() {
            None => Expected { status: 422, key: None },
            Some(Extraction::Event(event)) => Expected { status: 200, key: Some(event.key) },
            Some(Extraction::Ignored { .. }) => Expected { status: 200, key: Some(String::new()) },
        };
        (!reading.cannot_tell.get()).then_some(expected)
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        let value = |name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let id = value("webhook-id");
        let text = [id, b".", value("webhook-timestamp"), b".", &self.body].concat();
        let wanted = format!("v1,{}", mac::base64(&mac::sha256_tag(KEY, &text)));
        let is_id =
            !id.is_empty() && id.len() <= sprag::limits::SIGNED_HEADER_BYTES && !id.contains(&b'.');
        is_id && value("webhook-signature") == wanted.as_bytes()
    }
}

/// A body that is mostly sound.
fn body(choices: &mut Unstructured<'_>, path: &str) -> Result<Vec<u8>> {
    if choices.ratio(1, 4)? {
        return choices.arbitrary();
    }
    let texts =
        ["\"a b\"", "7", "\"\"", "null", "1.5", "\"\\u00e9\"", "[]", "\"order.paid\"", "-0"];
    if path == "/in/form" {
        let pairs = ["order=a+b", "order=%41", "n=7", "n=x", "&", "order", "n=1"];
        let first = choices.choose(&pairs)?;
        return Ok(
            format!("{first}&{}&{}", choices.choose(&pairs)?, choices.choose(&pairs)?).into_bytes()
        );
    }
    let mut members = Vec::new();
    for name in ["order", "type", "n", "order", "pad"] {
        if choices.ratio(3, 4)? && (name != "order" || members.len() < 2) {
            let text = *choices.choose(&texts)?;
            let text = if name == "pad" {
                format!("\"{:>1$}\"", "", choices.int_in_range(0..=5_000)?)
            } else {
                text.to_owned()
            };
            members.push(format!("\"{name}\":{text}"));
        }
    }
    Ok(format!("{{{}}}", members.join(",")).into_bytes())
}
