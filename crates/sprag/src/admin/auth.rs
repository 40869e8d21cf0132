//! Who may use `/v1`: whoever has the token.

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::WWW_AUTHENTICATE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::state::AdminState;
use crate::problem::Problem;

/// Lets a request with the token through.
pub(super) async fn require_token(
    State(state): State<AdminState>,
    request: Request,
    next: Next,
) -> Response {
    let judged = state.current().1.judge(request.headers());
    let Err(code) = judged else { return next.run(request).await };
    let mut response = Problem::new(code).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
