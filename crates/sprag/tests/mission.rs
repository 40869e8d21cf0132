//! The situations that the product was conceived for, by their names: what a provider's events do to a
//! consumer that applies them as they come, and what they do behind Sprag.
//!
//! The consumer here knows nothing of order: it applies what it gets, one event after another.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use serde_json::{Value, json};
use wire::Gateway;

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// A gateway in front of a consumer, with one source.
struct Situation {
    gateway: Gateway,
    consumer: Consumer,
}

impl Situation {
    fn of(source: &str) -> Self {
        let consumer = Consumer::listen();
        let sections = format!(
            r#"
[sources.provider]
verify = {{ scheme = "none" }}
id = "body:/id"
type = "body:/type"
{source}
[destinations.app]
from = ["provider"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
            consumer.port()
        );
        Self { gateway: Gateway::start(LIMITS, &sections), consumer }
    }

    /// The provider posts an event and is told what became of it.
    fn comes(&self, event: &Value, status: &str) {
        let answer = self.gateway.ask(&post::post("/in/provider", "", &event.to_string()));
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status(), &told["status"]), (200, &json!(status)), "{event}: {told}");
    }

    /// What the consumer has of each resource once it applied so many events.
    fn state_after(&self, events: usize, resource: &str) -> (Vec<String>, BTreeMap<String, Value>) {
        let (mut applied, mut state) = (Vec::new(), BTreeMap::new());
        let mut open = self.consumer.delivery();
        loop {
            let (connection, delivery) = &mut open;
            let event: Value = serde_json::from_slice(&delivery.body).unwrap();
            applied.push(event["id"].as_str().unwrap().to_owned());
            state.insert(event.pointer(resource).unwrap().to_string(), event["data"].clone());
            acknowledge(connection);
            if applied.len() == events {
                return (applied, state);
            }
            open = match connection.message() {
                Some(next) => (open.0, next),
                None => self.consumer.delivery(),
            };
        }
    }
}

/// Three changes of a name within a tenth of a second, the first delivered last: in order they end with
/// the name that was chosen last.
#[test]
fn profile_updated_three_times() {
    let situation = Situation::of(
        r#"key = "body:/user"
position = { timestamp = "body:/at", unit = "ms" }
contract = "settle"
settle = "5s""#,
    );
    let event = |id: &str, at: u64, name: &str| json!({ "id": id, "type": "user.updated", "user": "u", "at": 1_770_000_000_000_u64 + at, "data": { "name": name } });
    situation.comes(&event("second", 50, "Alicia"), "held");
    situation.comes(&event("third", 100, "Ali"), "held");
    situation.comes(&event("first", 0, "Alice"), "held");
    let (applied, state) = situation.state_after(3, "/user");
    assert_eq!(applied, ["first", "second", "third"]);
    assert_eq!(state["\"u\""]["name"], "Ali");
}

/// An order is created and changed in the same second, and the change arrives first: the type tells which
/// comes first.
#[test]
fn create_update_race() {
    let situation = Situation::of(
        r#"key = "body:/order"
position = { timestamp = "body:/at", unit = "s" }
contract = "settle"
settle = "5s"
ranks = ["*.created", "*.updated"]"#,
    );
    let event = |id: &str, kind: &str, status: &str| json!({ "id": id, "type": kind, "order": 7, "at": 1_770_000_000, "data": { "status": status } });
    situation.comes(&event("update", "order.updated", "confirmed"), "held");
    situation.comes(&event("create", "order.created", "pending"), "held");
    let (applied, state) = situation.state_after(2, "/order");
    assert_eq!(applied, ["create", "update"]);
    assert_eq!(state["7"]["status"], "confirmed");
}

/// A booking is cancelled while an update of it is on its way and the confirmation is not there yet: behind the
/// cancellation nothing of that is delivered.
#[test]
fn cancellation_before_update() {
    let situation = Situation::of(
        r#"key = "body:/booking"
position = { state = "body:/data/status", version = "body:/version" }
contract = "states"
hold.wait = "1h"
states = { initial = ["pending"], allow = { pending = ["confirmed", "cancelled"], confirmed = ["updated", "cancelled"], updated = ["updated", "cancelled"] } }"#,
    );
    let event = |id: &str, version: u64, status: &str| json!({ "id": id, "type": "booking", "booking": 9, "version": version, "data": { "status": status } });
    situation.comes(&event("created", 1, "pending"), "released");
    situation.comes(&event("update", 3, "updated"), "held");
    situation.comes(&event("cancelled", 4, "cancelled"), "released");
    situation.comes(&event("confirmed", 2, "confirmed"), "stale");
    situation.comes(&event("back again", 5, "confirmed"), "conflict");
    let (applied, state) = situation.state_after(2, "/booking");
    assert_eq!(applied, ["created", "cancelled"]);
    assert_eq!(state["9"]["status"], "cancelled");
}

/// A refund is delivered before the charge it refunds: it waits for it, and is applied behind it.
#[test]
fn refund_before_charge() {
    let situation = Situation::of(
        r#"key = "body:/payment"
position = { state = "body:/data/status" }
contract = "states"
hold.wait = "1h"
states = { initial = ["charged"], allow = { charged = ["refunded"] } }"#,
    );
    let event = |id: &str, status: &str, balance: i64| json!({ "id": id, "type": "payment", "payment": 3, "data": { "status": status, "balance": balance } });
    situation.comes(&event("refund", "refunded", 0), "held");
    situation.comes(&event("charge", "charged", 2_000), "released");
    situation.comes(&event("charge again", "charged", 2_000), "conflict");
    let (applied, state) = situation.state_after(2, "/payment");
    assert_eq!(applied, ["charge", "refund"]);
    assert_eq!(state["3"]["balance"], 0);
}

/// The upgrade failed and is tried again after the downgrade was delivered: it is stale then, and known
/// to be.
#[test]
fn retry_induced_reversal() {
    let situation = Situation::of(
        r#"key = "body:/subscription"
position = { version = "body:/version" }
contract = "latest""#,
    );
    let event = |id: &str, version: u64, plan: &str| json!({ "id": id, "type": "subscription.updated", "subscription": "s", "version": version, "data": { "plan": plan } });
    situation.comes(&event("created", 1, "free"), "released");
    situation.comes(&event("basic", 3, "basic"), "released");
    situation.comes(&event("pro", 2, "pro"), "stale");
    situation.comes(&event("next", 4, "basic"), "released");
    let (applied, state) = situation.state_after(3, "/subscription");
    assert_eq!(applied, ["created", "basic", "next"]);
    assert_eq!(state["\"s\""]["plan"], "basic");
}

/// A customer and the card that belongs to it are created at once, and the card arrives first. Under the
/// customer's key they have one order, in which a customer comes before its cards.
#[test]
fn customer_and_card() {
    let situation = Situation::of(
        r#"key = "body:/customer"
position = { timestamp = "body:/at", unit = "s" }
contract = "settle"
settle = "5s"
ranks = ["customer.created", "card.created"]"#,
    );
    let event = |id: &str, kind: &str| json!({ "id": id, "type": kind, "customer": "c", "at": 1_770_000_000, "data": { "of": kind } });
    situation.comes(&event("card", "card.created"), "held");
    situation.comes(&event("customer", "customer.created"), "held");
    assert_eq!(situation.state_after(2, "/customer").0, ["customer", "card"]);
}

/// The same with a key for each: the card names its customer and waits for it, and no other card does.
#[test]
fn customer_and_card_of_their_own() {
    let situation = Situation::of(
        r#"key = [{ type = "customer.*", at = "body:/customer" }, { type = "*", at = { join = ["const:card", "body:/card"] } }]
contract = "arrival"
depends_on = { source = "provider", wait = "1h", key = [{ type = "card.*", at = "body:/customer" }] }"#,
    );
    let event = |id: &str, kind: &str, customer: &str| json!({ "id": id, "type": kind, "card": id, "customer": customer, "data": { "of": kind } });
    situation.comes(&event("customer d", "customer.created", "d"), "released");
    situation.comes(&event("card of c", "card.created", "c"), "released");
    situation.comes(&event("card of d", "card.created", "d"), "released");
    let (applied, _) = situation.state_after(2, "/customer");
    assert_eq!(applied, ["customer d", "card of d"]);
    situation.comes(&event("customer c", "customer.created", "c"), "released");
    let (applied, _) = situation.state_after(2, "/customer");
    assert_eq!(applied, ["customer c", "card of c"]);
}

/// The older of two states is written with another offset, so that its text is the greater one.
#[test]
fn newer_then_older_occurred_at_in_different_offsets() {
    let situation = Situation::of(
        r#"key = "body:/ticket"
position = { timestamp = "body:/occurred_at", unit = "rfc3339" }
contract = "latest""#,
    );
    let event = |id: &str, at: &str, status: &str| json!({ "id": id, "type": "ticket.changed", "ticket": 1, "occurred_at": at, "data": { "status": status } });
    situation.comes(&event("newer", "2026-11-20T11:30:00Z", "closed"), "released");
    situation.comes(&event("older", "2026-11-20T12:00:00+02:00", "open"), "stale");
    situation.comes(&event("same", "2026-11-20T13:30:00+02:00", "closed again"), "released");
    let (applied, state) = situation.state_after(2, "/ticket");
    assert_eq!(applied, ["newer", "same"]);
    assert_eq!(state["1"]["status"], "closed again");
}
