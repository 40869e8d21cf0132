//! A plain receiver of every scheme. It makes the signature that has to be there, once for each
//! secret, and looks for that text among those that came.

use sprag::limits::{SIGNATURES, SIGNED_HEADER_BYTES};

use super::Request;
use super::sender::{
    Kind, Sender, TOLERANCE_US, URL, URL_WITHOUT_PORT, bound_by_query, list_entry, signature,
    signed_text, sprag_text, with_query,
};
use crate::reference::form;

/// What a receiver makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Refused,
    InTime,
    /// Signed, but so many microseconds ago, or ahead.
    Outside(i128),
}

/// Judges a request.
pub(super) fn judge(sender: &Sender, request: &Request) -> Judgement {
    match sender.kind {
        Kind::Standard => listed(sender, request, "webhook"),
        Kind::Svix => match (is_used(request, "svix"), is_used(request, "webhook")) {
            (true, true) => Judgement::Refused,
            (false, true) => listed(sender, request, "webhook"),
            _ => listed(sender, request, "svix"),
        },
        Kind::Sprag => sprag(sender, request),
        Kind::Stripe => stripe(sender, request),
        Kind::Slack => slack(sender, request),
        Kind::Declared => declared(sender, request),
        Kind::Token | Kind::Bearer | Kind::Basic => told(sender, request),
        Kind::Github | Kind::Shopify | Kind::Square | Kind::Twilio => untimed(sender, request),
    }
}

fn is_used(request: &Request, family: &str) -> bool {
    let of = |name: &str| {
        ["id", "timestamp", "signature"].iter().any(|part| *name == format!("{family}-{part}"))
    };
    request.headers.iter().any(|(name, _)| of(name))
}

/// The value of the only header of this name.
fn only<'a>(request: &'a Request, name: &str) -> Option<&'a [u8]> {
    let mut values = request.headers.iter().filter(|(header, _)| header == name);
    let (_, value) = values.next()?;
    if values.next().is_some() { None } else { Some(value) }
}

/// Seconds since 1970, of digits alone, as microseconds.
fn instant(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    i64::try_from(text.parse::<u64>().ok()?.checked_mul(1_000_000)?).ok()
}

fn in_time(request: &Request, signed_us: i64) -> Judgement {
    let skew = i128::from(request.now_us) - i128::from(signed_us);
    if skew.abs() <= TOLERANCE_US.into() { Judgement::InTime } else { Judgement::Outside(skew) }
}

/// A list of signatures holds one of a secret over this text.
fn lists(sender: &Sender, list: &[u8], text: &[u8]) -> bool {
    let entries: Vec<&[u8]> = list.split(|byte| *byte == b' ').take(SIGNATURES).collect();
    sender.secrets.iter().any(|secret| entries.contains(&list_entry(secret, text).as_bytes()))
}

fn listed(sender: &Sender, request: &Request, family: &str) -> Judgement {
    let value = |name: &str| only(request, &format!("{family}-{name}"));
    let parts = (value("id"), value("timestamp"), value("signature"));
    let (Some(id), Some(time), Some(list)) = parts else { return Judgement::Refused };
    let is_id = !id.is_empty() && id.len() <= SIGNED_HEADER_BYTES && !id.contains(&b'.');
    let Some(signed_us) = instant(time).filter(|_| is_id) else { return Judgement::Refused };
    let text = signed_text(sender.kind, "", id, time, &request.body);
    if lists(sender, list, &text) { in_time(request, signed_us) } else { Judgement::Refused }
}

fn sprag(sender: &Sender, request: &Request) -> Judgement {
    let judged = listed(sender, request, "webhook");
    let parts = (
        only(request, "webhook-id"),
        only(request, "webhook-timestamp"),
        only(request, "sprag-signature"),
        only(request, "sprag-sequence"),
    );
    let (Some(id), Some(time), Some(list), Some(sequence)) = parts else {
        return Judgement::Refused;
    };
    let ours = |name: &str| name.starts_with("sprag-");
    let names: Vec<_> =
        request.headers.iter().map(|(name, _)| name).filter(|name| ours(name)).collect();
    let repeats = names.iter().any(|name| names.iter().filter(|other| other == &name).count() > 1);
    let ends_in_sequence = id.rsplit(|byte| *byte == b':').next() == Some(sequence);
    let text = sprag_text(id, time, &request.headers);
    match !repeats && ends_in_sequence && lists(sender, list, &text) {
        true => judged,
        false => Judgement::Refused,
    }
}

fn stripe(sender: &Sender, request: &Request) -> Judgement {
    let Some(header) = only(request, "stripe-signature") else { return Judgement::Refused };
    let elements = header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let elements: Vec<&[u8]> = elements.take(SIGNATURES + 1).collect();
    let times: Vec<_> = elements.iter().filter_map(|one| one.strip_prefix(b"t=")).collect();
    let [time] = times.as_slice() else { return Judgement::Refused };
    let Some(signed_us) = instant(time) else { return Judgement::Refused };
    let text = signed_text(Kind::Stripe, "", b"", time, &request.body);
    let is_one = |secret: &String| {
        let wanted = signature(Kind::Stripe, secret, &text);
        elements.iter().any(|one| same_hex(one, &wanted, 3))
    };
    if sender.secrets.iter().any(is_one) { in_time(request, signed_us) } else { Judgement::Refused }
}

/// The same signature; hexadecimal digits behind a prefix of so many bytes may be upper case.
fn same_hex(given: &[u8], wanted: &str, prefix: usize) -> bool {
    let wanted = wanted.as_bytes();
    given.len() == wanted.len()
        && given[..prefix] == wanted[..prefix]
        && given[prefix..].eq_ignore_ascii_case(&wanted[prefix..])
}

fn slack(sender: &Sender, request: &Request) -> Judgement {
    let parts = (only(request, "x-slack-request-timestamp"), only(request, "x-slack-signature"));
    let (Some(time), Some(given)) = parts else { return Judgement::Refused };
    let Some(signed_us) = instant(time) else { return Judgement::Refused };
    let text = signed_text(Kind::Slack, "", b"", time, &request.body);
    let is_one = |secret: &String| same_hex(given, &signature(Kind::Slack, secret, &text), 3);
    if sender.secrets.iter().any(is_one) { in_time(request, signed_us) } else { Judgement::Refused }
}

fn declared(sender: &Sender, request: &Request) -> Judgement {
    let parts = (only(request, "x-id"), only(request, "x-time"), only(request, "x-signature"));
    let (Some(id), Some(time), Some(list)) = parts else { return Judgement::Refused };
    let is_id = !id.is_empty() && id.len() <= SIGNED_HEADER_BYTES && !id.contains(&b':');
    let Some(signed_us) = instant(time).filter(|_| is_id) else { return Judgement::Refused };
    let text = signed_text(Kind::Declared, "", id, time, &request.body);
    let given: Vec<&[u8]> =
        list.split(|byte| matches!(byte, b',' | b' ')).take(SIGNATURES).collect();
    let is_one = |secret: &String| {
        let wanted = signature(Kind::Declared, secret, &text);
        given.iter().any(|one| same_hex(one, &wanted, 2))
    };
    if sender.secrets.iter().any(is_one) { in_time(request, signed_us) } else { Judgement::Refused }
}

/// Schemes without a time: the one signature is there or not.
fn untimed(sender: &Sender, request: &Request) -> Judgement {
    let names = match sender.kind {
        Kind::Github => &["x-hub-signature-256"][..],
        Kind::Shopify => &["x-shopify-hmac-sha256", "shopify-hmac-sha256"],
        Kind::Square => &["x-square-hmacsha256-signature"],
        _ => &["x-twilio-signature"],
    };
    let used: Vec<_> =
        request.headers.iter().filter(|(name, _)| names.contains(&name.as_str())).collect();
    let [(_, given)] = used.as_slice() else { return Judgement::Refused };
    let (kind, body) = (sender.kind, &request.body);
    let mut texts = Vec::new();
    for url in [URL, URL_WITHOUT_PORT] {
        let url = with_query(url, &request.query);
        let claims_digest = form::only(request.query.as_bytes(), "bodySHA256").is_some();
        match (kind, claims_digest) {
            (Kind::Twilio, true) if bound_by_query(kind, &request.query, body) => {
                texts.push(url.into_bytes());
            }
            (Kind::Twilio, true) => return Judgement::Refused,
            _ => texts.push(signed_text(kind, &url, b"", b"", body)),
        }
    }
    // Only Twilio leaves the port out at times.
    texts.truncate(if kind == Kind::Twilio { 2 } else { 1 });
    let is_one = |secret: &String, text: &[u8]| {
        let wanted = signature(kind, secret, text);
        match kind {
            Kind::Github => same_hex(given, &wanted, "sha256=".len()),
            _ => given == wanted.as_bytes(),
        }
    };
    match sender.secrets.iter().any(|secret| texts.iter().any(|text| is_one(secret, text))) {
        true => Judgement::InTime,
        false => Judgement::Refused,
    }
}

/// What the sender knows is told, not signed with.
fn told(sender: &Sender, request: &Request) -> Judgement {
    let name = if sender.kind == Kind::Token { "x-token" } else { "authorization" };
    let Some(given) = only(request, name) else { return Judgement::Refused };
    let behind = |scheme: &str| {
        let (start, rest) = given.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    };
    let is_one = |secret: &String| match sender.kind {
        Kind::Basic => behind("basic ").is_some_and(|rest| {
            rest.trim_ascii() == crate::reference::mac::base64(secret.as_bytes()).as_bytes()
        }),
        Kind::Bearer => {
            behind("bearer ").map_or(given, <[u8]>::trim_ascii_start) == secret.as_bytes()
        }
        _ => given == secret.as_bytes(),
    };
    if sender.secrets.iter().any(is_one) { Judgement::InTime } else { Judgement::Refused }
}
