//! What is missing is asked for at a server of the test's own, as each key of `refill` says.

use std::time::Duration;

use super::authority::{Reply, Server as Authority};
use sprag::clock::Clock;

use super::record::observed;
use super::server::{Server, post, taken};
use crate::support::clock::Deadline;
use crate::wire::{Message, SECRET, until};

/// Longer than two asks that `after` allows for take.
const MEANWHILE: Duration = Duration::from_millis(300);

/// Elements that say everything elsewhere than what is posted; on the second page, the second.
fn answer(request: &Message) -> Reply {
    if request.start.contains("/v1/events") {
        let seconds = Clock::start().now().clock.0 / 1_000_000;
        let event = |id: &str, ago: u64| {
            let created = seconds - ago;
            format!(r#"{{"id":"{id}","created":{created},"key":"l"}}"#)
        };
        let data = [event("lost", 30), event("of-long-ago", 600)].join(",");
        return Reply::json(format!(r#"{{"data":[{data}],"has_more":false}}"#));
    }
    if request.start.contains("/told/") {
        // What was posted, as an API tells it that keeps that.
        let headers = r#"{"X-Id":"e2","X-N":"2"}"#;
        let payload = r#"{"key":"7"}"#;
        return Reply::json(format!(
            r#"[{{"request":{{"headers":{headers},"payload":{payload}}}}}]"#
        ));
    }
    let number = if request.start.contains("page=2") { 3 } else { 2 };
    let next = if number == 2 { "\"?page=2\"" } else { "null" };
    let element = format!(
        r#"{{"of":{{"id":"e{number}","shop":"x","order":"7","kind":"late","no":"{number}"}}}}"#
    );
    Reply::json(format!(r#"{{"found":{{"items":[{element}]}},"next":{next}}}"#))
}

fn sections(authority: &Authority) -> String {
    let url = authority.url();
    format!(
        r#"
[sources.elsewhere]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = {{ join = ["header:x-shop", "body:/key"] }}
type = "header:x-type"
position = {{ sequence = "header:x-n" }}
hold.wait = "30d"
[sources.elsewhere.refill]
url = "{url}/orders/{{key.2}}?from={{from}}&to={{to}}"
headers = {{ authorization = "env:B" }}
after = "10ms"
items = "body:/found/items"
next = "body:/next"
id_at = "body:/of/id"
key_at = {{ join = ["body:/of/shop", "body:/of/order"] }}
type_at = "body:/of/kind"
position_at = "body:/of/no"
allow = ["127.0.0.0/8"]
[sources.told]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/key"
position = {{ sequence = "header:x-n" }}
hold.wait = "30d"
[sources.told.refill]
url = "{url}/told/{{key}}"
after = "10ms"
headers_at = "body:/request/headers"
body_at = "body:/request/payload"
allow = ["127.0.0.0/8"]
[sources.seldom]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/key"
position = {{ sequence = "body:/n" }}
refill = {{ url = "{url}/seldom/{{key}}", after = "10ms", rate = "1/h", attempts = 1, allow = ["127.0.0.0/8"] }}
[sources.once]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/key"
position = {{ sequence = "body:/n" }}
refill = {{ url = "{url}/once/{{key}}", after = "10ms", attempts = 1, allow = ["127.0.0.0/8"] }}
[sources.closed]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/key"
position = {{ sequence = "body:/n" }}
refill = {{ url = "{url}/closed/{{key}}", after = "10ms" }}
[sources.sent]
preset = "sprag"
verify = {{ scheme = "none" }}
refill = {{ sprag = "{url}/out/app", token = "env:B", after = "10ms", allow = ["127.0.0.0/8"] }}
[sources.quiet]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/key"
position = {{ sequence = "body:/n" }}
refill = {{ url = "{url}/quiet/{{key}}?from={{from}}&to={{to}}", every = "1s", rate = "1/s", allow = ["127.0.0.0/8"] }}
[sources.listed]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/key"
contract = "arrival"
refill = {{ list = "stripe", url = "{url}/v1/events", token = "env:B", after = "1s", every = "1s", reach = "1m", allow = ["127.0.0.0/8"] }}
"#
    )
}

/// How often a path was asked for.
fn asked(authority: &Authority, path: &str) -> usize {
    let asks = authority.requests();
    asks.iter().filter(|ask| ask.start.starts_with(&format!("GET {path}"))).count()
}

/// A gap at position 2 of a key.
fn gap(server: &Server, source: &str, key: &str) {
    for (number, status) in [(1, "released"), (3, "held")] {
        let body = format!(r#"{{"key":"{key}","n":{number}}}"#);
        taken(&server.ask(&post(&format!("/in/{source}"), "", &body)), status);
    }
}

#[test]
fn every_key_of_refill_has_its_effect() {
    let authority = Authority::start(answer);
    let server = Server::start(&sections(&authority));
    for (number, status) in [(1, "released"), (4, "held")] {
        let headers = format!("x-id: {number}\r\nx-shop: x\r\nx-type: t\r\nx-n: {number}\r\n");
        let request = post("/in/elsewhere", &headers, r#"{"key":"7"}"#);
        taken(&server.ask(&request), status);
    }
    let fourth = "/v1/events/elsewhere:x%2F7:4";
    server.until(fourth, "the gap is filled", |event| event["status"] == "released");
    let third = server.show("/v1/events/elsewhere:x%2F7:3");
    assert_eq!((&third["source_id"], &third["type"]), (&"e3".into(), &"late".into()), "{third}");
    // The list of another source is read of its own accord, and perhaps first.
    let requests = authority.requests();
    let first = requests.iter().find(|request| request.start.contains("/orders/7"));
    let first = first.unwrap_or_else(|| panic!("{requests:?}"));
    assert!(first.start.contains("/orders/7?from=2&to=3"), "{first:?}");
    assert_eq!(first.header("authorization"), format!("whsec_B{SECRET}"));
    ["", ".url", ".headers", ".headers.*", ".items", ".next", ".allow", ".after"]
        .iter()
        .chain(&[".id_at", ".key_at", ".key_at.join", ".type_at", ".position_at"])
        .for_each(|key| observed("key", &format!("sources.*.refill{key}")));
    for number in ["1", "3"] {
        let headers = format!("x-id: e{number}\r\nx-n: {number}\r\n");
        assert_eq!(server.ask(&post("/in/told", &headers, r#"{"key":"7"}"#)).status(), 200);
    }
    let second = "/v1/events/told:7:2";
    server.until(second, "it is told", |event| event["source_id"] == "e2");
    observed("key", "sources.*.refill.headers_at");
    observed("key", "sources.*.refill.body_at");
    only_as_often_as_allowed(&authority, &server);
    what_follows_is_asked_for(&authority, &server);
    another_sprag_is_asked_with_its_token(&authority, &server);
    a_list_is_read_as_far_back_as_is_said(&authority, &server);
}

fn a_list_is_read_as_far_back_as_is_said(authority: &Authority, server: &Server) {
    let lost = "/v1/events/listed:l:1";
    server.until(lost, "what was lost is here", |event| event["source_id"] == "lost");
    observed("key", "sources.*.refill.list");
    until("it is read again", || (asked(authority, "/v1/events?limit=100") > 2).then_some(()));
    assert_eq!(server.show("/v1/events/listed:l:2")["code"], "unknown-event");
    observed("key", "sources.*.refill.reach");
}

fn another_sprag_is_asked_with_its_token(authority: &Authority, server: &Server) {
    for (number, status) in [(1, "released"), (3, "held")] {
        let headers = format!(
            "webhook-id: orders:k:{number}\r\nsprag-source: orders\r\nsprag-key: k\r\n\
             sprag-type: t\r\nsprag-sequence: {number}\r\n"
        );
        taken(&server.ask(&post("/in/sent", &headers, "{}")), status);
    }
    let ask = until("the sender is asked", || {
        authority.requests().into_iter().find(|ask| ask.start.starts_with("GET /out/app/events?"))
    });
    observed("key", "sources.*.refill.sprag");
    assert_eq!(ask.header("authorization"), format!("Bearer whsec_B{SECRET}"));
    observed("key", "sources.*.refill.token");
}

fn what_follows_is_asked_for(authority: &Authority, server: &Server) {
    taken(&server.ask(&post("/in/quiet", "", r#"{"key":"q","n":1}"#)), "released");
    until("a quiet key is asked for", || (asked(authority, "/quiet/q?from=2") > 0).then_some(()));
    observed("key", "sources.*.refill.every");
}

fn only_as_often_as_allowed(authority: &Authority, server: &Server) {
    for source in ["seldom", "once", "closed"] {
        gap(server, source, "a");
    }
    server.until_counted("sprag_refills_total{source=\"closed\",outcome=\"refused\"}", 1);
    let first = || (asked(authority, "/seldom/a") + asked(authority, "/once/a") == 2).then_some(());
    until("each was asked once", first);
    let meanwhile = Deadline::after(MEANWHILE);
    gap(server, "seldom", "b");
    until("there was time for more", || meanwhile.has_passed().then_some(()));
    gap(server, "once", "b");
    until("another key is asked for", || (asked(authority, "/once/b") == 1).then_some(()));
    assert_eq!(asked(authority, "/seldom/b"), 0, "the hour's ask is used");
    observed("key", "sources.*.refill.rate");
    assert_eq!(asked(authority, "/once/a"), 1, "its one attempt is used");
    observed("key", "sources.*.refill.attempts");
    assert_eq!(asked(authority, "/closed"), 0);
}
