//! A list of signatures as Standard Webhooks writes it, `v1,<base64> v1a,<base64>`, against the
//! keys of a source: HMAC-SHA256 for `v1`, Ed25519 for `v1a`. Unknown versions are skipped.

use super::ed25519::{PublicKeys, is_key};
use super::mac::{Candidate, Keys};
use super::standard_webhooks::decode_secret;
use super::{Refusal, SecretProblem};
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::hmac::HMAC_SHA256;
use data_encoding::BASE64;

/// The keys of a source whose signatures come in such lists.
#[derive(Debug)]
pub(super) struct ListKeys {
    /// Absent when all keys are public ones.
    symmetric: Option<Keys>,
    public: PublicKeys,
}

impl ListKeys {
    /// Prepares `whsec_` secrets (or bare base64) and `whpk_` public keys.
    pub(super) fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Err(SecretProblem::Absent);
        }
        let public = PublicKeys::new(secrets.iter().filter(|secret| is_key(secret)))?;
        let shared: Vec<Secret> =
            secrets.iter().filter(|secret| !is_key(secret)).cloned().collect();
        let symmetric = match shared.as_slice() {
            [] => None,
            shared => Some(Keys::new(HMAC_SHA256, shared, decode_secret)?),
        };
        Ok(Self { symmetric, public })
    }

    /// Any signature of the list is one of any key over the joined pieces.
    pub(super) fn verify<'a>(
        &self,
        list: &[u8],
        pieces: &(impl Iterator<Item = &'a [u8]> + Clone),
    ) -> Result<(), Refusal> {
        let (shared, public) = self.candidates(list);
        if shared.is_empty() && public.is_empty() {
            return Err(Refusal::MalformedSignature);
        }
        let is_shared = || match &self.symmetric {
            Some(keys) => keys.verify(&shared, pieces).is_ok(),
            None => false,
        };
        if is_shared() || self.public.verify(&public, pieces.clone()) {
            Ok(())
        } else {
            Err(Refusal::SignatureMismatch)
        }
    }

    /// The signatures that keys of this source could have made: `v1` and `v1a`.
    fn candidates(&self, list: &[u8]) -> (Vec<Candidate>, Vec<Candidate>) {
        let (mut shared, mut public) = (Vec::new(), Vec::new());
        for one in list.split(|byte| *byte == b' ').take(limits::SIGNATURES) {
            let (candidates, base64) = match (one.strip_prefix(b"v1,"), one.strip_prefix(b"v1a,")) {
                (Some(base64), _) if self.symmetric.is_some() => (&mut shared, base64),
                (_, Some(base64)) if !self.public.is_empty() => (&mut public, base64),
                _ => continue,
            };
            candidates.extend(Candidate::decode(&BASE64, base64));
        }
        (shared, public)
    }
}
