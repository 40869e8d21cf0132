//! Who signs: a scheme with its secrets, and the headers a sender of that scheme makes.

use arbitrary::{Result, Unstructured};
use http::HeaderName;
use sprag::verify::Scheme;
use sprag::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
use sprag::verify::public_url::PublicUrl;
use sprag::verify::template::Template;
use sprag::verify::timestamp::TimestampUnit;

use crate::reference::mac::{Pair, base64, hex, sha1_tag, sha256_tag, sha512_tag};
use crate::reference::{form, mac};

/// Five minutes, as providers have it.
pub(super) const TOLERANCE_US: i64 = 300_000_000;
/// The URL of signatures that bind one; it says a port.
pub(super) const URL: &str = "https://example.com:8443/in/calls";
/// The same without it.
pub(super) const URL_WITHOUT_PORT: &str = "https://example.com/in/calls";

/// A scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Standard,
    Svix,
    Sprag,
    Github,
    Stripe,
    Shopify,
    Slack,
    Square,
    Twilio,
    /// HMAC-SHA512 in hexadecimal over `{id}:{timestamp}:{body}`, the id in `x-id`.
    Declared,
    Token,
    Bearer,
    Basic,
}

const KINDS: [Kind; 13] = [
    Kind::Standard,
    Kind::Svix,
    Kind::Sprag,
    Kind::Github,
    Kind::Stripe,
    Kind::Shopify,
    Kind::Slack,
    Kind::Square,
    Kind::Twilio,
    Kind::Declared,
    Kind::Token,
    Kind::Bearer,
    Kind::Basic,
];

/// Who signs.
pub(super) struct Sender {
    pub(super) kind: Kind,
    /// As configured: any of them may have signed.
    pub(super) secrets: Vec<String>,
    /// Which of them signs.
    pub(super) signs: usize,
}

/// The seed of the key pair of lists with `v1a`.
const SEED: [u8; 32] = [7; 32];

/// What a configured secret signs with in a list.
pub(super) fn list_entry(secret: &str, text: &[u8]) -> String {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => {
            use base64::Engine;
            let key = base64::engine::general_purpose::STANDARD.decode(encoded);
            format!("v1,{}", base64(&sha256_tag(&key.expect("our own"), text)))
        }
        None => format!("v1a,{}", Pair::new(SEED).sign(text)),
    }
}

impl Sender {
    pub(super) fn choose(choices: &mut Unstructured<'_>) -> Result<Self> {
        let kind = *choices.choose(&KINDS)?;
        let all: Vec<String> = match kind {
            Kind::Standard | Kind::Svix | Kind::Sprag => {
                let shared = |byte| format!("whsec_{}", base64(&[byte; 24]));
                vec![shared(1), Pair::new(SEED).public(), shared(2)]
            }
            Kind::Basic => vec!["user:password".into(), "u:".into(), ":p:p".into()],
            _ => vec!["shpss_1".into(), "second secret".into(), "x".into()],
        };
        let first = choices.choose_index(all.len())?;
        let count = choices.int_in_range(1..=all.len() - first)?;
        let secrets = all[first..first + count].to_vec();
        Ok(Self { kind, signs: choices.choose_index(secrets.len())?, secrets })
    }

    /// As the configuration declares it.
    pub(super) fn scheme(&self) -> Scheme {
        let url = || PublicUrl::parse(URL).expect("a URL");
        match self.kind {
            Kind::Standard => Scheme::StandardWebhooks,
            Kind::Svix => Scheme::Svix,
            Kind::Sprag => Scheme::Sprag,
            Kind::Github => Scheme::Github,
            Kind::Stripe => Scheme::Stripe,
            Kind::Shopify => Scheme::Shopify,
            Kind::Slack => Scheme::Slack,
            Kind::Square => Scheme::Square(url()),
            Kind::Twilio => Scheme::Twilio(url()),
            Kind::Declared => Scheme::Hmac(declared()),
            Kind::Token => Scheme::Token { header: HeaderName::from_static("x-token") },
            Kind::Bearer => Scheme::Token { header: http::header::AUTHORIZATION },
            Kind::Basic => Scheme::Basic,
        }
    }
}

fn declared() -> Declared {
    Declared {
        algorithm: Algorithm::Sha512,
        header: HeaderName::from_static("x-signature"),
        prefix: "h=".to_owned(),
        encoding: SignatureEncoding::Hex,
        secret_encoding: SecretEncoding::Raw,
        signed: Template::parse("{id}:{timestamp}:{body}").expect("a template"),
        timestamp: Some((HeaderName::from_static("x-time"), TimestampUnit::Seconds)),
        id: Some(HeaderName::from_static("x-id")),
        sequence: None,
    }
}

/// The text that a scheme signs, of parts as the headers have them.
pub(super) fn signed_text(kind: Kind, url: &str, id: &[u8], time: &[u8], body: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Standard | Kind::Svix | Kind::Sprag => [id, b".", time, b".", body].concat(),
        Kind::Stripe => [time, b".", body].concat(),
        Kind::Slack => [b"v0:", time, b":", body].concat(),
        Kind::Declared => [id, b":", time, b":", body].concat(),
        Kind::Square => [url.as_bytes(), body].concat(),
        Kind::Twilio => [url.as_bytes(), &form_text(body)].concat(),
        _ => body.to_vec(),
    }
}

/// Name and value of every field, sorted; a pair that repeats counts once.
fn form_text(body: &[u8]) -> Vec<u8> {
    let mut fields = form::fields(body);
    fields.sort();
    fields.dedup();
    fields.into_iter().flat_map(|(name, value)| [name, value].concat()).collect()
}

/// The URL with a query.
pub(super) fn with_query(url: &str, query: &str) -> String {
    if query.is_empty() { url.to_owned() } else { format!("{url}?{query}") }
}

/// The one signature of a secret, as its header has it.
pub(super) fn signature(kind: Kind, secret: &str, text: &[u8]) -> String {
    let key = secret.as_bytes();
    match kind {
        Kind::Standard | Kind::Svix | Kind::Sprag => list_entry(secret, text),
        Kind::Github => format!("sha256={}", hex(&sha256_tag(key, text))),
        Kind::Stripe => format!("v1={}", hex(&sha256_tag(key, text))),
        Kind::Slack => format!("v0={}", hex(&sha256_tag(key, text))),
        Kind::Shopify | Kind::Square => base64(&sha256_tag(key, text)),
        Kind::Twilio => base64(&sha1_tag(key, text)),
        Kind::Declared => format!("h={}", hex(&sha512_tag(key, text))),
        Kind::Token => secret.to_owned(),
        Kind::Bearer => format!("Bearer {secret}"),
        Kind::Basic => format!("Basic {}", base64(key)),
    }
}

/// The text under `sprag-signature`.
pub(super) fn sprag_text(id: &[u8], time: &[u8], headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let is_signed = |name: &str| name.starts_with("sprag-") && name != "sprag-signature";
    let mut signed: Vec<_> = headers.iter().filter(|(name, _)| is_signed(name)).collect();
    signed.sort();
    let mut text = [id, b".", time, b"\n"].concat();
    for (name, value) in signed {
        text.extend([name.as_bytes(), b":", value, b"\n"].concat());
    }
    text
}

/// What an honest sender sends.
pub(super) fn headers_of(
    sender: &Sender,
    id: &str,
    time: &str,
    query: &str,
    body: &[u8],
) -> Vec<(String, Vec<u8>)> {
    let (kind, secret) = (sender.kind, &sender.secrets[sender.signs]);
    let id = if kind == Kind::Sprag { format!("s:{id}:7") } else { id.to_owned() };
    let (id, time) = (id.as_bytes(), time.as_bytes());
    let text = match bound_by_query(kind, query, body) {
        true => with_query(URL, query).into_bytes(),
        false => signed_text(kind, &with_query(URL, query), id, time, body),
    };
    let signed = signature(kind, secret, &text).into_bytes();
    let header = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    let stamped = |prefix: &str| {
        let named = |name: &str, value: &[u8]| header(&format!("{prefix}-{name}"), value);
        vec![named("id", id), named("timestamp", time), named("signature", &signed)]
    };
    match kind {
        Kind::Standard => stamped("webhook"),
        Kind::Svix => stamped("svix"),
        Kind::Sprag => {
            let mut headers = stamped("webhook");
            headers.extend([header("sprag-sequence", b"7"), header("sprag-key", b"k")]);
            let text = sprag_text(id, time, &headers);
            headers.push(header("sprag-signature", list_entry(secret, &text).as_bytes()));
            headers
        }
        Kind::Github => vec![header("x-hub-signature-256", &signed)],
        Kind::Stripe => {
            vec![header("stripe-signature", &[b"t=", time, b",", signed.as_slice()].concat())]
        }
        Kind::Shopify => vec![header("x-shopify-hmac-sha256", &signed)],
        Kind::Slack => {
            vec![header("x-slack-request-timestamp", time), header("x-slack-signature", &signed)]
        }
        Kind::Square => vec![header("x-square-hmacsha256-signature", &signed)],
        Kind::Twilio => vec![header("x-twilio-signature", &signed)],
        Kind::Declared => {
            vec![header("x-id", id), header("x-time", time), header("x-signature", &signed)]
        }
        Kind::Token => vec![header("x-token", &signed)],
        Kind::Bearer | Kind::Basic => vec![header("authorization", &signed)],
    }
}

/// Whether the query holds the digest of a body that is no form.
pub(super) fn bound_by_query(kind: Kind, query: &str, body: &[u8]) -> bool {
    let claimed = form::only(query.as_bytes(), "bodySHA256");
    let actual = hex(&mac::sha256(body));
    kind == Kind::Twilio
        && claimed.is_some_and(|claimed| claimed.eq_ignore_ascii_case(actual.as_bytes()))
}
