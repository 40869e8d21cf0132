//! Sprag to Sprag: a sender, a wire that loses, a receiver that asks the sender for what is missing.
//!
//! `lossy` runs the real binary three times: sender, `sprag chaos` as the wire, receiver. The others run a
//! sender and a receiver in this process: what the sender has none of is not waited for, what is fetched is
//! what would have been posted, and a sender that lies or breaks harms nobody.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod fetched;
mod harm;
mod lossy;
mod omitted;
mod relay;

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/documents.rs"]
mod documents;
#[path = "../wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../chaos/process.rs"]
mod process;
#[path = "../observed/record.rs"]
mod record;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../chaos/recorder.rs"]
mod recorder;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../support"]
mod support {
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod gateway;
}
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/mod.rs"]
mod wire;

use server::{Reply, Server};
use wire::{Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// The sources and the destination of a sender whose wire begins at `wire`.
fn sender(wire: &str, destination: &str) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = {{ join = ["header:x-shop", "header:x-order"] }}
type = "header:x-type"
contract = "arrival"
[destinations.app]
from = ["orders"]
url = "{wire}/in/orders"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
token = "env:T"
retry = {{ first = "10ms", cap = "50ms", attempts = 3 }}
on_give_up = "skip"
{destination}
"#
    )
}

/// A receiver that asks at `side`, and its consumer.
fn receiver(side: &str, source: &str, consumer: &Server) -> String {
    format!(
        r#"
[sources.orders]
preset = "sprag"
verify = {{ secrets = ["env:A"] }}
on_gap = "halt"
{source}
refill = {{ sprag = "{side}/out/app", token = "env:T", after = "20ms", rate = "1000/s", allow = ["127.0.0.0/8"] }}
[destinations.app]
from = ["orders"]
url = "{}/app"
secrets = ["env:B"]
allow = ["127.0.0.0/8"]
"#,
        consumer.url()
    )
}

fn consumer() -> Server {
    Server::start(|_| Reply::status(204))
}

/// An event of an order of the shop `a.b/c`.
fn send(sender: &Gateway, order: &str, number: u64, event_type: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "POST /in/orders HTTP/1.1\r\nhost: sprag\r\ncontent-type: text/x-test\r\nx-id: {order}-{number}\r\n\
         x-shop: a.b/c\r\nx-order: {order}\r\nx-type: {event_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    let answer = sender.ask(&[head.as_bytes(), body].concat());
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// What was delivered of an order in the end, in the order it came.
fn delivered(consumer: &Server, order: &str) -> Vec<Message> {
    let mut all = consumer.requests();
    // The key of the sender, encoded once more.
    let key = format!("orders/a%252Eb%252Fc%2F{order}");
    all.retain(|request| request.header("sprag-key") == key);
    all
}

/// The sender's sequences of what was delivered of an order, once there are so many.
fn until_delivered(consumer: &Server, order: &str, sequences: &[u64]) -> Vec<Message> {
    until(&format!("{order} {sequences:?} is delivered"), || {
        let all = delivered(consumer, order);
        let is: Vec<u64> =
            all.iter().map(|one| one.header("sprag-position").parse().unwrap()).collect();
        assert!(is.len() <= sequences.len(), "{is:?}");
        (is == sequences).then_some(all)
    })
}
