//! `total = true`: one order over everything a source says, whoever it is about
//! (docs/guides/contracts/total.md).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use serde_json::{Value, json};
use wire::{Connection, Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// A bot that talks with several chats and counts its updates over all of them.
fn gateway(port: u16) -> Gateway {
    Gateway::start(
        LIMITS,
        &format!(
            r#"
[sources.bot]
verify = {{ scheme = "none" }}
id = "body:/update_id"
total = true
position = {{ sequence = "body:/update_id" }}
first = 41
hold = {{ wait = "1h" }}
[destinations.app]
from = ["bot"]
url = "http://127.0.0.1:{port}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
timeout = "5m"
retry = {{ first = "10ms", cap = "10ms", for = "1h" }}
"#
        ),
    )
}

fn update(gateway: &Gateway, number: u64, tenant: &str) -> Value {
    let body = format!(r#"{{"update_id":{number},"message":{{"chat":{{"id":"{tenant}"}}}}}}"#);
    let answer = gateway.ask(&post::post("/in/bot", "", &body));
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// The next delivery on a connection, or on a new one where the gateway makes one.
fn delivery(consumer: &Consumer, connection: &mut Option<Connection>) -> (u64, Message) {
    let message = match connection.as_mut().and_then(Connection::message) {
        Some(message) => message,
        None => {
            let (made, message) = consumer.delivery();
            *connection = Some(made);
            message
        }
    };
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    (body["update_id"].as_u64().unwrap(), message)
}

#[test]
fn two_tenants_have_one_order() {
    let consumer = Consumer::listen();
    let gateway = gateway(consumer.port());
    let answer = |number, tenant| {
        let answer = update(&gateway, number, tenant);
        (answer["status"].clone(), answer["key"].clone(), answer["sequence"].clone())
    };
    let all = json!("all");
    assert_eq!(answer(41, "a"), (json!("released"), all.clone(), json!(1)));
    assert_eq!(answer(44, "b"), (json!("held"), all.clone(), Value::Null));
    assert_eq!(answer(43, "a"), (json!("held"), all.clone(), Value::Null));
    assert_eq!(answer(43, "a").0, json!("duplicate"));
    assert_eq!(answer(42, "b"), (json!("released"), all, json!(2)));
    let mut connection = None;
    for (sequence, number) in [(1, 41), (2, 42), (3, 43), (4, 44)] {
        let (came, message) = delivery(&consumer, &mut connection);
        assert_eq!((came, message.header("sprag-key")), (number, "all"));
        assert_eq!(message.header("webhook-id"), format!("bot:all:{sequence}"));
        assert!(!String::from_utf8_lossy(&message.body).contains(SECRET));
        acknowledge(connection.as_mut().unwrap());
    }
}

/// What is promised has a price: promise 3 does not hold inside of the source.
#[test]
fn an_event_of_one_tenant_that_fails_keeps_the_others_waiting() {
    let consumer = Consumer::listen();
    let gateway = gateway(consumer.port());
    update(&gateway, 41, "a");
    update(&gateway, 42, "b");
    let mut connection = None;
    for _ in 0..5 {
        assert_eq!(delivery(&consumer, &mut connection).0, 41);
        let answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
        connection.as_mut().unwrap().send(answer);
    }
    assert_eq!(delivery(&consumer, &mut connection).0, 41);
    acknowledge(connection.as_mut().unwrap());
    assert_eq!(delivery(&consumer, &mut connection).0, 42);
    acknowledge(connection.as_mut().unwrap());
    until("both are delivered", || {
        let sample = r#"sprag_attempts_total{destination="app",outcome="2xx"}"#;
        (gateway.counted(sample) >= 2).then_some(())
    });
}
