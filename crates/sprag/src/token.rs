//! A bearer token that requests must bring: of the admin API, of a destination's consumers.
//!
//! Digests are compared, in constant time, so that timing tells neither content nor length. Must not
//! know what the token opens.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::problem::Code;
use crate::secret::Secret;

/// The digest of a token.
#[derive(Clone)]
pub struct Token(Digest);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl Token {
    /// A token that requests must bring.
    #[must_use]
    pub fn new(token: &Secret) -> Self {
        Self(digest(&SHA256, token.expose()))
    }

    /// Judges the one `Authorization: Bearer` header of a request.
    ///
    /// # Errors
    /// When there is none, or it brings another token.
    pub fn judge(&self, headers: &HeaderMap) -> Result<(), Code> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Code::MissingToken)?;
        let (scheme, token) = value.as_bytes().split_at_checked(7).ok_or(Code::TokenMismatch)?;
        if values.next().is_some() || !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(Code::TokenMismatch);
        }
        let given = digest(&SHA256, token.trim_ascii());
        let same = verify_slices_are_equal(self.0.as_ref(), given.as_ref()).is_ok();
        if same { Ok(()) } else { Err(Code::TokenMismatch) }
    }
}
