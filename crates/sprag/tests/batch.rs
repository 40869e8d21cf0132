//! Ranges of events as one request (rule L9) over real connections: the form of
//! docs/guides/batches.md, what answers acknowledge, and the checking consumer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/proof.rs"]
mod proof;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use proof::{hmac_of, signed_texts};
use serde_json::{Value, json};
use sprag::clock::Clock;
use sprag::config::check;
use sprag::secret::Secret;
use sprag::share::Share;
use sprag::sink::{self, Faults, Inspector, Settings, Silent};
use std::time::Duration;
use wire::{Connection, Gateway, Message, SECRET, until};

fn sections(url: &str, batch: u32) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
type = "body:/type"
contract = "arrival"
[destinations.app]
from = ["orders"]
url = "{url}"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
forward = ["x-trace"]
retry = {{ first = "10ms", cap = "10ms" }}
batch = {batch}
"#
    )
}

fn body(number: u64) -> String {
    format!(r#"{{ "order":"a b", "type":"order.paid", "number":{number} }}{}"#, '\n')
}

fn post(gateway: &Gateway, number: u64) {
    let body = body(number);
    let head = format!(
        "host: sprag\r\nx-id: {number}\r\nx-trace: t{number}\r\ncontent-type: application/json"
    );
    let length = body.len();
    let request =
        format!("POST /in/orders HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    assert_eq!(gateway.ask(request.as_bytes()).status(), 200);
}

fn answer(connection: &mut Connection, status: &str, acknowledged: &str) {
    let head = format!("HTTP/1.1 {status}\r\nsprag-acknowledged: {acknowledged}");
    connection.send(format!("{head}\r\ncontent-length: 0\r\n\r\n").as_bytes());
}

fn envelopes(request: &Message) -> Vec<Value> {
    serde_json::from_slice(&request.body).unwrap()
}

fn is_of(request: &Message, id: &str, count: &str) {
    assert_eq!(request.header("webhook-id"), id, "{request:?}");
    assert_eq!(request.header("sprag-batch"), count);
    let (webhook, own) = signed_texts(request);
    assert_eq!(request.header("webhook-signature"), hmac_of('A', &webhook));
    assert_eq!(request.header("sprag-signature"), hmac_of('A', &own));
}

/// How long each event took is in the metrics, whatever it was sent with.
fn each_was_counted_once(gateway: &Gateway, events: u64) {
    let mut metrics = Connection::to(gateway.running.admin);
    metrics.send(b"GET /metrics HTTP/1.1\r\nhost: sprag\r\n\r\n");
    let page = String::from_utf8(metrics.message().expect("metrics").body).unwrap();
    let count = "sprag_lag_seconds_count{destination=\"app\",";
    let lags = page.lines().filter(|line| line.starts_with(count));
    assert!(lags.map(|line| line.ends_with(&format!(" {events}"))).eq([true]), "{page}");
}

#[test]
fn a_range_is_one_signed_request_and_the_same_until_it_is_acknowledged() {
    let consumer = Consumer::listen();
    let url = format!("http://127.0.0.1:{}/hooks", consumer.port());
    let gateway = Gateway::start("disk_reserve = \"1MiB\"", &sections(&url, 3));
    post(&gateway, 1);
    let (mut connection, first) = consumer.delivery();
    is_of(&first, "orders:a%20b:1-1", "1");
    (2..=5).for_each(|number| post(&gateway, number));
    acknowledge(&mut connection);
    let range = connection.message().expect("a range");
    is_of(&range, "orders:a%20b:2-4", "3");
    for (name, value) in [
        ("content-type", "application/json"),
        ("sprag-source", "orders"),
        ("sprag-key", "a%20b"),
        ("sprag-sequence", "2-4"),
        ("sprag-previous-sequence", "1"),
        ("sprag-attempt", "1"),
        ("sprag-redelivery", ""),
        ("sprag-hash", ""),
        ("x-trace", ""),
    ] {
        assert_eq!(range.header(name), value, "{name}");
    }
    let events = envelopes(&range);
    for (at, number) in (0..).zip(2..=4_u64) {
        let headers = &events[at]["headers"];
        assert_eq!(events[at]["body"], body(number), "as received, to the byte");
        for (name, value) in [
            ("webhook-id", format!("orders:a%20b:{number}")),
            ("sprag-sequence", number.to_string()),
            ("sprag-previous-sequence", (number - 1).to_string()),
            ("sprag-type", "order%2Epaid".to_owned()),
            ("sprag-source-id", number.to_string()),
            ("content-type", "application/json".to_owned()),
            ("x-trace", format!("t{number}")),
        ] {
            assert_eq!(headers[name], json!(value), "{name}");
        }
    }
    assert_eq!(events[1]["headers"]["sprag-previous-hash"], events[0]["headers"]["sprag-hash"]);
    // A failure changes nothing about the range, whatever came meanwhile.
    post(&gateway, 6);
    connection.send(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    let again = connection.message().expect("the range again");
    is_of(&again, "orders:a%20b:2-4", "3");
    assert_eq!(again.header("sprag-redelivery"), "true");
    let bodies = |range: &Message| -> Vec<Value> {
        envelopes(range).into_iter().map(|event| event["body"].clone()).collect()
    };
    assert_eq!(bodies(&again), bodies(&range));
    // A part is acknowledged and the rest has failed: it is tried as it is.
    answer(&mut connection, "500 Oops", "1");
    is_of(&connection.message().expect("the rest"), "orders:a%20b:3-4", "2");
    // A part is acknowledged: the rest is a new range, with what waits.
    answer(&mut connection, "200 OK", "1");
    let rest = connection.message().expect("a new range");
    is_of(&rest, "orders:a%20b:4-6", "3");
    assert_eq!(rest.header("sprag-previous-sequence"), "3");
    // Nothing is acknowledged, whatever the status says, by what is no number.
    answer(&mut connection, "200 OK", "all");
    is_of(&connection.message().expect("once more"), "orders:a%20b:4-6", "3");
    acknowledge(&mut connection);
    let head = format!("host: sprag\r\nauthorization: Bearer whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let shown = until("all is delivered", || {
        let mut admin = Connection::to(gateway.running.admin);
        admin
            .send(format!("GET /v1/events/orders:a%2520b:6 HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
        let shown: Value = serde_json::from_slice(&admin.message()?.body).ok()?;
        let lane = shown["fates"]["destinations"][0].clone();
        (lane["status"] == "delivered").then_some(lane)
    });
    assert!(shown["attempts"].as_array().is_some_and(|tries| !tries.is_empty()), "{shown}");
    each_was_counted_once(&gateway, 6);
}

#[test]
fn a_checking_consumer_finds_nothing_wrong_with_ranges_of_a_flaky_world() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let secret = Secret::from(format!("whsec_A{SECRET}").as_str());
    let settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        inspector: Inspector::new(&[secret]).unwrap(),
        from_first: true,
        faults: Faults {
            fail: Share::per_thousand(150),
            silent: Share::per_thousand(50),
            slow: Share::NONE,
            delay: Duration::ZERO,
            seed: 7,
        },
    };
    let sink = runtime.block_on(sink::start(settings, Clock::start(), Silent)).unwrap();
    let url = format!("http://{}/", sink.address);
    let gateway = Gateway::start("disk_reserve = \"1MiB\"", &sections(&url, 7));
    (1..=200).for_each(|number| post(&gateway, number));
    let summary = until("all is acknowledged", || {
        Some(sink.summary()).filter(|summary| summary.acknowledged == 200)
    });
    assert_eq!(summary.violations(), 0, "{:#?}", summary.first_violations);
    assert!(summary.repeats > 0, "a flaky consumer gets repeats: {summary:?}");
}

#[test]
fn what_is_no_json_or_too_large_is_refused() {
    let resolve = |_: &_| Ok(Secret::from(format!("whsec_A{SECRET}").as_str()));
    let told = |sections: &str| {
        let findings = check(sections, "sprag.toml", &resolve).unwrap_err();
        findings.iter().map(ToString::to_string).collect::<String>()
    };
    let json = sections("http://127.0.0.1:9/", 100);
    assert!(told(&json).contains("may have 100MiB, more than 64MiB"), "{}", told(&json));
    let plain = sections("http://127.0.0.1:9/", 2)
        .replace("body:/order", "header:x-order")
        .replace("body:/type", "header:x-type");
    assert!(told(&plain).contains("reads nothing from a JSON body"), "{}", told(&plain));
}
