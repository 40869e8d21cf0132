//! What the sender says that it has none of is not missing for the receiver.

use serde_json::{Value, json};

use crate::documents::lines;
use crate::{
    Gateway, LIMITS, Reply, Server, consumer, receiver, send, sender, until, until_delivered,
};

/// Sender and receiver on a wire that loses nothing; of those events whose body begins so, the sender is
/// told that they are dropped.
fn start(destination: &str, source: &str) -> (Gateway, Gateway, Server) {
    let consumer = consumer();
    let side = crate::relay::Relay::start();
    let side_url = format!("http://{}", side.address);
    let receives = Gateway::start(LIMITS, &receiver(&side_url, source, &consumer));
    let target = receives.listen();
    let wire = Server::start(move |request| {
        if request.body.starts_with(b"dead") {
            return Reply::Answer(200, "sprag-drop: as told\r\n".to_owned(), Vec::new());
        }
        let mut connection = crate::wire::Connection::to(target);
        let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("{}\r\n{}\r\n", request.start, headers.collect::<String>());
        connection.send(&[head.as_bytes(), &request.body].concat());
        Reply::status(connection.message().unwrap().status())
    });
    let sends = Gateway::start(LIMITS, &sender(&wire.url(), destination));
    side.lead_to(sends.listen());
    (sends, receives, consumer)
}

#[test]
fn what_the_destination_does_not_take_is_not_waited_for() {
    let (sends, receives, consumer) = start("types = [\"order.*\"]", "");
    for (number, event_type) in
        (1..).zip(["cart.left", "order.paid", "cart.left", "cart.left", "order.paid"])
    {
        send(&sends, "1", number, event_type, b"body");
    }
    let all = until_delivered(&consumer, "1", &[2, 5]);
    // Their consumer is told that there are positions it does not get.
    let missing: Vec<&str> = all.iter().map(|one| one.header("sprag-missing")).collect();
    assert_eq!(missing, ["1", "3-4"]);
    let given_up = lines(&receives, "/v1/facts?fact=gap-abandoned");
    let told = |fact: &Value| (fact["missing"].clone(), fact["reason"].clone());
    let told: Vec<_> = given_up.iter().map(told).collect();
    assert!(told.iter().all(|(_, reason)| *reason == json!("gone")), "{given_up:?}");
    assert_eq!(told.len(), 2, "{given_up:?}");
}

#[test]
fn what_became_a_dead_letter_of_the_sender_is_not_waited_for() {
    let (sends, receives, consumer) = start("", "");
    for (number, body) in (1..).zip([b"body", b"dead", b"body"]) {
        send(&sends, "1", number, "order.paid", body);
    }
    until_delivered(&consumer, "1", &[1, 3]);
    // An operator sends it again: it is late, not lost.
    let given_up = until("it is given up", || {
        let given_up = lines(&receives, "/v1/facts?fact=gap-abandoned");
        (!given_up.is_empty()).then_some(given_up)
    });
    assert_eq!(given_up[0]["reason"], "gone");
}
