//! `standard-webhooks`: Standard Webhooks 1.0.0 with `v1` (HMAC-SHA256) signatures.
//!
//! Signed text: `{webhook-id}.{webhook-timestamp}.{body}`. The signature header is a list of
//! `<version>,<base64>` separated by spaces; unknown versions are skipped.

use super::mac::{Candidate, Keys};
use super::timestamp::TimestampUnit;
use super::{Refusal, SecretProblem, Verified, only_value, within};
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};

/// The id of the event, the same on every retry.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Seconds since 1970 of the attempt.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The list of signatures.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The verifier of a source that follows Standard Webhooks.
#[derive(Debug)]
pub struct StandardWebhooks {
    keys: Keys,
    tolerance_us: i64,
}

impl StandardWebhooks {
    /// Prepares the keys; secrets are `whsec_` and base64, or bare base64.
    pub fn new(secrets: &[Secret], tolerance_us: i64) -> Result<Self, SecretProblem> {
        Ok(Self { keys: Keys::new(HMAC_SHA256, secrets, decode_secret)?, tolerance_us })
    }

    /// Judges one request; `now_us` in microseconds since 1970.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let id = only_value(headers, &ID, Refusal::MissingSignedId, Refusal::MalformedSignedId)?;
        // A dot in the id would let bytes move between id, timestamp and body under one signature.
        if id.is_empty() || id.len() > limits::SIGNED_HEADER_BYTES || id.contains(&b'.') {
            return Err(Refusal::MalformedSignedId);
        }
        let timestamp = only_value(
            headers,
            &TIMESTAMP,
            Refusal::MissingTimestamp,
            Refusal::MalformedTimestamp,
        )?;
        let signed_us =
            TimestampUnit::Seconds.read_us(timestamp).ok_or(Refusal::MalformedTimestamp)?;
        let candidates = candidates(headers)?;
        let pieces = [id, b".", timestamp, b".", body];
        self.keys.verify(&candidates, &pieces.into_iter())?;
        Ok(within(now_us, signed_us, self.tolerance_us))
    }
}

/// The `v1` signatures of the header.
fn candidates(headers: &HeaderMap) -> Result<Vec<Candidate>, Refusal> {
    let text =
        only_value(headers, &SIGNATURE, Refusal::MissingSignature, Refusal::MalformedSignature)?;
    let found: Vec<Candidate> = text
        .split(|byte| *byte == b' ')
        .take(limits::SIGNATURES)
        .filter_map(|signature| Candidate::decode(&BASE64, signature.strip_prefix(b"v1,")?))
        .collect();
    if found.is_empty() { Err(Refusal::MalformedSignature) } else { Ok(found) }
}

/// The key bytes of a `whsec_` secret.
pub(super) fn decode_secret(secret: &Secret) -> Result<Secret, SecretProblem> {
    let text = secret.expose();
    if text.starts_with(b"whsk_") || text.starts_with(b"whpk_") {
        return Err(SecretProblem::Asymmetric);
    }
    let text = text.strip_prefix(b"whsec_").unwrap_or(text);
    BASE64.decode(text).map(Secret::new).map_err(|_| SecretProblem::NotBase64)
}
