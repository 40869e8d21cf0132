//! `stripe`: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA256 over
//! `{t}.{body}` with the whole secret as key, `whsec_` included. Other schemes of the list, such
//! as `v0`, are skipped.

use super::mac::{Candidate, Keys};
use super::timestamp::TimestampUnit;
use super::{Refusal, SecretProblem, Verified, signature_in, within};
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::{HeaderMap, HeaderName};

/// The header with time and signatures.
pub const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// The verifier of a Stripe webhook.
#[derive(Debug)]
pub struct Stripe {
    keys: Keys,
    tolerance_us: i64,
}

impl Stripe {
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
        let timestamp = timestamp(text)?;
        let signed_us =
            TimestampUnit::Seconds.read_us(timestamp).ok_or(Refusal::MalformedTimestamp)?;
        let candidates: Vec<Candidate> = elements(text)
            .filter_map(|element| element.strip_prefix(b"v1="))
            .filter_map(|digits| Candidate::decode(&HEXLOWER_PERMISSIVE, digits))
            .collect();
        if candidates.is_empty() {
            return Err(Refusal::MalformedSignature);
        }
        self.keys.verify(&candidates, &[timestamp, b".", body].into_iter())?;
        Ok(within(now_us, signed_us, self.tolerance_us))
    }
}

/// The only `t=` of the list: two of them would leave open which one is signed.
fn timestamp(text: &[u8]) -> Result<&[u8], Refusal> {
    let mut times = elements(text).filter_map(|element| element.strip_prefix(b"t="));
    let timestamp = times.next().ok_or(Refusal::MissingTimestamp)?;
    if times.next().is_some() { Err(Refusal::MalformedTimestamp) } else { Ok(timestamp) }
}

fn elements(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // One for the time.
    text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).take(limits::SIGNATURES + 1)
}
