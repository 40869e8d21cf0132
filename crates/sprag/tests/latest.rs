//! Versions and instants over real connections: what is stale, superseded, invalid or begins anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use serde_json::{Value, json};
use wire::{Connection, Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

const SOURCES: &str = r#"
[sources.stock]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/item"
position = { version = "body:/version" }
contract = "latest"
on_invalid = "dead-letter"
[sources.orders]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/order"
position = { timestamp = "body:/at", unit = "rfc3339" }
contract = "latest"
[sources.counted]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/item"
position = { sequence = "body:/number" }
[destinations.nowhere]
from = ["stock"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

fn gateway() -> Gateway {
    Gateway::start(LIMITS, SOURCES)
}

fn post(gateway: &Gateway, source: &str, id: &str, body: &str) -> (u16, Value) {
    let request = post::post(&format!("/in/{source}"), &format!("x-id: {id}\r\n"), body);
    read(&gateway.ask(&request))
}

fn read(answer: &Message) -> (u16, Value) {
    let document = serde_json::from_slice(&answer.body);
    (answer.status(), document.unwrap_or_else(|_| panic!("{answer:?}")))
}

fn admin(gateway: &Gateway, method: &str, path: &str, body: &str) -> (u16, Value) {
    let token = format!("whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let length = body.len();
    let head = format!(
        "host: sprag\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}"
    );
    let mut connection = Connection::to(gateway.running.admin);
    connection.send(format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes());
    read(&connection.message().expect("an answer"))
}

fn version(number: u64) -> String {
    format!(r#"{{"item":"bolt","version":{number}}}"#)
}

#[test]
fn only_what_is_newer_is_released() {
    let gateway = gateway();
    let ask = |id: &str, number: u64| post(&gateway, "stock", id, &version(number)).1;
    assert_eq!(ask("a", 7)["sequence"], 1);
    assert_eq!(ask("b", 1_000_000)["sequence"], 2, "versions may jump");
    let stale = ask("c", 8);
    assert_eq!((&stale["status"], &stale["sequence"]), (&json!("stale"), &Value::Null));
    assert_eq!(ask("c", 8)["status"], "duplicate");
    assert_eq!(ask("d", 7)["id"], ask("a", 7)["id"], "a repeat of the first by its version");
    let path = format!("/v1/events/{}", stale["id"].as_str().unwrap());
    let (_, event) = admin(&gateway, "GET", &path, "");
    assert_eq!((&event["status"], &event["reason"]["newest"]), (&json!("stale"), &json!(2)));
    let fate = r#"sprag_events_total{source="stock",fate="stale"}"#;
    assert_eq!(gateway.counted(fate), 1);
}

#[test]
fn events_of_one_instant_come_in_the_order_they_arrived() {
    let gateway = gateway();
    let ask = |id: &str, at: &str| {
        post(&gateway, "orders", id, &format!(r#"{{"order":"o","at":"{at}","of":"{id}"}}"#))
    };
    assert_eq!(ask("a", "2026-01-02T03:04:05Z").1["sequence"], 1);
    assert_eq!(ask("b", "2026-01-02T04:04:05.000+01:00").1["sequence"], 2, "the same instant");
    assert_eq!(ask("c", "2026-01-02T03:04:04.999Z").1["status"], "stale");
    assert_eq!(ask("d", "2300-01-01T00:00:00Z").0, 422);
    assert_eq!(ask("e", "2099-01-01T00:00:00Z").1["status"], "invalid", "ahead of time");
    assert_eq!(ask("f", "2026-01-02T03:04:05").0, 422, "a time without a zone");
    let (_, event) = admin(&gateway, "GET", "/v1/events/orders:o:2", "");
    assert_eq!(event["position"], "2026-01-02T03:04:05.000000000Z");
}

#[test]
fn an_event_without_a_resource_is_kept_when_asked_for() {
    let gateway = gateway();
    let (status, kept) = post(&gateway, "stock", "a", r#"{"item":null}"#);
    assert_eq!((status, &kept["status"]), (200, &json!("invalid")));
    let (_, repeat) = post(&gateway, "stock", "b", r#"{"item":null}"#);
    assert_eq!((&repeat["status"], &repeat["id"]), (&json!("duplicate"), &kept["id"]));
    let path = format!("/v1/events/{}", kept["id"].as_str().unwrap());
    let (_, event) = admin(&gateway, "GET", &path, "");
    assert_eq!((&event["key"], &event["reason"]["is"]), (&json!(""), &json!("unreadable")));
    let (_, letters) = admin(&gateway, "GET", "/v1/dead-letters", "");
    assert!(letters.to_string().contains(kept["id"].as_str().unwrap()), "{letters}");
    // Elsewhere it is refused, and leaves a line of history.
    assert_eq!(post(&gateway, "orders", "a", r#"{"order":null}"#).0, 422);
}

#[test]
fn positions_begin_anew_when_an_operator_says_so() {
    let gateway = gateway();
    let ask = |id: &str, number: u64, of: &str| {
        let body = format!(r#"{{"item":"bolt","number":{number},"of":"{of}"}}"#);
        post(&gateway, "counted", id, &body).1
    };
    assert_eq!(ask("a", 1, "first")["sequence"], 1);
    assert_eq!(ask("b", 1, "anew")["status"], "conflict");
    let rebase = r#"{"override":"rebase","source":"counted","key":"bolt"}"#;
    assert_eq!(admin(&gateway, "POST", "/v1/overrides", rebase).0, 200);
    assert_eq!(ask("c", 1, "anew")["sequence"], 2);
    let unknown = r#"{"override":"rebase","source":"counted","key":"nut"}"#;
    assert_eq!(admin(&gateway, "POST", "/v1/overrides", unknown).0, 404);
    let (status, problem) = admin(&gateway, "POST", "/v1/overrides", r#"{"override":"erase"}"#);
    assert_eq!((status, &problem["code"]), (400, &json!("invalid-parameter")));
    until("the key is told", || {
        let (_, key) = admin(&gateway, "GET", "/v1/sources/counted/keys/bolt", "");
        (key["sequence"] == 2).then_some(())
    });
}
