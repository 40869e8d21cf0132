//! `depends_on`: a card waits for its customer, and an event that names nobody does not.

use serde_json::{Value, json};

use super::record::observed;
use super::server::{Server, post, problem, taken};
use crate::consumer::{Consumer, acknowledge};
use crate::wire::Message;

const SECTIONS: &str = r#"
[sources.customers]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/customer"
contract = "arrival"
[sources.cards]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/card"
contract = "arrival"
depends_on = { source = "customers", key = { join = ["body:/customer"] }, wait = "30d" }
[sources.notes]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/note"
contract = "arrival"
depends_on = { source = "customers", key = "body:/customer", wait = "20ms" }
[sources.owners]
verify = { scheme = "none" }
id = "header:x-id"
key = { join = ["body:/land", "body:/owner"] }
contract = "arrival"
[sources.shops]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/shop"
type = "body:/type"
contract = "arrival"
depends_on = { source = "owners", key = [{ type = "owned", at = { join = ["body:/land", "body:/owner"] } }], wait = "30d" }
[destinations.app]
from = ["customers", "cards", "notes", "owners", "shops"]
url = "http://127.0.0.1:APP/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#;

struct World {
    app: Consumer,
    server: Server,
}

impl World {
    fn start() -> Self {
        let app = Consumer::listen();
        let sections = SECTIONS.replace("APP", &app.port().to_string());
        Self { app, server: Server::start(&sections) }
    }

    fn post(&self, source: &str, body: &Value) -> Message {
        let (path, body) = (format!("/in/{source}"), body.to_string());
        self.server.ask(&post(&path, &format!("x-id: {source}-{}\r\n", body.len()), &body))
    }

    fn delivered(&self, key: &str) -> Message {
        let (mut connection, delivery) = self.app.delivery();
        acknowledge(&mut connection);
        assert_eq!(delivery.header("sprag-key"), key, "{delivery:?}");
        delivery
    }
}

#[test]
fn a_card_waits_for_its_customer() {
    let world = World::start();
    taken(&world.post("cards", &json!({"card": "card_1", "customer": "cus_1"})), "released");
    // Another resource waits for nothing.
    taken(&world.post("cards", &json!({"card": "card_22", "customer": null})), "released");
    world.delivered("card_22");
    let shown =
        world.server.until("/v1/sources/cards/keys/card_1", "it waits for its customer", |key| {
            key.to_string().contains("refers to another resource")
        });
    assert!(shown.to_string().contains("its wait ends in"), "{shown}");
    assert!(world.app.is_alone(), "sent before its customer");
    taken(&world.post("customers", &json!({"customer": "cus_1"})), "released");
    assert_eq!(world.delivered("cus_1").header("sprag-source"), "customers");
    let card = world.delivered("card_1");
    assert_eq!((card.header("sprag-source"), card.header("sprag-unmet")), ("cards", ""));
    observed("key", "sources.*.depends_on.key.join");
    for key in ["sources.*.depends_on", "sources.*.depends_on.source", "sources.*.depends_on.key"] {
        observed("key", key);
    }
}

/// The wait of a note is 20 ms, and what it refers to stands in the backlog of the same destination for longer.
#[test]
fn what_is_on_its_way_is_waited_for_however_long_the_destination_is_down() {
    let world = World::start();
    taken(&world.post("customers", &json!({"customer": "cus_1"})), "released");
    let (mut down, first) = world.app.delivery();
    assert_eq!(first.header("sprag-key"), "cus_1");
    taken(&world.post("notes", &json!({"note": "n", "customer": "cus_1"})), "released");
    // The customer's next try is not to be taken for the note.
    down.send(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n\r\n");
    world.server.until("/v1/sources/notes/keys/n", "its wait is over", |key| {
        key.to_string().contains("whose first event is on its way here")
    });
    // A note sent in the outage would be here first.
    assert_eq!(world.delivered("cus_1").header("sprag-source"), "customers");
    assert_eq!(world.delivered("n").header("sprag-unmet"), "");
    let facts = world.server.facts("notes", "n");
    assert!(facts.iter().all(|fact| fact["fact"] != "unmet"), "{facts:?}");
}

#[test]
fn the_type_of_an_event_says_whether_it_refers_to_anything() {
    let world = World::start();
    let shop =
        |shop: &str, kind: &str| json!({"shop": shop, "type": kind, "land": "a/b", "owner": 7});
    taken(&world.post("shops", &shop("owned", "owned")), "released");
    taken(&world.post("shops", &shop("free", "founded")), "released");
    world.delivered("free");
    taken(&world.post("customers", &json!({"customer": "a/b"})), "released");
    world.delivered("a%2Fb");
    assert!(world.app.is_alone(), "another resource is not its owner");
    taken(&world.post("owners", &json!({"land": "a/b", "owner": 7})), "released");
    world.delivered("a%2Fb/7");
    world.delivered("owned");
    for part in ["[].type", "[].at", "[].at.join"] {
        observed("key", &format!("sources.*.depends_on.key{part}"));
    }
}

#[test]
fn an_event_that_waited_in_vain_says_so() {
    let world = World::start();
    taken(&world.post("notes", &json!({"note": "n", "customer": "no body"})), "released");
    assert_eq!(world.delivered("n").header("sprag-unmet"), "no%20body");
    let facts = world.server.facts("notes", "n");
    let named = |name: &str| facts.iter().filter(|fact| fact["fact"] == name).collect::<Vec<_>>();
    let of = json!({"source": "customers", "key": "no%20body"});
    for (name, member) in [("received", "depends_on"), ("released", "depends_on"), ("unmet", "of")]
    {
        let told: Vec<&Value> = named(name).into_iter().map(|fact| &fact[member]).collect();
        assert_eq!(told, [&of], "{facts:?}");
    }
    let unmet = named("unmet")[0];
    assert_eq!((&unmet["destination"], &unmet["sequence"]), (&json!("app"), &json!(1)));
    observed("key", "sources.*.depends_on.wait");
}

#[test]
fn a_resource_that_cannot_be_one_is_refused() {
    let world = World::start();
    for customer in [json!({}), json!([1]), json!(true), json!(1.5), json!("x".repeat(300))] {
        problem(
            &world.post("cards", &json!({"card": "c", "customer": customer})),
            "invalid-dependency",
        );
    }
    // None named: it waits for nothing.
    taken(&world.post("cards", &json!({"card": "c", "customer": ""})), "released");
    world.delivered("c");
}
