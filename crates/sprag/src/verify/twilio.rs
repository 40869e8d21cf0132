//! `twilio`: `X-Twilio-Signature: <base64>`, HMAC-SHA1 with the auth token over the URL with its
//! query, then name and value of every form field, sorted by name. A body that is no form is
//! bound by `bodySHA256=<hex>` in the query instead. No time is signed.

use super::mac::{Candidate, Keys};
use super::public_url::PublicUrl;
use super::{Refusal, SecretProblem, Verified, signature_in};
use crate::extract::form;
use crate::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use http::{HeaderMap, HeaderName};

/// The signature header.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
/// The query parameter with the digest of a body that is no form.
const BODY_DIGEST: &str = "bodySHA256";

/// The verifier of a Twilio webhook.
#[derive(Debug)]
pub struct Twilio {
    public_url: PublicUrl,
    keys: Keys,
}

impl Twilio {
    /// Prepares the keys; secrets are auth tokens, used as they are.
    pub fn new(public_url: PublicUrl, secrets: &[Secret]) -> Result<Self, SecretProblem> {
        let keys = Keys::as_written(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secrets)?;
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
        let fields = signed_fields(query, body)?;
        // Which of both forms Twilio signed depends on its product; the library tries them too.
        let urls = self.public_url.with_and_without_port(query);
        let matches = |url: &String| {
            let url = std::iter::once(url.as_bytes());
            self.keys.verify(&[candidate], &url.chain(fields.iter().map(Vec::as_slice))).is_ok()
        };
        if urls.iter().any(matches) {
            Ok(Verified::InTime)
        } else {
            Err(Refusal::SignatureMismatch)
        }
    }
}

/// What follows the URL in the signed text: names and values in turn, or nothing where the query
/// binds the body.
pub(super) fn signed_fields(query: &str, body: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    match form::field(query.as_bytes(), BODY_DIGEST) {
        Ok(digits) => {
            let claimed = HEXLOWER_PERMISSIVE.decode(&digits).unwrap_or_default();
            let actual = digest(&SHA256, body);
            match verify_slices_are_equal(&claimed, actual.as_ref()) {
                Ok(()) => Ok(Vec::new()),
                Err(_) => Err(Refusal::SignatureMismatch),
            }
        }
        Err(_) => {
            let mut fields = form::fields(body);
            fields.sort_unstable();
            // A field that is sent twice with one value is signed once.
            fields.dedup();
            Ok(fields.into_iter().flat_map(|(name, value)| [name, value]).collect())
        }
    }
}
