//! `on_late` and `late_to`: late events that are dead letters, and late events that go to a destination of their own.

use serde_json::{Value, json};

use super::record::observed;
use super::server::{Server, post, taken};
use crate::consumer::{Consumer, acknowledge};
use crate::wire::{Message, until};

const SECTIONS: &str = r#"
[sources.dead]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
position = { sequence = "body:/n" }
hold = { wait = "1ms" }
on_late = "dead-letter"
[sources.aside]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
position = { sequence = "body:/n" }
hold = { wait = "1ms" }
late_to = "audit"
[destinations.app]
from = ["dead", "aside"]
url = "http://127.0.0.1:APP/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
[destinations.audit]
from = []
url = "http://127.0.0.1:AUDIT/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

struct World {
    app: Consumer,
    audit: Consumer,
    server: Server,
}

impl World {
    fn start() -> Self {
        let (app, audit) = (Consumer::listen(), Consumer::listen());
        let sections = SECTIONS.replace("APP", &app.port().to_string());
        let sections = sections.replace("AUDIT", &audit.port().to_string());
        Self { app, audit, server: Server::start(&sections) }
    }

    fn post(&self, source: &str, position: u64) -> Message {
        let body = format!("{{\"key\":\"k\",\"n\":{position}}}");
        let request = post(&format!("/in/{source}"), &format!("x-id: {position}\r\n"), &body);
        self.server.ask(&request)
    }

    /// Position 1 and 3 are delivered, and 2 is given up.
    fn until_given_up(&self, source: &str) {
        taken(&self.post(source, 1), "released");
        delivered(&self.app, "1");
        taken(&self.post(source, 3), "held");
        let delivery = delivered(&self.app, "2");
        assert_eq!(delivery.header("sprag-missing"), "2");
    }

    fn letters(&self) -> Value {
        self.server.show("/v1/dead-letters?destination=app&reason=late")["items"].clone()
    }
}

/// The next delivery, which has this sequence; acknowledged.
fn delivered(consumer: &Consumer, sequence: &str) -> Message {
    let (mut connection, delivery) = consumer.delivery();
    acknowledge(&mut connection);
    assert_eq!(delivery.header("sprag-sequence"), sequence, "{delivery:?}");
    delivery
}

#[test]
fn a_late_event_is_a_dead_letter_that_only_an_operator_sends() {
    let world = World::start();
    world.until_given_up("dead");
    let answer = taken(&world.post("dead", 2), "late");
    assert_eq!(answer["sequence"], 3);
    let listed =
        until("it is a dead letter", || Some(world.letters()).filter(|it| it[0].is_object()));
    assert_eq!((&listed[0]["reason"], &listed[0]["sequence"]), (&json!("late"), &json!(3)));
    let path = format!("/v1/events/{}", answer["id"].as_str().unwrap());
    let event = world.server.show(&path);
    let lane = &event["fates"]["destinations"][0];
    assert_eq!((&lane["destination"], &lane["status"]), (&json!("app"), &json!("dead")), "{event}");
    // What comes after it says so, and it waits for nothing.
    taken(&world.post("dead", 4), "released");
    let next = delivered(&world.app, "4");
    assert_eq!(
        (next.header("sprag-previous-sequence"), next.header("sprag-omitted")),
        ("2", "3;dead")
    );
    let of = json!({"source": "dead", "key": "k", "destination": "app", "sequence": 3, "out_of_order": true});
    world.server.command("/v1/dead-letters/redrive", &of);
    let again = delivered(&world.app, "3");
    let told = (again.header("sprag-kind"), again.header("sprag-out-of-order"));
    assert_eq!((told, again.body.as_slice()), (("late", "true"), &br#"{"key":"k","n":2}"#[..]));
    until("its letter is gone", || (world.letters() == json!([])).then_some(()));
    observed("key", "sources.*.on_late");
}

#[test]
fn a_late_event_goes_to_a_destination_of_its_own() {
    let world = World::start();
    world.until_given_up("aside");
    assert!(world.audit.is_alone(), "what is not late went aside");
    taken(&world.post("aside", 2), "late");
    let late = delivered(&world.audit, "3");
    assert_eq!((late.header("sprag-kind"), late.header("sprag-omitted")), ("late", "1-2;filtered"));
    taken(&world.post("aside", 4), "released");
    let next = delivered(&world.app, "4");
    assert_eq!((next.header("sprag-kind"), next.header("sprag-omitted")), ("event", "3;filtered"));
    assert_eq!(world.letters(), json!([]));
    observed("key", "sources.*.late_to");
}
