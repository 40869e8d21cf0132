//! The wall clock jumps by an hour, forwards and back (rule F9): waits go by elapsed time, and what is
//! recorded never goes back.

use std::time::Duration;

use crate::held::Held;
use crate::shim;
use crate::support::fault::Fault;
use crate::support::gateway::HEAD;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{DESTINATIONS, World};

const HOUR: i64 = 3_600;
/// Where the clock stands in each round.
const AHEAD: [i64; 4] = [HOUR, 0, -HOUR, HOUR];
const EVENTS: usize = 100;
/// Far above what this test takes, and below an hour.
const WAIT: &str = "10m";
/// A gateway that believed the clock would have given up by now.
const SEEN: Duration = Duration::from_millis(300);

async fn loads(world: &World, listen: std::net::SocketAddr) {
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    load::start(&world.ledger, listen, Ledger::next).join_all().await;
    world.no_problems();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_jumps_by_an_hour() {
    let mut fault = Fault::new(
        "clock jumps",
        "F9: waits use elapsed time, recorded time never goes back, a stored due time is capped at load",
    );
    let mut world = World::new(HEAD, seed(26), &DESTINATIONS).await;
    let clock = world.setup.directory.path().join("clock");
    shim::clock(&mut world.setup, &clock);
    let mut gateway = world.serve();
    let mut restarts = 0;
    for round in Rounds::of(AHEAD.len()) {
        loads(&world, gateway.listen).await;
        let ahead = AHEAD[(round - 1) % AHEAD.len()];
        shim::turn(&clock, ahead);
        // Providers are punctual: what they sign is not an hour old.
        locked(&world.ledger, |ledger| ledger.ahead = ahead);
        loads(&world, gateway.listen).await;
        if round % 2 == 0 {
            gateway.process.kill();
            world.consumer.fence().await;
            gateway = world.serve();
            restarts += 1;
        }
        world.until_delivered(&gateway, usize::MAX).await;
        fault.rounds += 1;
    }
    world.drain(&gateway).await;
    gateway.stop();
    fault.judge(&world);
    held_events_wait_on();
    fault.seen(format!(
        "lanes, retries and acknowledgements went on, over {restarts} starts too; an event that waits {WAIT} for the one before it still waited"
    ));
}

fn held_events_wait_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = directory.path().join("clock");
    let held = Held::start(WAIT, |setup| shim::clock(setup, &clock));
    for (key, ahead) in [("forwards", HOUR), ("back", -HOUR), ("home", 0)] {
        held.second(key);
        shim::turn(&clock, ahead);
        std::thread::sleep(SEEN);
        held.first(key);
    }
}
