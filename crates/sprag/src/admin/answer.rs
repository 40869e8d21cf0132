//! Answers: JSON, pages, problem documents.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sprag_core::time::UnixMicros;
use utoipa::ToSchema;

use super::limits;
use crate::problem::{self, Code, Problem};

/// What every handler answers.
pub(super) type Answered<T> = Result<Json<T>, Problem>;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// What a command answers once it is durable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    done: bool,
}

/// The command is durable.
pub(super) fn done() -> Answered<Done> {
    Ok(Json(Done { done: true }))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.document()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(super) async fn unknown_path() -> Problem {
    Problem::new(Code::UnknownPath)
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed)
}

/// No request takes longer than it may.
pub(super) async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(limits::REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::NotReady).retry_after(1).into_response(),
    }
}

/// A time in RFC 3339; absent when it lies beyond the year 9999.
pub(super) fn time(micros: UnixMicros) -> Option<String> {
    let micros = i64::try_from(micros.0).ok()?;
    jiff::Timestamp::from_microsecond(micros).ok().map(|time| time.to_string())
}
