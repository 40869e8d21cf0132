//! Is this request from the source it claims to be from?
//!
//! Pure functions of (now, secrets, headers, body): no clock, no IO, no configuration text. One
//! file per scheme. Comparison is in constant time; with several secrets (rotation) and several
//! signatures in a header any match passes; the body is never copied. Facts about the schemes are
//! in `reference/providers.md` section 0 and 2.
//!
//! | file | scheme |
//! |---|---|
//! | `standard_webhooks` | `standard-webhooks`: Standard Webhooks 1.0.0, `v1` |
//! | `github` | `github`: `X-Hub-Signature-256` |
//! | `hmac` | `hmac`: declared by algorithm, header, encoding and signed-text template |
//! | `token` | `token`: a static secret in a header |
//!
//! `none` verifies nothing and exists only where the configuration says so.

pub mod github;
pub mod hmac;
mod mac;
mod refusal;
mod scheme;
pub mod signature;
mod signer;
pub mod standard_webhooks;
pub mod template;
pub mod timestamp;
pub mod token;

pub use refusal::Refusal;
pub use scheme::{Scheme, SecretProblem};
pub use signer::{Signed, Signer};

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
    /// `standard-webhooks`
    StandardWebhooks(standard_webhooks::StandardWebhooks),
    /// `github`
    Github(github::Github),
    /// `hmac`
    Hmac(hmac::Hmac),
    /// `token`
    Token(token::Token),
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
        Ok(match scheme {
            Scheme::StandardWebhooks => Self::StandardWebhooks(
                standard_webhooks::StandardWebhooks::new(secrets, tolerance_us)?,
            ),
            Scheme::Github => Self::Github(github::Github::new(secrets)?),
            Scheme::Hmac(declared) => {
                Self::Hmac(hmac::Hmac::new(declared.clone(), secrets, tolerance_us)?)
            }
            Scheme::Token { header } => Self::Token(token::Token::new(header.clone(), secrets)?),
            Scheme::None => Self::None,
        })
    }

    /// Judges one request. `now_us` is the machine's clock in microseconds since 1970 (rule F9:
    /// as it is, not smoothed).
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        match self {
            Self::StandardWebhooks(scheme) => scheme.verify(now_us, headers, body),
            Self::Github(scheme) => scheme.verify(headers, body),
            Self::Hmac(scheme) => scheme.verify(now_us, headers, body),
            Self::Token(scheme) => scheme.verify(headers),
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

/// Judges a signed instant against the clock, both ways.
fn within(now_us: i64, signed_us: i64, tolerance_us: i64) -> Verified {
    let skew_us = now_us.saturating_sub(signed_us);
    if skew_us.unsigned_abs() <= tolerance_us.unsigned_abs() {
        Verified::InTime
    } else {
        Verified::OutsideTolerance { skew_us }
    }
}
