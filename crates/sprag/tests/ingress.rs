//! The answers of `POST /in/{source}` over real connections (DESIGN section 5), to providers that
//! are honest, mistaken or hostile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/post.rs"]
mod post;
mod wire;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use post::post;
use serde_json::Value;
use sprag::secret::Secret;
use sprag::verify::signature::DestinationKeys;
use wire::{Connection, Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

const SOURCES: &str = r#"
[sources.open]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/order"
type = "body:/type"
accept = ["order.*"]
position = { sequence = "body:/number" }
hold = { wait = "30d", span = 10 }
max_body = "4KiB"
[sources.hasty]
verify = { scheme = "none" }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
hold = { wait = "1ms" }
[sources.patient]
verify = { scheme = "none" }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
hold = { wait = "1ms" }
on_gap = "halt"
[sources.limited]
verify = { scheme = "none" }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
rate = "2/h"
[sources.signed]
verify = { scheme = "standard-webhooks", secrets = ["env:A"], tolerance = "5m" }
id = "header:webhook-id"
key = "body:/order"
type = "body:/type"
accept = ["order.*"]
position = { sequence = "body:/number" }
[sources.timed]
verify = { scheme = "stripe", secrets = ["env:A"] }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
[sources.families]
verify = { scheme = "svix", secrets = ["env:A"] }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
[destinations.nowhere]
from = ["open"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

fn gateway() -> Gateway {
    Gateway::start(LIMITS, SOURCES)
}

fn body(order: &str, number: u64) -> String {
    format!(r#"{{"order":"{order}","number":{number},"type":"order.paid"}}"#)
}

fn open(id: &str, order: &str, number: u64) -> Vec<u8> {
    post("/in/open", &format!("x-id: {id}\r\n"), &body(order, number))
}

/// The headers of Standard Webhooks, signed as many seconds ago.
fn signature(gateway: &Gateway, id: &str, ago: i64, body: &str) -> String {
    let keys = DestinationKeys::new(&[Secret::from(format!("whsec_A{SECRET}").as_str())]).unwrap();
    let at = i64::try_from(gateway.clock.now().clock.0 / 1_000_000).unwrap() - ago;
    let signature = keys.webhook_signature(id, at, body.as_bytes());
    format!("webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: {signature}\r\n")
}

/// The body as JSON; null when it is none.
fn document(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The answer is 200 with this status; gives its document.
fn assert_taken(answer: &Message, status: &str) -> Value {
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let document = document(answer);
    assert_eq!(document["status"], status, "{document}");
    document
}

/// The answer is a problem with this status and code.
fn assert_refused(answer: &Message, status: u16, code: &str) {
    let document = document(answer);
    assert_eq!((answer.status(), &document["code"]), (status, &code.into()), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(document["status"], status, "{document}");
    assert_eq!(document["type"], format!("urn:sprag:problem:{code}"));
    let later = matches!(status, 429 | 503);
    let retry_after = answer.header("retry-after").parse::<u64>();
    assert_eq!(retry_after.is_ok_and(|seconds| seconds > 0), later, "{answer:?}");
}

/// An event that nothing is wrong with is released.
fn assert_serves(gateway: &Gateway, order: &str) {
    assert_taken(&gateway.ask(&open(order, order, 1)), "released");
}

#[test]
fn taken_events_are_answered_with_what_they_became() {
    let gateway = gateway();
    let ask = |id: &str, number: u64| gateway.ask(&open(id, "a b", number));
    let released = assert_taken(&ask("one", 1), "released");
    assert_eq!(released["key"], "a%20b");
    assert_eq!(released["sequence"], 1);
    let duplicate = assert_taken(&ask("one", 1), "duplicate");
    assert_eq!(duplicate["sequence"], 1, "a duplicate shares the original's answer");
    assert_eq!(duplicate["id"], released["id"]);
    let held = assert_taken(&ask("three", 3), "held");
    assert_eq!(held["sequence"], Value::Null);
    assert_ne!(held["id"], released["id"]);
    let other = body("a b", 1).replace("paid", "late");
    assert_taken(&gateway.ask(&post("/in/open", "x-id: other\r\n", &other)), "conflict");
    assert_taken(&ask("fourteen", 14), "invalid");
    let ignored = body("a b", 2).replace("order.paid", "user.made");
    assert_taken(&gateway.ask(&post("/in/open", "x-id: user\r\n", &ignored)), "ignored");
    assert_eq!(assert_taken(&ask("two", 2), "released")["sequence"], 2);
}

#[test]
fn an_event_whose_place_was_given_up_is_late() {
    let gateway = gateway();
    let ask = |number| gateway.ask(&post("/in/hasty", "", &body("a", number)));
    assert_taken(&ask(1), "released");
    assert_taken(&ask(3), "held");
    let given_up = || (gateway.counted("sprag_gaps_open{source=\"hasty\"}") == 0).then_some(());
    until("the gap is given up", given_up);
    assert_eq!(assert_taken(&ask(2), "late")["sequence"], 3, "at the tail: 1, 3, 2");
}

#[test]
fn signatures_decide_first() {
    let gateway = gateway();
    let ask = |headers: &str, body: &str| gateway.ask(&post("/in/signed", headers, body));
    let (first, second) = (body("a", 1), body("a", 2));
    let headers = signature(&gateway, "one", 0, &first);
    assert_refused(&ask(&headers, &second), 401, "signature-mismatch");
    assert_refused(&ask(&headers, "not even JSON"), 401, "signature-mismatch");
    let (unsigned, _) = headers.split_once("webhook-signature").unwrap();
    assert_refused(&ask(unsigned, &first), 401, "missing-signature");
    assert_refused(&ask("", &first), 401, "missing-signed-id");
    let told = String::from_utf8(ask(unsigned, &first).body).unwrap();
    assert!(told.contains("these are missing: webhook-signature\""), "{told}");
    assert_taken(&ask(&headers, &first), "released");
    let refused = "sprag_refused_total{source=\"signed\",code=\"signature-mismatch\"}";
    gateway.until_counted(refused, 2);
}

#[test]
fn a_valid_signature_outside_the_tolerance_needs_a_known_id() {
    let gateway = gateway();
    let first = body("a", 1);
    let ask = |id: &str, ago: i64| {
        gateway.ask(&post("/in/signed", &signature(&gateway, id, ago, &first), &first))
    };
    assert_refused(&ask("one", 3_600), 401, "timestamp-outside-tolerance");
    assert_refused(&ask("one", -3_600), 401, "timestamp-outside-tolerance");
    assert_taken(&ask("one", 0), "released");
    assert_taken(&ask("one", 3_600), "duplicate");
    assert_refused(&ask("two", 3_600), 401, "timestamp-outside-tolerance");
    // Nor may it fill history with what the source does not accept.
    let other = first.replace("order.", "other.");
    let ask = |ago: i64| {
        gateway.ask(&post("/in/signed", &signature(&gateway, "three", ago, &other), &other))
    };
    assert_taken(&ask(0), "ignored");
    assert_refused(&ask(3_600), 401, "timestamp-outside-tolerance");
}

#[test]
fn a_sender_is_told_which_part_of_its_own_scheme_is_missing() {
    let gateway = gateway();
    let told = |path: &str, headers: &str| {
        let answer = gateway.ask(&post(path, headers, &body("a", 1)));
        assert_eq!(answer.status(), 401, "{answer:?}");
        String::from_utf8(answer.body).unwrap()
    };
    let timed = told("/in/timed", "stripe-signature: v1=00\r\n");
    assert!(
        timed.contains("it is not in what the sender wrote into stripe-signature\""),
        "{timed}"
    );
    let other = told("/in/families", "webhook-id: a\r\nwebhook-signature: v1,AAAA\r\n");
    assert!(other.contains("these are missing: webhook-timestamp\""), "{other}");
    let none = told("/in/families", "");
    assert!(none.contains("missing: svix-id, svix-timestamp, svix-signature\""), "{none}");
}

#[test]
fn only_posts_to_sources_are_events() {
    let gateway = gateway();
    let ask = |path: &str| gateway.ask(&post(path, "x-id: one\r\n", &body("a", 1)));
    assert_refused(&ask("/in/nobody"), 404, "unknown-source");
    assert_refused(&ask("/in/open/"), 404, "unknown-source");
    assert_refused(&ask("/in/"), 404, "unknown-source");
    assert_refused(&ask("/in"), 404, "unknown-path");
    assert_refused(&ask("/"), 404, "unknown-path");
    assert_refused(&ask("/v1/sources"), 404, "unknown-path");
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} /in/open HTTP/1.1\r\nhost: sprag\r\n\r\n");
        let answer = gateway.ask(request.as_bytes());
        assert_refused(&answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "POST", "{method}");
    }
    assert_serves(&gateway, "b");
}

#[test]
fn bodies_are_bounded_by_their_declared_and_their_real_length() {
    let gateway = gateway();
    let head =
        "POST /in/open HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json\r\nx-id: a\r\n";
    let declared = format!("{head}content-length: 4097\r\n\r\n");
    assert_refused(&gateway.ask(declared.as_bytes()), 413, "body-too-large");
    let endless = format!("{head}transfer-encoding: chunked\r\n\r\n1001\r\n{:4097}\r\n", "");
    assert_refused(&gateway.ask(endless.as_bytes()), 413, "body-too-large");
    let fits = format!("{:4096}", body("a", 1));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n1000\r\n{fits}\r\n0\r\n\r\n");
    assert_taken(&gateway.ask(chunked.as_bytes()), "released");
}

/// A connection that is closed over unread bytes is reset, and a reset takes the answer with it.
#[test]
fn who_sends_all_before_it_reads_sees_why_it_was_refused() {
    let gateway = gateway();
    let large = body("a", 1) + &" ".repeat(300_000);
    let media = post("/in/open", "x-id: a\r\ncontent-encoding: gzip\r\n", &large);
    for (request, status, code) in [
        (post("/in/nobody", "", &large), 404, "unknown-source"),
        (post("/in/open", "x-id: a\r\n", &large), 413, "body-too-large"),
        (media, 415, "unsupported-content-encoding"),
        (post("/out/nobody/ack", "", &large), 404, "unknown-destination"),
    ] {
        let mut connection = Connection::to(gateway.listen());
        for part in request.chunks(20_000) {
            connection.send(part);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_refused(&connection.message().expect("an answer"), status, code);
    }
    assert_serves(&gateway, "b");
}

#[test]
fn who_says_that_it_sends_no_more_gets_its_answer() {
    let gateway = gateway();
    let mut connection = Connection::to(gateway.listen());
    connection.send(&open("one", "a", 1));
    connection.stream.shutdown(Shutdown::Write).unwrap();
    assert_taken(&connection.message().expect("an answer"), "released");
}

#[test]
fn bodies_must_be_what_is_read_from_them() {
    let gateway = gateway();
    let ask = |headers: &str, body: &str| gateway.ask(&post("/in/open", headers, body));
    let typed = String::from_utf8(open("one", "a", 1)).unwrap();
    let text = typed.replace("application/json", "text/plain");
    let answer = gateway.ask(text.as_bytes());
    assert_refused(&answer, 415, "unsupported-content-type");
    let told = String::from_utf8(answer.body).unwrap();
    assert!(told.contains("application/json, or one that ends with +json, is needed"), "{told}");
    let packed = "x-id: one\r\ncontent-encoding: gzip\r\n";
    assert_refused(&ask(packed, &body("a", 1)), 415, "unsupported-content-encoding");
    let id = "x-id: one\r\n";
    for unreadable in ["", "{", "{\"order\":\"a\"}}", "\u{feff}{}", "[1,]"] {
        assert_refused(&ask(id, unreadable), 400, "unreadable-json");
    }
    assert_refused(&ask("", &body("a", 1)), 422, "invalid-id");
    assert_refused(&ask(id, &body("", 1)), 422, "invalid-key");
    assert_refused(&ask(id, &body(&"k".repeat(201), 1)), 422, "invalid-key");
    let twice = body("a", 1).replace("\"order\"", "\"order\":\"b\",\"order\"");
    assert_refused(&ask(id, &twice), 422, "invalid-key");
    for position in ["1.5", "-1", "null", "\"\"", "18446744073709551616", "true"] {
        let body = body("a", 1).replace(":1,", &format!(":{position},"));
        assert_refused(&ask(id, &body), 422, "invalid-position");
    }
    assert_serves(&gateway, "b");
}

/// The answer to what cannot be read is a problem, or the connection ends: never a taken event.
fn assert_unreadable(connection: &mut Connection, what: &str) {
    let Some(answer) = connection.message() else { return };
    assert_eq!(answer.status(), 400, "{what}: {answer:?}");
}

#[test]
fn a_body_that_is_cut_short_is_no_event() {
    let gateway = gateway();
    let whole = open("one", "a", 1);
    let mut cut = Connection::to(gateway.listen());
    cut.send(&whole[..whole.len() - 1]);
    cut.stream.shutdown(Shutdown::Write).unwrap();
    assert_unreadable(&mut cut, "cut short");
    let head =
        "POST /in/open HTTP/1.1\r\nhost: sprag\r\nx-id: one\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}garbage", "ffffffffffffffff1\r\n{}"] {
        let mut connection = Connection::to(gateway.listen());
        connection.send(format!("{head}{chunks}").as_bytes());
        assert_unreadable(&mut connection, chunks);
    }
    let answer = assert_taken(&gateway.ask(&whole), "released");
    assert_eq!(answer["sequence"], 1, "nothing was recorded before");
}

/// Two lengths are how requests are smuggled past a proxy (RFC 9112 section 6.3).
#[test]
fn contradicting_lengths_are_refused() {
    let gateway = gateway();
    let event = body("a", 1);
    let length = event.len();
    for lengths in [
        format!("content-length: {length}\r\ncontent-length: {}\r\n", length - 1),
        "content-length: -1\r\n".to_owned(),
        "content-length: 1e1\r\n".to_owned(),
    ] {
        let mut connection = Connection::to(gateway.listen());
        let head = "POST /in/open HTTP/1.1\r\nhost: sprag\r\nx-id: one\r\n";
        connection.send(format!("{head}{lengths}\r\n{event}").as_bytes());
        assert_unreadable(&mut connection, &lengths);
    }
    assert_eq!(assert_taken(&gateway.ask(&open("one", "a", 1)), "released")["sequence"], 1);
}

#[test]
fn slow_requests_end() {
    let gateway = Gateway::start(&format!("{LIMITS}\nrequest_time = \"1s\""), SOURCES);
    let whole = open("one", "a", 1);
    let mut slow_body = Connection::to(gateway.listen());
    slow_body.send(&whole[..whole.len() - 1]);
    let mut slow_head = Connection::to(gateway.listen());
    slow_head.send(b"POST /in/open HTTP/1.1\r\nhost:");
    let answer = slow_body.message().expect("an answer");
    assert_refused(&answer, 408, "request-timeout");
    assert!(slow_body.ends(), "what follows cannot be told from the rest of the body");
    if let Some(answer) = slow_head.message() {
        assert_eq!(answer.status(), 408, "{answer:?}");
    }
    assert_eq!(assert_taken(&gateway.ask(&whole), "released")["sequence"], 1);
}

#[test]
fn a_key_that_waits_for_too_long_is_told_to_come_later() {
    let gateway = Gateway::start(&format!("{LIMITS}\nkey_backlog = 2"), SOURCES);
    let ask = |order, number| gateway.ask(&post("/in/patient", "", &body(order, number)));
    assert_taken(&ask("a", 1), "released");
    assert_taken(&ask("a", 3), "held");
    assert_taken(&ask("a", 4), "held");
    assert_refused(&ask("a", 5), 429, "key-backlog-full");
    assert_taken(&ask("b", 1), "released");
    assert_taken(&ask("a", 2), "released");
    assert_eq!(assert_taken(&ask("a", 5), "released")["sequence"], 5);
}

#[test]
fn no_event_is_taken_below_the_disk_reserve() {
    // The largest reserve there is; the test's disk must have less free space than that.
    let gateway = Gateway::start("disk_reserve = \"1024GiB\"", SOURCES);
    let mut number = 0;
    // The first look at the disk may come after the first requests.
    let refused = until("the disk was looked at", || {
        number += 1;
        let answer = gateway.ask(&open(&number.to_string(), "a", number));
        (answer.status() != 200).then_some(answer)
    });
    assert_refused(&refused, 503, "disk-reserve");
}

#[test]
fn oversized_heads_and_garbage_harm_nobody_else() {
    let gateway = gateway();
    let start = "POST /in/open HTTP/1.1\r\nhost: sprag\r\n";
    let long = format!("{start}x-long: {}\r\n\r\n", "a".repeat(80 * 1024));
    let many = format!("{start}{}\r\n", "x-many: a\r\n".repeat(200));
    let path = format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(80 * 1024));
    let hostile: [&[u8]; 9] = [
        long.as_bytes(),
        many.as_bytes(),
        path.as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /in/open HTTP/9.9\r\n\r\n",
        b"POST /in/open HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /in/\xff\xfe HTTP/1.1\r\nhost: \xff\r\n\r\n",
    ];
    for (number, bytes) in hostile.into_iter().enumerate() {
        let mut connection = Connection::to(gateway.listen());
        // The other side may have closed before it read everything.
        let _ = connection.stream.write_all(bytes);
        let _ = connection.stream.shutdown(Shutdown::Write);
        if let Some(answer) = connection.message() {
            assert!((400..500).contains(&answer.status()), "{number}: {answer:?}");
        }
        assert_serves(&gateway, &format!("after-{number}"));
    }
}

#[test]
fn connections_beyond_the_limit_wait_until_one_closes() {
    let gateway = Gateway::start(&format!("{LIMITS}\nconnections = 2"), SOURCES);
    let mut taken = ["a", "b"].map(|order| {
        let mut connection = Connection::to(gateway.listen());
        connection.send(&open(order, order, 1));
        assert_taken(&connection.message().expect("an answer"), "released");
        connection
    });
    let mut third = Connection::to(gateway.listen());
    third.send(&open("c", "c", 1));
    third.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let nothing = third.stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "the third waits");
    taken[0].send(&open("d", "d", 1));
    assert_taken(&taken[0].message().expect("an answer"), "released");
    drop(taken);
    let mut third = Connection::over(third.stream);
    assert_taken(&third.message().expect("an answer"), "released");
}

#[test]
fn connections_that_say_nothing_stop_nobody_and_end() {
    let gateway = Gateway::start(&format!("{LIMITS}\nrequest_time = \"2s\""), SOURCES);
    let mut silent: Vec<_> = (0..300).map(|_| Connection::to(gateway.listen())).collect();
    for order in ["a", "b", "c"] {
        assert_serves(&gateway, order);
    }
    assert!(silent.iter_mut().all(Connection::ends), "each ends without a word");
}

#[test]
fn who_does_not_read_the_answers_is_let_go() {
    let gateway =
        Gateway::start(&format!("{LIMITS}\nrequest_time = \"1s\"\nconnections = 1"), SOURCES);
    let mut deaf = Connection::to(gateway.listen());
    let unknown = b"GET /nowhere HTTP/1.1\r\nhost: sprag\r\n\r\n".repeat(100);
    deaf.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Until its answers fill every buffer there is, and nothing more of it is read.
    while deaf.stream.write_all(&unknown).is_ok() {}
    // There is one place.
    assert_serves(&gateway, "after");
    drop(deaf);
}

#[test]
fn a_connection_carries_many_requests_also_ahead_of_their_answers() {
    let gateway = gateway();
    let mut connection = Connection::to(gateway.listen());
    for number in 1..=3 {
        connection.send(&open(&number.to_string(), "a", number));
        let answer = connection.message().expect("an answer");
        assert_eq!(assert_taken(&answer, "released")["sequence"], number);
    }
    let wrong = post("/in/open", "", &body("a", 4));
    let ahead = [open("4", "a", 4), open("6", "a", 6), wrong, open("5", "a", 5)];
    connection.send(&ahead.concat());
    let mut answer = || connection.message().expect("an answer");
    assert_taken(&answer(), "released");
    assert_taken(&answer(), "held");
    assert_refused(&answer(), 422, "invalid-id");
    assert_taken(&answer(), "released");
    connection.send(b"GET /in/open HTTP/1.1\r\nhost: sprag\r\nconnection: close\r\n\r\n");
    assert_refused(&connection.message().expect("an answer"), 405, "method-not-allowed");
    assert!(connection.ends(), "it was asked to close");
}

#[test]
fn more_than_a_rate_allows_is_told_when_to_come_again() {
    let gateway = gateway();
    let ask = |number| gateway.ask(&post("/in/limited", "", &body("a", number)));
    assert_eq!((ask(1).status(), ask(2).status()), (200, 200));
    let refused = ask(3);
    let problem: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status(), &problem["code"]), (429, &"rate-exceeded".into()));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "one of two an hour: {wait}");
}
