//! A sender that lies, or breaks, costs its keys the wait and nobody anything.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::documents::lines;
use crate::post::post;
use crate::{Gateway, LIMITS, Message, Reply, SECRET, Server, consumer, until};
use serde_json::Value;
use sprag::secret::Secret;
use sprag::verify::signature::DestinationKeys;

const HARMS: [&str; 18] = [
    "text",
    "null",
    "no-events",
    "number",
    "no-headers",
    "list-of-headers",
    "no-body",
    "no-base64",
    "no-key",
    "no-sequence",
    "large-sequence",
    "behind-sequence",
    "omitted-text",
    "omitted-backwards",
    "omitted-negative",
    "omitted-elsewhere",
    "endless",
    "other-key",
];

static PAGES: AtomicU64 = AtomicU64::new(0);

/// An event of a key as it should be, but for what is changed.
fn envelope(key: &str, sequence: &str) -> String {
    format!(
        r#"{{"headers":{{"webhook-id":"orders:{key}:{sequence}","sprag-source":"orders","sprag-key":"{key}","sprag-sequence":"{sequence}"}},"body":"{{}}"}}"#
    )
}

fn page(events: &str, omitted: &str, next: &str) -> Reply {
    Reply::json(format!(r#"{{"events":[{events}],"omitted":{omitted},"next":{next}}}"#))
}

fn harm(key: &str) -> Reply {
    let element = |element: &str| page(element, "[]", "null");
    match key {
        "text" => Reply::json("hello"),
        "null" => Reply::json("null"),
        "no-events" => Reply::json(r#"{"events":{},"omitted":[]}"#),
        "number" => element("7"),
        "no-headers" => element(r#"{"body":"{}"}"#),
        "list-of-headers" => element(r#"{"headers":["sprag-key"],"body":"{}"}"#),
        "no-body" => element(&envelope(key, "2").replace(r#""body":"{}""#, r#""body":null"#)),
        "no-base64" => {
            element(&envelope(key, "2").replace(r#""body":"{}""#, r#""body_base64":"?""#))
        }
        "no-key" => element(&envelope(key, "2").replace("sprag-key", "sprag-kex")),
        "no-sequence" => element(&envelope(key, "two")),
        "large-sequence" => element(&envelope(key, "18446744073709551615")),
        "behind-sequence" => element(&envelope(key, "0")),
        "omitted-text" => page("", r#""all""#, "null"),
        "omitted-backwards" => page("", r#"[{"from":9,"to":2,"reason":"gone"}]"#, "null"),
        "omitted-negative" => page("", r#"[{"from":-1,"to":2.5,"reason":"gone"}]"#, "null"),
        // Not what was asked for.
        "omitted-elsewhere" => page("", r#"[{"from":3,"to":18446744073709551615}]"#, "null"),
        "endless" => {
            let number = PAGES.fetch_add(1, Ordering::SeqCst);
            page("", "[]", &format!("\"?key=endless&from={number}\""))
        }
        "other-key" => element(&envelope("innocent", "1")),
        other => panic!("no such harm: {other}"),
    }
}

/// The key that is asked for.
fn asked(request: &Message) -> String {
    let target = request.start.split(' ').nth(1).unwrap();
    let pairs = target.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    pairs
        .clone()
        .find(|(name, _)| *name == "key")
        .map(|(_, key)| key.to_owned())
        .unwrap_or_default()
}

/// Posts a delivery as the sender would.
fn deliver(gateway: &Gateway, key: &str, sequence: u64) -> Value {
    let keys = DestinationKeys::new(&[Secret::from(format!("whsec_A{SECRET}").as_str())]).unwrap();
    let seconds = i64::try_from(gateway.clock.now().clock.0 / 1_000_000).unwrap();
    let (id, sequence) = (format!("orders:{key}:{sequence}"), sequence.to_string());
    let own = [("sprag-key", key), ("sprag-sequence", &*sequence), ("sprag-source", "orders")];
    let signed = keys.sprag_signature(
        &id,
        seconds,
        own.iter().map(|(name, value)| (*name, value.as_bytes())),
    );
    let signature = keys.webhook_signature(&id, seconds, b"{}");
    let own: String = own.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = format!(
        "{own}sprag-signature: {signed}\r\nwebhook-signature: {signature}\r\nwebhook-id: {id}\r\n\
         webhook-timestamp: {seconds}\r\n"
    );
    let answer = gateway.ask(&post("/in/orders", &headers, "{}"));
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_sender_that_lies_or_breaks_costs_its_keys_the_wait_and_nobody_anything() {
    let sender = Server::start(|request| harm(&asked(request)));
    let consumer = consumer();
    let source = "hold = { wait = \"4s\" }";
    let sections = crate::receiver(&sender.url(), source, &consumer)
        .replace("on_gap = \"halt\"\n", "")
        .replace("after = \"20ms\"", "after = \"20ms\", attempts = 1");
    let gateway = Gateway::start(LIMITS, &sections);
    for key in HARMS {
        assert_eq!(deliver(&gateway, key, 1)["status"], "released");
        assert_eq!(deliver(&gateway, key, 3)["status"], "held", "{key}");
    }
    for sequence in 1..=50 {
        assert_eq!(deliver(&gateway, "innocent", sequence)["key"], "orders/innocent");
    }
    let of = |key: &str| -> Vec<String> {
        let all = consumer.requests().into_iter();
        let of_key = all.filter(|one| one.header("sprag-key") == format!("orders/{key}"));
        of_key.map(|one| one.header("sprag-position").to_owned()).collect()
    };
    let all: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    until("the innocent key is delivered", || (of("innocent") == all).then_some(()));
    for key in HARMS {
        until(&format!("{key} goes on"), || (of(key) == ["1", "3"]).then_some(()));
    }
    assert!(PAGES.load(Ordering::SeqCst) <= 100, "pages without end have an end");
    // None of it was believed to be gone before its time.
    let waited = consumer.requests().into_iter().filter(|one| one.header("sprag-missing") == "2");
    assert_eq!(waited.count(), HARMS.len());
    let facts = lines(&gateway, "/v1/facts?fact=gap-abandoned");
    assert!(facts.iter().all(|fact| fact["reason"] == "waited"), "{facts:?}");
}
