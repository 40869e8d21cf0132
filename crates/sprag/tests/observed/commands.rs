//! What the admin API refuses.

use serde_json::json;

use super::server::{Server, document, post, problem, taken};
use crate::wire::until;

const SECTIONS: &str = r#"
[sources.a]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
[sources.b]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
[destinations.d]
from = ["a"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

#[test]
fn what_is_not_there() {
    let server = Server::start(SECTIONS);
    taken(&server.ask(&post("/in/b", "", r#"{"key":"k"}"#)), "released");
    for (path, code) in [
        ("/v1/nothing", "unknown-path"),
        ("/v1/sources/none/keys", "unknown-source"),
        ("/v1/sources/b/keys/none", "unknown-key"),
        ("/v1/events/0-77777-0", "unknown-event"),
        ("/v1/dead-letters?destination=none", "unknown-destination"),
        ("/v1/dead-letters?limit=0", "invalid-parameter"),
    ] {
        problem(&server.admin("GET", path, ""), code);
    }
    problem(&server.admin("DELETE", "/v1/sources", ""), "method-not-allowed");
    let lane = json!({"source": "b", "key": "k", "destination": "d"}).to_string();
    let redrive = |body: &str| server.admin("POST", "/v1/dead-letters/redrive", body);
    problem(&redrive(&lane), "unknown-lane");
    problem(&redrive("{"), "unreadable-json");
    problem(&redrive(&format!("\"{}\"", "x".repeat(20_000))), "body-too-large");
}

/// A state store that takes nothing makes the process not ready, and it recovers.
#[test]
fn not_ready() {
    let server = Server::start(SECTIONS);
    let file = server.setup.directory.path().join("data/state.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'no'); END";
    other.execute_batch(refuse).unwrap();
    taken(&server.ask(&post("/in/b", "", r#"{"key":"k"}"#)), "released");
    let ask = || server.admin("GET", "/readyz", "");
    let answer = until("it says so", || Some(ask()).filter(|answer| answer.status() != 200));
    problem(&answer, "not-ready");
    other.execute_batch("DROP TRIGGER no").unwrap();
    server.until("/readyz", "ready", |answer| answer["status"] == "ready");
    assert_eq!(document(&ask())["status"], "ready");
}
