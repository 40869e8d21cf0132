//! What is fetched is what would have been posted: the same id, key, position, content type and bytes.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::documents::lines;
use crate::wire::Connection;
use crate::{
    Gateway, LIMITS, Message, Reply, Server, consumer, receiver, send, sender, until_delivered,
};

fn raw(request: &Message) -> Vec<u8> {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = format!("{}\r\n{}\r\n", request.start, headers.collect::<String>());
    [head.as_bytes(), &request.body].concat()
}

/// The wire answers 200 to the first of these bodies and keeps it.
#[test]
fn a_repeat_of_what_was_fetched_is_a_plain_duplicate() {
    let bodies: [&[u8]; 5] = [
        b"first",
        b"\xff\0\xfe no text",
        "{ \"a\" : \"\u{e9}\\u00e9\", \"b\": 1.0e0 }\r\n".as_bytes(),
        b"",
        b"last",
    ];
    let consumer = consumer();
    let side = crate::relay::Relay::start();
    let side_url = format!("http://{}", side.address);
    let receives = Gateway::start(LIMITS, &receiver(&side_url, "", &consumer));
    let target = receives.listen();
    let lost: Arc<Mutex<Vec<Message>>> = Arc::default();
    let losing = lost.clone();
    let wire = Server::start(move |request| {
        if !["first", "last"].contains(&&*String::from_utf8_lossy(&request.body)) {
            losing.lock().unwrap().push(request.clone());
            return Reply::status(200);
        }
        let mut connection = Connection::to(target);
        connection.send(&raw(request));
        Reply::status(connection.message().unwrap().status())
    });
    let sends = Gateway::start(LIMITS, &sender(&wire.url(), "forward = [\"x-shop\"]"));
    side.lead_to(sends.listen());
    for (number, body) in (1..).zip(bodies) {
        send(&sends, "1", number, "order.paid", body);
    }
    let all = until_delivered(&consumer, "1", &[1, 2, 3, 4, 5]);
    for (delivery, body) in all.iter().zip(bodies) {
        assert_eq!(delivery.body, body);
        assert_eq!(delivery.header("content-type"), "text/x-test");
        let position = delivery.header("sprag-position");
        let is_refilled = delivery.header("sprag-origin") == "refilled";
        assert_eq!(is_refilled, ["2", "3", "4"].contains(&position), "{delivery:?}");
    }
    // The wire has them after all.
    let lost = std::mem::take(&mut *lost.lock().unwrap());
    assert_eq!(lost.len(), 3);
    for request in lost {
        let answer = receives.ask(&raw(&request));
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        let sequence: u64 = request.header("sprag-sequence").parse().unwrap();
        assert_eq!(
            (&document["status"], &document["sequence"]),
            (&json!("duplicate"), &json!(sequence))
        );
    }
    let repeats = lines(&receives, "/v1/facts?fact=duplicate");
    assert_eq!(repeats.len(), 3);
    assert!(repeats.iter().all(|repeat| repeat["altered"] == json!(false)), "{repeats:?}");
    assert!(repeats.iter().all(|repeat| repeat["by"] == json!("id")), "{repeats:?}");
}
