//! `verify` of a source: scheme, secrets and what a declared HMAC is made of.

use super::check_secrets;
use super::raw::{Entry, Section, or};
use crate::extract::Location;
use crate::secret::Secret;
use crate::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
use crate::verify::public_url::PublicUrl;
use crate::verify::template::{Placeholder, Template};
use crate::verify::timestamp::TimestampUnit;
use crate::verify::{Scheme, Verifier};
use http::HeaderName;
use http::header::AUTHORIZATION;
use std::time::Duration;

/// Keys of a declared HMAC; `header` is one of `token` too.
const HMAC_ONLY: [&str; 8] =
    ["algorithm", "prefix", "encoding", "secret_encoding", "signed", "timestamp", "id", "sequence"];

pub(super) struct Verification {
    pub(super) scheme: Scheme,
    pub(super) secrets: Vec<Secret>,
    pub(super) tolerance: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    StandardWebhooks,
    Svix,
    Sprag,
    Github,
    Stripe,
    Shopify,
    Slack,
    Square,
    Twilio,
    Hmac,
    Token,
    Basic,
    None,
}

const KINDS: [(&str, Kind); 13] = [
    ("standard-webhooks", Kind::StandardWebhooks),
    ("svix", Kind::Svix),
    ("sprag", Kind::Sprag),
    ("github", Kind::Github),
    ("stripe", Kind::Stripe),
    ("shopify", Kind::Shopify),
    ("slack", Kind::Slack),
    ("square", Kind::Square),
    ("twilio", Kind::Twilio),
    ("hmac", Kind::Hmac),
    ("token", Kind::Token),
    ("basic", Kind::Basic),
    ("none", Kind::None),
];

pub(super) fn verification(source: &Section<'_>) -> Option<Verification> {
    let section = source.required("verify")?.section()?;
    let kind = section.required("scheme").and_then(|entry| entry.choice(&KINDS));
    let secrets = secrets(&section, kind);
    let tolerance_entry = section.get("tolerance");
    let tolerance = or(tolerance_entry.clone(), Duration::from_mins(5), |entry| {
        entry.duration(Duration::from_secs(1)..=Duration::from_hours(7 * 24))
    });
    let scheme = scheme(&section, kind?);
    let verification = Verification { scheme: scheme?, secrets: secrets?, tolerance: tolerance? };
    if let (Some(entry), false) = (tolerance_entry, verification.scheme.signs_time()) {
        entry.error("this scheme signs no time, so there is nothing to tolerate");
    }
    usable(&section, &verification);
    Some(verification)
}

/// Secrets that are named but cannot be keys of this scheme.
fn usable(section: &Section<'_>, verification: &Verification) {
    if let Err(problem) = Verifier::new(&verification.scheme, &verification.secrets, 0) {
        let entry = section.get("secrets");
        match entry {
            Some(entry) => entry.error(problem),
            None => section.error(&problem.to_string()),
        }
    }
}

fn secrets(section: &Section<'_>, kind: Option<Kind>) -> Option<Vec<Secret>> {
    let entry = section.get("secrets");
    match (entry, kind) {
        (Some(entry), Some(Kind::None)) => {
            entry.error("scheme \"none\" uses no secrets");
            None
        }
        (Some(entry), Some(Kind::StandardWebhooks | Kind::Svix | Kind::Sprag)) => {
            let usable =
                |secrets: &[Secret]| Verifier::new(&Scheme::StandardWebhooks, secrets, 0).map(drop);
            check_secrets::whsec_list(&entry, usable)
        }
        (Some(entry), _) => check_secrets::list(&entry),
        (None, Some(Kind::None) | None) => Some(Vec::new()),
        (None, Some(_)) => {
            section.error("`secrets` is missing");
            None
        }
    }
}

fn scheme(section: &Section<'_>, kind: Kind) -> Option<Scheme> {
    if kind != Kind::Hmac {
        refuse(section, &HMAC_ONLY, "only scheme \"hmac\" is declared by this key");
    }
    if !matches!(kind, Kind::Hmac | Kind::Token) {
        refuse(section, &["header"], "this scheme knows its headers");
    }
    if !matches!(kind, Kind::Square | Kind::Twilio) {
        refuse(section, &["public_url"], "this scheme does not sign the URL");
    }
    match kind {
        Kind::StandardWebhooks => Some(Scheme::StandardWebhooks),
        Kind::Svix => Some(Scheme::Svix),
        Kind::Sprag => Some(Scheme::Sprag),
        Kind::Github => Some(Scheme::Github),
        Kind::Stripe => Some(Scheme::Stripe),
        Kind::Shopify => Some(Scheme::Shopify),
        Kind::Slack => Some(Scheme::Slack),
        Kind::Square => public_url(section).map(Scheme::Square),
        Kind::Twilio => public_url(section).map(Scheme::Twilio),
        Kind::Hmac => declared(section).map(Scheme::Hmac),
        Kind::Token => {
            or(section.get("header"), AUTHORIZATION, header).map(|header| Scheme::Token { header })
        }
        Kind::Basic => Some(Scheme::Basic),
        Kind::None => Some(Scheme::None),
    }
}

fn public_url(section: &Section<'_>) -> Option<PublicUrl> {
    section.required("public_url")?.parsed(PublicUrl::parse)
}

fn refuse(section: &Section<'_>, names: &[&str], reason: &str) {
    for entry in names.iter().filter_map(|name| section.get(name)) {
        entry.error(reason);
    }
}

fn header(entry: &Entry<'_>) -> Option<HeaderName> {
    entry.parsed(|text| HeaderName::from_bytes(text.as_bytes()).map_err(|_| "not a header name"))
}

fn declared(section: &Section<'_>) -> Option<Declared> {
    let algorithm = or(section.get("algorithm"), Algorithm::Sha256, |entry| {
        entry.choice(&[
            ("sha256", Algorithm::Sha256),
            ("sha1", Algorithm::Sha1),
            ("sha512", Algorithm::Sha512),
        ])
    });
    let encoding = or(section.get("encoding"), SignatureEncoding::Hex, |entry| {
        entry.choice(&[("hex", SignatureEncoding::Hex), ("base64", SignatureEncoding::Base64)])
    });
    let secret_encoding = or(section.get("secret_encoding"), SecretEncoding::Raw, |entry| {
        entry.choice(&[
            ("raw", SecretEncoding::Raw),
            ("hex", SecretEncoding::Hex),
            ("base64", SecretEncoding::Base64),
        ])
    });
    let header = section.required("header").and_then(|entry| header(&entry));
    let prefix = or(section.get("prefix"), String::new(), |entry| entry.text().map(str::to_owned));
    let signed = match section.get("signed") {
        Some(entry) => entry.parsed(Template::parse),
        None => Template::parse("{body}").ok(),
    };
    let values = signed.as_ref().and_then(|signed| values(section, signed));
    let (timestamp, id, sequence) = values?;
    Some(Declared {
        algorithm: algorithm?,
        header: header?,
        prefix: prefix?,
        encoding: encoding?,
        secret_encoding: secret_encoding?,
        signed: signed?,
        timestamp,
        id,
        sequence,
    })
}

type Values = (Option<(HeaderName, TimestampUnit)>, Option<HeaderName>, Option<HeaderName>);

/// The headers of the placeholders: each is given exactly when the template has it.
fn values(section: &Section<'_>, signed: &Template) -> Option<Values> {
    let timestamp = placeholder(section, signed, "timestamp", Placeholder::Timestamp, |entry| {
        let section = entry.section()?;
        let at = section.required("at").and_then(|entry| header_location(&entry));
        let unit = section.required("unit").and_then(|entry| {
            entry.choice(&[
                ("s", TimestampUnit::Seconds),
                ("ms", TimestampUnit::Milliseconds),
                ("rfc3339", TimestampUnit::Rfc3339),
            ])
        });
        Some((at?, unit?))
    });
    let id = placeholder(section, signed, "id", Placeholder::Id, header_location);
    let sequence = placeholder(section, signed, "sequence", Placeholder::Sequence, header_location);
    Some((timestamp?, id?, sequence?))
}

fn placeholder<'a, T>(
    section: &Section<'a>,
    signed: &Template,
    name: &str,
    value: Placeholder,
    read: impl FnOnce(&Entry<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match (section.get(name), signed.has(value)) {
        (Some(entry), true) => read(&entry).map(Some),
        (None, false) => Some(None),
        (Some(entry), false) => {
            entry.error(format!("`signed` has no {{{name}}}, so nothing signs this header"));
            None
        }
        (None, true) => {
            section.error(&format!("`{name}` is missing: `signed` has {{{name}}}"));
            None
        }
    }
}

fn header_location(entry: &Entry<'_>) -> Option<HeaderName> {
    match entry.parsed(Location::parse)? {
        Location::Header(name) => Some(name),
        _ => {
            entry.error("header:NAME is needed: signed values are read from headers");
            None
        }
    }
}
