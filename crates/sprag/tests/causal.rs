//! Contract `causal` over real connections: each event comes behind what its clock knows, what is concurrent says so, an
//! operator sees what is missing, and clocks that cannot be harm no other event.

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

fn gateway(more: &str, consumer: &Consumer) -> Gateway {
    let sources = format!(
        r#"
[sources.replicas]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/record"
position = {{ clock = "body:/clock", node = "body:/node" }}
contract = "causal"
{more}
[destinations.app]
from = ["replicas"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port()
    );
    Gateway::start(LIMITS, &sources)
}

/// The clock is written as it is, for it may be none.
fn ask(gateway: &Gateway, id: &str, node: &str, clock: &str) -> (u16, Value) {
    let body = format!(r#"{{"id":"{id}","record":"r1","node":{node},"clock":{clock}}}"#);
    read(&gateway.ask(&post::post("/in/replicas", "", &body)))
}

fn told(gateway: &Gateway, id: &str, node: &str, clock: &Value) -> Value {
    ask(gateway, id, &json!(node).to_string(), &clock.to_string()).1
}

/// A delivery: its position, kind, whether it is called concurrent, and what it says is missing.
type Delivered = (String, String, bool, String);

/// Takes what is delivered and acknowledges it, in the order it comes.
fn delivered(consumer: &Consumer, from: usize, count: usize) -> Vec<Delivered> {
    let mut all = Vec::new();
    let (mut connection, mut delivery) = consumer.delivery();
    loop {
        assert_eq!(delivery.header("sprag-sequence"), (from + all.len()).to_string());
        let concurrent = delivery.header("sprag-concurrent");
        assert!(["", "true"].contains(&concurrent), "{concurrent}");
        let text = |name: &str| delivery.header(name).to_owned();
        let (position, kind, missing) =
            (text("sprag-position"), text("sprag-kind"), text("sprag-missing"));
        all.push((position, kind, concurrent == "true", missing));
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

fn event(position: &str, concurrent: bool) -> Delivered {
    (position.to_owned(), "event".to_owned(), concurrent, String::new())
}

/// Two replicas write what they know of a third, and all of it comes the wrong way round.
#[test]
fn an_event_comes_behind_what_its_clock_knows() {
    let consumer = Consumer::listen();
    let gateway = gateway("hold = { wait = \"1h\" }", &consumer);
    let held = |id: &str, node: &str, clock: Value| {
        let status = told(&gateway, id, node, &clock);
        assert_eq!(status["status"], "held", "{id}: {status}");
        status["id"].as_str().unwrap().to_owned()
    };
    held("c1", "node c", json!({"a": 1, "node c": 1}));
    held("b2", "b", json!({"a": 1, "b": 2}));
    let b1 = held("b1", "b", json!({"a": 1, "b": 1}));
    assert_eq!(told(&gateway, "b1", "b", &json!({"a": 1, "b": 1}))["status"], "duplicate");
    let key = until("they are held", || {
        let key = get(&gateway, "/v1/sources/replicas/keys/r1");
        (key["held_events"] == 3).then_some(key)
    });
    assert_eq!(key["held"][0]["clock"], "a=1,b=1;b", "{key}");
    assert_eq!(key["missing_causes"], json!({"a": [{"from": 1, "to": 1}]}), "{key}");
    let why = key["why"].to_string();
    assert!(why.contains("are new here and may begin before that"), "{why}");
    let first = told(&gateway, "a1", "a", &json!({"a": 1, "b": 0}));
    assert_eq!((&first["status"], &first["sequence"]), (&json!("released"), &json!(1)));
    let all = delivered(&consumer, 1, 4);
    let sorted = [
        event("a=1;a", false),
        event("a=1,b=1;b", false),
        event("a=1,node%20c=1;node%20c", true),
        event("a=1,b=2;b", true),
    ];
    assert_eq!(all, sorted);
    // Its release is found, although it came in another frame.
    let found = get(&gateway, &format!("/v1/events/{b1}"));
    assert_eq!(
        (&found["status"], &found["release"]["sequence"]),
        (&json!("released"), &json!(2)),
        "{found}"
    );
    let state = get(&gateway, "/v1/state/replicas/r1");
    assert_eq!(state["clock"], json!({"a": 1, "b": 2, "node c": 1}), "{state}");
    // The same event of the same node again: with another body it contradicts the first.
    let again = told(&gateway, "other", "b", &json!({"a": 1, "b": 2}));
    assert_eq!(again["status"], "conflict", "{again}");
}

/// What a clock knows never comes: the event goes when it has waited, says what is missing, and what comes then is late.
#[test]
fn what_never_comes_is_named_and_late() {
    let consumer = Consumer::listen();
    let gateway = gateway("hold = { wait = \"300ms\", span = 10 }", &consumer);
    assert_eq!(told(&gateway, "a1", "a", &json!({"a": 1}))["status"], "released");
    assert_eq!(told(&gateway, "b1", "b", &json!({"a": 3, "b": 1}))["status"], "held");
    let waits = until("it waits", || {
        let key = get(&gateway, "/v1/sources/replicas/keys/r1");
        (key["held_events"] == 1 || key["sequence"] == 2).then_some(key)
    });
    if waits["held_events"] == 1 {
        let why = waits["why"].to_string();
        assert!(why.contains("know events 2 to 3 of node a, which did not come"), "{why}");
    }
    let late = |position: &str| (position.to_owned(), "late".to_owned(), false, String::new());
    let mut all = delivered(&consumer, 1, 2);
    assert_eq!(told(&gateway, "a2", "a", &json!({"a": 2}))["status"], "late");
    all.extend(delivered(&consumer, 3, 1));
    let in_vain = ("a=3,b=1;b".to_owned(), "event".to_owned(), false, "a=2-3".to_owned());
    assert_eq!(all, [event("a=1;a", false), in_vain, late("a=2;a")]);
    assert_eq!(told(&gateway, "far", "a", &json!({"a": 14, "b": 1}))["status"], "invalid");
    // The metric is read from the state store, which knows all of it once a list was asked for.
    get(&gateway, "/v1/dead-letters");
    assert_eq!(gateway.counted(r#"sprag_gaps_open{source="replicas"}"#), 0);
}

/// Nothing that is no clock is taken; what is one and cannot be is kept and told; the key goes on.
#[test]
fn clocks_that_cannot_be_are_told() {
    let consumer = Consumer::listen();
    let gateway = gateway("", &consumer);
    let many: Vec<String> = (0..=64).map(|number| format!("\"n{number}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!(r#"{{"{}":1}}"#, "n".repeat(65));
    let refused = [
        ("null", "is null"),
        ("{}", "is empty"),
        ("[1]", "is an array"),
        ("7", "is not an object"),
        (r#"{"a":null}"#, "at body:/clock/a is null"),
        (r#"{"a":-1}"#, "at body:/clock/a is negative"),
        (r#"{"a":1.5}"#, "is not an integer"),
        (r#"{"a":{"b":1}}"#, "is an object"),
        (r#"{"a":"x"}"#, "is not made of digits"),
        (r#"{"a":99999999999999999999}"#, "is larger than 2^64-1"),
        (r#"{"a":1,"\u0061":2}"#, "has a duplicate member"),
        (r#"{"a":1,"":1}"#, "name is empty or longer than 64 bytes"),
        (&long, "name is empty or longer than 64 bytes"),
        (r#"{"\ud800":1}"#, "half of a UTF-16 pair"),
        (&many, "has more than 64"),
        (r#"{"b":1}"#, "counts no event of its own node"),
        (r#"{"a":0,"b":1}"#, "counts no event of its own node"),
    ];
    for (clock, reason) in refused {
        let (status, problem) = ask(&gateway, "odd", r#""a""#, clock);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 422 && detail.contains(reason), "{clock}: {problem}");
    }
    for (node, reason) in [("null", "is null"), ("\"\"", "is empty"), ("[]", "is an array")] {
        let (status, problem) = ask(&gateway, "odd", node, r#"{"a":1}"#);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 422 && detail.contains(reason), "{node}: {problem}");
    }
    assert_eq!(told(&gateway, "huge", "a", &json!({"a": u64::MAX}))["status"], "invalid");
    assert_eq!(told(&gateway, "a1", "a", &json!({"a": "1"}))["status"], "released");
    assert_eq!(told(&gateway, "b1", "b", &json!({"a": 1, "b": 1}))["status"], "released");
    delivered(&consumer, 1, 2);
    // A node that forgot what it knew, and more nodes than a key may have.
    let forgot = told(&gateway, "b2", "b", &json!({"b": 2}));
    assert_eq!(forgot["status"], "invalid", "{forgot}");
    let others: serde_json::Map<_, _> =
        (0..63).map(|number| (format!("n{number}"), json!(1))).collect();
    assert_eq!(told(&gateway, "n0", "n0", &Value::Object(others))["status"], "invalid");
    let place = forgot["id"].as_str().unwrap();
    let event = get(&gateway, &format!("/v1/events/{place}"));
    assert_eq!(event["reason"]["is"], "shrinking-clock", "{event}");
    assert_eq!(told(&gateway, "a2", "a", &json!({"a": 2, "b": 1}))["status"], "released");
}
