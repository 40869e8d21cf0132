//! `shopify`: `X-Shopify-Hmac-Sha256: <base64>` of webhooks and `shopify-hmac-sha256` of Events,
//! HMAC-SHA256 over the raw body with the app's client secret. No time and no header is signed.

use super::mac::{Candidate, Keys};
use super::{Refusal, SecretProblem, Verified, signature_in};
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};

/// The signature header of webhooks.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-shopify-hmac-sha256");
/// The signature header of Events.
pub const EVENTS_SIGNATURE: HeaderName = HeaderName::from_static("shopify-hmac-sha256");

/// The verifier of a Shopify webhook.
#[derive(Debug)]
pub struct Shopify {
    keys: Keys,
}

impl Shopify {
    /// Prepares the keys; secrets are used as they are.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        Ok(Self { keys: Keys::as_written(HMAC_SHA256, secrets)? })
    }

    /// Judges one request. A request of both families is refused: Shopify sends one.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refusal> {
        let name = match (headers.contains_key(&SIGNATURE), headers.contains_key(&EVENTS_SIGNATURE))
        {
            (true, true) => return Err(Refusal::MalformedSignature),
            (false, true) => EVENTS_SIGNATURE,
            (true | false, false) => SIGNATURE,
        };
        let text = signature_in(headers, &name)?;
        let candidate = Candidate::decode(&BASE64, text).ok_or(Refusal::MalformedSignature)?;
        self.keys.verify(&[candidate], &std::iter::once(body))?;
        Ok(Verified::InTime)
    }
}
