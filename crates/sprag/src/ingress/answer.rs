//! Answers to providers (DESIGN section 5): 200 with what the event became, or a problem.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use sprag_core::output::{Answer, Busy, Rejection, Status};

use crate::fate::AtIngress;
use crate::problem::{self, Code, Problem};

/// Seconds after which a busy or unavailable answer suggests to try again.
const TRY_AGAIN_S: u64 = 1;

/// The node's answer as a response, or as the problem it is.
///
/// # Errors
/// Everything that is not durable.
pub(super) fn of(answer: &Answer, key: &str) -> Result<Response<Full<Bytes>>, Problem> {
    let mut json = String::with_capacity(96 + key.len());
    push_event(&mut json, answer, key)?;
    Ok(accepted(json))
}

/// One answer for the events of one request, `{"events": [...]}` in their order.
///
/// # Errors
/// When one of them is not durable. The others are: sent again, they are recognised.
pub(super) fn of_several<'a>(
    answers: impl Iterator<Item = (&'a Answer, &'a str)>,
) -> Result<Response<Full<Bytes>>, Problem> {
    let mut json = String::from("{\"events\":[");
    for (number, (answer, key)) in answers.enumerate() {
        if number > 0 {
            json.push(',');
        }
        push_event(&mut json, answer, key)?;
    }
    json.push_str("]}");
    Ok(accepted(json))
}

fn push_event(json: &mut String, answer: &Answer, key: &str) -> Result<(), Problem> {
    match answer {
        Answer::Event { status, event, sequence } => {
            let id = event.as_ref().map(ToString::to_string);
            push_accepted(json, *status, id.as_deref(), key, sequence.map(|sequence| sequence.0));
            Ok(())
        }
        Answer::Busy(busy @ Busy::Rate { retry_after }) => {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            Err(Problem::new((*busy).into()).retry_after(seconds.max(TRY_AGAIN_S)))
        }
        Answer::Busy(busy) => Err(later((*busy).into())),
        Answer::Rejected(Rejection::OutsideTolerance) => {
            Err(Problem::new(Code::TimestampOutsideTolerance))
        }
        Answer::Rejected(_) | Answer::Done | Answer::Settled => Err(Problem::new(Code::Internal)),
        Answer::Unavailable => Err(later(Code::NotDurable)),
    }
}

pub(crate) fn later(code: Code) -> Problem {
    Problem::new(code).retry_after(TRY_AGAIN_S)
}

/// `{"status", "id"?, "key", "sequence"?}`; every value is plain or encoded, so nothing needs
/// escaping but what the key's encoding leaves, which is nothing either.
fn push_accepted(
    json: &mut String,
    status: Status,
    id: Option<&str>,
    key: &str,
    sequence: Option<u64>,
) {
    json.push_str("{\"status\":\"");
    json.push_str(AtIngress::from(status).as_str());
    if let Some(id) = id {
        json.push_str("\",\"id\":\"");
        json.push_str(id);
    }
    json.push_str("\",\"key\":\"");
    json.push_str(key);
    json.push('"');
    if let Some(sequence) = sequence {
        json.push_str(",\"sequence\":");
        json.push_str(&sequence.to_string());
    }
    json.push('}');
}

fn accepted(json: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A problem as a response.
pub(crate) fn problem(problem: &Problem) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(problem.document())));
    *response.status_mut() =
        StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// 405 of a source, with what it takes.
pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = problem(&Problem::new(Code::MethodNotAllowed));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
