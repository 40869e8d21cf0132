//! `basic`: HTTP Basic authentication (RFC 7617). A secret is `user:password`.
//!
//! As with `token` only SHA-256 digests are kept and compared, in constant time.

use super::{Refusal, SecretProblem, Verified, only_value};
use crate::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What precedes the credentials; compared without case (RFC 9110, section 11.1).
const SCHEME: &[u8] = b"basic ";

/// The verifier of a source that sends user and password.
pub struct Basic {
    digests: Vec<Digest>,
}

impl Basic {
    /// Keeps the digests of the secrets.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Err(SecretProblem::Absent);
        }
        let names_a_user = |secret: &Secret| secret.expose().contains(&b':');
        if !secrets.iter().all(names_a_user) {
            return Err(SecretProblem::NotUserAndPassword);
        }
        Ok(Self { digests: secrets.iter().map(|one| digest(&SHA256, one.expose())).collect() })
    }

    /// Judges one request by its header alone.
    pub fn verify(&self, headers: &HeaderMap) -> Result<Verified, Refusal> {
        let value =
            only_value(headers, &AUTHORIZATION, Refusal::MissingToken, Refusal::TokenMismatch)?;
        let given = digest(&SHA256, &credentials(value).ok_or(Refusal::TokenMismatch)?);
        let equals =
            |known: &Digest| verify_slices_are_equal(known.as_ref(), given.as_ref()).is_ok();
        if self.digests.iter().any(equals) {
            Ok(Verified::InTime)
        } else {
            Err(Refusal::TokenMismatch)
        }
    }
}

/// `user:password` out of `Basic <base64>`.
fn credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, base64) = value.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    BASE64.decode(base64.trim_ascii()).ok()
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Basic({})", self.digests.len())
    }
}
