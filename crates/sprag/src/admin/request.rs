//! What a request names: segments of its path, parameters, a JSON body. Faults are problems.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use sprag_core::time::UnixMicros;

use super::limits;
use crate::problem::{Code, Problem};

/// Segments of the path, percent-decoded once.
pub(super) struct Segments<T>(pub(super) T);

/// Parameters of the query.
pub(super) struct Parameters<T>(pub(super) T);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for Segments<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let fault =
            |fault: PathRejection| Problem::new(Code::UnknownPath).with_detail(fault.body_text());
        read.map(|Path(segments)| Self(segments)).map_err(fault)
    }
}

impl<T, S> FromRequestParts<S> for Parameters<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let fault = |fault: QueryRejection| {
            Problem::new(Code::InvalidParameter).with_detail(plain(&fault.body_text()))
        };
        read.map(|Query(parameters)| Self(parameters)).map_err(fault)
    }
}

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = axum::Json::<T>::from_request(request, state).await;
        read.map(|axum::Json(body)| Self(body)).map_err(|fault| body_fault(&fault))
    }
}

fn body_fault(fault: &JsonRejection) -> Problem {
    let code = match fault {
        JsonRejection::JsonDataError(_) => Code::InvalidParameter,
        JsonRejection::JsonSyntaxError(_) => Code::UnreadableJson,
        JsonRejection::MissingJsonContentType(_) => Code::UnsupportedContentType,
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        _ => Code::UnreadableRequest,
    };
    Problem::new(code).with_detail(plain(&fault.body_text()))
}

/// What is wrong, without the words of the library in front of it.
fn plain(text: &str) -> &str {
    const BEFORE: [&str; 3] = [
        "Failed to deserialize query string: ",
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to parse the request body as JSON: ",
    ];
    BEFORE.iter().find_map(|before| text.strip_prefix(before)).unwrap_or(text)
}

/// How many things a page has.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(limits::PAGE) {
        size @ 1..=limits::PAGE_MOST => Ok(size),
        _ => Err(Problem::new(Code::InvalidParameter)
            .with_detail(format!("limit is 1 to {}", limits::PAGE_MOST))),
    }
}

/// A parameter or member that cannot be.
pub(super) fn invalid(why: String) -> Problem {
    Problem::new(Code::InvalidParameter).with_detail(why)
}

/// A time: RFC 3339, with its zone.
pub(super) fn moment(name: &str, text: &str) -> Result<UnixMicros, Problem> {
    let read = text.parse::<jiff::Timestamp>().ok();
    let micros = read.and_then(|time| u64::try_from(time.as_microsecond()).ok());
    micros.map(UnixMicros).ok_or_else(|| {
        invalid(format!("{name} is a time such as 2026-11-25T21:35:00Z, from 1970 on"))
    })
}
