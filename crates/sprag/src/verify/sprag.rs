//! `sprag`: the deliveries of another Sprag, so that gateways can be chained.
//!
//! `webhook-signature` covers id, time and body; `sprag-signature` (rule C3) covers every other
//! `sprag-*` header. The id ends in the sequence, which has to be that of `sprag-sequence`: place
//! in the order, body and headers are bound to each other.

use super::signature::{signed_headers, sprag_text};
use super::signature_list::ListKeys;
use super::standard_webhooks::{STANDARD, Stamp};
use super::{Refusal, SecretProblem, Verified, only_value, signature_in, within};
use crate::secret::Secret;
use http::{HeaderMap, HeaderName};

/// The signature over the `sprag-*` headers.
pub const SIGNATURE: HeaderName = HeaderName::from_static("sprag-signature");
/// The sequence of the event in its key.
pub const SEQUENCE: HeaderName = HeaderName::from_static("sprag-sequence");
/// What the names of all headers under the signature begin with.
pub(super) const PREFIX: &str = "sprag-";

/// The verifier of deliveries of another Sprag.
#[derive(Debug)]
pub struct Sprag {
    keys: ListKeys,
    tolerance_us: i64,
}

impl Sprag {
    /// Prepares the secrets of the destination that delivers here.
    pub fn new(secrets: &[Secret], tolerance_us: i64) -> Result<Self, SecretProblem> {
        Ok(Self { keys: ListKeys::new(secrets)?, tolerance_us })
    }

    /// Judges one request; `now_us` in microseconds since 1970.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let stamp = Stamp::read(STANDARD, headers)?;
        let pieces = [stamp.id, b".", stamp.timestamp, b".", body];
        self.keys.verify(stamp.signatures, &pieces.into_iter())?;
        self.verify_headers(&stamp, headers)?;
        let sequence = only_value(
            headers,
            &SEQUENCE,
            Refusal::MissingSignedSequence,
            Refusal::MalformedSignedSequence,
        )?;
        if stamp.id.rsplit(|byte| *byte == b':').next() != Some(sequence) {
            return Err(Refusal::MalformedSignedSequence);
        }
        Ok(within(now_us, stamp.signed_us, self.tolerance_us))
    }

    /// Rule C3.
    fn verify_headers(&self, stamp: &Stamp<'_>, headers: &HeaderMap) -> Result<(), Refusal> {
        let list = signature_in(headers, &SIGNATURE)?;
        let all = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let signed = signed_headers(all);
        // A header that is sent twice has no one value that could be read.
        if signed.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Refusal::MalformedSignature);
        }
        let text = sprag_text(stamp.id, stamp.timestamp, &signed);
        self.keys.verify(list, &std::iter::once(&text[..]))
    }
}
