//! `square`: `x-square-hmacsha256-signature: <base64>`, HMAC-SHA256 over the notification URL as
//! registered, then the raw body, with the signature key. No time is signed.

use super::mac::{Candidate, Keys};
use super::public_url::PublicUrl;
use super::{Refusal, SecretProblem, Verified, signature_in};
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};

/// The signature header.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-square-hmacsha256-signature");

/// The verifier of a Square webhook.
#[derive(Debug)]
pub struct Square {
    public_url: PublicUrl,
    keys: Keys,
}

impl Square {
    /// Prepares the keys; secrets are used as they are.
    pub fn new(public_url: PublicUrl, secrets: &[Secret]) -> Result<Self, SecretProblem> {
        let keys = Keys::as_written(HMAC_SHA256, secrets)?;
        Ok(Self { public_url, keys })
    }

    /// Judges one request; `query` without `?`.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        query: &str,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let text = signature_in(headers, &SIGNATURE)?;
        let candidate = Candidate::decode(&BASE64, text).ok_or(Refusal::MalformedSignature)?;
        let url = self.public_url.with_query(query);
        self.keys.verify(&[candidate], &[url.as_bytes(), body].into_iter())?;
        Ok(Verified::InTime)
    }
}
