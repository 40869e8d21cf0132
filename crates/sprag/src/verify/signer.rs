//! The sending side of every scheme: the headers that make a request pass its verifier.
//!
//! `sprag send` and `sprag demo` play the provider with it. It must not know HTTP clients.

use super::hmac::{Declared, Values, pieces};
use super::mac::{key, tag};
use super::signature::DestinationKeys;
use super::{Scheme, SecretProblem, github, standard_webhooks};
use crate::secret::Secret;
use aws_lc_rs::hmac::{HMAC_SHA256, Key};
use data_encoding::HEXLOWER;
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
}

/// A scheme with one secret, ready to sign.
pub struct Signer(Kind);

enum Kind {
    StandardWebhooks(DestinationKeys),
    Github(Box<Key>),
    Hmac(Declared, Box<Key>),
    Token(HeaderName, HeaderValue),
    None,
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
        Ok(Self(match scheme {
            Scheme::StandardWebhooks => Kind::StandardWebhooks(DestinationKeys::new(
                secrets.get(..1).ok_or(SecretProblem::Absent)?,
            )?),
            Scheme::Github => Kind::Github(Box::new(key(HMAC_SHA256, first()?)?)),
            Scheme::Hmac(declared) => {
                let secret = declared.secret_encoding.decode(first()?)?;
                Kind::Hmac(declared.clone(), Box::new(key(declared.algorithm.prepared(), &secret)?))
            }
            Scheme::Token { header } => Kind::Token(header.clone(), token(header, first()?)?),
            Scheme::None => Kind::None,
        }))
    }

    /// The headers to add to the request. `None` when an id cannot be a header value.
    #[must_use]
    pub fn sign(&self, signed: Signed<'_>, body: &[u8]) -> Option<Vec<(HeaderName, HeaderValue)>> {
        match &self.0 {
            Kind::StandardWebhooks(keys) => {
                let timestamp_s = signed.at_us.div_euclid(1_000_000);
                let signature = keys.webhook_signature(signed.id, timestamp_s, body);
                Some(vec![
                    (standard_webhooks::ID, value(signed.id)?),
                    (standard_webhooks::TIMESTAMP, timestamp_s.into()),
                    (standard_webhooks::SIGNATURE, value(&signature)?),
                ])
            }
            Kind::Github(key) => {
                let digits = HEXLOWER.encode(tag(key, std::iter::once(body)).as_ref());
                Some(vec![(github::SIGNATURE, value(&format!("sha256={digits}"))?)])
            }
            Kind::Hmac(declared, key) => sign_declared(declared, key, signed, body),
            Kind::Token(header, token) => Some(vec![(header.clone(), token.clone())]),
            Kind::None => Some(Vec::new()),
        }
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
    let mut value = HeaderValue::from_bytes(&bytes).map_err(|_| SecretProblem::NotAHeaderValue)?;
    value.set_sensitive(true);
    Ok(value)
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
