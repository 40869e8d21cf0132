//! Keys are compared with what their source has over real connections: a last event that was lost, what follows
//! from it, and answers that mean harm.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/documents.rs"]
mod documents;
#[path = "wire/post.rs"]
mod post;
#[path = "wire/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use documents::lines;
use serde_json::{Value, json};
use server::{Reply, Server};
use wire::{Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// A source that is compared at `authority` with these lines besides, and a consumer.
fn sections(authority: &Server, order: &str, reconcile: &str, consumer: &Server) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/order"
type = "body:/type"
{order}
[sources.orders.reconcile]
url = "{}/orders/{{key}}"
version = "body:/last/number"
headers = {{ authorization = "env:T" }}
every = "1s"
grace = "100ms"
allow = ["127.0.0.0/8"]
{reconcile}
[destinations.app]
from = ["orders"]
url = "{}/app"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        authority.url(),
        consumer.url()
    )
}

const LATEST: &str = "contract = \"latest\"\nposition = { version = \"body:/number\" }";

fn consumer() -> Server {
    Server::start(|_| Reply::status(204))
}

fn event(order: &str, number: u64) -> String {
    format!(r#"{{"id":"{order}-{number}","order":"{order}","number":{number},"type":"changed"}}"#)
}

fn resource(number: u64) -> Reply {
    Reply::json(format!(r#"{{"last":{{"number":{number}}}}}"#))
}

fn send(gateway: &Gateway, order: &str, number: u64) {
    let answer = gateway.ask(&post::post("/in/orders", "", &event(order, number)));
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// What history says of differences: key, ours, theirs.
fn reconciled(gateway: &Gateway) -> Vec<(String, String, String)> {
    let text = |fact: &Value, name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    let told = |fact: &Value| (text(fact, "key"), text(fact, "ours"), text(fact, "theirs"));
    lines(gateway, "/v1/facts?fact=reconciled").iter().map(told).collect()
}

fn result(result: &str) -> String {
    format!(r#"sprag_reconciled_total{{source="orders",result="{result}"}}"#)
}

fn outcome(outcome: &str) -> String {
    format!(r#"sprag_reconcile_asked_total{{source="orders",outcome="{outcome}"}}"#)
}

/// The key that is asked for.
fn asked(request: &Message) -> String {
    let target = request.start.split(' ').nth(1).unwrap();
    target.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_lost_last_event_is_found_and_said_once() {
    let authority = Server::start(|request| match asked(request).as_str() {
        "lost" => resource(7),
        "old" => resource(4),
        _ => resource(5),
    });
    let consumer = consumer();
    let gateway =
        Gateway::start(LIMITS, &sections(&authority, LATEST, "rate = \"100/s\"", &consumer));
    for order in ["lost", "old", "whole"] {
        send(&gateway, order, 5);
    }
    // Found in one pass after another.
    gateway.until_counted(&result("behind"), 3);
    gateway.until_counted(&result("ahead"), 3);
    gateway.until_counted(&result("same"), 3);
    let told = |key: &str, ours: &str, theirs: &str| (key.into(), ours.into(), theirs.into());
    let mut facts = reconciled(&gateway);
    facts.sort();
    assert_eq!(facts, [told("lost", "5", "7"), told("old", "5", "4")], "each is said once");
    assert_eq!(authority.requests()[0].header("authorization"), format!("whsec_T{SECRET}"));
    let alerts = lines(&gateway, "/v1/alerts");
    let items = alerts[0]["items"].as_array().unwrap();
    let differs = items.iter().find(|alert| alert["alert"] == "differs").unwrap();
    assert_eq!(differs["source"], "orders", "{differs}");
    // What was lost comes after all: it is another difference no more.
    send(&gateway, "lost", 7);
    let same = gateway.counted(&result("same"));
    gateway.until_counted(&result("same"), same + 6);
    assert_eq!(reconciled(&gateway).len(), 2);
}

#[test]
fn what_was_lost_is_asked_for_where_that_is_wanted() {
    let authority = Server::start(|request| match request.start.contains("/events") {
        true => Reply::json(format!("[{}]", event("a", 2))),
        false => resource(2),
    });
    let consumer = consumer();
    let refill = format!(
        "position = {{ sequence = \"body:/number\" }}\n\
         refill = {{ url = \"{}/events?order={{key}}&from={{from}}\", allow = [\"127.0.0.0/8\"] }}",
        authority.url()
    );
    let gateway =
        Gateway::start(LIMITS, &sections(&authority, &refill, "then = \"refill\"", &consumer));
    send(&gateway, "a", 1);
    until("the second is delivered", || {
        let came = consumer.requests();
        came.iter().find(|came| came.header("sprag-sequence") == "2").cloned()
    });
    let second = consumer.requests().pop().unwrap();
    assert_eq!((second.header("sprag-origin"), second.header("sprag-position")), ("refilled", "2"));
    gateway.until_counted(&result("same"), 1);
    assert_eq!(gateway.counted(&result("behind")), 1);
    let asks = authority.requests().iter().filter(|ask| ask.start.contains("from=2")).count();
    assert_eq!(asks, 1);
}

#[test]
fn what_the_authority_has_comes_in_as_an_event_where_that_is_wanted() {
    let newest = Arc::new(AtomicU64::new(8));
    let known = newest.clone();
    let authority = Server::start(move |_| resource(known.load(Ordering::SeqCst)));
    let consumer = consumer();
    let gateway =
        Gateway::start(LIMITS, &sections(&authority, LATEST, "then = \"event\"", &consumer));
    send(&gateway, "a", 5);
    gateway.until_counted(&result("same"), 2);
    newest.store(9, Ordering::SeqCst);
    gateway.until_counted(&result("behind"), 2);
    let same = gateway.counted(&result("same"));
    gateway.until_counted(&result("same"), same + 1);
    let came = consumer.requests();
    let shown = |came: &Message| {
        let [sequence, origin, position, event_type] =
            ["sprag-sequence", "sprag-origin", "sprag-position", "sprag-type"]
                .map(|name| came.header(name).to_owned());
        let body = String::from_utf8(came.body.clone()).unwrap();
        (sequence, origin, position, event_type, body)
    };
    let told = |sequence: &str, position: &str| {
        let body = format!(r#"{{"last":{{"number":{position}}}}}"#);
        (sequence.into(), "reconciled".into(), position.into(), "reconciled".into(), body)
    };
    let shown: Vec<_> = came.iter().skip(1).map(shown).collect();
    assert_eq!(shown, [told("2", "8"), told("3", "9")]);
    let event = lines(&gateway, "/v1/events/orders:a:2").remove(0);
    assert_eq!(
        (&event["origin"], &event["source_id"]),
        (&json!("reconciled"), &json!("reconciled:8"))
    );
}

#[test]
fn questions_follow_each_other_over_connections_that_are_kept() {
    let authority = Server::start(|_| resource(1));
    let consumer = consumer();
    let reconcile = "rate = \"100/s\"";
    let gateway = Gateway::start(LIMITS, &sections(&authority, LATEST, reconcile, &consumer));
    (0..40).for_each(|order| send(&gateway, &order.to_string(), 1));
    gateway.until_counted(&result("same"), 120);
    let (asks, connections) =
        (authority.requests().len(), authority.connections.load(Ordering::SeqCst));
    // A few more than are under way at once: one that is not ready again yet is not waited for.
    assert!(connections * 10 <= asks, "{asks} questions over {connections} connections");
}

/// An answer for each kind of harm.
fn harm(order: &str, evil: &str) -> Reply {
    let of = |number: &str| Reply::json(format!(r#"{{"last":{{"number":{number}}}}}"#));
    match order {
        "error" => Reply::status(500),
        "gone" => Reply::status(404),
        "forbidden" => Reply::status(403),
        "redirect" => Reply::Answer(302, format!("location: {evil}/steal\r\n"), Vec::new()),
        "slow" => {
            std::thread::sleep(Duration::from_secs(12));
            of("9")
        }
        "endless" => Reply::Endless,
        "broken" => Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"last\"".to_vec()),
        "nothing" => Reply::Cut(Vec::new()),
        "noise" => Reply::Cut(b"\0\xff\r\n\r\n".to_vec()),
        "empty" => Reply::json(""),
        "text" => Reply::json("hello"),
        "absent" => Reply::json("{}"),
        "null" => of("null"),
        "object" => of("{}"),
        "typed" => of("\"nine\""),
        "float" => of("9.5"),
        "negative" => of("-9"),
        "larger" => of("1180591620717411303424"),
        "twice" => Reply::json(r#"{"last":{"number":1,"number":9}}"#),
        "deep" => Reply::json("[".repeat(100_000)),
        "large" => {
            Reply::json(format!(r#"{{"x":"{}","last":{{"number":9}}}}"#, "x".repeat(20 << 20)))
        }
        "compressed" => {
            Reply::Answer(200, "content-encoding: gzip\r\n".to_owned(), vec![31, 139, 8, 0])
        }
        other => panic!("no such harm: {other}"),
    }
}

const HARMS: [&str; 22] = [
    "error",
    "gone",
    "forbidden",
    "redirect",
    "slow",
    "endless",
    "broken",
    "nothing",
    "noise",
    "empty",
    "text",
    "absent",
    "null",
    "object",
    "typed",
    "float",
    "negative",
    "larger",
    "twice",
    "deep",
    "large",
    "compressed",
];

#[test]
fn an_answer_that_means_harm_is_an_outcome_and_nothing_else() {
    let evil = Server::start(|_| resource(9));
    let leads = evil.url();
    let authority = Server::start(move |request| match asked(request).as_str() {
        "fine" => resource(1),
        order => harm(order, &leads),
    });
    let consumer = consumer();
    let order = format!("{LATEST}\nmax_body = \"64KiB\"");
    let reconcile = "rate = \"1000/s\"\nthen = \"event\"";
    let gateway = Gateway::start(LIMITS, &sections(&authority, &order, reconcile, &consumer));
    HARMS.iter().chain(&["fine"]).for_each(|order| send(&gateway, order, 1));
    until("all are asked for", || {
        let keys: std::collections::BTreeSet<_> = authority.requests().iter().map(asked).collect();
        (keys.len() > HARMS.len()).then_some(())
    });
    // The others go on all the while.
    gateway.until_counted(&result("same"), 3);
    for (name, least) in [
        ("failed", 1),
        ("absent", 1),
        ("declined", 2),
        ("cut", 2),
        ("unfinished", 4),
        ("unreadable", 12),
    ] {
        gateway.until_counted(&outcome(name), least);
    }
    assert_eq!(reconciled(&gateway), [], "nothing of it is a difference");
    assert_eq!(consumer.requests().len(), HARMS.len() + 1, "nor an event");
    assert_eq!(evil.requests().len(), 0, "nothing leads to another server");
    until("the slow one is given up and asked again", || {
        let asks = authority.requests().iter().filter(|ask| asked(ask) == "slow").count();
        (asks > 1).then_some(())
    });
    send(&gateway, "fine", 2);
}

#[test]
fn a_source_that_is_asked_too_often_is_left_alone_as_long_as_it_says() {
    let (times, clock) = (Arc::new(Mutex::new(Vec::new())), sprag::clock::Clock::start());
    let seen = times.clone();
    let authority = Server::start(move |_| {
        let mut seen = seen.lock().unwrap();
        seen.push(clock.now().elapsed);
        match seen.len() {
            1 => Reply::Answer(429, "retry-after: 2\r\n".to_owned(), Vec::new()),
            _ => resource(3),
        }
    });
    let consumer = consumer();
    let reconcile = "rate = \"1000/s\"";
    let gateway = Gateway::start(LIMITS, &sections(&authority, LATEST, reconcile, &consumer));
    send(&gateway, "a", 1);
    gateway.until_counted(&outcome("throttled"), 1);
    gateway.until_counted(&result("behind"), 1);
    let times = times.lock().unwrap().clone();
    assert!(times[1].since(times[0]) >= Duration::from_secs(2), "{times:?}");
    let told = until("history has the difference", || {
        let told = reconciled(&gateway);
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told, [("a".to_owned(), "1".to_owned(), "3".to_owned())]);
}

#[test]
fn a_private_address_is_connected_to_only_where_that_is_allowed() {
    let authority = Server::start(|_| resource(3));
    let consumer = consumer();
    let sections = sections(&authority, LATEST, "", &consumer);
    let sections = sections.replacen("allow = [\"127.0.0.0/8\"]", "", 1);
    let gateway = Gateway::start(LIMITS, &sections);
    send(&gateway, "a", 1);
    gateway.until_counted(&outcome("refused"), 2);
    assert_eq!(authority.requests().len(), 0);
}

#[test]
fn what_is_not_delivered_is_not_compared() {
    let authority = Server::start(|_| resource(3));
    let failing = Arc::new(AtomicU64::new(500));
    let status = failing.clone();
    let consumer = Server::start(move |_| {
        Reply::status(u16::try_from(status.load(Ordering::SeqCst)).unwrap())
    });
    let gateway = Gateway::start(LIMITS, &sections(&authority, LATEST, "", &consumer));
    send(&gateway, "a", 1);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(authority.requests().len(), 0, "its event is on its way");
    failing.store(204, Ordering::SeqCst);
    gateway.until_counted(&result("behind"), 1);
}
