//! Consumers that answer with malice: each costs its own attempt and nothing else.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::scenario::{Delivery, Lane, answer_on, run_deliveries};
use crate::support::fault::Fault;
use crate::wire::until;

const OK: &str = "204 No Content";

/// What a consumer does once it has read a delivery.
type Malice = fn(TcpStream);

/// A row for an answer that is no answer, and what the attempt counts as.
macro_rules! unanswered {
    ($lines:literal, $malice:expr) => {
        Delivery { shows: &[], lines: $lines, act: |lane| survives(lane, "unknown", $malice) }
    };
}

const ALL: &[Delivery] = &[
    // Reset after the delivery was read.
    unanswered!("", |stream| {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }),
    // Headers without an end.
    unanswered!("", |stream| {
        endless(stream, b"HTTP/1.1 200 OK\r\n", b"x-more: and more of it\r\n", Duration::ZERO);
    }),
    // No HTTP at all.
    unanswered!("", |stream| endless(stream, b"", b"\0\x01garbage", Duration::ZERO)),
    // A head that takes longer than the attempt may.
    unanswered!("timeout = \"2s\"", |stream| {
        endless(stream, b"HTTP/1.1 200 OK\r\nx-slow: ", b"z", Duration::from_millis(20));
    }),
    // Interim answers, and never a final one.
    unanswered!("timeout = \"2s\"", |stream| {
        endless(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n", Duration::ZERO);
    }),
    unanswered!("timeout = \"2s\"", |stream| {
        endless(
            stream,
            b"",
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
            Duration::from_millis(5),
        );
    }),
    // A status that is none, and lengths that contradict each other.
    unanswered!("", |stream| endless(stream, b"HTTP/1.1 99999 OK\r\n\r\n", b"", Duration::ZERO)),
    unanswered!("", |stream| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
        endless(stream, head, b"", Duration::ZERO);
    }),
    // A body without an end: its head has decided.
    Delivery { shows: &[], lines: "", act: endless_body },
    // An answer to what was not read, on a connection that is never read.
    Delivery { shows: &[], lines: "timeout = \"2s\"", act: early_answer },
    Delivery { shows: &[], lines: "", act: gone },
    Delivery { shows: &[], lines: "", act: gone_for_many },
    Delivery { shows: &[], lines: "", act: later_than_ever },
];

/// Writes `head` and then `piece` until the other side has had enough.
fn endless(mut stream: TcpStream, head: &[u8], piece: &[u8], pause: Duration) {
    let mut writes = stream.write_all(head).is_ok();
    while writes && !piece.is_empty() {
        writes = stream.write_all(piece).is_ok();
        std::thread::sleep(pause);
    }
}

/// The attempt ends so; the next one is acknowledged, and other keys are not concerned.
fn survives(lane: &Lane<'_>, outcome: &str, malice: Malice) {
    lane.post("a");
    let (connection, _) = lane.consumer.delivery();
    let busy = std::thread::spawn(move || malice(connection.stream));
    let first = lane.until("a:1", outcome, |lane| lane["attempts"][0].is_object());
    assert_eq!(first["attempts"][0]["outcome"], outcome, "{first}");
    let again = lane.answer(OK);
    assert_eq!(again.header("sprag-attempt"), "2");
    assert_eq!(again.header("sprag-redelivery"), "true");
    lane.fares("a:1", "delivered");
    goes_on(lane);
    busy.join().unwrap();
}

/// Another key is delivered.
fn goes_on(lane: &Lane<'_>) {
    lane.post("b");
    lane.answer(OK);
    lane.fares("b:1", "delivered");
}

fn endless_body(lane: &Lane<'_>) {
    lane.post("a");
    let (connection, _) = lane.consumer.delivery();
    let busy = std::thread::spawn(move || {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        endless(connection.stream, head, b"4\r\nmore\r\n", Duration::ZERO);
    });
    lane.fares("a:1", "delivered");
    goes_on(lane);
    busy.join().unwrap();
}

/// Whether it counts depends on who is faster; the lane goes on either way, once.
fn early_answer(lane: &Lane<'_>) {
    lane.post("a");
    let mut early = lane.consumer.stream();
    early.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    until("the event is delivered", || {
        lane.answer_if_any(OK);
        let shown = lane.server.show(&format!("/v1/events/{}:a:1", lane.name));
        (shown["fates"]["destinations"][0]["status"] == "delivered").then_some(())
    });
    drop(early);
    goes_on(lane);
}

/// 410 ends trying in this lane.
fn gone(lane: &Lane<'_>) {
    lane.post("a");
    lane.answer("410 Gone");
    let halted = |lane: &Value| lane["attempts"][0]["consequence"] == "halted";
    lane.until("a:1", "a halted lane", halted);
    goes_on(lane);
}

/// 410 to three keys pauses the destination until an operator resumes it.
fn gone_for_many(lane: &Lane<'_>) {
    for key in ["a", "b", "c"] {
        lane.post(key);
        lane.answer("410 Gone");
    }
    let paused = |page: &Value| {
        let mut listed = page["items"].as_array().unwrap().iter();
        listed.any(|known| known["name"] == lane.name.as_str() && known["paused"] == true)
    };
    lane.server.until("/v1/destinations", "a paused destination", paused);
    lane.post("d");
    lane.waits("d", "An operator paused the destination");
    lane.server.command(&format!("/v1/destinations/{}/resume", lane.name), &Value::Null);
    lane.answer(OK);
    lane.fares("d:1", "delivered");
}

/// A `Retry-After` of centuries is one of an hour, for this lane only.
fn later_than_ever(lane: &Lane<'_>) {
    lane.post("a");
    answer_on(
        lane.consumer.connection(),
        "503 Service Unavailable\r\nretry-after: 999999999999999999",
    );
    let shown = lane.until("a:1", "a due time", |lane| lane["attempts"][0]["due"].is_string());
    let time = |name: &str| {
        let text = shown["attempts"][0][name].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    let wait = time("due") - time("started_at");
    assert!((3_590..=3_660).contains(&wait), "{wait} s: {shown}");
    goes_on(lane);
}

#[test]
fn hostile_answers() {
    let mut fault = Fault::new(
        "consumer with malice",
        "L1: decided at the head of the answer, at most 64 KiB of it read; what is no answer is unknown and sent again",
    );
    let posted = run_deliveries(ALL);
    fault.count(ALL.len(), posted);
    fault.seen(
        "resets, answers before reading, endless heads, bodies and interim answers, no HTTP: each cost its own attempt"
            .to_owned(),
    );
}
