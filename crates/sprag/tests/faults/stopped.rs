//! The process stands still (SIGSTOP, a machine that is suspended) and goes on (rule F9): what waits for
//! a time waits for time the gateway was open, so no gap is given up for it.

use std::process::Command;
use std::time::Duration;

use crate::held::{Held, event};
use crate::server::taken;
use crate::support::dice::Dice;
use crate::support::fault::Fault;
use crate::support::gateway::{Gateway, HEAD};
use crate::support::judge::Destination;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{DESTINATIONS, World};

/// None that goes on after some attempts: one that stood still for longer than its time limit is
/// unknown and counts, and perhaps no consumer saw it, so nobody outside can count along.
const PATIENT: [Destination; 4] =
    [DESTINATIONS[0], DESTINATIONS[2], DESTINATIONS[3], DESTINATIONS[4]];
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
    let (world, mut dice) = (World::new(HEAD, seed, &PATIENT).await, Dice::new(seed));
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
