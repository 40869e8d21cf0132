//! Who may use `/v1`: whoever has the token.
//!
//! Digests are compared, in constant time, so that timing tells neither content nor length.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::state::AdminState;
use crate::problem::{Code, Problem};
use crate::secret::Secret;

/// The digest of the token.
pub(super) struct Token(Digest);

impl Token {
    pub(super) fn new(token: &Secret) -> Self {
        Self(digest(&SHA256, token.expose()))
    }

    fn judge(&self, request: &Request) -> Result<(), Code> {
        let mut values = request.headers().get_all(AUTHORIZATION).iter();
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

/// Lets a request with the token through.
pub(super) async fn require_token(
    State(state): State<AdminState>,
    request: Request,
    next: Next,
) -> Response {
    let Err(code) = state.token().judge(&request) else { return next.run(request).await };
    let mut response = Problem::new(code).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
