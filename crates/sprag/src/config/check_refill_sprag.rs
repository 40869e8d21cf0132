//! `refill = { sprag = "https://…/out/NAME", token = "env:…" }`: the source is another Sprag, which is asked for
//! what entered the lane to us. It stands for URL, headers, and where things are on a page.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::check_headers;
use super::check_refill::How;
use super::raw::{Entry, Section};
use crate::extract::{KeyRule, Location, Pointer, PositionRule, Rules};
use crate::limits;
use crate::refill::Template;
use crate::refill::envelope::Envelope;
use crate::refill::page::{Next, Signs};

/// What `sprag` says.
const SAID: [&str; 9] =
    ["url", "items", "next", "id_at", "key_at", "type_at", "position_at", "headers_at", "body_at"];

const SOURCE: HeaderName = HeaderName::from_static("sprag-source");
const KEY: HeaderName = HeaderName::from_static("sprag-key");
const SEQUENCE: HeaderName = HeaderName::from_static("sprag-sequence");

/// How another Sprag is asked, whose consumers' side is at `entry`.
pub(super) fn how(section: &Section<'_>, entry: &Entry<'_>, rules: Option<&Rules>) -> Option<How> {
    for said in SAID.iter().filter_map(|name| section.get(name)) {
        said.error("`sprag` says it already");
    }
    let token = section.required("token").and_then(|entry| bearer(&entry));
    let headers = check_headers::headers(section);
    let own = rules?;
    if own.position != PositionRule::Sequence(Location::Header(SEQUENCE)) {
        entry.error("another Sprag is asked by its sequences: `position` is { sequence = \"header:sprag-sequence\" }");
    }
    let key = asked_key(entry, &own.key);
    let template = entry.parsed(|text| template(text, key.unwrap_or("key={key}")));
    let pointer = |text| Pointer::parse(text).ok();
    let mut headers = headers?;
    headers.retain(|(name, _)| name != AUTHORIZATION);
    headers.push((AUTHORIZATION, token?));
    key?;
    Some(How {
        template: template?,
        headers,
        rules: Rules { split: pointer("/events"), ..own.clone() },
        envelope: Some(Envelope {
            headers: pointer("/headers"),
            body: pointer("/body"),
            base64: pointer("/body_base64"),
        }),
        signs: Signs { next: Next::At(pointer("/next")?), none: pointer("/omitted") },
    })
}

/// How the key that is asked for follows from that of an event here.
fn asked_key(entry: &Entry<'_>, key: &KeyRule) -> Option<&'static str> {
    let is = |location: &Location, header: HeaderName| *location == Location::Header(header);
    match key {
        KeyRule::Parts(parts) => match parts.as_slice() {
            [key] if is(key, KEY) => return Some("key={key}"),
            [source, key] if is(source, SOURCE) && is(key, KEY) => {
                return Some("source={key.1}&key={key.2}");
            }
            _ => {}
        },
        KeyRule::ByType(_) => {}
    }
    entry.error(
        "another Sprag is asked by its keys: `key` is { join = [\"header:sprag-source\", \"header:sprag-key\"] }, or \
         \"header:sprag-key\" alone where one of its sources is sent here",
    );
    None
}

fn template(text: &str, key: &str) -> Result<Template, String> {
    let side = text.trim_end_matches('/');
    let (_, name) = side.rsplit_once("/out/").unwrap_or_default();
    if name.is_empty() || name.contains(['/', '?', '#', '{']) {
        return Err(
            "the consumers' side of the destination is needed: https://HOST/out/NAME".to_owned()
        );
    }
    let most = limits::OUT_PAGE_MOST;
    Template::parse(&format!("{side}/events?{key}&from={{from}}&to={{to}}&limit={most}"))
}

pub(super) fn bearer(entry: &Entry<'_>) -> Option<HeaderValue> {
    let token = entry.secret()?;
    let Ok(mut value) = HeaderValue::from_bytes(&[b"Bearer ", token.expose()].concat()) else {
        entry.error("the token has bytes that no header can carry");
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}
