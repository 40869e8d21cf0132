//! Hash links over real connections: pushes to a branch that come shuffled are delivered each behind the one it builds on,
//! a break is named and what still comes of it is late, a forced push shows; links that cannot be.

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
const NOTHING: &str = "0000000000000000000000000000000000000000";

fn gateway(more: &str, consumer: &Consumer) -> Gateway {
    let sources = format!(
        r#"
[sources.pushes]
verify = {{ scheme = "none" }}
id = "header:x-github-delivery"
key = {{ join = ["body:/repository/id", "body:/ref"] }}
position = {{ link = {{ before = "body:/before", after = "body:/after", forced = "body:/forced" }} }}
contract = "fifo"
{more}
[destinations.app]
from = ["pushes"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port()
    );
    Gateway::start(LIMITS, &sources)
}

fn ask(gateway: &Gateway, id: &str, before: &Value, after: &Value, forced: &Value) -> (u16, Value) {
    // As GitHub's, but for what does not matter here.
    let body = json!({
        "ref": "refs/heads/main", "before": before, "after": after, "repository": { "id": 7, "pushed_at": id },
        "pusher": { "name": "octo" }, "created": false, "deleted": false, "forced": forced, "commits": [],
    });
    let headers = format!("x-github-delivery: {id}\r\nx-github-event: push\r\n");
    read(&gateway.ask(&post::post("/in/pushes", &headers, &body.to_string())))
}

fn told(gateway: &Gateway, id: &str, before: &str, after: &str) -> String {
    let (code, answer) = ask(gateway, id, &json!(before), &json!(after), &json!(false));
    assert_eq!(code, 200, "{id}: {answer}");
    answer["status"].as_str().unwrap().to_owned()
}

/// Takes what is delivered and acknowledges it: kind, position and what is missing of each, in the order they came.
fn delivered(consumer: &Consumer, count: usize) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    let (mut connection, mut delivery) = consumer.delivery();
    loop {
        assert_eq!(delivery.header("sprag-sequence"), (all.len() + 1).to_string());
        let [kind, position, missing] = ["sprag-kind", "sprag-position", "sprag-missing"]
            .map(|name| delivery.header(name).to_owned());
        all.push((kind, position, missing));
        acknowledge(&mut connection);
        if all.len() == count {
            return all;
        }
        delivery = match connection.message() {
            Some(delivery) => delivery,
            None => {
                let (next, delivery) = consumer.delivery();
                connection = next;
                delivery
            }
        };
    }
}

fn at(position: &str) -> (String, String, String) {
    ("event".to_owned(), position.to_owned(), String::new())
}

const KEY: &str = "/v1/sources/pushes/keys/7%2Frefs%252Fheads%252Fmain";

/// Shuffled pushes, one by force, and a branch that is deleted and made again.
#[test]
fn pushes_are_delivered_each_behind_the_one_it_builds_on() {
    let consumer = Consumer::listen();
    let gateway = gateway("hold.wait = \"30d\"", &consumer);
    assert_eq!(told(&gateway, "3", "c2", "c3"), "held");
    assert_eq!(told(&gateway, "1", NOTHING, "c1"), "released");
    let (_, forced) = ask(&gateway, "4", &json!("c3"), &json!("d1"), &json!(true));
    assert_eq!(forced["status"], "held");
    assert_eq!(told(&gateway, "6", NOTHING, "c1"), "held");
    assert_eq!(told(&gateway, "5", "d1", NOTHING), "held");
    let why = get(&gateway, KEY)["why"].to_string();
    assert!(why.contains("the key stands at c1, and what leads from there to c2"), "{why}");
    assert_eq!(told(&gateway, "2", "c1", "c2"), "released");
    assert_eq!(told(&gateway, "2", "c1", "c2"), "duplicate");
    let (made, deleted) = (format!("{NOTHING}..c1"), format!("d1..{NOTHING}"));
    let expected = [at(&made), at("c1..c2"), at("c2..c3"), at("c3...d1"), at(&deleted), at(&made)];
    assert_eq!(delivered(&consumer, 6), expected);
    let key = get(&gateway, KEY);
    assert_eq!((&key["links"]["at"], &key["held_events"]), (&json!("c1"), &json!(0)), "{key}");
}

/// What never comes is named, from where the branch stood; what comes after all is late and closes the break.
#[test]
fn a_break_is_named_and_what_comes_of_it_is_late() {
    let consumer = Consumer::listen();
    let gateway = gateway("hold.wait = \"1s\"", &consumer);
    assert_eq!(told(&gateway, "1", NOTHING, "c1"), "released");
    let (_, held) = ask(&gateway, "4", &json!("c3"), &json!("c4"), &json!(null));
    assert_eq!(held["status"], "held");
    let broken = ("event".to_owned(), "c3..c4".to_owned(), "c1..c3".to_owned());
    assert_eq!(delivered(&consumer, 2), [at(&format!("{NOTHING}..c1")), broken]);
    let event = get(&gateway, &format!("/v1/events/{}", held["id"].as_str().unwrap()));
    assert_eq!(
        (&event["status"], &event["hold"]["reason"]),
        (&json!("released"), &json!("gap")),
        "{event}"
    );
    let key = get(&gateway, KEY);
    assert_eq!(key["links"]["breaks"], json!([{ "from": "c1", "to": "c3" }]), "{key}");
    assert_eq!(told(&gateway, "3", "c2", "c3"), "late");
    assert_eq!(told(&gateway, "2", "c1", "c2"), "late");
    let closed = until("the break is closed", || {
        let key = get(&gateway, KEY);
        key["links"]["breaks"].is_null().then_some(key)
    });
    assert_eq!(closed["links"]["at"], "c4", "{closed}");
}

/// The newest link with another body waits for what leads back; it does not come, so both cannot be.
#[test]
fn a_contradiction_is_told_when_waiting_ends() {
    let consumer = Consumer::listen();
    let gateway = gateway("hold.wait = \"1s\"", &consumer);
    assert_eq!(told(&gateway, "1", NOTHING, "c1"), "released");
    let (_, other) = ask(&gateway, "2", &json!(NOTHING), &json!("c1"), &json!(null));
    assert_eq!(other["status"], "held");
    let path = format!("/v1/events/{}", other["id"].as_str().unwrap());
    let event = until("it is told", || {
        let event = get(&gateway, &path);
        (event["status"] == "conflict").then_some(event)
    });
    assert_eq!(event["reason"]["is"], "conflict", "{event}");
    assert_eq!(delivered(&consumer, 1), [at(&format!("{NOTHING}..c1"))]);
}

/// Nothing that is no link is taken; the key goes on.
#[test]
fn links_that_cannot_be_are_told() {
    let consumer = Consumer::listen();
    let gateway = gateway("", &consumer);
    let good = json!("c1");
    let refused = [
        (json!(null), &good, json!(false), "at body:/before is null"),
        (json!(""), &good, json!(false), "at body:/before is empty"),
        (json!(["c1"]), &good, json!(false), "at body:/before is an array"),
        (json!({ "sha": "c1" }), &good, json!(false), "at body:/before is an object"),
        (json!(1.5), &good, json!(false), "at body:/before is not an integer"),
        (json!(true), &good, json!(false), "at body:/before is a boolean"),
        (json!("c 1"), &good, json!(false), "at body:/before has a character that no hash has"),
        (json!("c\u{e9}"), &good, json!(false), "at body:/before has a character"),
        (json!("c\u{7f}"), &good, json!(false), "at body:/before has a character"),
        (json!("c".repeat(257)), &good, json!(false), "at body:/before is longer than 256 bytes"),
        (json!("c0"), &good, json!("yes"), "at body:/forced is not a boolean"),
        (json!("c0"), &good, json!(0), "at body:/forced is not a boolean"),
    ];
    for (before, after, forced, reason) in refused {
        let (code, problem) = ask(&gateway, "odd", &before, after, &forced);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(code == 422 && detail.contains(reason), "{before}: {problem}");
    }
    let long = "c".repeat(256);
    assert_eq!(told(&gateway, "1", NOTHING, &long), "released");
    assert_eq!(told(&gateway, "2", &long, "a..b%"), "released");
    let (_, delivery) = consumer.delivery();
    assert!(delivery.header("sprag-position").starts_with("sha256:"), "{delivery:?}");
}
