//! The process stands still (SIGSTOP, a machine that is suspended) and goes on (rule F9): what waits for
//! a time waits for time the gateway was open, so no gap is given up for it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::consumer::{Consumer, acknowledge};
use crate::held::{Held, event};
use crate::server::{Server, taken};
use crate::support::dice::Dice;
use crate::support::fault::Fault;
use crate::support::gateway::{Gateway, HEAD};
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{DESTINATIONS, World};

const ROUNDS: usize = 4;
const EVENTS: usize = 150;
/// Milliseconds: above the time a consumer's answer may take, and what two sources wait for gaps.
const LONGEST: usize = 2_500;
/// What an event waits for the one before it, and how long the process stands still meanwhile.
const WAIT: &str = "4s";
const STILL: Duration = Duration::from_secs(5);

fn signal(gateway: &Gateway, name: &str) {
    let id = gateway.process.child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_stands_still() {
    let mut fault = Fault::new(
        "SIGSTOP",
        "F9: waits count open time, which grows by 1 s a step at most; L1: an attempt without an answer is aborted before the next",
    );
    let seed = seed(25);
    let (world, mut dice) = (World::new(HEAD, seed, &DESTINATIONS).await, Dice::new(seed));
    let gateway = world.serve();
    let mut stood = Duration::ZERO;
    for _ in Rounds::of(ROUNDS) {
        locked(&world.ledger, |ledger| ledger.allow(EVENTS));
        let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
        let mut wait =
            |least, most| Duration::from_millis(u64::try_from(least + dice.below(most)).unwrap());
        let (before, still) = (wait(20, 200), wait(100, LONGEST));
        tokio::time::sleep(before).await;
        signal(&gateway, "-STOP");
        tokio::time::sleep(still).await;
        signal(&gateway, "-CONT");
        stood += still;
        providers.join_all().await;
        world.no_problems();
        fault.rounds += 1;
    }
    world.drain(&gateway).await;
    gateway.stop();
    fault.judge(&world);
    held_events_wait_on();
    fault.seen(format!(
        "it stood still for {:.1} s in all, and went on; an event that waits {WAIT} for the one before it still waited after {STILL:?}",
        stood.as_secs_f64()
    ));
}

/// The event that was missing is there when the process goes on, as it would be after a suspend.
fn held_events_wait_on() {
    let held = Held::start(WAIT, |_| {});
    held.second("a");
    let mut connection = held.0.connect();
    signal(&held.0.gateway, "-STOP");
    connection.send(&event("a", 1));
    std::thread::sleep(STILL);
    signal(&held.0.gateway, "-CONT");
    taken(&connection.message().expect("an answer"), "released");
}

/// Events that wait for their answers while the process stands still, and what an answer may take.
const ANSWERS: usize = 30;
const TIMEOUT: Duration = Duration::from_secs(6);

/// An answer that came meanwhile is there when the process goes on. Its time limit has passed by then, which
/// says nothing about the consumer: the attempt is the only one.
#[test]
fn what_was_answered_meanwhile_is_no_failure() {
    let consumer = Consumer::listen();
    let port = consumer.port();
    let sections = format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"header:x-id\"\nkey = \"body:/key\"\ncontract = \"arrival\"\n\
         [destinations.d]\nfrom = [\"a\"]\nurl = \"http://127.0.0.1:{port}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\"]\ntimeout = \"{}s\"\nconcurrency = {ANSWERS}\nretry = {{ first = \"10ms\" }}\n",
        TIMEOUT.as_secs()
    );
    let server = Server::start(&sections);
    let mut waiting = Vec::new();
    for at in 0..ANSWERS {
        taken(&server.ask(&event(&format!("k{at}"), 1)), "released");
        waiting.push(consumer.delivery().0);
    }
    signal(&server.gateway, "-STOP");
    waiting.iter_mut().for_each(acknowledge);
    std::thread::sleep(TIMEOUT + STILL / 5);
    signal(&server.gateway, "-CONT");
    for at in 0..ANSWERS {
        let lane = |event: &Value| event["fates"]["destinations"][0].clone();
        let path = format!("/v1/events/a:k{at}:1");
        let shown = server.until(&path, "an attempt that ended", |event| {
            lane(event)["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
        });
        let attempts = &lane(&shown)["attempts"];
        assert_eq!(lane(&shown)["status"], "delivered", "event {at}: {attempts}");
        assert_eq!(attempts.as_array().map(Vec::len), Some(1), "event {at}: {attempts}");
    }
}
