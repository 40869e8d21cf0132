//! A consumer that answers 202 and acknowledges by `POST /out/{destination}/ack`, over real
//! connections.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use consumer::{Consumer, acknowledge};
use serde_json::{Value, json};
use wire::{Connection, Gateway, Message, SECRET};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

fn sections(url: &str) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
contract = "arrival"
[destinations.app]
from = ["orders"]
url = "{url}"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
ack = "explicit"
ack_timeout = "1m"
token = "env:APP_TOKEN"
[destinations.plain]
from = ["orders"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
token = "env:APP_TOKEN"
[destinations.closed]
from = ["orders"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#
    )
}

fn post(gateway: &Gateway, id: &str) {
    let body = r#"{"order":"o-1"}"#;
    let head = format!("host: sprag\r\nx-id: {id}\r\ncontent-type: application/json");
    let length = body.len();
    let request =
        format!("POST /in/orders HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    assert_eq!(gateway.ask(request.as_bytes()).status(), 200);
}

fn ack_with(gateway: &Gateway, destination: &str, token: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let head = format!(
        "host: sprag\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}"
    );
    read(
        &gateway.ask(
            format!("POST /out/{destination}/ack HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes(),
        ),
    )
}

/// Secrets of these tests are what their names say.
fn token() -> String {
    format!("whsec_APP_TOKEN{SECRET}")
}

fn ack(gateway: &Gateway, ids: &Value) -> (u16, Value) {
    ack_with(gateway, "app", &token(), &json!({ "ids": ids }).to_string())
}

fn read(answer: &Message) -> (u16, Value) {
    let document = serde_json::from_slice(&answer.body);
    (answer.status(), document.unwrap_or_else(|_| panic!("{answer:?}")))
}

fn start() -> (Consumer, Gateway) {
    let consumer = Consumer::listen();
    let url = format!("http://127.0.0.1:{}/", consumer.port());
    let gateway = Gateway::start(LIMITS, &sections(&url));
    (consumer, gateway)
}

fn accept(connection: &mut Connection) {
    connection.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
}

/// The admin API's words for why the lane to `app` waits.
fn why(gateway: &Gateway) -> String {
    let head = format!("host: sprag\r\nauthorization: Bearer whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let mut connection = Connection::to(gateway.running.admin);
    let path = "/v1/sources/orders/keys/o-1";
    connection.send(format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
    let (_, key) = read(&connection.message().expect("an answer"));
    let lanes = key["lanes"].as_array().expect("lanes").clone();
    let lane = lanes.iter().find(|lane| lane["destination"] == "app").expect("a lane");
    lane["why"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned()
}

#[test]
fn a_202_holds_the_lane_until_it_is_acknowledged() {
    let (consumer, gateway) = start();
    post(&gateway, "a");
    post(&gateway, "b");
    let (mut connection, first) = consumer.delivery();
    let id = first.header("webhook-id").to_owned();
    assert_eq!(id, "orders:o-1:1");
    // An event that was not sent yet waits for nothing.
    let (status, early) = ack(&gateway, &json!(["orders:o-1:2"]));
    assert_eq!((status, &early["code"]), (409, &json!("event-not-waiting")));
    accept(&mut connection);
    let said = wire::until("the lane waits", || {
        Some(why(&gateway)).filter(|said| said.contains("accepted event 1 with 202"))
    });
    assert!(said.contains("its wait ends in"), "{said}");
    let (status, done) = ack(&gateway, &json!([id]));
    assert_eq!((status, &done["results"][0]["status"]), (200, &json!("acknowledged")));
    let second = connection.message().expect("the next event on the kept connection");
    assert_eq!(second.header("webhook-id"), "orders:o-1:2");
    assert_eq!(second.header("sprag-previous-sequence"), "1");
    // Once more is fine, and says so; what is fine is done even beside what is not.
    let (status, again) = ack(&gateway, &json!(["orders:o-1:1"]));
    assert_eq!((status, &again["results"][0]["status"]), (200, &json!("already-settled")));
    let (status, mixed) = ack(&gateway, &json!(["orders:o-1:9", "orders:o-1:2"]));
    assert_eq!((status, &mixed["code"]), (404, &json!("unknown-event")));
    assert_eq!(mixed["results"][1]["status"], "acknowledged");
    // The answer of what is acknowledged already changes nothing.
    accept(&mut connection);
    post(&gateway, "c");
    let third = connection.message().expect("the third event");
    assert_eq!(third.header("sprag-previous-sequence"), "2");
    acknowledge(&mut connection);
    wire::until("any other 2xx acknowledges at once", || {
        Some(why(&gateway)).filter(|said| said == "Nothing waits.")
    });
}

#[test]
fn who_may_not_acknowledge_is_told_why() {
    let (_consumer, gateway) = start();
    post(&gateway, "a");
    let one = r#"{"id":"orders:o-1:1"}"#;
    let code = |destination: &str, token: &str, body: &str| {
        let (status, document) = ack_with(&gateway, destination, token, body);
        (status, document["code"].as_str().unwrap_or_default().to_owned())
    };
    let told = |status, code: &str| (status, code.to_owned());
    assert_eq!(code("app", "wrong", one), told(401, "token-mismatch"));
    assert_eq!(code("nobody", &token(), one), told(404, "unknown-destination"));
    assert_eq!(code("closed", &token(), one), told(401, "token-mismatch"));
    assert_eq!(code("plain", &token(), one), told(409, "ack-not-explicit"));
    for unknown in ["orders:o-1:7", "orders:o-2:1", "shop:o-1:1", "o-1", "orders:o-1:x"] {
        let body = json!({ "ids": [unknown] }).to_string();
        assert_eq!(code("app", &token(), &body), told(404, "unknown-event"), "{unknown}");
    }
    assert_eq!(code("app", &token(), "{"), told(400, "unreadable-json"));
    assert_eq!(code("app", &token(), r#"{"ids":[]}"#), told(400, "invalid-parameter"));
    assert_eq!(code("app", &token(), r#"{"id":1}"#), told(400, "invalid-parameter"));
    let bare = "host: sprag\r\ncontent-length: 0";
    let none = gateway.ask(format!("POST /out/app/ack HTTP/1.1\r\n{bare}\r\n\r\n").as_bytes());
    assert_eq!((none.status(), none.header("www-authenticate")), (401, "Bearer"));
    let auth = format!("host: sprag\r\nauthorization: Bearer {}", token());
    let get = gateway.ask(format!("GET /out/app/ack HTTP/1.1\r\n{auth}\r\n\r\n").as_bytes());
    assert_eq!((get.status(), get.header("allow")), (405, "POST"));
}
