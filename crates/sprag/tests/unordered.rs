//! `contract = "unordered"` over real connections: no event waits for another of its key, whatever
//! becomes of that (docs/guides/unordered.md).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use consumer::Consumer;
use serde_json::{Value, json};
use wire::{Connection, Gateway, Message, SECRET, until};

fn sections(url: &str) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
contract = "unordered"
[destinations.app]
from = ["orders"]
url = "{url}"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
timeout = "5m"
retry = {{ first = "10ms", cap = "10ms", attempts = 2 }}
"#
    )
}

/// A delivery, and where its answer goes.
struct Delivery {
    request: Message,
    answer: Sender<&'static str>,
}

impl Delivery {
    fn sequence(&self) -> u64 {
        self.request.header("sprag-sequence").parse().unwrap()
    }

    fn answer(&self, status: &'static str) {
        self.answer.send(status).unwrap();
    }
}

/// A consumer that has any number of deliveries at the same time.
fn serve(consumer: Consumer) -> Receiver<Delivery> {
    let (tell, told) = channel();
    consumer.0.set_nonblocking(false).unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = consumer.0.accept() {
            let tell = tell.clone();
            thread::spawn(move || serve_one(Connection::over(stream), &tell));
        }
    });
    told
}

fn serve_one(mut connection: Connection, tell: &Sender<Delivery>) {
    while let Some(request) = connection.message() {
        let (answer, answered) = channel();
        if tell.send(Delivery { request, answer }).is_err() {
            return;
        }
        let Ok(status) = answered.recv() else { return };
        connection.send(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes());
    }
}

fn next(told: &Receiver<Delivery>) -> Delivery {
    until("a delivery", || told.try_recv().ok())
}

fn post(gateway: &Gateway, id: u64) -> u16 {
    let body = r#"{"order":"o-1"}"#;
    let head = format!("host: sprag\r\nx-id: {id}\r\ncontent-type: application/json");
    let length = body.len();
    let request =
        format!("POST /in/orders HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    gateway.ask(request.as_bytes()).status()
}

fn admin(gateway: &Gateway, method: &str, path: &str, body: &str) -> Value {
    let head = format!(
        "host: sprag\r\nauthorization: Bearer whsec_SPRAG_ADMIN_TOKEN{SECRET}\r\n\
         content-type: application/json\r\ncontent-length: {}",
        body.len()
    );
    let mut connection = Connection::to(gateway.running.admin);
    connection.send(format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes());
    let answer = connection.message().expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The strands of the key, by their events, and how each behaves.
fn strands(gateway: &Gateway) -> BTreeMap<u64, String> {
    let key = admin(gateway, "GET", "/v1/sources/orders/keys/o-1", "");
    let lanes = key["lanes"].as_array().unwrap().clone();
    let strand = |lane: &Value| Some((lane["strand"].as_u64()?, lane["mode"].as_str()?.to_owned()));
    lanes.iter().filter_map(strand).collect()
}

#[test]
fn what_hangs_or_stops_keeps_no_other_event_of_its_key_waiting() {
    let consumer = Consumer::listen();
    let url = format!("http://127.0.0.1:{}/", consumer.port());
    let gateway = Gateway::start("disk_reserve = \"1MiB\"", &sections(&url));
    let told = serve(consumer);

    // All three are with the consumer before it has answered any.
    (1..=3).for_each(|id| assert_eq!(post(&gateway, id), 200));
    let first: BTreeMap<u64, Delivery> =
        (0..3).map(|_| next(&told)).map(|delivery| (delivery.sequence(), delivery)).collect();
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    for (sequence, Delivery { request, .. }) in &first {
        assert_eq!(request.header("webhook-id"), format!("orders:o-1:{sequence}"));
        assert_eq!(request.header("sprag-out-of-order"), "true");
        assert_eq!(request.header("sprag-previous-sequence"), "");
        assert_eq!(request.header("sprag-omitted"), "");
        // The chain is that of the key, whatever is delivered when.
        let before = first.get(&(sequence - 1));
        let hash = before
            .map_or_else(|| "0".repeat(64), |one| one.request.header("sprag-hash").to_owned());
        assert_eq!(request.header("sprag-previous-hash"), hash);
    }

    // The first fails until it is given up; the second hangs; the third is through.
    first[&3].answer("204 No Content");
    first[&1].answer("500 Internal Server Error");
    let again = next(&told);
    assert_eq!((again.sequence(), again.request.header("sprag-attempt")), (1, "2"));
    assert_eq!(again.request.header("sprag-redelivery"), "true");
    again.answer("500 Internal Server Error");
    until("the event stops", || {
        let strands = strands(&gateway);
        let stopped = strands.get(&1).is_some_and(|mode| mode == "halted");
        (stopped && strands.keys().eq(&[1, 2])).then_some(())
    });
    for id in 4..=10 {
        assert_eq!(post(&gateway, id), 200);
        let delivery = next(&told);
        assert_eq!(delivery.sequence(), id, "nothing else is sent meanwhile");
        delivery.answer("200 OK");
    }
    // A repeat of what hangs is known.
    assert_eq!(post(&gateway, 2), 200);

    // An operator sees why each waits, and sends the one that stopped again.
    let key = admin(&gateway, "GET", "/v1/sources/orders/keys/o-1", "");
    let why = key["why"].to_string();
    assert!(why.contains("Event 1 is halted; redrive or drop it."), "{why}");
    assert!(why.contains("The consumer has event 2"), "{why}");
    let wanted = json!({ "source": "orders", "key": "o-1", "destination": "app", "sequence": 1 });
    admin(&gateway, "POST", "/v1/dead-letters/redrive", &wanted.to_string());
    let redriven = next(&told);
    assert_eq!((redriven.sequence(), redriven.request.header("sprag-attempt")), (1, "3"));
    redriven.answer("200 OK");
    first[&2].answer("200 OK");
    until("nothing is left", || strands(&gateway).is_empty().then_some(()));
    for sequence in 1..=10 {
        until("history says that it is delivered", || {
            let event = admin(&gateway, "GET", &format!("/v1/events/orders:o-1:{sequence}"), "");
            event.to_string().contains(r#""status":"delivered""#).then_some(())
        });
    }
}
