//! Contract `settle` over real connections: what comes out of order within a moment is put in order, what comes
//! later is late, and an operator sees what settles.

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

use consumer::Consumer;
use documents::{get, read};
use serde_json::{Value, json};
use wire::{Gateway, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

fn gateway(settle: &str, consumer: &Consumer) -> Gateway {
    let sources = format!(
        r#"
[sources.cards]
verify = {{ scheme = "none" }}
id = "body:/id"
type = "body:/type"
key = "body:/card"
position = {{ timestamp = "body:/created", unit = "s" }}
contract = "settle"
settle = "{settle}"
ranks = ["*.created", "*.updated"]
[destinations.app]
from = ["cards"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port()
    );
    Gateway::start(LIMITS, &sources)
}

fn ask(gateway: &Gateway, id: &str, event_type: &str, created: &Value) -> (u16, Value) {
    let body = json!({ "id": id, "type": event_type, "card": "c1", "created": created });
    read(&gateway.ask(&post::post("/in/cards", "", &body.to_string())))
}

/// Takes what is delivered and acknowledges it: ids and kinds, in the order they came.
fn delivered(consumer: &Consumer, count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let (mut connection, mut delivery) = consumer.delivery();
    loop {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        let id = body["id"].as_str().unwrap().to_owned();
        assert_eq!(delivery.header("sprag-sequence"), (all.len() + 1).to_string());
        all.push((id, delivery.header("sprag-kind").to_owned()));
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
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

/// The same second, and each before what it follows from.
#[test]
fn what_comes_within_a_moment_is_put_in_order() {
    let consumer = Consumer::listen();
    let gateway = gateway("5s", &consumer);
    let now = sprag::clock::Clock::start().now().clock.0 / 1_000_000;
    let at = json!(now - 60);
    for (id, event_type) in [("u", "card.updated"), ("x", "card.closed"), ("c", "card.created")] {
        assert_eq!(ask(&gateway, id, event_type, &at).1["status"], "held", "{id}");
    }
    let before = json!(now - 61);
    assert_eq!(ask(&gateway, "b", "card.closed", &before).1["status"], "held");
    assert_eq!(ask(&gateway, "u", "card.updated", &at).1["status"], "duplicate");
    let settling = until("it settles", || {
        let key = get(&gateway, "/v1/sources/cards/keys/c1");
        (key["held_events"] == 4).then_some(key)
    });
    let first = settling["held"][0]["instant"].as_str().unwrap();
    assert!(
        first.ends_with(".000000000Z") && first < settling["held"][1]["instant"].as_str().unwrap()
    );
    let why = settling["why"].to_string();
    assert!(why.contains("4 events are held to settle: what sorts before may still come"), "{why}");
    let event = |id: &str| (id.to_owned(), "event".to_owned());
    assert_eq!(delivered(&consumer, 4), [event("b"), event("c"), event("u"), event("x")]);
    assert_eq!(ask(&gateway, "u", "card.updated", &at).1["status"], "duplicate");
    // Its release is found, although it came in another frame and an instant names no event.
    let (_, held) = ask(&gateway, "x", "card.closed", &at);
    let place = held["id"].as_str().unwrap();
    let event = get(&gateway, &format!("/v1/events/{place}"));
    assert_eq!(
        (&event["status"], &event["release"]["sequence"]),
        (&json!("released"), &json!(4)),
        "{event}"
    );
    // Of the same second, and of a type that sorts before what was released.
    let late = ask(&gateway, "l", "card.updated", &at).1;
    assert_eq!((&late["status"], &late["sequence"]), (&json!("late"), &json!(5)));
    assert_eq!(gateway.counted(r#"sprag_gaps_open{source="cards"}"#), 0);
}

/// A time that cannot be read is refused; one that cannot be is kept and told; the key goes on.
#[test]
fn times_that_cannot_be_are_told() {
    let consumer = Consumer::listen();
    let gateway = gateway("1ms", &consumer);
    for (created, status) in [
        (json!(null), 422),
        (json!("yesterday"), 422),
        (json!(-5), 422),
        (json!(1.5), 422),
        (json!({}), 422),
        (json!(4_000_000_000_u64), 200),
        (json!(u64::MAX), 422),
    ] {
        let (answered, problem) = ask(&gateway, "odd", "card.created", &created);
        assert_eq!(answered, status, "{created}: {problem}");
    }
    assert_eq!(ask(&gateway, "a", "card.created", &json!(1_770_000_000)).1["status"], "held");
    assert_eq!(delivered(&consumer, 1)[0].0, "a");
}
