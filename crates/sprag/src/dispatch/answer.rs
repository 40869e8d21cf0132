//! What a consumer's answer says: the head decides, the rest is read only to keep the connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::limits;
use sprag_core::time::UnixMicros;

/// Reads an answer's body to its end, at most [`limits::ANSWER_BYTES`]; says whether the
/// connection can carry another request.
pub(super) async fn drain(mut body: Incoming) -> bool {
    let mut left = limits::ANSWER_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let read = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// `Retry-After` as seconds or as a date (RFC 9110 section 10.2.3); none when absent, malformed or
/// past.
pub(crate) fn retry_after(headers: &HeaderMap, now: UnixMicros) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let until = until.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    until.checked_sub(Duration::from_micros(now.0))
}

/// The reason of `sprag-drop`: what is no text is told as such, an empty one is one too.
pub(super) fn dropped(headers: &HeaderMap) -> Option<Arc<str>> {
    let value = headers.get("sprag-drop")?;
    Some(Arc::from(String::from_utf8_lossy(value.as_bytes()).trim()))
}

/// How many events of a range are acknowledged, by `sprag-acknowledged`; none when it is absent. What
/// is no number acknowledges nothing: sending again is harmless, losing is not.
pub(super) fn acknowledged(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get("sprag-acknowledged")?;
    Some(value.to_str().ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &'static str) -> Option<Duration> {
        let headers = [(http::header::RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
        retry_after(&headers, UnixMicros(1_700_000_000_000_000))
    }

    #[test]
    fn reads_seconds_and_dates() {
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse("Tue, 14 Nov 2023 22:14:20 GMT"), Some(Duration::from_secs(60)));
    }

    #[test]
    fn ignores_what_is_past_or_means_nothing() {
        for value in ["-1", "soon", "", "Tue, 14 Nov 2023 22:00:00 GMT", "99999999999999999999"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
