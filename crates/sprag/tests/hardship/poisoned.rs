//! Keys that are always answered 503 and came first, to a gateway that nobody has answered yet: all
//! others are delivered (promise 3, rule L2).

use std::time::Duration;

use crate::answering::Answering;
use crate::server::{Server, post};
use crate::support::clock::Deadline;

const POISONED: usize = 200;
const OTHERS: usize = 10_000;
/// Of each of the others.
const EVENTS: usize = 2;
/// Of one request.
const SPLIT: usize = 1_000;
/// In this time nine probes may go; of what waits one in fifty fails.
const LIVENESS: Duration = Duration::from_secs(300);

fn post_all(server: &Server, kind: &str, keys: usize) {
    let events: Vec<String> = (0..keys).map(|key| format!(r#"{{"key":"{kind}{key}"}}"#)).collect();
    for some in events.chunks(SPLIT) {
        let answer = server.ask(&post("/in/a", "", &format!("[{}]", some.join(","))));
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

#[test]
fn poisoned_keys_that_came_first_stop_no_others() {
    let consumer =
        Answering::start(|key| Some(if key.starts_with("poisoned") { 503 } else { 204 }));
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"body:/key\"\n\
         split = \"body:\"\ncontract = \"arrival\"\n\
         [destinations.d]\nfrom = [\"a\"]\nurl = \"http://{}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\"]\nconcurrency = 64\n",
        consumer.address
    ));
    post_all(&server, "poisoned", POISONED);
    server.until_counted("sprag_breaker_open{destination=\"d\"}", 1);
    let deadline = Deadline::after(LIVENESS);
    (0..EVENTS).for_each(|_| post_all(&server, "other", OTHERS));
    let expected = OTHERS * EVENTS;
    while consumer.acknowledged() < expected {
        let delivered = consumer.acknowledged();
        assert!(!deadline.has_passed(), "{delivered} of {expected} within {LIVENESS:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let left = deadline.left();
    assert_eq!(consumer.out_of_order(), [""; 0]);
    println!("poisoned: {expected} others delivered within {:?}", LIVENESS - left);
}
