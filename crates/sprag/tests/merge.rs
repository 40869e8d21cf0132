//! Contract `merge` over real connections: what is fresh in each delivery, what a key has come to, and fields that
//! cannot be.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use std::collections::BTreeMap;

use consumer::{Consumer, acknowledge};
use serde_json::Value;
use wire::{Connection, Gateway, Message, SECRET};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

fn gateway(consumer: &Consumer) -> Gateway {
    let sources = format!(
        r#"
[sources.contacts]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/contact"
position = {{ fields = "body:/versions" }}
contract = "merge"
[destinations.app]
from = ["contacts"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port()
    );
    Gateway::start(LIMITS, &sources)
}

fn read(answer: &Message) -> (u16, Value) {
    let document = serde_json::from_slice(&answer.body);
    (answer.status(), document.unwrap_or_else(|_| panic!("{answer:?}")))
}

fn ask(gateway: &Gateway, id: &str, versions: &str) -> (u16, Value) {
    let body = format!(r#"{{"id":"{id}","contact":"c1","versions":{versions}}}"#);
    read(&gateway.ask(&post::post("/in/contacts", "", &body)))
}

fn key(gateway: &Gateway) -> Value {
    let token = format!("whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let mut connection = Connection::to(gateway.running.admin);
    let path = "/v1/sources/contacts/keys/c1";
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: sprag\r\nauthorization: Bearer {token}\r\n\r\n");
    connection.send(head.as_bytes());
    read(&connection.message().expect("an answer")).1
}

/// Versions that cross: a consumer that takes what is fresh ends with the newest of each field.
#[test]
fn what_is_fresh_adds_up_to_the_newest_of_each_field() {
    let consumer = Consumer::listen();
    let gateway = gateway(&consumer);
    let events = [
        ("a", r#"{"mail":2,"name":1}"#, "released", "mail,name"),
        ("b", r#"{"name":3,"mail":1}"#, "released", "name"),
        ("c", r#"{"name":2}"#, "stale", ""),
        ("d", r#"{"first name, or ü":1,"mail":1}"#, "released", "first%20name%2C%20or%20%C3%BC"),
    ];
    let mut applied = BTreeMap::new();
    for (id, versions, status, fresh) in events {
        let (_, answer) = ask(&gateway, id, versions);
        assert_eq!(answer["status"], status, "{id}");
        if status == "stale" {
            continue;
        }
        let (mut connection, delivery) = consumer.delivery();
        assert_eq!(delivery.header("sprag-fresh"), fresh, "{id}");
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        for (name, version) in body["versions"].as_object().unwrap() {
            let is_fresh = fresh.contains(name.split(' ').next().unwrap());
            if is_fresh {
                applied.insert(name.clone(), version.as_u64().unwrap());
            }
        }
        acknowledge(&mut connection);
    }
    assert_eq!(ask(&gateway, "a", r#"{"mail":2,"name":1}"#).1["status"], "duplicate");
    let known = key(&gateway)["fields"].clone();
    let known: BTreeMap<String, u64> = known
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, field)| (name.clone(), field["version"].as_u64().unwrap()))
        .collect();
    assert_eq!(applied, known);
    assert_eq!(known["mail"], 2);
    assert_eq!(known["name"], 3);
}

/// Nothing that is no object of versions is taken; the key goes on.
#[test]
fn fields_that_cannot_be_are_told() {
    let consumer = Consumer::listen();
    let gateway = gateway(&consumer);
    let many: Vec<String> = (0..=64).map(|number| format!("\"f{number}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!(r#"{{"{}":1}}"#, "n".repeat(65));
    let refused = [
        ("null", "is null"),
        ("{}", "is empty"),
        ("[1]", "is an array"),
        ("7", "is not an object"),
        (r#"{"a":null}"#, "at body:/versions/a is null"),
        (r#"{"a":-1}"#, "at body:/versions/a is negative"),
        (r#"{"a":1.5}"#, "is not an integer"),
        (r#"{"a":{"b":1}}"#, "is an object"),
        (r#"{"a":"x"}"#, "is not made of digits"),
        (r#"{"a":99999999999999999999}"#, "is larger than 2^64-1"),
        (r#"{"a":1,"\u0061":2}"#, "has a duplicate member"),
        (r#"{"":1}"#, "name is empty or longer than 64 bytes"),
        (&long, "name is empty or longer than 64 bytes"),
        (r#"{"\ud800":1}"#, "half of a UTF-16 pair"),
        (&many, "has more than 64"),
    ];
    for (versions, reason) in refused {
        let (status, problem) = ask(&gateway, "odd", versions);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 422 && detail.contains(reason), "{versions}: {problem}");
    }
    assert_eq!(ask(&gateway, "huge", r#"{"a":18446744073709551615}"#).1["status"], "invalid");
    assert_eq!(ask(&gateway, "first", r#"{"a":"7"}"#).1["status"], "released");
    let (mut connection, delivery) = consumer.delivery();
    assert_eq!(delivery.header("sprag-position"), "a=7");
    acknowledge(&mut connection);
    // With those it has, a key has 64 at the most.
    let others: Vec<String> = (0..64).map(|number| format!("\"f{number}\":1")).collect();
    let others = format!("{{{}}}", others.join(","));
    assert_eq!(ask(&gateway, "others", &others).1["status"], "invalid");
    assert_eq!(ask(&gateway, "second", r#"{"a":8}"#).1["status"], "released");
}

fn state(gateway: &Gateway) -> Value {
    let token = format!("whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let mut connection = Connection::to(gateway.running.admin);
    let path = "/v1/state/contacts/c1";
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: sprag\r\nauthorization: Bearer {token}\r\n\r\n");
    connection.send(head.as_bytes());
    read(&connection.message().expect("an answer")).1
}

/// With values that can be merged, and this kept.
fn with_values(retention: &str, consumer: &Consumer) -> String {
    let port = consumer.port();
    format!(
        r#"
[retention]
{retention}
[sources.contacts]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/contact"
position = {{ fields = "body:/versions", values = "body:/data" }}
contract = "merge"
dedupe = "1s"
[destinations.app]
from = ["contacts"]
url = "http://127.0.0.1:{port}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#
    )
}

/// The merged document is what a consumer has that takes the fresh fields; once bodies are gone it says so.
#[test]
fn the_merged_document_is_what_a_consumer_has() {
    let consumer = Consumer::listen();
    let sections = with_values("bodies = \"10s\"", &consumer);
    let gateway = Gateway::start(LIMITS, &sections);
    let events = [
        ("a", r#"{"mail":2,"name":1}"#, r#"{"mail":"m2","name":{"first":"n1"}}"#),
        ("b", r#"{"name":3,"mail":1}"#, r#"{"name":{"first":"n3"},"mail":"m1"}"#),
        ("c", r#"{"age":1,"mail":2,"phone":1}"#, r#"{"age":40.50,"mail":"other"}"#),
    ];
    let mut applied = serde_json::Map::new();
    for (id, versions, data) in events {
        let body = format!(r#"{{"id":"{id}","contact":"c1","versions":{versions},"data":{data}}}"#);
        let answer = read(&gateway.ask(&post::post("/in/contacts", "", &body))).1;
        assert_eq!(answer["status"], "released", "{id}");
        let (mut connection, delivery) = consumer.delivery();
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        for name in delivery.header("sprag-fresh").split(',') {
            if let Some(value) = body["data"].get(name) {
                applied.insert(name.to_owned(), value.clone());
            }
        }
        acknowledge(&mut connection);
    }
    let merged = state(&gateway)["merged"].clone();
    assert_eq!(merged["document"], Value::Object(applied));
    assert_eq!(merged["document"]["name"]["first"], "n3");
    assert_eq!(merged["without"], serde_json::json!({ "phone": "absent" }));
    let gone = serde_json::json!({
        "document": {},
        "without": { "age": "body-gone", "mail": "body-gone", "name": "body-gone", "phone": "body-gone" },
    });
    let mut others = 0;
    wire::until("no body is kept", || {
        // Bodies go once their segment is sealed, and other events come.
        others += 1;
        let body = format!(r#"{{"id":"o{others}","contact":"c2","versions":{{"mail":{others}}}}}"#);
        gateway.ask(&post::post("/in/contacts", "", &body));
        std::thread::sleep(std::time::Duration::from_millis(200));
        (state(&gateway)["merged"] == gone).then_some(())
    });
}

/// Once history has its event no more, a field is named with that; its version is known all the same.
#[test]
fn of_what_history_has_no_more_the_document_says_so() {
    let consumer = Consumer::listen();
    let gateway =
        Gateway::start(LIMITS, &with_values("bodies = \"5s\"\nfacts = \"6s\"", &consumer));
    let body = r#"{"id":"a","contact":"c1","versions":{"mail":2},"data":{"mail":"m2"}}"#;
    gateway.ask(&post::post("/in/contacts", "", body));
    acknowledge(&mut consumer.delivery().0);
    assert_eq!(state(&gateway)["merged"]["document"]["mail"], "m2");
    let gone = serde_json::json!({ "document": {}, "without": { "mail": "history-gone" } });
    wire::until("history has the event no more", || {
        (state(&gateway)["merged"] == gone).then_some(())
    });
    assert_eq!(key(&gateway)["fields"]["mail"]["version"], 2);
    assert_eq!(ask(&gateway, "b", r#"{"mail":1}"#).1["status"], "stale");
}
