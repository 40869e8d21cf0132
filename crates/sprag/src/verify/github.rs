//! `github`: `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 over the raw body with the secret's
//! bytes as key. No time is signed, so there is no replay window: the delivery id must be kept.

use super::mac::{Candidate, Keys};
use super::{Refusal, SecretProblem, Verified, signature_in};
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::{HeaderMap, HeaderName};

/// The signature header.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// What precedes the hexadecimal digits.
pub(super) const PREFIX: &[u8] = b"sha256=";

/// The verifier of a GitHub webhook.
#[derive(Debug)]
pub struct Github {
    keys: Keys,
}

impl Github {
    /// Prepares the keys; secrets are used as they are.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        Ok(Self { keys: Keys::as_written(HMAC_SHA256, secrets)? })
    }

    /// Judges one request.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refusal> {
        let text = signature_in(headers, &SIGNATURE)?;
        let candidate = text
            .strip_prefix(PREFIX)
            .and_then(|digits| Candidate::decode(&HEXLOWER_PERMISSIVE, digits))
            .ok_or(Refusal::MalformedSignature)?;
        self.keys.verify(&[candidate], &std::iter::once(body))?;
        Ok(Verified::InTime)
    }
}
