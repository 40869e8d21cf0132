//! `forget_after` and `limits.forgotten`: an idle key is forgotten, and comes back as if it had not been,
//! or behind a boundary that its delivery names.

use std::collections::HashMap;
use std::process::Command;

use serde_json::Value;

use super::record::observed;
use super::server::{Server, post, problem, taken};
use crate::consumer::Consumer;
use crate::wire::until;

const SECTIONS: &str = r#"
[retention]
bodies = "1s"
facts = "400d"
[sources.a]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
position = { sequence = "body:/n" }
contract = "fifo"
forget_after = "1s"
[destinations.app]
from = ["a"]
url = "http://127.0.0.1:PORT/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

const KEY: &str = "/v1/sources/a/keys/k";

fn started(tombstones: u64, consumer: &Consumer) -> Server {
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"DIRECTORY/data\"\n\
         partitions = 1\n[limits]\ndisk_reserve = \"1MiB\"\nforgotten = {tombstones}\n"
    );
    Server::start_with(&head, &SECTIONS.replace("PORT", &consumer.port().to_string()))
}

/// Position `n` of key `k` under a new id comes; its sequence.
fn comes(server: &Server, id: &str, n: u64, status: &str) -> Option<u64> {
    let body = format!(r#"{{"key":"k","n":{n}}}"#);
    let answer = taken(&server.ask(&post("/in/a", &format!("x-id: {id}\r\n"), &body)), status);
    answer["sequence"].as_u64()
}

/// What `sprag explain` says, on either output.
fn explained(server: &Server, name: &str) -> String {
    let mut explain = Command::new(env!("CARGO_BIN_EXE_sprag"));
    let admin = format!("http://{}", server.gateway.admin);
    let secrets = server.setup.secrets.iter().map(|(name, value)| (name, value));
    let output = explain.args(["explain", name, "--admin", &admin]).envs(secrets).output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
}

/// The next event is delivered; its headers.
fn delivered(consumer: &Consumer) -> HashMap<String, String> {
    let (mut connection, delivery) = consumer.delivery();
    connection.send(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let names =
        ["sprag-sequence", "sprag-previous-sequence", "sprag-omitted", "sprag-previous-hash"];
    let header = |name: &str| (name.to_owned(), delivery.header(name).to_owned());
    names.map(header).into()
}

#[test]
fn a_key_comes_back_as_if_it_had_not_been_forgotten() {
    let consumer = Consumer::listen();
    let server = started(100, &consumer);
    assert_eq!(comes(&server, "one", 1, "released"), Some(1));
    delivered(&consumer);
    let key = server.until(KEY, "forgotten", |key| key["forgotten"] == true);
    assert_eq!(key["sequence"], 1);
    server.until_counted("sprag_forgotten_keys{partition=\"0\"}", 1);
    assert_eq!(server.show("/v1/events/a:k:1")["key_forgotten"], true);
    assert!(explained(&server, "a:k").contains("It is forgotten since it was idle"));
    assert!(explained(&server, "a:k:1").contains("a:k is forgotten: "));
    let listed = server.show("/v1/sources/a/keys");
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(0), "{listed}");
    // An old position is a repeat, an id is known, and the next goes on.
    comes(&server, "one", 1, "duplicate");
    comes(&server, "another", 1, "duplicate");
    assert_eq!(comes(&server, "two", 2, "released"), Some(2));
    let headers = delivered(&consumer);
    assert_eq!((&*headers["sprag-sequence"], &*headers["sprag-previous-sequence"]), ("2", "1"));
    assert_eq!(headers["sprag-omitted"], "");
    server.until(KEY, "known again", |key| key["sequence"] == 2);
    observed("key", "sources.*.forget_after");
}

#[test]
fn a_key_without_a_tombstone_begins_behind_a_boundary() {
    let consumer = Consumer::listen();
    let server = started(0, &consumer);
    comes(&server, "one", 1, "released");
    comes(&server, "two", 2, "released");
    delivered(&consumer);
    delivered(&consumer);
    let gone = until("nothing is known of the key", || {
        Some(server.admin("GET", KEY, "")).filter(|answer| answer.status() != 200)
    });
    problem(&gone, "unknown-key");
    // Its events are told by their ids, as far as history goes.
    let event = server.show("/v1/events/a:k:2");
    assert_eq!((&event["key_forgotten"], &event["sequence"]), (&true.into(), &Value::Null));
    assert_eq!(event["fates"]["destinations"][0]["status"], "delivered", "{event}");
    assert!(explained(&server, "a:k:2").contains("a:k is forgotten for good"));
    let unknown = explained(&server, "a:k");
    assert!(unknown.contains("unknown-key") && unknown.contains("forgotten for good"), "{unknown}");
    // Its id is known as long as `dedupe` says; its positions begin anew.
    comes(&server, "two", 2, "duplicate");
    assert_eq!(comes(&server, "three", 1, "released"), Some(3));
    let headers = delivered(&consumer);
    assert_eq!((&*headers["sprag-sequence"], &*headers["sprag-previous-sequence"]), ("3", "0"));
    assert_eq!(headers["sprag-omitted"], "1-2;boundary");
    assert_eq!(headers["sprag-previous-hash"], "0".repeat(64));
    assert_eq!(server.show(KEY)["boundary"], 2);
    assert!(explained(&server, "a:k").contains("It begins behind sequence 2"));
    let before = server.show("/v1/events/a:k:1");
    assert_eq!(before["fates"]["destinations"][0]["status"], "delivered", "{before}");
    observed("key", "limits.forgotten");
}
