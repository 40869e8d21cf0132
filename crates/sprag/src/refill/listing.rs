//! The lists of providers: how they are paged, what a page says, and how they say that they are asked too often.
//!
//! Must not know: connections, and which of the events are wanted.

use std::time::Duration;

use http::header::LINK;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use sprag_core::time::UnixMicros;

use super::envelope::Envelope;
use super::link;
use crate::dispatch::answer;
use crate::extract::{Extractor, InstantUnit, Pointer};

const DAY: Duration = Duration::from_hours(24);

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// `GET /v1/events` of Stripe: its elements are the events.
    Stripe,
    /// The deliveries of a GitHub webhook: its elements name the events, and a request each tells what was posted.
    Github,
}

/// The words of the configuration.
pub const LIST_KINDS: [(&str, ListKind); 2] =
    [("stripe", ListKind::Stripe), ("github", ListKind::Github)];

/// An element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// What tells it from others, also where it is listed twice.
    pub id: String,
    /// When it came about, by the list; none where that cannot be read.
    pub at: Option<UnixMicros>,
    /// What is to be taken of it.
    pub what: What<'a>,
}

/// What is to be taken of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'a> {
    /// It is the event.
    Event(&'a [u8]),
    /// The event is told under this number.
    Told(u64),
    /// Nothing: it was delivered and acknowledged, so it is here.
    Acknowledged,
}

/// A page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<'a> {
    /// Its elements; one that is none is left out.
    pub listed: Vec<Listed<'a>>,
    /// The elements that are none.
    pub unreadable: usize,
    /// Path and query, or URL, of the next page; none on the last.
    pub next: Option<String>,
}

/// An event of Stripe, as far as a list is concerned.
#[derive(Debug, Deserialize)]
struct StripeEvent {
    id: String,
    created: Option<serde_json::Value>,
}

/// Whether there are more pages.
#[derive(Debug, Deserialize)]
struct StripeList {
    has_more: bool,
}

/// A delivery of GitHub.
#[derive(Debug, Deserialize)]
struct Delivery {
    id: u64,
    guid: String,
    delivered_at: Option<String>,
    status_code: Option<i64>,
}

impl ListKind {
    /// Its word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        LIST_KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// The list, where there is only one. Of Stripe's that of what was not delivered: what was is here.
    #[must_use]
    pub fn url(self) -> Option<&'static str> {
        match self {
            Self::Stripe => Some("https://api.stripe.com/v1/events?delivery_success=false"),
            Self::Github => None,
        }
    }

    /// For how long it lists an event.
    #[must_use]
    pub fn keeps(self) -> Duration {
        match self {
            Self::Stripe => 30 * DAY,
            Self::Github => 3 * DAY,
        }
    }

    /// Requests a second, unless configured: GitHub allows 5,000 an hour to all that has the token.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            Self::Stripe => 5,
            Self::Github => 1,
        }
    }

    /// The parameters that say which page it is.
    #[must_use]
    pub fn cursors(self) -> &'static [&'static str] {
        match self {
            Self::Stripe => &["starting_after", "ending_before"],
            Self::Github => &["cursor"],
        }
    }

    /// The first page, as long as the provider allows unless configured.
    #[must_use]
    pub fn first_page(self, target: &str) -> String {
        let size = match self {
            Self::Stripe => "limit",
            Self::Github => "per_page",
        };
        let says = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| name == size);
        match target.split_once('?') {
            Some((_, query)) if query.split('&').any(says) => target.to_owned(),
            Some((path, "")) => format!("{path}?{size}=100"),
            Some(_) => format!("{target}&{size}=100"),
            None => format!("{target}?{size}=100"),
        }
    }

    /// Where the elements of a page are.
    #[must_use]
    pub fn items(self) -> Option<Pointer> {
        match self {
            Self::Stripe => Pointer::parse("/data").ok(),
            Self::Github => Pointer::parse("").ok(),
        }
    }

    /// Where headers and body of an event are, where they are told; none: an element is the body.
    #[must_use]
    pub fn envelope(self) -> Option<Envelope> {
        let at = |text| Pointer::parse(text).ok();
        match self {
            Self::Stripe => None,
            Self::Github => Some(Envelope {
                headers: at("/request/headers"),
                body: at("/request/payload"),
                base64: None,
            }),
        }
    }

    /// Where an event is told, of a list whose first page is here.
    #[must_use]
    pub fn told_at(self, first_page: &str, number: u64) -> String {
        let path = first_page.split('?').next().unwrap_or_default();
        format!("{}/{number}", path.trim_end_matches('/'))
    }

    /// Reads a page. `first_page` is where the list begins.
    ///
    /// # Errors
    /// What is not as the provider documents.
    pub fn read<'a>(
        self,
        (body, headers): (&'a [u8], &HeaderMap),
        extractor: &Extractor,
        first_page: &str,
    ) -> Result<ListPage<'a>, String> {
        let elements = extractor.bodies(body).map_err(|error| error.to_string())?;
        let all = elements.len();
        let read = |&element: &&'a [u8]| match self {
            Self::Stripe => of_stripe(element),
            Self::Github => of_github(element),
        };
        let last = elements.last().map(read);
        let listed: Vec<_> = elements.iter().filter_map(read).collect();
        let unreadable = all - listed.len();
        let next = match self {
            Self::Stripe => stripe_next(body, first_page, last.flatten())?,
            Self::Github => github_next(headers),
        };
        Ok(ListPage { listed, unreadable, next })
    }

    /// How long it wants to be left alone, if it says so, and whether what it answered says that it was asked
    /// too often. GitHub says that with 403 as well, and of its hour when it is used up.
    #[must_use]
    pub fn rests(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        now: UnixMicros,
    ) -> (bool, Option<Duration>) {
        let retry_after = answer::retry_after(headers, now);
        if self == Self::Stripe {
            return (status == StatusCode::TOO_MANY_REQUESTS, retry_after);
        }
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let is_used_up = number("x-ratelimit-remaining") == Some(0);
        let reset = number("x-ratelimit-reset").filter(|_| is_used_up);
        let until = reset.map(|reset| {
            let reset = UnixMicros(reset.saturating_mul(1_000_000));
            // A second more, for theirs are whole.
            reset.since(now) + Duration::from_secs(1)
        });
        let refused = status == StatusCode::FORBIDDEN && (is_used_up || retry_after.is_some());
        (refused || status == StatusCode::TOO_MANY_REQUESTS, retry_after.or(until))
    }
}

fn of_stripe(element: &[u8]) -> Option<Listed<'_>> {
    let StripeEvent { id, created } = serde_json::from_slice(element).ok()?;
    let at = created.and_then(|created| instant(InstantUnit::Seconds, &created.to_string()));
    Some(Listed { id, at, what: What::Event(element) })
}

fn of_github(element: &[u8]) -> Option<Listed<'static>> {
    let Delivery { id, guid, delivered_at, status_code } = serde_json::from_slice(element).ok()?;
    let at = delivered_at.and_then(|at| instant(InstantUnit::Rfc3339, &at));
    let is_acknowledged = status_code.is_some_and(|status| (200..300).contains(&status));
    let what = if is_acknowledged { What::Acknowledged } else { What::Told(id) };
    Some(Listed { id: guid, at, what })
}

fn instant(unit: InstantUnit, text: &str) -> Option<UnixMicros> {
    let nanoseconds = unit.read_ns(text.as_bytes()).ok()?;
    Some(UnixMicros(nanoseconds / 1_000))
}

fn stripe_next(
    body: &[u8],
    first_page: &str,
    last: Option<Listed<'_>>,
) -> Result<Option<String>, String> {
    let list: StripeList = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !list.has_more {
        return Ok(None);
    }
    let last = last.ok_or("it says that it has more, and its last event has no id")?;
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if last.id.is_empty() || !last.id.bytes().all(is_id) {
        return Err("the id of its last event is none".to_owned());
    }
    Ok(Some(format!("{first_page}&starting_after={}", last.id)))
}

fn github_next(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let links = links.collect::<Vec<_>>().join(", ");
    link::next_of(&links).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{IdRule, KeyRule, Location, Pattern, PositionRule, Rules};

    fn extractor(kind: ListKind) -> Extractor {
        let at = |text| Location::parse(text).unwrap();
        let rules = Rules {
            id: IdRule::At(at("body:/id")),
            key: KeyRule::Parts(vec![at("body:/k")]),
            event_type: None,
            accept: vec![Pattern::any()],
            position: PositionRule::None,
            split: kind.items(),
            depends_on: None,
        };
        Extractor::new(rules).unwrap()
    }

    fn read<'a>(kind: ListKind, body: &'a str, link: &str) -> Result<ListPage<'a>, String> {
        let headers = [(LINK, link.parse().unwrap())].into_iter().collect();
        kind.read((body.as_bytes(), &headers), &extractor(kind), "/v1/events?limit=100")
    }

    #[test]
    fn a_page_of_stripe_says_its_events_and_the_last_of_them_where_it_goes_on() {
        let body = r#"{"object":"list","data":[{"id":"evt_2","created":7},{"created":1},{"id":"evt_1"}],"has_more":true}"#;
        let page = read(ListKind::Stripe, body, "").unwrap();
        let at = Some(UnixMicros(7_000_000));
        let what = What::Event(br#"{"id":"evt_2","created":7}"#);
        assert_eq!(page.listed[0], Listed { id: "evt_2".to_owned(), at, what });
        assert_eq!((page.listed[1].at, page.unreadable), (None, 1));
        assert_eq!(page.next.unwrap(), "/v1/events?limit=100&starting_after=evt_1");
        let last = read(ListKind::Stripe, r#"{"data":[],"has_more":false}"#, "").unwrap();
        assert_eq!((last.listed.len(), last.next), (0, None));
        for harm in [
            "[]",
            r#"{"data":[]}"#,
            r#"{"data":{},"has_more":false}"#,
            r#"{"data":[],"has_more":"yes"}"#,
            r#"{"data":[],"has_more":true}"#,
            r#"{"data":[{"id":7}],"has_more":true}"#,
            r#"{"data":[{"id":"evt_1&limit=1"}],"has_more":true}"#,
            r#"{"data":[{"id":""}],"has_more":true}"#,
        ] {
            assert!(read(ListKind::Stripe, harm, "").is_err(), "{harm}");
        }
    }

    #[test]
    fn a_page_of_github_says_what_was_not_acknowledged() {
        let body = r#"[
            {"id":3,"guid":"b","delivered_at":"2026-01-01T00:00:02Z","status_code":502,"redelivery":true},
            {"id":2,"guid":"a","delivered_at":"2026-01-01T00:00:01Z","status_code":204},
            {"id":1,"guid":"c","delivered_at":"soon","status_code":0},
            {"guid":"d"}, 7
        ]"#;
        let link = "<https://api.github.com/x?cursor=v1_2>; rel=\"next\"";
        let page = read(ListKind::Github, body, link).unwrap();
        let what: Vec<_> = page.listed.iter().map(|listed| listed.what.clone()).collect();
        assert_eq!(what, [What::Told(3), What::Acknowledged, What::Told(1)]);
        assert_eq!(page.listed[0].at, Some(UnixMicros(1_767_225_602_000_000)));
        assert_eq!((page.listed[2].at, page.unreadable), (None, 2));
        assert_eq!(page.next.unwrap(), "https://api.github.com/x?cursor=v1_2");
        assert!(read(ListKind::Github, "{}", "").is_err());
        let told = ListKind::Github.told_at("/repos/o/r/hooks/1/deliveries?per_page=100", 3);
        assert_eq!(told, "/repos/o/r/hooks/1/deliveries/3");
    }

    #[test]
    fn the_first_page_is_as_long_as_the_provider_allows() {
        for (target, first) in [
            ("/v1/events", "/v1/events?limit=100"),
            ("/v1/events?", "/v1/events?limit=100"),
            ("/v1/events?type=a", "/v1/events?type=a&limit=100"),
            ("/v1/events?limit=5&type=a", "/v1/events?limit=5&type=a"),
        ] {
            assert_eq!(ListKind::Stripe.first_page(target), first);
        }
    }

    #[test]
    fn who_is_asked_too_often_says_so_in_several_ways() {
        let now = UnixMicros(1_000_000_000);
        let rests = |kind: ListKind, status: u16, said: &[(&'static str, &str)]| {
            let header = |(name, value): &(&'static str, &str)| {
                (http::HeaderName::from_static(name), value.parse().unwrap())
            };
            let headers = said.iter().map(header).collect();
            kind.rests(StatusCode::from_u16(status).unwrap(), &headers, now)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1060")];
        for (kind, status, said, expected) in [
            (ListKind::Stripe, 429, &[][..], (true, None)),
            (ListKind::Stripe, 403, &[("retry-after", "3")], (false, seconds(3))),
            (ListKind::Github, 429, &[("retry-after", "3")], (true, seconds(3))),
            (ListKind::Github, 403, &[("retry-after", "60")], (true, seconds(60))),
            (ListKind::Github, 403, &used_up, (true, seconds(61))),
            (ListKind::Github, 200, &used_up, (false, seconds(61))),
            (ListKind::Github, 403, &[("x-ratelimit-remaining", "7")], (false, None)),
            (ListKind::Github, 403, &[], (false, None)),
        ] {
            assert_eq!(rests(kind, status, said), expected, "{kind:?} {status} {said:?}");
        }
    }
}
