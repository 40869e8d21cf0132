//! Two hundred keys whose consumer never answers, beside healthy ones (promise 3, rule D4).

use std::time::Duration;

use crate::answering::Answering;
use crate::server::{Server, post};
use crate::support::clock::Deadline;
use crate::support::fault::Fault;
use crate::wire::until;

const HUNG: usize = 200;
const HEALTHY: usize = 100;
/// Events of each healthy key.
const EVENTS: u64 = 20;
/// Attempts wait for ten minutes and `concurrency` is far below the number of hung keys: without a
/// pool of their own for slow attempts nothing would come through in this time.
const LIVENESS: Duration = Duration::from_secs(60);

fn several(key: impl Fn(usize) -> String, keys: usize) -> Vec<u8> {
    let events: Vec<String> = (0..keys).map(|at| format!(r#"{{"key":"{}"}}"#, key(at))).collect();
    post("/in/a", "", &format!("[{}]", events.join(",")))
}

#[test]
fn two_hundred_hung_keys_stop_nobody_else() {
    let mut fault = Fault::new(
        "consumer never answers",
        "D4: lanes whose attempts hang leave the pool of the others",
    );
    let consumer = Answering::start(|key| (!key.starts_with("hung")).then_some(204));
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"body:/key\"\n\
         split = \"body:\"\ncontract = \"arrival\"\n\
         [destinations.d]\nfrom = [\"a\"]\nurl = \"http://{}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\"]\ntimeout = \"10m\"\nconcurrency = 64\nslow_after = \"50ms\"\n",
        consumer.address
    ));
    assert_eq!(server.ask(&several(|at| format!("hung{at}"), HUNG)).status(), 200);
    for _ in 0..EVENTS {
        assert_eq!(server.ask(&several(|at| format!("healthy{at}"), HEALTHY)).status(), 200);
    }
    let expected = HEALTHY * usize::try_from(EVENTS).unwrap();
    let deadline = Deadline::after(LIVENESS);
    while consumer.acknowledged() < expected {
        let came = consumer.acknowledged();
        assert!(!deadline.has_passed(), "{came} of {expected} events beside the hung keys");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(consumer.out_of_order(), [""; 0]);
    // The hung ones are all with their consumer, one attempt each, and in no one's way.
    server.until_counted("sprag_in_flight{destination=\"d\",pool=\"slow\"}", HUNG as u64);
    let main = "sprag_in_flight{destination=\"d\",pool=\"main\"}";
    until("the last outcomes are recorded", || (server.counted(main) == 0).then_some(()));
    assert_eq!(consumer.attempts(), expected + HUNG);
    assert_eq!(server.counted("sprag_breaker_open{destination=\"d\"}"), 0);
    fault.count(1, expected + HUNG);
    fault.seen(format!(
        "{HUNG} keys hang, one attempt each; {expected} events of others came, in order"
    ));
}
