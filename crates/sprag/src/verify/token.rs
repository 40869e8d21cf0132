//! `token`: a header equals one of the secrets.
//!
//! Only SHA-256 digests of the tokens are kept and compared, in constant time, so that neither
//! content nor length of a token leaks through timing.

use super::{Refusal, SecretProblem, Verified, only_value};
use crate::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

/// The verifier of a source that sends a static token.
pub struct Token {
    header: HeaderName,
    digests: Vec<Digest>,
}

impl Token {
    /// Keeps the digests of the secrets.
    pub fn new(header: HeaderName, secrets: &[Secret]) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Err(SecretProblem::Absent);
        }
        if secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err(SecretProblem::Empty);
        }
        let carried = |secret: &Secret| http::HeaderValue::from_bytes(secret.expose()).is_ok();
        if !secrets.iter().all(carried) {
            return Err(SecretProblem::NotAHeaderValue);
        }
        let digests = secrets.iter().map(|secret| digest(&SHA256, secret.expose())).collect();
        Ok(Self { header, digests })
    }

    /// Judges one request by its header alone: a token says nothing about the body.
    pub fn verify(&self, headers: &HeaderMap) -> Result<Verified, Refusal> {
        let value =
            only_value(headers, &self.header, Refusal::MissingToken, Refusal::TokenMismatch)?;
        let given = digest(&SHA256, self.without_bearer(value));
        let equals =
            |known: &Digest| verify_slices_are_equal(known.as_ref(), given.as_ref()).is_ok();
        if self.digests.iter().any(equals) {
            Ok(Verified::InTime)
        } else {
            Err(Refusal::TokenMismatch)
        }
    }

    /// `authorization` may name the scheme (RFC 6750, case-insensitive); other headers are exact.
    fn without_bearer<'a>(&self, value: &'a [u8]) -> &'a [u8] {
        match value.split_at_checked(7) {
            Some((scheme, token))
                if self.header == AUTHORIZATION && scheme.eq_ignore_ascii_case(b"bearer ") =>
            {
                token.trim_ascii_start()
            }
            _ => value,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Token({}, {})", self.header, self.digests.len())
    }
}
