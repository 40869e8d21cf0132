//! `types` of a destination over real connections: what it does not take is not sent, and told.

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
use documents::get;
use serde_json::Value;
use wire::Gateway;

fn gateway(consumer: &Consumer) -> Gateway {
    let port = consumer.port();
    let sections = format!(
        r#"
[sources.shop]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/order"
type = "body:/type"
position = {{ sequence = "body:/number" }}
[destinations.invoices]
from = ["shop"]
types = ["invoice.*"]
url = "http://127.0.0.1:{port}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#
    );
    Gateway::start("disk_reserve = \"1MiB\"", &sections)
}

fn post(gateway: &Gateway, number: u64, event_type: &str) {
    let body = format!(r#"{{"order":"o","number":{number},"type":"{event_type}"}}"#);
    let answer = gateway.ask(&post::post("/in/shop", "", &body));
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn event(gateway: &Gateway, id: &str) -> Value {
    get(gateway, &format!("/v1/events/{id}"))
}

#[test]
fn what_a_destination_does_not_take_is_filtered_and_named() {
    let consumer = Consumer::listen();
    let gateway = gateway(&consumer);
    post(&gateway, 1, "customer.created");
    post(&gateway, 2, "invoice.created");
    let (mut connection, first) = consumer.delivery();
    assert_eq!(first.header("sprag-sequence"), "2");
    assert_eq!(first.header("sprag-previous-sequence"), "0");
    assert_eq!(first.header("sprag-omitted"), "1;filtered");
    // These come while the lane has something under way.
    post(&gateway, 3, "customer.updated");
    post(&gateway, 4, "customer.updated");
    post(&gateway, 5, "invoice.paid");
    acknowledge(&mut connection);
    let second = connection.message().expect("the next delivery");
    assert_eq!(second.header("sprag-sequence"), "5");
    assert_eq!(second.header("sprag-previous-sequence"), "2");
    assert_eq!(second.header("sprag-omitted"), "3-4;filtered");
    acknowledge(&mut connection);
    gateway.until_counted(r#"sprag_attempts_total{destination="invoices",outcome="2xx"}"#, 2);
    assert_eq!(gateway.counted(r#"sprag_filtered_total{destination="invoices"}"#), 3);
    for (id, status) in [("shop:o:3", "filtered"), ("shop:o:5", "delivered")] {
        let event = event(&gateway, id);
        assert_eq!(event["fates"]["destinations"][0]["status"], status, "{event}");
    }
    assert!(consumer.is_alone(), "nothing else is sent");
}
