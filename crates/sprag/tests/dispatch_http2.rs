//! Attempts over HTTP/2: streams of one connection, what ends one of them, and what ends them all.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/frames.rs"]
mod frames;
#[path = "wire/proof.rs"]
mod proof;
#[path = "wire/streams.rs"]
mod streams;
mod wire;

use std::time::Duration;

use consumer::{Consumer, acknowledge, is_closed};
use frames::{DATA, Frames, RST_STREAM};
use proof::{hash_of, hmac_of, signed_texts};
use streams::{Delivery, Server};
use wire::{Connection, Gateway, until};

const MAX_CONCURRENT_STREAMS: u16 = 3;
const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

fn gateway(destination: &str) -> Gateway {
    let sections = format!(
        r#"
[sources.shop]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
position = {{ sequence = "body:/number" }}
max_body = "16MiB"
[destinations.app]
from = ["shop"]
retry = {{ first = "10ms", cap = "10ms" }}
secrets = ["env:A"]
allow = ["127.0.0.0/8", "::1/128"]
{destination}
"#
    );
    Gateway::start("disk_reserve = \"1MiB\"", &sections)
}

/// A destination that speaks HTTP/2 without TLS.
fn plain(consumer: &Consumer, more: &str) -> Gateway {
    gateway(&format!("url = \"http://127.0.0.1:{}/in\"\nhttp = \"2\"\n{more}", consumer.port()))
}

fn post(gateway: &Gateway, key: &str, number: u64) {
    post_body(gateway, &format!(r#"{{ "order":"{key}", "number":{number} }}"#), key, number);
}

fn post_body(gateway: &Gateway, body: &str, key: &str, number: u64) {
    let answer = gateway.ask(
        format!(
            "POST /in/shop HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json\r\n\
             x-id: {key} {number}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn attempts(outcome: &str) -> String {
    format!("sprag_attempts_total{{destination=\"app\",outcome=\"{outcome}\"}}")
}

#[test]
fn many_attempts_share_a_connection_that_tls_agreed_on() {
    let server = Server::start(&[b"h2", b"http/1.1"]);
    let gateway = gateway(&server.destination());
    for key in 0..20 {
        post(&gateway, &format!("k{key}"), 1);
    }
    let mut open: Vec<Delivery> = (0..20).map(|_| server.delivery()).collect();
    assert!(open.iter().all(|delivery| delivery.connection == 1), "all on the first connection");
    for delivery in &mut open {
        let message = &delivery.message;
        assert_eq!(message.start, format!("POST https://localhost:{}/in", server.port));
        assert_eq!(message.header("content-length"), message.body.len().to_string());
        assert_eq!((message.header("host"), message.header("sprag-sequence")), ("", "1"));
        let (webhook, own) = signed_texts(message);
        assert_eq!(message.header("webhook-signature"), hmac_of('A', &webhook));
        assert_eq!(message.header("sprag-signature"), hmac_of('A', &own));
        let source_id = format!("{} 1", message.header("sprag-key"));
        assert_eq!(message.header("sprag-hash"), hash_of(message, &source_id, ORIGIN));
        delivery.answer(204);
    }
    gateway.until_counted(&attempts("2xx"), 20);
}

/// Rule L1: no two attempts of an event are ever open at once; the other streams go on.
#[test]
fn a_hung_attempt_is_reset_before_the_retry_and_the_others_go_on() {
    let server = Server::start(&[b"h2"]);
    let gateway = gateway(&format!("timeout = \"2s\"\n{}", server.destination()));
    post(&gateway, "hung", 1);
    let mut open = server.delivery();
    for number in 2..=3 {
        let retry = server.delivery();
        assert!(open.is_reset(), "attempt {number} came while the one before was open");
        assert_eq!(retry.message.header("sprag-attempt"), number.to_string());
        assert_eq!(retry.message.header("sprag-redelivery"), "true");
        assert_eq!(retry.connection, 1, "the connection lived on");
        post(&gateway, &format!("other{number}"), 1);
        let mut other = server.delivery();
        assert_eq!(other.connection, 1);
        other.answer(200);
        gateway.until_counted(&attempts("2xx"), number - 1);
        open = retry;
    }
    // What is answered now has no commit before it, which might take longer than the attempt may.
    let last = server.delivery();
    assert!(open.is_reset(), "attempt 4 came while the one before was open");
    assert_eq!(last.message.header("sprag-attempt"), "4");
    let mut open = last;
    open.answer(200);
    gateway.until_counted(&attempts("2xx"), 3);
    assert_eq!(gateway.counted(&attempts("unknown")), 3);
}

#[test]
fn large_bodies_and_large_answers_pass_within_the_windows() {
    let server = Server::start(&[b"h2"]);
    let gateway = gateway(&server.destination());
    let large = r#"{ "order":"k", "number":1 }"#.to_owned() + &" ".repeat(4 << 20);
    post_body(&gateway, &large, "k", 1);
    let mut delivery = server.delivery();
    assert!(delivery.message.body == large.as_bytes(), "the body arrived altered");
    // More than is read of it: the head decides, and the stream is reset.
    delivery.answer_with(200, 1 << 20);
    gateway.until_counted(&attempts("2xx"), 1);
    assert!(delivery.is_reset(), "an endless answer is cut off");
    post(&gateway, "k", 2);
    let mut second = server.delivery();
    assert_eq!((second.connection, second.message.header("sprag-attempt")), (1, "1"));
    second.answer(200);
    gateway.until_counted(&attempts("2xx"), 2);
}

#[test]
fn http_1_1_is_spoken_where_it_is_asked_for_or_agreed_on() {
    for (offered, http) in [(&b"h2"[..], "http = \"1.1\"\n"), (b"http/1.1", "")] {
        let server = Server::start_http1(&[offered, b"http/1.1"]);
        let gateway = gateway(&format!("{http}{}", server.destination()));
        post(&gateway, "k", 1);
        let mut connection = Connection::new(server.tls_stream());
        let delivery = connection.message().expect("a delivery");
        assert_eq!(delivery.start, "POST /in HTTP/1.1");
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
        gateway.until_counted(&attempts("2xx"), 1);
    }
}

#[test]
fn nothing_is_sent_where_http2_is_asked_for_and_not_spoken() {
    let server = Server::start_http1(&[b"http/1.1"]);
    let over_tls = gateway(&format!("http = \"2\"\n{}", server.destination()));
    post(&over_tls, "k", 1);
    let mut connection = Connection::new(server.tls_stream());
    assert!(connection.ends(), "something was sent");
    over_tls.until_counted(&attempts("unreachable"), 1);

    let consumer = Consumer::listen();
    let plain = plain(&consumer, "connect_timeout = \"300ms\"");
    post(&plain, "k", 1);
    let mut connection = consumer.connection();
    let head = connection.head().expect("the preface");
    assert_eq!(head.start, "PRI * HTTP/2.0");
    acknowledge(&mut connection);
    plain.until_counted(&attempts("unreachable"), 1);
    until("the connection is closed", || is_closed(&mut connection).then_some(()));
    assert_eq!(plain.counted(&attempts("unknown")), 0);
}

#[test]
fn without_tls_http_1_1_is_spoken_unless_told() {
    let consumer = Consumer::listen();
    let gateway = gateway(&format!("url = \"http://127.0.0.1:{}/in\"", consumer.port()));
    post(&gateway, "k", 1);
    let (mut connection, delivery) = consumer.delivery();
    assert_eq!(delivery.start, "POST /in HTTP/1.1");
    acknowledge(&mut connection);
    gateway.until_counted(&attempts("2xx"), 1);
}

/// What the consumer takes at once is not exceeded: more attempts need more connections.
#[test]
fn a_connection_carries_no_more_streams_than_the_consumer_takes() {
    let consumer = Consumer::listen();
    // The connection opens once it is looked at here, behind six commits.
    let gateway = plain(&consumer, "timeout = \"5m\"\nconnect_timeout = \"5m\"");
    (0..6).for_each(|key| post(&gateway, &format!("k{key}"), 1));
    let mut connections: Vec<_> = (0..3)
        .map(|_| {
            let mut frames = Frames::begin(consumer.stream(), &[(MAX_CONCURRENT_STREAMS, 2)]);
            let streams = [frames.request(), frames.request()];
            (frames, streams)
        })
        .collect();
    assert!(consumer.is_alone(), "a fourth connection");
    for (frames, streams) in &mut connections {
        streams.iter().for_each(|stream| frames.acknowledge(*stream));
    }
    gateway.until_counted(&attempts("2xx"), 6);
}

/// A consumer that restarts in good order: what it had not looked at goes to its next connection,
/// which is no retry.
#[test]
fn a_request_behind_a_goaway_is_carried_by_another_connection() {
    let consumer = Consumer::listen();
    let gateway = plain(&consumer, "");
    post(&gateway, "k", 1);
    let mut first = Frames::begin(consumer.stream(), &[]);
    let stream = first.request();
    first.go_away(0, NO_ERROR);
    let mut second = Frames::begin(consumer.stream(), &[]);
    let moved = second.request();
    assert_eq!((stream, moved), (1, 1));
    second.acknowledge(moved);
    gateway.until_counted(&attempts("2xx"), 1);
    assert_eq!(gateway.counted(&attempts("unreachable")), 0);
    assert_eq!(gateway.counted(&attempts("unknown")), 0);
}

/// One that the consumer had begun to look at may have been applied: its answer is waited for, and
/// without one nobody knows.
#[test]
fn a_request_before_a_goaway_is_waited_for() {
    let consumer = Consumer::listen();
    let gateway = plain(&consumer, "");
    post(&gateway, "k", 1);
    let mut first = Frames::begin(consumer.stream(), &[]);
    let stream = first.request();
    first.go_away(stream, NO_ERROR);
    post(&gateway, "other", 1);
    let mut second = Frames::begin(consumer.stream(), &[]);
    let other = second.request();
    second.acknowledge(other);
    gateway.until_counted(&attempts("2xx"), 1);
    first.acknowledge(stream);
    gateway.until_counted(&attempts("2xx"), 2);
    post(&gateway, "k", 2);
    let unanswered = second.request();
    second.go_away(unanswered, NO_ERROR);
    drop(second);
    gateway.until_counted(&attempts("unknown"), 1);
}

/// A refused stream was not processed, but it says no: the retry waits its time.
#[test]
fn a_refused_stream_ends_the_attempt() {
    let consumer = Consumer::listen();
    let gateway = plain(&consumer, "");
    post(&gateway, "k", 1);
    let mut frames = Frames::begin(consumer.stream(), &[]);
    for number in 1..=3 {
        let stream = frames.request();
        gateway.until_counted(&attempts("unreachable"), number - 1);
        frames.reset(stream, REFUSED_STREAM);
    }
    let stream = frames.request();
    frames.acknowledge(stream);
    gateway.until_counted(&attempts("2xx"), 1);
    assert_eq!(gateway.counted(&attempts("unreachable")), 3);
    assert_eq!(gateway.counted(&attempts("unknown")), 0);
}

/// Of a request that was sent, a lost connection or any other reset leaves nobody knowing.
#[test]
fn a_lost_connection_leaves_all_its_attempts_unknown() {
    let consumer = Consumer::listen();
    let gateway = plain(&consumer, "timeout = \"5m\"\nconnect_timeout = \"5m\"");
    (0..3).for_each(|key| post(&gateway, &format!("k{key}"), 1));
    let mut frames = Frames::begin(consumer.stream(), &[]);
    let streams = [frames.request(), frames.request(), frames.request()];
    frames.reset(streams[0], CANCEL);
    gateway.until_counted(&attempts("unknown"), 1);
    drop(frames);
    gateway.until_counted(&attempts("unknown"), 3);
    let mut frames = Frames::begin(consumer.stream(), &[]);
    for _ in 0..3 {
        let stream = frames.request();
        frames.acknowledge(stream);
    }
    gateway.until_counted(&attempts("2xx"), 3);
}

/// A consumer that no longer answers PINGs cannot be known to have heard of a reset: then the
/// connection is closed, and only then the event is sent again.
#[test]
fn a_reset_that_nobody_confirms_closes_the_connection() {
    let consumer = Consumer::listen();
    let gateway = plain(&consumer, "timeout = \"2s\"");
    post(&gateway, "k", 1);
    let mut first = Frames::begin(consumer.stream(), &[]);
    let stream = first.request();
    first.answers_pings = false;
    let reset = std::iter::from_fn(|| first.next()).find(|frame| frame.kind != DATA).unwrap();
    assert_eq!((reset.kind, reset.stream), (RST_STREAM, stream));
    assert_eq!(reset.payload, CANCEL.to_be_bytes());
    let waits_since = gateway.clock.now().elapsed;
    assert!(consumer.is_alone(), "sent again before the reset was confirmed");
    assert_eq!(first.next(), None, "the connection ends");
    let mut second = Frames::begin(consumer.stream(), &[]);
    let stream = second.request();
    let waited = gateway.clock.now().elapsed.since(waits_since);
    assert!(waited < Duration::from_secs(45), "a dead connection was kept for {waited:?}");
    second.acknowledge(stream);
    gateway.until_counted(&attempts("2xx"), 1);
}
