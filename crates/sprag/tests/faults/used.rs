//! The state store is damaged while it is used (rule F4): the process ends and says why, for what it
//! does not know of a key nobody can decide. The next start builds the state anew, and nothing is lost.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::shim;
use crate::support::fault::Fault;
use crate::support::gateway::HEAD;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{DESTINATIONS, World};

const EVENTS: usize = 120;
const ROUNDS: usize = 2;
/// The process ends within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read once at the start stays: SQLite's first page, and the head of its write-ahead log.
const KEPT: [(&str, usize); 2] = [("state.sqlite", 1_024), ("state.sqlite-wal", 32)];

/// Everything behind becomes what no page is.
fn garble(world: &World) {
    for (name, kept) in KEPT {
        let path = shim::data(&world.setup).join(name);
        let file = File::options().write(true).open(path).unwrap();
        let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let garbage = vec![0xa5; length.saturating_sub(kept)];
        file.write_all_at(&garbage, u64::try_from(kept).unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_damaged_while_it_is_used() {
    let mut fault = Fault::new(
        "damaged state, in use",
        "the state store can be lost at any time and is rebuilt: the process says what is damaged and ends",
    );
    let world = World::new(HEAD, seed(29), &DESTINATIONS).await;
    world.consumer.calm_down();
    for _ in Rounds::of(ROUNDS) {
        // What is known of these keys is in the file, and nowhere else once it starts again.
        let gateway = world.serve();
        locked(&world.ledger, |ledger| ledger.allow(EVENTS));
        load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
        world.until_delivered(&gateway, usize::MAX).await;
        gateway.stop();
        world.consumer.fence().await;
        let mut gateway = world.serve();
        garble(&world);
        locked(&world.ledger, |ledger| ledger.allow(EVENTS));
        let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
        let status = gateway.process.end(PATIENCE);
        let said = gateway.process.said();
        assert!(status.code().is_some_and(|code| code != 0), "{status}:\n{said}");
        assert!(said.contains("the state store cannot be read"), "it does not say why:\n{said}");
        providers.join_all().await;
        world.consumer.fence().await;
        world.no_problems();
        fault.rounds += 1;
    }
    let gateway = world.serve();
    world.drain(&gateway).await;
    gateway.stop();
    fault.judge(&world);
    fault.seen(
        "each time it said what was damaged and ended; the next start built the state anew"
            .to_owned(),
    );
}
