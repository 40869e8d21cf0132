//! `POST /v1/replay` and `sprag replay`: history again, in order, beside what comes; and what is refused.

use serde_json::{Value, json};

use super::server::{Server, document, post, problem, taken};
use crate::consumer::Consumer;
use crate::wire::{Message, until};

const SECTIONS: &str = r#"
[sources.a]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
contract = "arrival"
[sources.u]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
contract = "unordered"
[destinations.app]
from = ["a", "u"]
url = "http://127.0.0.1:PORT/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
retry = { first = "10ms", cap = "20ms", attempts = 1 }
"#;

struct World {
    consumer: Consumer,
    server: Server,
}

impl World {
    fn start() -> Self {
        let consumer = Consumer::listen();
        let server = Server::start(&SECTIONS.replace("PORT", &consumer.port().to_string()));
        Self { consumer, server }
    }

    /// Posts an event of a key.
    fn post(&self, source: &str, key: &str, id: u64) {
        let body = format!("{{\"key\":\"{key}\",\"n\":{id}}}");
        let request = post(&format!("/in/{source}"), &format!("x-id: {key}{id}\r\n"), &body);
        taken(&self.server.ask(&request), "released");
    }

    /// The next delivery, answered so. That the connection ends is told: else the next attempt may be
    /// sent on it, and fail.
    fn answered(&self, with: &str) -> Message {
        let (mut connection, delivery) = self.consumer.delivery();
        connection.send(format!("HTTP/1.1 {with}\r\nconnection: close\r\n\r\n").as_bytes());
        delivery
    }

    fn delivered(&self, source: &str, key: &str, sequence: u64) {
        self.server.until(&format!("/v1/sources/{source}/keys/{key}"), "delivered", |key| {
            key["lanes"][0]["delivered"] == sequence && key["lanes"][0]["why"] == "Nothing waits."
        });
    }

    fn replay(&self, more: &Value) -> Message {
        let mut body = json!({ "source": "a", "destination": "app" });
        for (name, value) in more.as_object().unwrap() {
            body[name.as_str()] = value.clone();
        }
        self.server.admin("POST", "/v1/replay", &body.to_string())
    }
}

/// What a delivery is: its sequence, whether it may have come before, what it follows.
fn told(delivery: &Message) -> (String, bool, String) {
    let redelivery = {
        let mut headers = delivery.headers.iter();
        headers.any(|(name, value)| name == "sprag-redelivery" && value == "true")
    };
    let header = |name: &str| delivery.header(name).to_owned();
    (header("sprag-sequence"), redelivery, header("sprag-previous-sequence"))
}

#[test]
fn history_comes_again_in_order_and_what_comes_follows() {
    let world = World::start();
    let mut bodies = Vec::new();
    for id in 1..=4 {
        world.post("a", "k", id);
        bodies.push(world.answered("204 No Content").body);
    }
    world.delivered("a", "k", 4);
    let began = document(&world.replay(&json!({"key": "k", "from": 2, "until": 3})));
    assert_eq!(began, json!({"done": 1, "refused": []}));
    world.post("a", "k", 5);
    let expected = [("2", true, "0"), ("3", true, "2"), ("5", false, "4")]
        .map(|(n, again, previous)| (n.to_owned(), again, previous.to_owned()));
    for (at, expected) in [1, 2, 4].into_iter().zip(expected) {
        let delivery = world.answered("204 No Content");
        assert_eq!(told(&delivery), expected);
        assert!(bodies.get(at).is_none_or(|body| *body == delivery.body), "{delivery:?}");
    }
    world.delivered("a", "k", 5);
    let list = world.server.show("/v1/overrides?source=a&key=k");
    let shown = &list["items"][0];
    let replay = (&shown["override"], &shown["sequence"], &shown["until"]);
    assert_eq!(replay, (&json!("replay"), &json!(2), &json!(3)), "{list}");
    // All keys, by time: what was released before this is no part of it.
    let now = world.server.show("/v1/configuration");
    world.post("a", "other", 1);
    world.answered("204 No Content");
    world.delivered("a", "other", 1);
    let nothing = json!({"all": true, "since": "2090-01-01T00:00:00Z"});
    assert_eq!(document(&world.replay(&nothing))["done"], 0, "{now}");
    let all = json!({"all": true, "before": "2090-01-01T00:00:00Z", "limit": 1});
    let first = document(&world.replay(&all));
    let mut next = all.clone();
    next["cursor"] = first["next"].clone();
    let second = document(&world.replay(&next));
    assert_eq!((&first["done"], &second["done"]), (&json!(1), &json!(1)), "{first} {second}");
    let again: Vec<_> = (0..6).map(|_| told(&world.answered("204 No Content"))).collect();
    assert!(again.iter().all(|(_, redelivery, _)| *redelivery), "{again:?}");
    world.delivered("a", "k", 5);
    world.delivered("a", "other", 1);
}

#[test]
fn only_a_lane_at_rest_with_an_order_is_set_back() {
    let world = World::start();
    problem(&world.replay(&json!({"key": "none"})), "unknown-key");
    problem(&world.replay(&json!({})), "invalid-parameter");
    problem(&world.replay(&json!({"all": true, "destination": "none"})), "unknown-destination");
    world.post("a", "k", 1);
    world.answered("204 No Content");
    world.delivered("a", "k", 1);
    problem(&world.replay(&json!({"key": "k", "from": 2})), "nothing-to-replay");
    world.post("a", "k", 2);
    let (mut connection, _) = world.consumer.delivery();
    problem(&world.replay(&json!({"key": "k"})), "lane-busy");
    connection.send(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    drop(connection);
    let stopped = |key: &Value| key["lanes"][0]["mode"] == "halted";
    world.server.until("/v1/sources/a/keys/k", "halted", stopped);
    problem(&world.replay(&json!({"key": "k"})), "lane-stopped");
    world.post("u", "k", 1);
    world.answered("204 No Content");
    let unordered = until("it is told apart", || {
        let answer = world.replay(&json!({"source": "u", "key": "k"}));
        Some(answer).filter(|answer| !answer.body.windows(9).any(|at| at == b"lane-busy"))
    });
    problem(&unordered, "source-unordered");
}
