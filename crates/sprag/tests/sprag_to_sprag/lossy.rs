//! Shown-by 3 of issue 5: two Sprags, sender to receiver over a wire that drops 20 % (and repeats, and lets
//! events pass one another): everything delivered in order, nothing by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::process::Background;
use crate::record::observed;
use crate::recorder::Sender;
use crate::relay::Relay;
use crate::server::{Reply, Server};
use crate::support::gateway::{Gateway, HEAD, Setup};
use crate::wire::{SECRET, until};

const KEYS: usize = 40;
const EVENTS: u64 = 25;

fn secrets() -> Vec<(&'static str, String)> {
    ["HOP", "OUT", "CONSUMER"].map(|name| (name, format!("whsec_C{SECRET}"))).to_vec()
}

fn serve(sections: &str) -> (Setup, Gateway) {
    let setup = Setup::new(&format!("{HEAD}{sections}"), tempfile::tempdir().unwrap(), secrets());
    let gateway = setup.serve();
    (setup, gateway)
}

fn sender(wire: &str) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/order"
position = {{ sequence = "body:/number" }}
[destinations.next]
from = ["orders"]
url = "http://{wire}/in/orders"
secrets = ["env:HOP"]
allow = ["127.0.0.0/8"]
token = "env:OUT"
"#
    )
}

/// It never gives anything up by itself: what is missing comes, or nothing does.
fn receiver(side: &Relay, consumer: &Server) -> String {
    format!(
        r#"
[sources.orders]
preset = "sprag"
verify = {{ secrets = ["env:HOP"] }}
on_gap = "halt"
refill = {{ sprag = "http://{}/out/next", token = "env:OUT", after = "50ms", every = "1s", rate = "1000/s", attempts = 1000, allow = ["127.0.0.0/8"] }}
[destinations.app]
from = ["orders"]
url = "{}/app"
secrets = ["env:CONSUMER"]
allow = ["127.0.0.0/8"]
"#,
        side.address,
        consumer.url()
    )
}

/// The numbers that came of each order, each once, in the order of their first coming.
fn came(consumer: &Server) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in consumer.requests() {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let numbers = all.entry(body["order"].as_str().unwrap().to_owned()).or_default();
        let number = body["number"].as_u64().unwrap();
        if request.header("sprag-redelivery") != "true" || !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    all
}

#[test]
fn two_sprags_over_a_wire_that_drops_a_fifth_deliver_everything_in_order() {
    let consumer = Server::start(|_| Reply::status(204));
    let side = Relay::start();
    let (_receives, receiver) = serve(&receiver(&side, &consumer));
    let target = format!("http://{}", receiver.listen);
    let disorder = [
        "--drop",
        "0.2",
        "--duplicate",
        "0.1",
        "--reorder",
        "0.3",
        "--delay",
        "0..20ms",
        "--seed",
        "5",
    ];
    let listen = ["chaos", "--target", &target, "--listen", "127.0.0.1:0"];
    let mut wire = Background::start(&[listen.as_slice(), &disorder].concat());
    let (_sends, sender) = serve(&sender(&wire.address()));
    side.lead_to(sender.listen);

    let mut provider = Sender::to(&sender.listen.to_string());
    let mut post = |order: &str, number: u64| {
        let event = json!({"id": format!("{order}-{number}"), "order": order, "number": number});
        let answer = provider.post("/in/orders", &event.to_string());
        assert!(answer.head.starts_with("HTTP/1.1 200"), "{answer:?}");
    };
    let orders: Vec<String> = (0..KEYS).map(|key| format!("o.{key}/x")).collect();
    for number in 1..=EVENTS {
        orders.iter().for_each(|order| post(order, number));
    }
    let all: Vec<u64> = (1..=EVENTS).collect();
    // Where the last event of a key was lost, nothing shows it but that the receiver asks (`every`).
    until("all is delivered", || {
        let came = came(&consumer);
        let whole = |order: &String| came.get(order).is_some_and(|came| came.len() >= all.len());
        orders.iter().all(whole).then_some(())
    });
    for (order, numbers) in came(&consumer) {
        assert_eq!(numbers, all, "{order}");
    }
    let (code, schedule) = wire.end();
    let dropped = schedule.lines().filter(|line| line.ends_with(" drop")).count();
    assert_eq!(code, 0);
    assert!(dropped * 8 > KEYS * usize::try_from(EVENTS).unwrap(), "the wire lost {dropped}");
    let refilled = |request: &&crate::wire::Message| request.header("sprag-origin") == "refilled";
    assert!(consumer.requests().iter().filter(refilled).count() > 0);
    // Nothing was given up, nothing came late.
    let is_missing = |request: &crate::wire::Message| !request.header("sprag-missing").is_empty();
    assert!(!consumer.requests().iter().any(is_missing));
    observed("key", "sources.*.refill.sprag");
    observed("key", "sources.*.refill.token");
    receiver.stop();
    sender.stop();
}
