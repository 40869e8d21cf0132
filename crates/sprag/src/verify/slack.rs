//! `slack`: `X-Slack-Signature: v0=<hex>`, HMAC-SHA256 over `v0:{X-Slack-Request-Timestamp}:{body}`
//! with the signing secret. The challenge of Slack is signed too, and answered by ingress.

use super::mac::{Candidate, Keys};
use super::timestamp::TimestampUnit;
use super::{Refusal, SecretProblem, Verified, signature_in, time_in, within};
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::{HeaderMap, HeaderName};

/// The signature header.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
/// Seconds since 1970 of the attempt.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");

/// The verifier of a Slack app.
#[derive(Debug)]
pub struct Slack {
    keys: Keys,
    tolerance_us: i64,
}

impl Slack {
    /// Prepares the keys; secrets are used as they are.
    pub fn new(secrets: &[Secret], tolerance_us: i64) -> Result<Self, SecretProblem> {
        let keys = Keys::as_written(HMAC_SHA256, secrets)?;
        Ok(Self { keys, tolerance_us })
    }

    /// Judges one request; `now_us` in microseconds since 1970.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let text = signature_in(headers, &SIGNATURE)?;
        let timestamp = time_in(headers, &TIMESTAMP)?;
        let signed_us =
            TimestampUnit::Seconds.read_us(timestamp).ok_or(Refusal::MalformedTimestamp)?;
        let candidate = text
            .strip_prefix(b"v0=")
            .and_then(|digits| Candidate::decode(&HEXLOWER_PERMISSIVE, digits))
            .ok_or(Refusal::MalformedSignature)?;
        let pieces = [b"v0:", timestamp, b":", body];
        self.keys.verify(&[candidate], &pieces.into_iter())?;
        Ok(within(now_us, signed_us, self.tolerance_us))
    }
}
