//! Contract `states` over real connections: what skips ahead waits for what lies between, what goes back is told so, and an
//! operator sees the state of a resource; states and tables that cannot be.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/documents.rs"]
mod documents;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use documents::{get, read};
use serde_json::{Value, json};
use wire::{Gateway, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";
const BOOKING: &str = r#"{ initial = ["pending"], allow = { pending = ["confirmed", "cancelled"], confirmed = ["checked in", "cancelled"], "checked in" = ["done"] } }"#;

fn gateway(more: &str, consumer: &Consumer) -> Gateway {
    let sources = format!(
        r#"
[sources.bookings]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/booking"
contract = "states"
states = {BOOKING}
{more}
[destinations.app]
from = ["bookings"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port()
    );
    Gateway::start(LIMITS, &sources)
}

fn ask(gateway: &Gateway, id: &str, status: &Value, version: &Value) -> (u16, Value) {
    let body = json!({ "id": id, "booking": "b1", "status": status, "version": version });
    read(&gateway.ask(&post::post("/in/bookings", "", &body.to_string())))
}

fn told(gateway: &Gateway, id: &str, status: &str, version: u64) -> String {
    let (code, answer) = ask(gateway, id, &json!(status), &json!(version));
    assert_eq!(code, 200, "{id}: {answer}");
    answer["status"].as_str().unwrap().to_owned()
}

/// Takes what is delivered and acknowledges it: position and passed states of each, in the order they came.
fn delivered(consumer: &Consumer, count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let (mut connection, mut delivery) = consumer.delivery();
    loop {
        assert_eq!(delivery.header("sprag-sequence"), (all.len() + 1).to_string());
        let passed = delivery.header("sprag-passed").to_owned();
        all.push((delivery.header("sprag-position").to_owned(), passed));
        acknowledge(&mut connection);
        if all.len() == count {
            return all;
        }
        delivery = match connection.message() {
            Some(delivery) => delivery,
            None => {
                let (other, delivery) = consumer.delivery();
                connection = other;
                delivery
            }
        };
    }
}

fn at(position: &str) -> (String, String) {
    (position.to_owned(), String::new())
}

/// What came shuffled is delivered as it happened; what goes back is stale by its version, else a conflict; nothing leads
/// out of a terminal state.
#[test]
fn what_skips_ahead_waits_for_what_lies_between() {
    let consumer = Consumer::listen();
    let more =
        "position = { state = \"body:/status\", version = \"body:/version\" }\nhold.wait = \"30d\"";
    let gateway = gateway(more, &consumer);
    assert_eq!(told(&gateway, "c", "checked in", 3), "held");
    assert_eq!(told(&gateway, "b", "confirmed", 2), "held");
    assert_eq!(told(&gateway, "b", "confirmed", 2), "duplicate");
    let key = until("two wait", || {
        let key = get(&gateway, "/v1/sources/bookings/keys/b1");
        (key["held_events"] == 2).then_some(key)
    });
    assert_eq!(key["held"][0]["state"], "confirmed@2", "{key}");
    let why = key["why"].to_string();
    assert!(why.contains("no resource begins with confirmed"), "{why}");
    assert_eq!(told(&gateway, "a", "pending", 1), "released");
    let expected = [at("pending@1"), at("confirmed@2"), at("checked%20in@3")];
    assert_eq!(delivered(&consumer, 3), expected);
    let state = get(&gateway, "/v1/state/bookings/b1");
    assert_eq!(state["machine"], json!({"state": "checked in", "version": 3}), "{state}");
    let key = get(&gateway, "/v1/sources/bookings/keys/b1");
    assert_eq!(key["state"]["state"], "checked in", "{key}");
    assert_eq!(told(&gateway, "d", "cancelled", 2), "stale");
    assert_eq!(told(&gateway, "e", "cancelled", 4), "conflict");
    assert_eq!(told(&gateway, "f", "done", 3), "conflict");
    assert_eq!(told(&gateway, "g", "done", 5), "released");
    assert_eq!(told(&gateway, "h", "pending", 6), "conflict");
    let (_, conflict) = ask(&gateway, "i", &json!("pending"), &json!(7));
    let event = get(&gateway, &format!("/v1/events/{}", conflict["id"].as_str().unwrap()));
    assert_eq!(
        (&event["status"], &event["reason"]["is"]),
        (&json!("conflict"), &json!("conflict")),
        "{event}"
    );
    assert_eq!(told(&gateway, "j", "refunded", 8), "invalid");
}

/// What never comes is passed over when waiting ends, and named; what waited and never will be next is told so.
#[test]
fn what_never_comes_is_named() {
    let consumer = Consumer::listen();
    let more = "position = { state = \"body:/status\" }\nhold.wait = \"1s\"";
    let gateway = gateway(more, &consumer);
    assert_eq!(told(&gateway, "a", "pending", 0), "released");
    assert_eq!(told(&gateway, "c", "done", 0), "held");
    let done = ("done".to_owned(), "confirmed,checked%20in".to_owned());
    assert_eq!(delivered(&consumer, 2), [at("pending"), done]);
    assert_eq!(told(&gateway, "b", "confirmed", 0), "conflict");
    assert_eq!(told(&gateway, "d", "done", 0), "stale");
    let (_, held) = ask(&gateway, "c", &json!("done"), &json!(0));
    let event = get(&gateway, &format!("/v1/events/{}", held["id"].as_str().unwrap()));
    assert_eq!(
        (&event["status"], &event["release"]["sequence"], &event["hold"]["reason"]),
        (&json!("released"), &json!(2), &json!("gap")),
        "{event}"
    );
}

/// Cancelled before it was updated: what waited for what lies between is out of the question by then.
#[test]
fn what_waited_and_never_will_be_next_is_told() {
    let consumer = Consumer::listen();
    let more = "position = { state = \"body:/status\", timestamp = \"body:/version\", unit = \"s\" }\n\
                hold.wait = \"30d\"\non_gap = \"halt\"";
    let gateway = gateway(more, &consumer);
    assert_eq!(told(&gateway, "a", "pending", 1_700_000_000), "released");
    let (_, stale) = ask(&gateway, "c", &json!("checked in"), &json!(1_700_000_002));
    let (_, conflict) = ask(&gateway, "d", &json!("done"), &json!(1_700_000_009));
    assert_eq!((&stale["status"], &conflict["status"]), (&json!("held"), &json!("held")));
    assert_eq!(told(&gateway, "e", "cancelled", 1_700_000_004), "released");
    let expected = [
        at("pending@2023-11-14T22:13:20.000000000Z"),
        at("cancelled@2023-11-14T22:13:24.000000000Z"),
    ];
    assert_eq!(delivered(&consumer, 2), expected);
    for (held, status) in [(stale, "stale"), (conflict, "conflict")] {
        let path = format!("/v1/events/{}", held["id"].as_str().unwrap());
        let event = until("it is told", || {
            let event = get(&gateway, &path);
            (event["status"] != "held" && event["status"] != "unknown").then_some(event)
        });
        assert_eq!(
            (&event["status"], &event["reason"]["is"]),
            (&json!(status), &json!(status)),
            "{event}"
        );
    }
    let ahead = told(&gateway, "f", "done", 4_000_000_000);
    assert_eq!(ahead, "invalid");
}

/// Nothing that is no state, or has no version where there must be one, is taken; the key goes on.
#[test]
fn states_that_cannot_be_are_told() {
    let consumer = Consumer::listen();
    let more = "position = { state = \"body:/status\", version = \"body:/version\" }";
    let gateway = gateway(more, &consumer);
    let refused = [
        (json!(null), json!(1), "at body:/status is null"),
        (json!(""), json!(1), "at body:/status is empty"),
        (json!(true), json!(1), "at body:/status is a boolean"),
        (json!(1.5), json!(1), "at body:/status is not an integer"),
        (json!({ "name": "pending" }), json!(1), "at body:/status is an object"),
        (json!(["pending"]), json!(1), "at body:/status is an array"),
        (json!("n".repeat(65)), json!(1), "at body:/status is longer than 64 bytes"),
        (json!("pending"), json!(null), "at body:/version is null"),
        (json!("pending"), json!(-1), "at body:/version is negative"),
        (json!("pending"), json!("x"), "at body:/version is not made of digits"),
        (json!("pending"), json!([]), "at body:/version is an array"),
    ];
    for (status, version, reason) in refused {
        let (code, problem) = ask(&gateway, "odd", &status, &version);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(code == 422 && detail.contains(reason), "{status} {version}: {problem}");
    }
    for (id, status, version) in [
        ("huge", json!("pending"), json!(u64::MAX)),
        ("number", json!(7), json!(1)),
        ("long", json!("n".repeat(64)), json!(1)),
        ("case", json!("Pending"), json!(1)),
    ] {
        let (code, answer) = ask(&gateway, id, &status, &version);
        assert!(code == 200 && answer["status"] == "invalid", "{id}: {answer}");
    }
    assert_eq!(told(&gateway, "first", "pending", 1), "released");
    assert_eq!(delivered(&consumer, 1), [at("pending@1")]);
}
