//! The sending side of every scheme: the headers that make a request pass its verifier.
//!
//! `sprag send` and `sprag demo` play the provider with it. It must not know HTTP clients.

use super::hmac::{Declared, Values, pieces};
use super::mac::{key, tag};
use super::public_url::PublicUrl;
use super::signature::DestinationKeys;
use super::standard_webhooks::{Names, STANDARD, SVIX};
use super::{Scheme, SecretProblem, github, shopify, slack, square, stripe, twilio};
use crate::secret::Secret;
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key};
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderName, HeaderValue, header};

/// What is signed besides the body. A scheme takes what it needs.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The id of the event.
    pub id: &'a str,
    /// The time of signing, microseconds since 1970.
    pub at_us: i64,
    /// The sequence of the event, for a template that binds it.
    pub sequence: u64,
    /// The query of the URL without `?`, for schemes that bind the URL.
    pub query: &'a str,
}

/// A scheme with one secret, ready to sign.
pub struct Signer(Kind);

enum Kind {
    StandardWebhooks(Names, DestinationKeys),
    /// A scheme that signs the body, perhaps with a time, with one key.
    Keyed(Keyed, Box<Key>),
    Url(Bound, PublicUrl, Box<Key>),
    Hmac(Declared, Box<Key>),
    Fixed(HeaderName, HeaderValue),
    None,
}

#[derive(Clone, Copy)]
enum Keyed {
    Github,
    Stripe,
    Shopify,
    Slack,
}

#[derive(Clone, Copy)]
enum Bound {
    Square,
    Twilio,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(…)")
    }
}

impl Signer {
    /// Prepares the first of the secrets: a sender that rotates signs with the newest.
    pub fn new(scheme: &Scheme, secrets: &[Secret]) -> Result<Self, SecretProblem> {
        let first = || secrets.first().ok_or(SecretProblem::Absent);
        let sha256 = || Ok(Box::new(key(HMAC_SHA256, first()?)?));
        let standard = |names| {
            let newest = secrets.get(..1).ok_or(SecretProblem::Absent)?;
            Ok(Kind::StandardWebhooks(names, DestinationKeys::new(newest)?))
        };
        Ok(Self(match scheme {
            Scheme::StandardWebhooks => standard(STANDARD)?,
            Scheme::Svix => standard(SVIX)?,
            Scheme::Sprag => return Err(SecretProblem::OnlySpragSigns),
            Scheme::Github => Kind::Keyed(Keyed::Github, sha256()?),
            Scheme::Stripe => Kind::Keyed(Keyed::Stripe, sha256()?),
            Scheme::Shopify => Kind::Keyed(Keyed::Shopify, sha256()?),
            Scheme::Slack => Kind::Keyed(Keyed::Slack, sha256()?),
            Scheme::Square(url) => Kind::Url(Bound::Square, url.clone(), sha256()?),
            Scheme::Twilio(url) => {
                let sha1 = Box::new(key(HMAC_SHA1_FOR_LEGACY_USE_ONLY, first()?)?);
                Kind::Url(Bound::Twilio, url.clone(), sha1)
            }
            Scheme::Hmac(declared) => {
                let secret = declared.secret_encoding.decode(first()?)?;
                Kind::Hmac(declared.clone(), Box::new(key(declared.algorithm.prepared(), &secret)?))
            }
            Scheme::Token { header } => Kind::Fixed(header.clone(), token(header, first()?)?),
            Scheme::Basic => Kind::Fixed(header::AUTHORIZATION, basic(first()?)?),
            Scheme::None => Kind::None,
        }))
    }

    /// The headers to add to the request. `None` when an id cannot be a header value.
    #[must_use]
    pub fn sign(&self, signed: Signed<'_>, body: &[u8]) -> Option<Vec<(HeaderName, HeaderValue)>> {
        match &self.0 {
            Kind::StandardWebhooks(names, keys) => {
                let timestamp_s = signed.at_us.div_euclid(1_000_000);
                let signature = keys.webhook_signature(signed.id, timestamp_s, body);
                Some(vec![
                    (names.id.clone(), value(signed.id)?),
                    (names.timestamp.clone(), timestamp_s.into()),
                    (names.signature.clone(), value(&signature)?),
                ])
            }
            Kind::Keyed(scheme, key) => scheme.sign(key, signed.at_us.div_euclid(1_000_000), body),
            Kind::Url(scheme, url, key) => scheme.sign(url, key, signed.query, body),
            Kind::Hmac(declared, key) => sign_declared(declared, key, signed, body),
            Kind::Fixed(header, credential) => Some(vec![(header.clone(), credential.clone())]),
            Kind::None => Some(Vec::new()),
        }
    }
}

type Headers = Option<Vec<(HeaderName, HeaderValue)>>;

impl Keyed {
    fn sign(self, key: &Key, at_s: i64, body: &[u8]) -> Headers {
        let at = at_s.to_string();
        let hex = |pieces: &[&[u8]]| HEXLOWER.encode(tag(key, pieces.iter().copied()).as_ref());
        let header = |name, text: String| Some((name, value(&text)?));
        Some(match self {
            Self::Github => {
                vec![header(github::SIGNATURE, format!("sha256={}", hex(&[body])))?]
            }
            Self::Stripe => {
                let digits = hex(&[at.as_bytes(), b".", body]);
                vec![header(stripe::SIGNATURE, format!("t={at},v1={digits}"))?]
            }
            Self::Shopify => {
                let tag = tag(key, std::iter::once(body));
                vec![header(shopify::SIGNATURE, BASE64.encode(tag.as_ref()))?]
            }
            Self::Slack => {
                let digits = hex(&[b"v0:", at.as_bytes(), b":", body]);
                vec![
                    header(slack::SIGNATURE, format!("v0={digits}"))?,
                    header(slack::TIMESTAMP, at)?,
                ]
            }
        })
    }
}

impl Bound {
    fn sign(self, url: &PublicUrl, key: &Key, query: &str, body: &[u8]) -> Headers {
        let url = url.with_query(query);
        let (name, tag) = match self {
            Self::Square => (square::SIGNATURE, tag(key, [url.as_bytes(), body].into_iter())),
            Self::Twilio => {
                let fields = twilio::signed_fields(query, body).ok()?;
                let fields = fields.iter().map(Vec::as_slice);
                (twilio::SIGNATURE, tag(key, std::iter::once(url.as_bytes()).chain(fields)))
            }
        };
        Some(vec![(name, value(&BASE64.encode(tag.as_ref()))?)])
    }
}

fn sign_declared(
    declared: &Declared,
    key: &Key,
    signed: Signed<'_>,
    body: &[u8],
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let timestamp = declared.timestamp.as_ref().map(|(_, unit)| unit.write(signed.at_us));
    let timestamp = timestamp.unwrap_or_default();
    let sequence = signed.sequence.to_string();
    let values = Values {
        timestamp: timestamp.as_bytes(),
        id: signed.id.as_bytes(),
        sequence: sequence.as_bytes(),
    };
    let tag = tag(key, pieces(&declared.signed, values, body));
    let signature = declared.encoding.codec().encode(tag.as_ref());
    let mut headers =
        vec![(declared.header.clone(), value(&format!("{}{signature}", declared.prefix))?)];
    if let Some((header, _)) = &declared.timestamp {
        headers.push((header.clone(), value(&timestamp)?));
    }
    if let Some(header) = &declared.id {
        headers.push((header.clone(), value(signed.id)?));
    }
    if let Some(header) = &declared.sequence {
        headers.push((header.clone(), value(&sequence)?));
    }
    Some(headers)
}

/// A token in its header, marked so that no log prints it.
fn token(header: &HeaderName, secret: &Secret) -> Result<HeaderValue, SecretProblem> {
    let bytes = if *header == header::AUTHORIZATION {
        [b"Bearer ", secret.expose()].concat()
    } else {
        secret.expose().to_vec()
    };
    sensitive(&bytes)
}

fn basic(secret: &Secret) -> Result<HeaderValue, SecretProblem> {
    sensitive(format!("Basic {}", BASE64.encode(secret.expose())).as_bytes())
}

fn sensitive(bytes: &[u8]) -> Result<HeaderValue, SecretProblem> {
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| SecretProblem::NotAHeaderValue)?;
    value.set_sensitive(true);
    Ok(value)
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
