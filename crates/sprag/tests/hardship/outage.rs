//! A destination that is down for half a minute while twenty thousand lanes wait for it, and one
//! poison key that its consumer never takes (rule L2): only the poison lane halts, few attempts
//! are made meanwhile, and afterwards everything comes, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::answering::Answering;
use crate::server::{Server, post};
use crate::support::clock::Deadline;
use crate::support::fault::Fault;

const LANES: usize = 20_000;
/// Lanes with a second and third event, by which order is seen.
const LONGER: usize = 2_000;
/// Of one request.
const SPLIT: usize = 1_000;
const OUTAGE: Duration = Duration::from_secs(30);
/// Attempts a lane has before it halts: an outage that counted would halt every lane.
const ATTEMPTS: usize = 3;
const CONCURRENCY: usize = 64;
/// Probes of half a minute: one goes at once, the next waits 1 s, each after it twice as long (2, 4, 8, 16).
const PROBES: usize = 6;
const LIVENESS: Duration = Duration::from_secs(120);
const POISON: &str = "poison";

fn post_all(server: &Server, keys: impl Iterator<Item = usize>) {
    let events: Vec<String> = keys.map(|key| format!(r#"{{"key":"k{key}"}}"#)).collect();
    for some in events.chunks(SPLIT) {
        let answer = server.ask(&post("/in/a", "", &format!("[{}]", some.join(","))));
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(LIVENESS);
    while !holds() {
        assert!(!deadline.has_passed(), "waited {LIVENESS:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn post_poison(server: &Server) {
    let answer = server.ask(&post("/in/a", "", &format!(r#"[{{"key":"{POISON}"}}]"#)));
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// The keys with a stopped lane.
fn stopped(server: &Server) -> Vec<String> {
    let page = server.show("/v1/sources/a/keys?state=stopped");
    let keys = page["items"].as_array().unwrap().iter();
    keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_outage_of_half_a_minute_halts_no_lane_but_the_poison_one() {
    let mut fault = Fault::new(
        "consumer down",
        "L2: the breaker opens, one probe at a time; failures that opened it halt no lane",
    );
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let consumer = Answering::start(move |key| {
        let fails = key == POISON || is_down.load(Ordering::Relaxed);
        Some(if fails { 503 } else { 204 })
    });
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"body:/key\"\n\
         split = \"body:\"\ncontract = \"arrival\"\n\
         [destinations.d]\nfrom = [\"a\"]\nurl = \"http://{}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\"]\nconcurrency = {CONCURRENCY}\n\
         retry = {{ first = \"10ms\", cap = \"100ms\", attempts = {ATTEMPTS} }}\n",
        consumer.address
    ));
    let began = Deadline::after(OUTAGE);
    post_poison(&server);
    post_all(&server, 0..LANES);
    post_all(&server, 0..LONGER);
    server.until_counted("sprag_breaker_open{destination=\"d\"}", 1);
    let before = consumer.attempts();
    assert!(before < LANES / 10, "{before} attempts until the breaker was seen open");
    std::thread::sleep(began.left());
    let attempts = consumer.attempts() - before;
    // What was under way when the breaker opened, and the probes.
    let most = CONCURRENCY + PROBES;
    assert!(attempts <= most, "{attempts} attempts with an open breaker, more than {most}");
    let early: Vec<String> = stopped(&server).into_iter().filter(|key| key != POISON).collect();
    assert_eq!(early, [""; 0], "halted by the outage");
    down.store(false, Ordering::Relaxed);
    let expected = LANES + LONGER;
    until("everything is delivered", || consumer.acknowledged() >= expected);
    until("the poison lane is halted", || stopped(&server) == [POISON]);
    post_all(&server, 0..LONGER);
    until("the next are delivered", || consumer.acknowledged() >= expected + LONGER);
    assert_eq!(consumer.out_of_order(), [""; 0]);
    assert_eq!(stopped(&server), [POISON]);
    let lane = server.show(&format!("/v1/events/a:{POISON}:1"));
    let tries = lane["fates"]["destinations"][0]["attempts"].as_array().map_or(0, Vec::len);
    assert!(tries >= ATTEMPTS, "{lane}");
    assert_eq!(lane["fates"]["destinations"][0]["status"], Value::from("pending"));
    println!(
        "outage: {OUTAGE:?} with {LANES} lanes waiting: {before} attempts until the breaker was \
         seen open, {attempts} with it open (at most {most}); \
         {} delivered in order afterwards; halted: {POISON} only, after {tries} tries",
        consumer.acknowledged()
    );
    fault.count(1, expected + LONGER + 1);
    fault.seen(format!("{attempts} attempts while it was down with {LANES} lanes; all but the poison lane came, in order"));
}
