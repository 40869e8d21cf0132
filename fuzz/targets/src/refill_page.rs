//! Pages of missing events: what is read of one against a tree that `serde_json` built, and where its
//! links lead: nowhere but to the server that was asked.

use arbitrary::{Result, Unstructured};
use http::header::LINK;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use sprag::config::Url;
use sprag::extract::{Extractor, IdRule, KeyRule, Location, Pattern, Pointer, PositionRule, Rules};
use sprag::limits::{REFILL_URL_BYTES, SPLIT_EVENTS};
use sprag::refill::LIST_KINDS;
use sprag::refill::envelope::{Envelope, Opener};
use sprag::refill::link::{next_of, resolve};
use sprag::refill::page::{Next, Signs, read};

/// Where the events are, in this order of choice.
const ITEMS: [&str; 3] = ["", "/data", "/a/0"];
/// Where the next page is said.
const NEXT: &str = "/next";
/// Where it is said of which positions there is none.
const NONE: &str = "/omitted";
/// The server that is asked.
const SERVER: &str = "https://api.example:8443/events";

/// Reads the page, and follows the link, that the bytes choose.
///
/// # Panics
/// When product and reference read differently, or a link leads elsewhere.
pub fn run(data: &[u8]) {
    // Bytes that have run out choose the first of everything.
    let _ = compare(&mut Unstructured::new(data));
}

fn compare(choices: &mut Unstructured<'_>) -> Result<()> {
    let items = *choices.choose(&ITEMS)?;
    let next = match choices.int_in_range(0..=2)? {
        0 => Next::None,
        1 => Next::Link,
        _ => Next::At(pointer(NEXT)),
    };
    let link: Option<&str> = choices.arbitrary()?;
    if let Some(link) = link {
        follow(link);
        next_of(link).iter().for_each(|link| follow(link));
    }
    let none = choices.arbitrary::<bool>()?.then(|| pointer(NONE));
    let signs = Signs { next, none };
    if choices.arbitrary()? {
        made(choices, &signs, link)
    } else {
        found(crate::rest(choices), items, &signs, link);
        Ok(())
    }
}

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn extractor(items: &str) -> Extractor {
    let at = |text| Location::parse(text).expect("a location");
    let rules = Rules {
        id: IdRule::At(at("body:/id")),
        key: KeyRule::Parts(vec![at("body:/key")]),
        event_type: None,
        accept: vec![Pattern::any()],
        position: PositionRule::Sequence(at("body:/number")),
        split: Some(pointer(items)),
        depends_on: None,
    };
    Extractor::new(rules).expect("few rules")
}

/// What is read of any bytes is there.
fn found(body: &[u8], items: &str, signs: &Signs, link: Option<&str>) {
    open(body);
    listed(body, link);
    let Ok(page) = read(body, link, &extractor(items), signs) else { return };
    page.events.iter().for_each(|event| open(event));
    assert!(page.none.iter().all(|none| none.from <= none.to));
    let Ok(tree) = serde_json::from_slice::<Value>(body) else {
        // A surrogate half, or a number that is too large, where nothing is read.
        return;
    };
    let array = tree.pointer(items).and_then(Value::as_array).expect("an array was read");
    assert!(array.len() <= SPLIT_EVENTS);
    let events: Vec<Value> =
        page.events.iter().map(|event| serde_json::from_slice(event).expect("JSON")).collect();
    assert_eq!(&events, array);
    let expected = match &signs.next {
        Next::None => None,
        Next::Link => link.and_then(next_of),
        Next::At(_) => tree.pointer(NEXT).and_then(Value::as_str).filter(|text| !text.is_empty()),
    };
    assert_eq!(page.next.as_deref(), expected);
}

/// What is a page is read as one.
fn made(choices: &mut Unstructured<'_>, signs: &Signs, link: Option<&str>) -> Result<()> {
    let count = choices.int_in_range(0..=5)?;
    let event = |_| Ok(serde_json::json!({"id": choices.arbitrary::<&str>()?, "number": 7}));
    let events: Vec<Value> = (0..count).map(event).collect::<Result<_>>()?;
    let said: Option<&str> = choices.arbitrary()?;
    let said = said.filter(|text| text.len() <= REFILL_URL_BYTES);
    let omitted: Vec<(u64, u64)> = choices.arbitrary()?;
    let omitted: Vec<(u64, u64)> = omitted.into_iter().filter(|(from, to)| from <= to).collect();
    let range =
        |(from, to): &(u64, u64)| serde_json::json!({"from": from, "to": to, "reason": "dead"});
    let ranges: Vec<Value> = omitted.iter().map(range).collect();
    let body = serde_json::json!({"data": events, "next": said, "omitted": ranges}).to_string();
    let page = read(body.as_bytes(), link, &extractor("/data"), signs).expect("it is a page");
    let none: Vec<(u64, u64)> = page.none.iter().map(|none| (none.from, none.to)).collect();
    assert_eq!(none, if signs.none.is_some() { omitted } else { Vec::new() });
    assert_eq!(page.events.len(), count);
    if matches!(signs.next, Next::At(_)) {
        assert_eq!(page.next.as_deref(), said.filter(|text| !text.is_empty()));
    }
    if let Some(next) = &page.next {
        follow(next);
    }
    Ok(())
}

/// The list of a provider has no more than was written, and leads to its own server.
fn listed(body: &[u8], link: Option<&str>) {
    let link = link.and_then(|link| HeaderValue::from_str(link).ok());
    let headers: HeaderMap = link.into_iter().map(|link| (LINK, link)).collect();
    for (_, kind) in LIST_KINDS {
        let items = kind.items().expect("a pointer");
        let extractor = extractor(items.as_str());
        let first_page = kind.first_page("/events");
        let Ok(page) = kind.read((body, &headers), &extractor, &first_page) else { continue };
        assert!(page.listed.len() + page.unreadable <= SPLIT_EVENTS);
        page.next.iter().for_each(|next| follow(next));
    }
}

/// Headers and body of an envelope are what a tree has, and never more.
fn open(element: &[u8]) {
    let at = |text| Some(pointer(text));
    let (headers, body, base64) = (at("/headers"), at("/body"), at("/body_base64"));
    let Ok(opened) = Opener::new(Envelope { headers, body, base64 }).open(element) else { return };
    let Ok(tree) = serde_json::from_slice::<Value>(element) else { return };
    match tree.get("body") {
        Some(Value::String(text)) => assert_eq!(&*opened.body, text.as_bytes()),
        Some(body) => {
            assert_eq!(serde_json::from_slice::<Value>(&opened.body).as_ref().ok(), Some(body));
        }
        None => assert!(tree.get("body_base64").is_some_and(Value::is_string)),
    }
    assert!(opened.headers.len() <= sprag::limits::REQUEST_HEADERS);
}

/// A link leads to the server that was asked, or nowhere.
fn follow(link: &str) {
    let server: Url = SERVER.parse().expect("a URL");
    let Ok(target) = resolve(&server, "/events?page=1", link) else { return };
    assert!(target.starts_with('/') && target.len() <= REFILL_URL_BYTES + 16, "{target}");
    let whole: http::Uri = format!("https://api.example:8443{target}").parse().expect("a URL");
    assert_eq!(whole.authority().map(http::uri::Authority::as_str), Some("api.example:8443"));
    if let Ok(absolute) = link.parse::<http::Uri>()
        && let Some(authority) = absolute.authority()
    {
        assert!(authority.as_str().eq_ignore_ascii_case("api.example:8443"), "{link}");
        assert_eq!(absolute.scheme_str(), Some("https"));
    }
}
