//! Fewer file descriptors than are needed: what cannot be taken waits or is refused, nothing
//! acknowledged is lost, no event is given up for it, and it goes on when there are enough again.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::clock::Deadline;
use crate::support::fault::Fault;
use crate::support::gateway::HEAD;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::world::{DESTINATIONS, World};

const SEED: u64 = 15;
/// Files of log and state, listeners and runtime take half of them. Both the limit and how far it can be
/// raised.
const DESCRIPTORS: usize = 64;
/// More than there are descriptors.
const IDLE: usize = 80;
const EVENTS: usize = 400;
const EXHAUSTED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_descriptors_lose_nothing_and_are_left_behind() {
    let mut fault = Fault::new(
        "descriptor exhaustion",
        "promise 7: what cannot be taken waits or is refused; lack of descriptors counts against no destination",
    );
    let mut world = World::new(HEAD, SEED, &DESTINATIONS).await;
    let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
    world.setup.within = vec!["prlimit".to_owned(), limit, "--".to_owned()];
    let gateway = world.serve();
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
    // Connections of nobody in particular take what there is, while the load goes on.
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
    let idle: JoinSet<()> = (0..IDLE).map(|_| say_nothing(gateway.listen)).collect();
    let descriptors = format!("/proc/{}/fd", gateway.process.child.id());
    let deadline = Deadline::after(Duration::from_secs(30));
    while std::fs::read_dir(&descriptors).unwrap().count() < DESCRIPTORS {
        assert!(!deadline.has_passed(), "descriptors were left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(EXHAUSTED).await;
    drop(idle);
    providers.join_all().await;
    world.no_problems();
    world.drain(&gateway).await;
    gateway.stop();
    let verdict = world.conclude();
    println!(
        "descriptors: {DESCRIPTORS} with {IDLE} idle connections; {} deliveries, {} dead",
        verdict.delivered, verdict.dead
    );
    fault.rounds = 1;
    fault.judge(&world);
    fault.seen(format!(
        "{DESCRIPTORS} descriptors beside {IDLE} idle connections; it went on by itself"
    ));
}

/// A connection that is open and says nothing. It may never come about: where all descriptors are taken
/// acknowledgements fill the listener's queue, and who waits for a place in it must hold up nobody else.
async fn say_nothing(to: SocketAddr) {
    let Ok(_open) = TcpStream::connect(to).await else { return };
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_limit_is_raised_as_far_as_it_may_be_and_said() {
    let mut world = World::new(HEAD, SEED, &DESTINATIONS[..1]).await;
    world.setup.within = vec!["prlimit".to_owned(), "--nofile=64:4096".to_owned(), "--".to_owned()];
    let gateway = world.serve();
    let limits = format!("/proc/{}/limits", gateway.process.child.id());
    let limits = std::fs::read_to_string(limits).unwrap();
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let open: Vec<&str> = open.split_whitespace().collect();
    assert_eq!(open[..2], ["4096", "4096"]);
    gateway.stop();
    let said = std::fs::read_to_string(world.setup.log()).unwrap();
    assert!(said.contains("open files: at most 4096, fewer than limits.connections"), "{said}");
}
