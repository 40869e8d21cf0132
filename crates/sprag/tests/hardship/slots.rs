//! Lanes without end before a consumer that does not answer: `concurrency` is how many attempts there are at once, all of
//! them, and no more.

use crate::answering::Answering;
use crate::server::{Server, post};
use crate::support::fault::Fault;
use crate::wire::until;

const LANES: usize = 500;
const SLOTS: usize = 40;

#[test]
fn attempts_at_once_are_as_many_as_slots() {
    let mut fault = Fault::new(
        "consumer does not answer any of very many lanes",
        "D4: `concurrency` attempts at once, all of them used",
    );
    let consumer = Answering::start(|_| None);
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"body:/key\"\n\
         split = \"body:\"\ncontract = \"arrival\"\n\
         [destinations.d]\nfrom = [\"a\"]\nurl = \"http://{}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\"]\ntimeout = \"10m\"\nconcurrency = {SLOTS}\nslow_after = \"10m\"\n",
        consumer.address
    ));
    let events = |from: usize| {
        let events: Vec<String> =
            (from..from + LANES).map(|at| format!(r#"{{"key":"lane{at}"}}"#)).collect();
        post("/in/a", "", &format!("[{}]", events.join(",")))
    };
    assert_eq!(server.ask(&events(0)).status(), 200);
    until("all slots are used", || (consumer.attempts() >= SLOTS).then_some(()));
    // What comes after finds none, and each of these posts goes through every turn of the node.
    for round in 1..=5 {
        assert_eq!(server.ask(&events(round * LANES)).status(), 200);
    }
    server.until_counted("sprag_in_flight{destination=\"d\",pool=\"main\"}", SLOTS as u64);
    assert_eq!(server.counted("sprag_in_flight{destination=\"d\",pool=\"slow\"}"), 0);
    assert_eq!(consumer.attempts(), SLOTS);
    fault.count(1, 6 * LANES);
    fault.seen(format!("{SLOTS} attempts at once of {} lanes, and no more", 6 * LANES));
}
