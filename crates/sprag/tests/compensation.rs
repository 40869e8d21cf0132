//! A compensation killed at every step ends in the right state at a consumer that applies and undoes: the real binary,
//! ended with `kill -9` before and behind the answer to each delivery, and behind its answer to the late event.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
mod support {
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod gateway;
}
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use serde_json::Value;
use support::gateway::{Gateway as Serving, HEAD, Setup};
use wire::{Connection, Message, until};

/// The real binary on its data directory.
struct Gateway {
    // Before the directory of its data, which goes last.
    serving: Serving,
    setup: Setup,
}

impl Gateway {
    fn start(contract: &str, consumer: &Consumer) -> Self {
        let head = HEAD.replacen("[limits]", "partitions = 2\n[limits]", 1);
        let text = format!(
            r#"{head}
[sources.billing]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/key"
{contract}
on_late = "compensate"
[destinations.app]
from = ["billing"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
retry = {{ first = "10ms", cap = "20ms" }}
"#,
            consumer.port(),
        );
        let secrets = vec![
            ("A", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
            ("SPRAG_ADMIN_TOKEN", "a token of these tests".to_owned()),
        ];
        let setup = Setup::new(&text, tempfile::tempdir().unwrap(), secrets);
        let serving = setup.serve();
        Self { setup, serving }
    }

    /// `kill -9`, and another process on the same directory.
    fn kill(&mut self) {
        self.serving.process.kill();
        self.serving = self.setup.serve();
    }

    fn post(&self, body: &str) -> Value {
        let mut connection = Connection::to(self.serving.listen);
        connection.send(&post::post("/in/billing", "", body));
        let answer = connection.message().expect("an answer");
        assert_eq!(answer.status(), 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn post_position(&self, position: u64) -> Value {
        self.post(&format!(r#"{{"id":"e{position}","key":"k","n":{position}}}"#))
    }
}

/// A consumer that applies events and undoes them, each sequence once.
#[derive(Debug, Default)]
struct Applied {
    /// What is applied: the sequence and the body.
    stack: Vec<(u64, Vec<u8>)>,
    taken: Vec<u64>,
}

impl Applied {
    fn take(&mut self, delivery: &Message) -> String {
        let number = |name: &str| delivery.header(name).parse::<u64>();
        let (sequence, kind) = (number("sprag-sequence").unwrap(), delivery.header("sprag-kind"));
        if self.taken.contains(&sequence) {
            assert_eq!(delivery.header("sprag-redelivery"), "true", "{delivery:?}");
            return kind.to_owned();
        }
        assert_eq!(sequence, self.taken.len() as u64 + 1, "out of order: {delivery:?}");
        self.taken.push(sequence);
        if kind == "compensation" {
            let undone = self.stack.pop().expect("something to undo");
            let told = (number("sprag-compensates").unwrap(), delivery.body.clone());
            assert_eq!(told, undone, "{delivery:?}");
        } else {
            self.stack.push((sequence, delivery.body.clone()));
        }
        kind.to_owned()
    }

    fn positions(&self) -> Vec<u64> {
        let position = |body: &[u8]| {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["n"].as_u64().unwrap()
        };
        self.stack.iter().map(|(_, body)| position(body)).collect()
    }
}

/// The next delivery. A connection whose process died before it sent anything brings none.
fn next_delivery(consumer: &Consumer) -> (Connection, Message) {
    loop {
        let mut connection = consumer.connection();
        if let Some(delivery) = connection.message() {
            return (connection, delivery);
        }
    }
}

/// Takes the next delivery and acknowledges it.
fn take(consumer: &Consumer, applied: &mut Applied) -> (u64, String) {
    let (mut connection, delivery) = next_delivery(consumer);
    let kind = applied.take(&delivery);
    acknowledge(&mut connection);
    (delivery.header("sprag-sequence").parse().unwrap(), kind)
}

#[test]
fn a_compensation_killed_at_every_step_ends_in_the_right_state() {
    let consumer = Consumer::listen();
    let contract = "position = { sequence = \"body:/n\" }\nhold = { wait = \"1ms\" }";
    let mut gateway = Gateway::start(contract, &consumer);
    let mut applied = Applied::default();
    for position in [1, 3, 4] {
        gateway.post_position(position);
        take(&consumer, &mut applied);
    }
    assert_eq!(applied.positions(), [1, 3, 4]);
    let late = gateway.post_position(2);
    assert_eq!((&late["status"], &late["sequence"]), (&"late".into(), &6.into()), "{late}");
    gateway.kill();
    let mut kinds = Vec::new();
    while kinds.len() < 5 {
        // Before it answers: the delivery was taken, and comes again.
        let (connection, delivery) = next_delivery(&consumer);
        let step = applied.taken.len();
        let kind = applied.take(&delivery);
        if applied.taken.len() > step {
            kinds.push(kind);
        }
        gateway.kill();
        drop(connection);
        // Behind its answer, which is durable or not.
        take(&consumer, &mut applied);
        gateway.kill();
        if kinds.len() < 5 {
            // The same once more, or the next: whichever, it is taken once.
            let step = applied.taken.len();
            let (_, kind) = take(&consumer, &mut applied);
            if applied.taken.len() > step {
                kinds.push(kind);
            }
        }
    }
    assert_eq!(kinds, ["compensation", "compensation", "late", "event", "event"]);
    // A repeat of the late one, and of one that was undone, are known; what follows goes on behind all of it.
    assert_eq!(gateway.post_position(2)["status"], "duplicate");
    assert_eq!(gateway.post_position(3)["status"], "duplicate");
    gateway.post_position(5);
    until("the next came", || {
        take(&consumer, &mut applied);
        (applied.taken.len() == 9).then_some(())
    });
    assert_eq!(applied.positions(), [1, 2, 3, 4, 5]);
}

/// A second late event undoes what was repeated for the first, and that one too where it stands behind.
#[test]
fn a_late_event_before_a_late_one() {
    let consumer = Consumer::listen();
    let contract = "position = { sequence = \"body:/n\" }\nhold = { wait = \"1ms\" }";
    let mut gateway = Gateway::start(contract, &consumer);
    let mut applied = Applied::default();
    for position in [1, 4] {
        gateway.post_position(position);
        take(&consumer, &mut applied);
    }
    for late in [3, 2] {
        assert_eq!(gateway.post_position(late)["status"], "late");
    }
    gateway.kill();
    // 4 undone, 3, 4; then 4 and 3 undone, 2, 3, 4.
    until("all came", || {
        take(&consumer, &mut applied);
        (applied.taken.len() == 10).then_some(())
    });
    assert_eq!(applied.positions(), [1, 2, 3, 4]);
}
