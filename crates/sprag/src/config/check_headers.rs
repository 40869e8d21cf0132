//! `headers` and `forward` of a destination: what goes with a delivery besides Sprag's own headers.

use std::fmt::Display;

use http::{HeaderName, HeaderValue, header};

use super::raw::{Entry, Section};
use crate::limits;

/// Headers that frame a message or belong to one connection (RFC 9110 section 7.6.1).
const FRAMING: [HeaderName; 12] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// Headers that grant something: they are never kept (DESIGN F13).
const GRANTING: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Headers with values of the operator's own.
pub(super) fn headers(section: &Section<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let entries = section.values("headers");
    if entries.len() > limits::ADDED_HEADERS {
        section.error(&format!("at most {} `headers` are sent", limits::ADDED_HEADERS));
        return None;
    }
    let headers: Vec<_> =
        entries.iter().map(|(name, entry)| Some((own_name(entry, name)?, value(entry)?))).collect();
    headers.into_iter().collect()
}

/// Names of the provider's headers that are passed on.
pub(super) fn forward(section: &Section<'_>) -> Option<Vec<HeaderName>> {
    let Some(entry) = section.get("forward") else { return Some(Vec::new()) };
    if entry.is_array() && entry.elements().is_empty() {
        return Some(Vec::new());
    }
    let names: Vec<_> = entry
        .list(limits::ADDED_HEADERS)?
        .iter()
        .map(|entry| {
            let name = own_name(entry, entry.text()?)?;
            if GRANTING.contains(&name) {
                return refused(entry, "it grants something and is never kept (rule F13)");
            }
            Some(name)
        })
        .collect();
    names.into_iter().collect()
}

/// A header name that Sprag does not use itself.
fn own_name(entry: &Entry<'_>, text: &str) -> Option<HeaderName> {
    let Ok(name) = text.parse::<HeaderName>() else {
        return refused(entry, format!("{text:?} is no header name"));
    };
    let is_ours = ["sprag-", "webhook-"].iter().any(|ours| name.as_str().starts_with(ours));
    if is_ours || FRAMING.contains(&name) {
        return refused(entry, format!("`{name}` is a header that Sprag sends itself"));
    }
    Some(name)
}

/// `env:NAME` and `file:PATH` are read; anything else is the value.
fn value(entry: &Entry<'_>) -> Option<HeaderValue> {
    let text = entry.text()?;
    if text.starts_with("env:") || text.starts_with("file:") {
        let secret = entry.secret()?;
        let Ok(mut value) = HeaderValue::from_bytes(secret.expose()) else {
            return refused(entry, "the secret has bytes that no header can carry");
        };
        value.set_sensitive(true);
        return Some(value);
    }
    match HeaderValue::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => refused(entry, "the value has characters that no header can carry"),
    }
}

fn refused<T>(entry: &Entry<'_>, reason: impl Display) -> Option<T> {
    entry.error(reason);
    None
}
