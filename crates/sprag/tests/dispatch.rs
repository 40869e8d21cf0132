//! Attempts over real connections (DESIGN section 5 and rules L1–L5), to consumers that are slow,
//! wrong or hostile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/proof.rs"]
mod proof;
mod wire;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Consumer, acknowledge, is_closed};
use proof::{hash_of, hmac_of, signed_texts};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wire::{Connection, Gateway, Message, SECRET, until};

const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One source and this destination.
fn gateway(destination: &str) -> Gateway {
    let sections = format!(
        r#"
[sources.shop]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
type = "body:/type"
position = {{ sequence = "body:/number" }}
hold = {{ wait = "1ms" }}
max_body = "16MiB"
[destinations.app]
from = ["shop"]
retry = {{ first = "10ms", cap = "10ms" }}
{destination}
"#
    );
    Gateway::start("disk_reserve = \"1MiB\"", &sections)
}

/// A destination that may be connected to.
fn plain(consumer: &Consumer) -> String {
    let port = consumer.port();
    format!("url = \"http://127.0.0.1:{port}/hooks?a=b\"\nsecrets = [\"env:A\"]\n{ALLOW}")
}

const ALLOW: &str = "allow = [\"127.0.0.0/8\", \"::1/128\"]\n";

fn body(number: u64) -> String {
    format!(r#"{{ "order":"a b", "number":{number}, "type":"order.paid" }}"#)
}

/// Posts the event of this number, with this body, and it is taken.
fn post_body(gateway: &Gateway, number: u64, body: &str) {
    let length = body.len();
    let answer = gateway.ask(
        format!(
            "POST /in/shop HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json; a=\"b\"\r\n\
             x-id: id {number}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn post(gateway: &Gateway, number: u64) {
    post_body(gateway, number, &body(number));
}

fn attempts(outcome: &str) -> String {
    format!("sprag_attempts_total{{destination=\"app\",outcome=\"{outcome}\"}}")
}

fn assert_signed_and_chained(delivery: &Message, number: u64, previous_hash: &str) {
    let (webhook, own) = signed_texts(delivery);
    let both = |text: &[u8]| format!("{} {}", hmac_of('A', text), hmac_of('B', text));
    assert_eq!(delivery.header("webhook-signature"), both(&webhook));
    assert_eq!(delivery.header("sprag-signature"), both(&own));
    assert_eq!(delivery.header("sprag-previous-hash"), previous_hash);
    let hash = hash_of(delivery, &format!("id {number}"), previous_hash);
    assert_eq!(delivery.header("sprag-hash"), hash);
}

#[test]
fn a_delivery_has_every_header_and_the_bytes_that_came() {
    let consumer = Consumer::listen();
    let two = plain(&consumer).replace("[\"env:A\"]", "[\"env:A\", \"env:B\"]");
    let gateway = gateway(&two);
    let before = gateway.clock.now().clock.0 / 1_000_000;
    post(&gateway, 1);
    let (mut connection, first) = consumer.delivery();
    assert_eq!(first.start, "POST /hooks?a=b HTTP/1.1");
    assert_eq!(first.body, body(1).as_bytes());
    for (name, value) in [
        ("host", format!("127.0.0.1:{}", consumer.port()).as_str()),
        ("content-type", "application/json; a=\"b\""),
        ("content-length", body(1).len().to_string().as_str()),
        ("webhook-id", "shop:a%20b:1"),
        ("sprag-source", "shop"),
        ("sprag-key", "a%20b"),
        ("sprag-type", "order%2Epaid"),
        ("sprag-sequence", "1"),
        ("sprag-position", "1"),
        ("sprag-kind", "event"),
        ("sprag-previous-sequence", "0"),
        ("sprag-attempt", "1"),
        ("sprag-source-id", "id%201"),
        ("sprag-redelivery", ""),
        ("sprag-missing", ""),
        ("sprag-omitted", ""),
        ("sprag-out-of-order", ""),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    let at: u64 = first.header("webhook-timestamp").parse().unwrap();
    assert!((before..=before + 60).contains(&at), "{at} after {before}");
    assert!(first.header("sprag-epoch").parse::<u64>().unwrap() > 0);
    let received: jiff::Timestamp = first.header("sprag-received-at").parse().unwrap();
    assert!((before..=at).contains(&u64::try_from(received.as_second()).unwrap()), "{received}");
    assert_signed_and_chained(&first, 1, ORIGIN);
    acknowledge(&mut connection);
    post(&gateway, 2);
    let second = connection.message().expect("on the kept connection");
    assert_eq!(second.header("sprag-previous-sequence"), "1");
    assert_signed_and_chained(&second, 2, first.header("sprag-hash"));
}

/// A consumer may take an event and say that it is not to be delivered: a dead letter, on purpose.
#[test]
fn an_event_its_consumer_drops_is_a_dead_letter_and_the_lane_goes_on() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    post(&gateway, 1);
    let (mut connection, _) = consumer.delivery();
    connection.send(b"HTTP/1.1 200 OK\r\nsprag-drop: no such order\r\ncontent-length: 0\r\n\r\n");
    post(&gateway, 2);
    let second = connection.message().expect("on the kept connection");
    assert_eq!(second.header("sprag-omitted"), "1;dead");
    gateway.until_counted("sprag_dead_letters{destination=\"app\"}", 1);
}

/// The provider's headers as they came, the operator's besides; what grants something stays here.
#[test]
fn headers_are_forwarded_and_added() {
    let consumer = Consumer::listen();
    let more = "forward = [\"X-Topic\", \"x-shared\"]\n\
                headers = { authorization = \"env:A\", x-shared = \"ours\" }\n";
    let gateway = gateway(&format!("{}{more}", plain(&consumer)));
    let body = body(1);
    let answer = gateway.ask(
        format!(
            "POST /in/shop HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json\r\n\
             x-topic: orders/paid\r\nx-shared: theirs\r\nx-other: kept by nobody\r\n\
             authorization: theirs\r\nx-id: id 1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
    let (_connection, delivery) = consumer.delivery();
    for (name, value) in [
        ("x-topic", "orders/paid"),
        ("x-shared", "ours"),
        ("x-other", ""),
        ("authorization", &format!("whsec_A{SECRET}")),
    ] {
        assert_eq!(delivery.header(name), value, "{name}");
    }
}

#[test]
fn the_event_after_a_skipped_gap_names_what_is_missing() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    post(&gateway, 1);
    let (mut connection, first) = consumer.delivery();
    assert_eq!(first.header("sprag-missing"), "");
    acknowledge(&mut connection);
    post(&gateway, 5);
    let fifth = connection.message().expect("a delivery");
    assert_eq!(fifth.header("sprag-missing"), "2-4");
    assert_eq!((fifth.header("sprag-position"), fifth.header("sprag-sequence")), ("5", "2"));
    acknowledge(&mut connection);
    post(&gateway, 3);
    let late = connection.message().expect("a delivery");
    assert_eq!((late.header("sprag-kind"), late.header("sprag-sequence")), ("late", "3"));
}

/// A kept connection that was closed meanwhile is no failure: nothing was sent on it.
#[test]
fn closed_connections_cost_no_attempt() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    for number in 1..=10 {
        post(&gateway, number);
        let (mut connection, delivery) = consumer.delivery();
        assert_eq!(delivery.header("sprag-sequence"), number.to_string());
        assert_eq!(delivery.header("sprag-attempt"), "1");
        if number % 2 == 0 {
            connection.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        } else {
            acknowledge(&mut connection);
            gateway.until_counted(&attempts("2xx"), number);
        }
    }
    gateway.until_counted(&attempts("2xx"), 10);
    assert_eq!(gateway.counted(&attempts("unknown")), 0);
}

/// What lies between may forget a connection that rests without a word: each would else cost an attempt, and the breaker
/// a probe.
#[test]
fn of_kept_connections_that_died_one_attempt_finds_out() {
    let consumer = Consumer::listen();
    let gateway = gateway(&format!("timeout = \"1s\"\n{}", plain(&consumer)));
    let post_of = |key: u64| {
        post_body(&gateway, key, &body(1).replace("a b", &key.to_string()));
        consumer.delivery()
    };
    let mut dead: Vec<_> = (1..=8).map(|key| post_of(key).0).collect();
    dead.iter_mut().for_each(acknowledge);
    gateway.until_counted(&attempts("2xx"), 8);
    // From here on nobody reads what comes on these.
    post_body(&gateway, 9, &body(1));
    let (mut fresh, again) = consumer.delivery();
    assert_eq!(again.header("sprag-attempt"), "2");
    acknowledge(&mut fresh);
    gateway.until_counted(&attempts("2xx"), 9);
    assert_eq!(gateway.counted(&attempts("unknown")), 1);
}

/// The head of an answer decides, but whoever never ends one has no more connections than attempts.
#[test]
fn answers_without_an_end_keep_few_connections() {
    let consumer = Consumer::listen();
    let gateway = gateway(&format!("concurrency = 2\n{}", plain(&consumer)));
    let mut open = Vec::new();
    for number in 1..=8 {
        post(&gateway, number);
        let (mut connection, _) = consumer.delivery();
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
        gateway.until_counted(&attempts("2xx"), number);
        open.push(connection);
    }
    for mut beyond in open.split_off(2) {
        until("the gateway closes it", || is_closed(&mut beyond).then_some(()));
    }
    assert!(!open.iter_mut().any(is_closed), "there is time to end these");
}

/// Rule L1: no two attempts of an event are ever open at once.
#[test]
fn a_hung_attempt_is_closed_before_the_retry() {
    let consumer = Consumer::listen();
    let gateway = gateway(&format!("timeout = \"2s\"\n{}", plain(&consumer)));
    post(&gateway, 1);
    let (mut open, first) = consumer.delivery();
    assert_eq!(first.header("sprag-redelivery"), "");
    for number in 2..=5 {
        let (connection, retry) = consumer.delivery();
        assert!(is_closed(&mut open), "attempt {number} came while the one before was open");
        assert_eq!(retry.header("sprag-attempt"), number.to_string());
        assert_eq!(retry.header("sprag-redelivery"), "true");
        assert_eq!(retry.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(retry.header("sprag-hash"), first.header("sprag-hash"));
        assert_eq!(retry.body, first.body);
        open = connection;
    }
    acknowledge(&mut open);
    gateway.until_counted(&attempts("2xx"), 1);
    assert_eq!(gateway.counted(&attempts("unknown")), 4);
}

#[test]
fn redirects_are_failures_and_not_followed() {
    let (consumer, other) = (Consumer::listen(), Consumer::listen());
    let gateway = gateway(&plain(&consumer));
    post(&gateway, 1);
    let (mut connection, _) = consumer.delivery();
    for number in 2..=4 {
        let status = ["302 Found", "307 Temporary Redirect", "301 Moved Permanently"][number - 2];
        let location = format!("location: http://127.0.0.1:{}/", other.port());
        let answer = format!("HTTP/1.1 {status}\r\n{location}\r\ncontent-length: 0\r\n\r\n");
        connection.send(answer.as_bytes());
        let retry = connection.message().expect("a retry");
        assert_eq!(retry.start, "POST /hooks?a=b HTTP/1.1");
        assert_eq!(retry.header("sprag-attempt"), number.to_string());
    }
    acknowledge(&mut connection);
    gateway.until_counted(&attempts("2xx"), 1);
    assert_eq!(gateway.counted(&attempts("3xx")), 3);
    assert!(other.is_alone(), "the redirect was followed");
}

/// Rule L1: the head decides, and little of the body is read.
#[test]
fn an_endless_answer_is_acknowledged_at_its_head_and_cut_off() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    post(&gateway, 1);
    let (mut endless, _) = consumer.delivery();
    endless.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n");
    gateway.until_counted(&attempts("2xx"), 1);
    post(&gateway, 2);
    let (mut connection, second) = consumer.delivery();
    assert_eq!(second.header("sprag-previous-sequence"), "1", "the lane went on");
    acknowledge(&mut connection);
    let piece = [b'a'; 64 * 1024];
    // 64 KiB and what both sockets hold; without an end it would take what is sent for seconds.
    let sent = (0..1_024).take_while(|_| endless.stream.write_all(&piece).is_ok()).count();
    assert!(sent < 512, "{sent} times 64 KiB of an answer were taken");
    gateway.until_counted(&attempts("2xx"), 2);
}

#[test]
fn answers_that_cannot_be_read_leave_the_outcome_unknown() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(200 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: a\r\n".repeat(2_000));
    let answers: [&[u8]; 7] = [
        b"",
        b"HTTP/1.1 2",
        b"no answer at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"\x15\x03\x01\0\x02\x02\x16 a TLS alert\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    post(&gateway, 1);
    for (number, answer) in (1..).zip(answers) {
        let (mut connection, delivery) = consumer.delivery();
        assert_eq!(delivery.header("sprag-attempt"), number.to_string());
        assert_eq!(delivery.header("sprag-redelivery") == "true", number > 1);
        // The gateway may close before it has read everything.
        let _ = connection.stream.write_all(answer);
        let _ = connection.stream.shutdown(std::net::Shutdown::Write);
        assert!(connection.ends());
    }
    let (mut connection, last) = consumer.delivery();
    assert_eq!(last.header("sprag-attempt"), "8");
    acknowledge(&mut connection);
    gateway.until_counted(&attempts("2xx"), 1);
    assert_eq!(gateway.counted(&attempts("unknown")), 7);
}

#[test]
fn an_answer_before_the_request_was_read_counts() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    // More than the sockets between them hold.
    let large = body(1) + &" ".repeat(12 << 20);
    post_body(&gateway, 1, &large);
    let mut early = consumer.connection();
    let head = early.head().expect("a delivery");
    post(&gateway, 2);
    acknowledge(&mut early);
    let (mut connection, second) = consumer.delivery();
    assert_eq!(second.header("sprag-sequence"), "2", "the first is not sent again");
    acknowledge(&mut connection);
    let first = early.body(head).expect("the rest of the first, though it was answered");
    assert!(first.body == large.as_bytes(), "the first arrived altered");
    gateway.until_counted(&attempts("2xx"), 2);
}

#[test]
fn retry_after_is_waited_for() {
    let consumer = Consumer::listen();
    let gateway = gateway(&plain(&consumer));
    post(&gateway, 1);
    let (mut connection, _) = consumer.delivery();
    let answered = gateway.clock.now().elapsed;
    let answer = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    connection.send(answer.as_bytes());
    let retry = connection.message().expect("a retry");
    let waited = gateway.clock.now().elapsed.since(answered);
    assert!(waited >= Duration::from_millis(995), "retried after {waited:?}");
    assert_eq!(retry.header("sprag-attempt"), "2");
}

/// Without `allow` nothing of this machine is connected to, whatever name stands for it. What is an address as it
/// is written does not get so far: the configuration is refused.
#[test]
fn addresses_that_are_not_public_are_refused() {
    for host in ["127.1", "0x7f.1", "0", "2130706433"] {
        let consumer = Consumer::listen();
        let port = consumer.port();
        let url = format!("url = \"http://{host}:{port}/\"\nsecrets = [\"env:A\"]\n");
        let gateway = gateway(&url);
        post(&gateway, 1);
        gateway.until_counted(&attempts("refused"), 2);
        assert!(consumer.is_alone(), "{host} was connected to");
    }
}

/// An authority of the test's own, as a `ca` file, and a server with a certificate by it.
fn authority(file: &std::path::Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(file, authority.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let server = builder.unwrap().with_no_client_auth();
    Arc::new(server.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap())
}

#[test]
fn tls_takes_the_authorities_of_the_ca_file() {
    let (consumer, directory) = (Consumer::listen(), tempfile::tempdir().unwrap());
    let file = directory.path().join("ca.pem");
    let server = authority(&file);
    let url = format!("url = \"https://localhost:{}/\"\nsecrets = [\"env:A\"]", consumer.port());
    let gateway = gateway(&format!("{url}\nca = {file:?}\n{ALLOW}"));
    post(&gateway, 1);
    let session = ServerConnection::new(server).unwrap();
    let stream = consumer.connection().stream;
    let mut connection = Connection::new(StreamOwned::new(session, stream));
    let delivery = connection.message().expect("a delivery");
    assert_eq!(delivery.body, body(1).as_bytes());
    assert_eq!(delivery.header("webhook-signature"), hmac_of('A', &signed_texts(&delivery).0));
    connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
    gateway.until_counted(&attempts("2xx"), 1);
}

#[test]
fn tls_refuses_unknown_authorities_and_other_names() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let server = authority(&file);
    // Not trusted; trusted, but for another name than the one that is connected to.
    for (host, ca) in [("localhost", String::new()), ("127.0.0.1", format!("ca = {file:?}\n"))] {
        let consumer = Consumer::listen();
        let url = format!("url = \"https://{host}:{}/\"", consumer.port());
        let gateway = gateway(&format!("{url}\nsecrets = [\"env:A\"]\n{ca}{ALLOW}"));
        post(&gateway, 1);
        let session = ServerConnection::new(server.clone()).unwrap();
        let stream = consumer.connection().stream;
        let mut connection = Connection::new(StreamOwned::new(session, stream));
        assert!(connection.ends(), "{host}: something was sent");
        gateway.until_counted(&attempts("unreachable"), 1);
        assert_eq!(gateway.counted(&attempts("2xx")), 0);
    }
}
