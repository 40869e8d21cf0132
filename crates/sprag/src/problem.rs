//! Refusals as problem documents (RFC 9457) with a stable `code` from one published list.
//!
//! The list is the source of docs/reference/problems.md. It must not know HTTP servers: a problem
//! is a status, a text and what to say about trying again.

use crate::extract::{ExtractError, Subject};
use crate::fate::AtIngress;
use crate::verify::Refusal;
use serde_json::{Map, Value};
use sprag_core::id::Hash;
use sprag_core::output::{Busy, Rejection};

/// The content type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $status:literal, $code:literal, $title:literal;)+) => {
        /// Every reason to refuse a request, with the code that never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Code {
            /// All codes in the order of the published list.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As documents, facts and metrics have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// One short sentence, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// When it occurs and what to do, for the published list.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+),)+ }
            }
        }
    };
}

codes! {
    /// The request ended before its body was complete, or its framing is broken. Send it again.
    UnreadableRequest = 400, "unreadable-request", "The request cannot be read";
    /// The body is not JSON although a value of this source is read from it. The detail names the byte.
    UnreadableJson = 400, "unreadable-json", "The body is not JSON";
    /// An `OPTIONS` asks whether it may post and does not say who asks: `WebHook-Request-Origin` is absent.
    MissingOrigin = 400, "missing-origin", "The origin is missing";
    /// A query parameter of the admin API, or of a request for events, is unknown or has a value that cannot be used.
    InvalidParameter = 400, "invalid-parameter", "A parameter cannot be used";
    /// The header with the signature is absent.
    MissingSignature = 401, "missing-signature", "The signature is missing";
    /// The header holds no signature of the form this source is configured for, or occurs twice.
    MalformedSignature = 401, "malformed-signature", "The signature has no known form";
    /// No signature in the header matches any secret: another secret, or an altered request.
    SignatureMismatch = 401, "signature-mismatch", "The signature does not match";
    /// The header with the signed time is absent.
    MissingTimestamp = 401, "missing-timestamp", "The signed time is missing";
    /// The signed time is not written as this source is configured for. A time without a zone is refused.
    MalformedTimestamp = 401, "malformed-timestamp", "The signed time cannot be read";
    /// The signature is valid, but its time is outside of `tolerance` and the id is unknown. Check both clocks; sign again for every attempt.
    TimestampOutsideTolerance = 401, "timestamp-outside-tolerance", "The signed time is too far from now";
    /// The header with the signed id is absent.
    MissingSignedId = 401, "missing-signed-id", "The signed id is missing";
    /// The signed id is empty, too long, occurs twice, or holds the separator that follows it in the signed text, or behind the body the one before it.
    MalformedSignedId = 401, "malformed-signed-id", "The signed id cannot be used";
    /// The header with the signed sequence is absent.
    MissingSignedSequence = 401, "missing-signed-sequence", "The signed sequence is missing";
    /// The signed sequence is empty, too long, occurs twice, or holds the separator that follows it in the signed text, or behind the body the one before it.
    MalformedSignedSequence = 401, "malformed-signed-sequence", "The signed sequence cannot be used";
    /// The header with the token is absent.
    MissingToken = 401, "missing-token", "The token is missing";
    /// The token is none that is known here.
    TokenMismatch = 401, "token-mismatch", "The token is not known";
    /// No source has the name in the path.
    UnknownSource = 404, "unknown-source", "There is no such source";
    /// No destination has the name in the path.
    UnknownDestination = 404, "unknown-destination", "There is no such destination";
    /// The source never received an event with this key, or the key was forgotten for good (`forget_after`, `limits.forgotten`).
    UnknownKey = 404, "unknown-key", "There is no such key";
    /// The key has no lane to this destination: it never took an event of it.
    UnknownLane = 404, "unknown-lane", "There is no such lane";
    /// No event has this id.
    UnknownEvent = 404, "unknown-event", "There is no such event";
    /// Nothing is at this path.
    UnknownPath = 404, "unknown-path", "There is nothing at this path";
    /// The path exists for other methods; `Allow` names them. Events are posted.
    MethodNotAllowed = 405, "method-not-allowed", "This method is not available here";
    /// Head and body did not arrive within `limits.request_time`.
    RequestTimeout = 408, "request-timeout", "The request took too long to arrive";
    /// The lane delivers, so there is nothing to redrive in order.
    LaneNotStopped = 409, "lane-not-stopped", "The lane has not stopped";
    /// The key does not wait for these positions: for others, or for none, or it says nothing of positions that are numbers.
    NoGap = 409, "no-gap", "There is no gap to give up";
    /// The event is no dead letter: it is delivered, still waits, or left the list because that was full.
    NotADeadLetter = 409, "not-a-dead-letter", "The event is no dead letter";
    /// The dead letter is on its way again. Wait for what comes of it.
    AlreadyRedriven = 409, "already-redriven", "The dead letter is already redriven";
    /// As many passed events of the lane as it allows are on their way again. Wait for some of them.
    TooManyRedriven = 409, "too-many-redriven", "Too many dead letters of this lane are redriven";
    /// The consumer does not have the event now: it was not sent yet, its wait is over and another try is due, or its lane has stopped. It is sent again; acknowledge it then.
    EventNotWaiting = 409, "event-not-waiting", "The event waits for no acknowledgement";
    /// The destination acknowledges with its answers; `ack = "explicit"` makes 202 wait for a request of its own.
    AckNotExplicit = 409, "ack-not-explicit", "This destination acknowledges with its answers";
    /// The lane is not at rest: an attempt is under way or waits for its acknowledgement, a range of events is being tried, or it sends history again already. Ask again; a paused destination is at rest.
    LaneBusy = 409, "lane-busy", "The lane is not at rest";
    /// The lane has stopped at an event that was given up. Redrive or drop it first.
    LaneStopped = 409, "lane-stopped", "The lane has stopped";
    /// The lane has settled none of these events, or the key released none in this time.
    NothingToReplay = 409, "nothing-to-replay", "There is nothing to send again";
    /// The source is `unordered`: its lanes cannot be set back. Its dead letters are redriven one by one.
    SourceUnordered = 409, "source-unordered", "The events of this source have no order";
    /// One backup is made at a time. Wait for the one that is under way.
    BackupUnderWay = 409, "backup-under-way", "A backup is under way";
    /// The body of the event is older than `retention.bodies`, nothing waited for it, and it was deleted: it cannot be read or sent again. What history says of the event is still there.
    BodyGone = 410, "body-gone", "The body is no longer kept";
    /// What history said of this event is older than `retention.facts` and was deleted.
    HistoryGone = 410, "history-gone", "This history is no longer kept";
    /// The body is larger than the source's `max_body`.
    BodyTooLarge = 413, "body-too-large", "The body is too large";
    /// Values are read from a JSON or form body, and the content type is another one.
    UnsupportedContentType = 415, "unsupported-content-type", "This content type is not accepted";
    /// Bodies are kept byte for byte as signed, so a content encoding is not undone.
    UnsupportedContentEncoding = 415, "unsupported-content-encoding", "Content encodings are not accepted";
    /// The id is missing or not usable. The detail names its place and the reason.
    InvalidId = 422, "invalid-id", "The event has no usable id";
    /// The key is missing or not usable (null, empty, a float, a boolean, an object, an array, more than 200 bytes encoded, a duplicate member on its path). The detail names its place and the reason.
    InvalidKey = 422, "invalid-key", "The event has no usable key";
    /// The key of another resource that the event refers to (`depends_on`) is not usable: a float, a boolean, an object, an array, more than 200 bytes encoded, a duplicate member on its path. The detail names its place and the reason.
    InvalidDependency = 422, "invalid-dependency", "The event refers to a resource by no usable key";
    /// The type is missing or not usable. The detail names its place and the reason.
    InvalidType = 422, "invalid-type", "The event has no usable type";
    /// The position is missing, not a number of 0 to 2^64-1, or not a time of the declared unit with a zone. The detail names its place and the reason.
    InvalidPosition = 422, "invalid-position", "The event has no usable position";
    /// The source takes several events from one request (`split`), and there is no array of them, or it has more than 1,000 elements. The detail names its place and the reason.
    InvalidEvents = 422, "invalid-events", "There is no usable list of events";
    /// A `rate` of the source, or `limits.partition_rate`, is used up; `Retry-After` says for how long.
    RateExceeded = 429, "rate-exceeded", "More events come in than are allowed";
    /// As many events of this key are held as `limits.key_backlog` allows. Other keys are not affected.
    KeyBacklogFull = 429, "key-backlog-full", "Too many events of this key are waiting";
    /// As many pages of events as a destination's consumers may ask for at once are being read or sent. Read those to their end first.
    TooManyReads = 429, "too-many-reads", "Too many pages are being read";
    /// More keys are active at once than fit in memory (`limits.hot_keys`).
    TooManyKeys = 429, "too-many-keys", "Too many keys are active";
    /// A fault of Sprag itself. It is logged; nothing was recorded.
    Internal = 500, "internal", "Something went wrong here";
    /// The event could not be made durable, or not before the deadline of the request. Send it again; if it was recorded after all, the repeat is recognised.
    NotDurable = 503, "not-durable", "The event cannot be made durable now";
    /// Free disk space is below `limits.disk_reserve`.
    DiskReserve = 503, "disk-reserve", "There is too little disk space";
    /// Sprag is starting or shutting down.
    NotReady = 503, "not-ready", "Sprag is not ready";
    /// The key is being brought into memory and too many requests wait for it already. Send it again.
    KeyLoading = 503, "key-loading", "The key is being loaded";
}

impl Code {
    /// The `type` of the document. Nothing is to be fetched there; the list explains the code.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("urn:sprag:problem:{}", self.as_str())
    }
}

impl From<Refusal> for Code {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MissingSignature => Self::MissingSignature,
            Refusal::MalformedSignature => Self::MalformedSignature,
            Refusal::SignatureMismatch => Self::SignatureMismatch,
            Refusal::MissingTimestamp => Self::MissingTimestamp,
            Refusal::MalformedTimestamp => Self::MalformedTimestamp,
            Refusal::MissingSignedId => Self::MissingSignedId,
            Refusal::MalformedSignedId => Self::MalformedSignedId,
            Refusal::MissingSignedSequence => Self::MissingSignedSequence,
            Refusal::MalformedSignedSequence => Self::MalformedSignedSequence,
            Refusal::MissingToken => Self::MissingToken,
            Refusal::TokenMismatch => Self::TokenMismatch,
        }
    }
}

impl From<&ExtractError> for Code {
    fn from(error: &ExtractError) -> Self {
        match error {
            ExtractError::Unreadable(_) => Self::UnreadableJson,
            ExtractError::Invalid(invalid) => match invalid.subject {
                Subject::Id => Self::InvalidId,
                Subject::Key => Self::InvalidKey,
                Subject::Type => Self::InvalidType,
                Subject::Position => Self::InvalidPosition,
                Subject::Events => Self::InvalidEvents,
                Subject::DependsOn => Self::InvalidDependency,
            },
        }
    }
}

impl From<Busy> for Code {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::KeyBacklog => Self::KeyBacklogFull,
            Busy::Keys => Self::TooManyKeys,
            Busy::Loading => Self::KeyLoading,
            Busy::Rate { .. } => Self::RateExceeded,
        }
    }
}

impl From<Rejection> for Code {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::UnknownKey => Self::UnknownKey,
            Rejection::UnknownLane => Self::UnknownLane,
            Rejection::UnknownDestination => Self::UnknownDestination,
            Rejection::NotStopped => Self::LaneNotStopped,
            Rejection::NotPassed | Rejection::NotDroppable => Self::NotADeadLetter,
            Rejection::AlreadyRedriven => Self::AlreadyRedriven,
            Rejection::TooManyRedriven => Self::TooManyRedriven,
            Rejection::BodyGone => Self::BodyGone,
            Rejection::NotWaiting => Self::EventNotWaiting,
            Rejection::NotExplicit => Self::AckNotExplicit,
            Rejection::LaneBusy => Self::LaneBusy,
            Rejection::Stopped => Self::LaneStopped,
            Rejection::Unordered => Self::SourceUnordered,
            Rejection::NothingToReplay => Self::NothingToReplay,
            Rejection::NoGap => Self::NoGap,
            Rejection::UnknownEvent => Self::UnknownEvent,
            Rejection::OutsideTolerance => Self::TimestampOutsideTolerance,
        }
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Why.
    pub code: Code,
    /// What is particular about this occurrence.
    pub detail: Option<String>,
    /// Seconds for `Retry-After`.
    pub retry_after_s: Option<u64>,
    /// SHA-256 of the body it is about, once that was read: for history (DESIGN D7), not for whoever
    /// sent it.
    pub digest: Option<Hash>,
}

impl Problem {
    /// A refusal with nothing particular.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, detail: None, retry_after_s: None, digest: None }
    }

    /// About a request with this body.
    #[must_use]
    pub const fn of_body(mut self, digest: Hash) -> Self {
        self.digest = Some(digest);
        self
    }

    /// With what is particular. It must not hold secrets: it goes to whoever sent the request.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The document: `type`, `title`, `status`, `code` and, where there is one, `detail`.
    #[must_use]
    pub fn document(&self) -> String {
        let mut document = Map::new();
        document.insert("type".into(), self.code.type_uri().into());
        document.insert("title".into(), self.code.title().into());
        document.insert("status".into(), self.code.status().into());
        document.insert("code".into(), self.code.as_str().into());
        if let Some(detail) = &self.detail {
            document.insert("detail".into(), detail.as_str().into());
        }
        Value::Object(document).to_string()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.into())
    }
}

impl From<&ExtractError> for Problem {
    fn from(error: &ExtractError) -> Self {
        Self::new(error.into()).with_detail(error.to_string())
    }
}

const HEAD: &str = "# Problems\n\n\
Generated from the list the program answers with; change it there (`problem.rs`).\n\n\
Every refusal is an `application/problem+json` document (RFC 9457) with `type`, `title`, `status`, \
`code` and mostly `detail`. Codes never change their meaning. 429 and 503 carry `Retry-After`. \
Old, repeated and dead-lettered events are no refusals: they are answered 200 with their status, below.\n\n\
| status | code | title | when, and what to do |\n|---|---|---|---|\n";

const TAKEN: &str = "\n## What is answered 200\n\n\
Once an event is durable: `{\"status\":\"released\",\"id\":\"3-1042-7\",\"key\":\"cus_42\",\"sequence\":17}`, with its place in the \
log and, where it has one, its sequence. It need not be sent again, whatever its status. With `split` there is one such object for each \
event: `{\"events\":[…]}`.\n\n\
| status | what it is |\n|---|---|\n";

/// The text of docs/reference/problems.md.
#[must_use]
pub fn problems_markdown() -> String {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let (status, title, meaning) = (code.status(), code.title(), code.meaning().trim());
        page.push_str(&format!("| {status} | `{}` | {title} | {meaning} |\n", code.as_str()));
    }
    page.push_str(TAKEN);
    for status in AtIngress::ALL {
        page.push_str(&format!("| `{}` | {} |\n", status.as_str(), status.meaning()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_ordered_by_status() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(names.iter().all(|name| name.bytes().all(allowed)));
    }

    #[test]
    fn a_document_has_the_members_of_rfc_9457_and_the_code() {
        let problem = Problem::new(Code::InvalidKey).with_detail("the key at body:/\"k\" is null");
        let document: Value = serde_json::from_str(&problem.document()).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "urn:sprag:problem:invalid-key",
                "title": "The event has no usable key",
                "status": 422,
                "code": "invalid-key",
                "detail": "the key at body:/\"k\" is null",
            })
        );
        assert!(!Problem::new(Code::NotReady).document().contains("detail"));
    }

    #[test]
    fn the_page_has_a_row_for_every_code() {
        let page = problems_markdown();
        for code in Code::ALL {
            let row = format!("| {} | `{}` | {} |", code.status(), code.as_str(), code.title());
            assert!(page.contains(&row), "{row}");
        }
        assert!(!page.contains("||") && !page.contains("|  |"));
    }
}
