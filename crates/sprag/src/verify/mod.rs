//! Is this request from the source it claims to be from?
//!
//! Pure functions of (now, secrets, headers, query, body): no clock, no IO, no configuration text.
//! One file per scheme. Comparison is in constant time; with several secrets (rotation) and several
//! signatures in a header any match passes; the body is copied only for Ed25519. Facts about the
//! schemes are in `reference/providers.md` section 0 and 2.
//!
//! | file | scheme |
//! |---|---|
//! | `standard_webhooks` | `standard-webhooks` and `svix`: Standard Webhooks 1.0.0, `v1` and `v1a` |
//! | `sprag` | `sprag`: what another Sprag delivers |
//! | `github` | `github`: `X-Hub-Signature-256` |
//! | `stripe` | `stripe`: `Stripe-Signature` |
//! | `shopify` | `shopify`: webhooks and Events |
//! | `slack` | `slack`: `X-Slack-Signature` |
//! | `square`, `twilio` | `square`, `twilio`: the signature binds the public URL too |
//! | `hmac` | `hmac`: declared by algorithm, header, encoding and signed-text template |
//! | `token`, `basic` | `token`: a static secret in a header; `basic`: user and password |
//!
//! `none` verifies nothing and exists only where the configuration says so.

pub mod basic;
mod ed25519;
pub mod github;
pub mod hmac;
mod mac;
pub mod public_url;
mod refusal;
mod scheme;
pub mod shopify;
pub mod signature;
mod signature_list;
mod signer;
pub mod slack;
pub mod sprag;
pub mod square;
pub mod standard_webhooks;
pub mod stripe;
pub mod template;
pub mod timestamp;
pub mod token;
pub mod twilio;

pub use refusal::Refusal;
pub use scheme::{Scheme, SecretProblem};
pub use signer::{Signed, Signer};
pub(crate) use standard_webhooks::whsec_bytes;

use crate::secret::Secret;
use http::HeaderMap;

/// What a valid signature says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Valid, and within the tolerance or signed without a time.
    InTime,
    /// Valid, but signed too long ago or too far in the future. By DESIGN section 5 the caller
    /// answers 200 `duplicate` when it knows the id, else 401.
    OutsideTolerance {
        /// Now minus the signed time, microseconds: positive when it is too old.
        skew_us: i64,
    },
}

/// A scheme with its secrets prepared once, shared by all requests of a source.
#[derive(Debug)]
pub enum Verifier {
    /// `standard-webhooks` and `svix`
    StandardWebhooks(standard_webhooks::StandardWebhooks),
    /// `sprag`
    Sprag(sprag::Sprag),
    /// `github`
    Github(github::Github),
    /// `stripe`
    Stripe(stripe::Stripe),
    /// `shopify`
    Shopify(shopify::Shopify),
    /// `slack`
    Slack(slack::Slack),
    /// `square`
    Square(square::Square),
    /// `twilio`
    Twilio(twilio::Twilio),
    /// `hmac`
    Hmac(hmac::Hmac),
    /// `token`
    Token(token::Token),
    /// `basic`
    Basic(basic::Basic),
    /// `none`: everything passes.
    None,
}

impl Verifier {
    /// Prepares the keys. `tolerance_us` in microseconds applies to schemes that sign a time.
    pub fn new(
        scheme: &Scheme,
        secrets: &[Secret],
        tolerance_us: i64,
    ) -> Result<Self, SecretProblem> {
        use standard_webhooks::StandardWebhooks as Standard;
        Ok(match scheme {
            Scheme::StandardWebhooks => {
                Self::StandardWebhooks(Standard::new(secrets, tolerance_us)?)
            }
            Scheme::Svix => Self::StandardWebhooks(Standard::svix(secrets, tolerance_us)?),
            Scheme::Sprag => Self::Sprag(sprag::Sprag::new(secrets, tolerance_us)?),
            Scheme::Github => Self::Github(github::Github::new(secrets)?),
            Scheme::Stripe => Self::Stripe(stripe::Stripe::new(secrets, tolerance_us)?),
            Scheme::Shopify => Self::Shopify(shopify::Shopify::new(secrets)?),
            Scheme::Slack => Self::Slack(slack::Slack::new(secrets, tolerance_us)?),
            Scheme::Square(url) => Self::Square(square::Square::new(url.clone(), secrets)?),
            Scheme::Twilio(url) => Self::Twilio(twilio::Twilio::new(url.clone(), secrets)?),
            Scheme::Hmac(declared) => {
                Self::Hmac(hmac::Hmac::new(declared.clone(), secrets, tolerance_us)?)
            }
            Scheme::Token { header } => Self::Token(token::Token::new(header.clone(), secrets)?),
            Scheme::Basic => Self::Basic(basic::Basic::new(secrets)?),
            Scheme::None => Self::None,
        })
    }

    /// Judges one request. `now_us` is the machine's clock in microseconds since 1970 (rule F9:
    /// as it is, not smoothed); `query` is that of the URL without `?`, empty when there is none.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        query: &str,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        match self {
            Self::StandardWebhooks(scheme) => scheme.verify(now_us, headers, body),
            Self::Sprag(scheme) => scheme.verify(now_us, headers, body),
            Self::Github(scheme) => scheme.verify(headers, body),
            Self::Stripe(scheme) => scheme.verify(now_us, headers, body),
            Self::Shopify(scheme) => scheme.verify(headers, body),
            Self::Slack(scheme) => scheme.verify(now_us, headers, body),
            Self::Square(scheme) => scheme.verify(headers, query, body),
            Self::Twilio(scheme) => scheme.verify(headers, query, body),
            Self::Hmac(scheme) => scheme.verify(now_us, headers, body),
            Self::Token(scheme) => scheme.verify(headers),
            Self::Basic(scheme) => scheme.verify(headers),
            Self::None => Ok(Verified::InTime),
        }
    }
}

/// The only value of a header that a signature rests on. Two lines of the same header leave open
/// which one the sender meant, so they are refused rather than chosen from.
fn only_value<'a>(
    headers: &'a HeaderMap,
    name: &http::HeaderName,
    missing: Refusal,
    malformed: Refusal,
) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(missing)?.as_bytes();
    if values.next().is_some() { Err(malformed) } else { Ok(value) }
}

/// The only value of the header with the signature.
fn signature_in<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<&'a [u8], Refusal> {
    only_value(headers, name, Refusal::MissingSignature, Refusal::MalformedSignature)
}

/// The only value of the header with the signed time.
fn time_in<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<&'a [u8], Refusal> {
    only_value(headers, name, Refusal::MissingTimestamp, Refusal::MalformedTimestamp)
}

/// Judges a signed instant against the clock, both ways.
fn within(now_us: i64, signed_us: i64, tolerance_us: i64) -> Verified {
    let skew_us = now_us.saturating_sub(signed_us);
    if skew_us.unsigned_abs() <= tolerance_us.unsigned_abs() {
        Verified::InTime
    } else {
        Verified::OutsideTolerance { skew_us }
    }
}
