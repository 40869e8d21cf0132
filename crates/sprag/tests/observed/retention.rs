//! `[retention]`: bodies and history go when their time has come, what waits does not, and what is
//! gone is told so.

use serde_json::json;

use super::record::observed;
use super::server::{Server, post, problem, taken};
use crate::consumer::Consumer;
use crate::wire::until;

const SECTIONS: &str = r#"
[retention]
bodies = "1s"
facts = "FACTS"
[sources.a]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
contract = "arrival"
dedupe = "1s"
[destinations.app]
from = ["a"]
url = "http://127.0.0.1:PORT/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
retry = { first = "10ms", cap = "20ms", attempts = 1 }
on_give_up = "skip"
"#;

const BODY: &str = r#"{"key":"k"}"#;

fn started(facts: &str, consumer: &Consumer) -> Server {
    let sections = SECTIONS.replace("FACTS", facts);
    Server::start(&sections.replace("PORT", &consumer.port().to_string()))
}

/// An event of key `k`; its id.
fn received(server: &Server, id: u64) -> String {
    let request = post("/in/a", &format!("x-id: {id}\r\n"), BODY);
    let answer = taken(&server.ask(&request), "released");
    assert_eq!(answer["sequence"], id);
    answer["id"].as_str().unwrap().to_owned()
}

/// The next event is sent to its consumer, which answers so. That the connection ends is told: else the
/// next attempt may be sent on it, and fail.
fn answered(consumer: &Consumer, with: &str) {
    let (mut connection, _) = consumer.delivery();
    connection.send(format!("HTTP/1.1 {with}\r\nconnection: close\r\n\r\n").as_bytes());
}

fn gone(server: &Server, path: &str, code: &str) {
    let answer = until(&format!("{path} is {code}"), || {
        Some(server.admin("GET", path, "")).filter(|answer| answer.status() != 200)
    });
    problem(&answer, code);
}

#[test]
fn bodies() {
    let consumer = Consumer::listen();
    let server = started("400d", &consumer);
    let dead = received(&server, 1);
    answered(&consumer, "500 Internal Server Error");
    server.until(&format!("/v1/events/{dead}"), "dead", |event| {
        event["fates"]["destinations"][0]["status"] == "dead"
    });
    let waits = received(&server, 2);
    let (mut connection, _) = consumer.delivery();
    gone(&server, &format!("/v1/events/{dead}/body"), "body-gone");
    // What is under way has its body, however old it is; and history has both events.
    assert_eq!(server.admin("GET", &format!("/v1/events/{waits}/body"), "").status(), 200);
    assert_eq!(server.show(&format!("/v1/events/{dead}"))["release"]["sequence"], 1);
    let letter = json!({
        "source": "a", "key": "k", "destination": "app", "sequence": 1, "out_of_order": true,
    });
    let redriven = server.admin("POST", "/v1/dead-letters/redrive", &letter.to_string());
    problem(&redriven, "body-gone");
    let state = server.show("/v1/state/a/k");
    assert_eq!(
        (&state["last"]["body"], &state["last"]["gone"]),
        (&json!(BODY), &json!(false)),
        "{state}"
    );
    connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
    gone(&server, &format!("/v1/events/{waits}/body"), "body-gone");
    // Where it stands is known without.
    let last = &server.show("/v1/state/a/k")["last"];
    assert_eq!((&last["id"], &last["gone"]), (&json!(waits), &json!(true)), "{last}");
    assert!(last["body"].is_null() && last["digest"].is_string(), "{last}");
    server.until_counted("sprag_retention_rewritten_total", 2);
    observed("key", "retention.bodies");
}

#[test]
fn facts() {
    let consumer = Consumer::listen();
    let server = started("2s", &consumer);
    let first = received(&server, 1);
    answered(&consumer, "204 No Content");
    gone(&server, &format!("/v1/events/{first}"), "history-gone");
    server.until_counted("sprag_retention_carried_total", 1);
    let state = server.show("/v1/state/a/k");
    let last = json!({"sequence": 1, "webhook_id": "a:k:1", "body": null, "gone": true});
    assert_eq!((&state["sequence"], &state["last"]), (&json!(1), &last), "{state}");
    // The key goes on where it was, also from nothing but what is left of the log.
    received(&server, 2);
    answered(&consumer, "204 No Content");
    server.until("/v1/sources/a/keys/k", "delivered", |key| key["lanes"][0]["delivered"] == 2);
    server.until_counted("sprag_retention_deleted_total", 2);
    until("nothing is pinned", || (server.counted("sprag_retention_pinned") == 0).then_some(()));
    observed("key", "retention.facts");
}
