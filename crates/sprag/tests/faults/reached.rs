//! The way to the consumer is wrong for a while: its TLS, its name. Attempts are `unreachable`, nothing is
//! sent to whoever is there instead, and once the way is right everything comes, in order.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::front::{Authority, Front, Meets};
use crate::support::clock::Deadline;
use crate::support::consumer::Consumer;
use crate::support::fault::Fault;
use crate::support::gateway::{Gateway, HEAD};
use crate::support::judge::Destination;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{Reach, World};
use crate::wire::Connection;

/// Those that pass over no event because it could not be sent.
const DESTINATIONS: [Destination; 3] = [
    Destination { name: "app", skips_after: None, in_ranges: false },
    Destination { name: "vault", skips_after: None, in_ranges: false },
    Destination { name: "ranges", skips_after: None, in_ranges: true },
];
const EVENTS: usize = 60;
const LINES: &str = "connect_timeout = \"300ms\"\n";
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// What `/metrics` says.
pub(crate) fn metrics(gateway: &Gateway) -> String {
    let mut connection = Connection::to(gateway.admin);
    connection.send(b"GET /metrics HTTP/1.1\r\nhost: sprag\r\n\r\n");
    let page = connection.message().expect("the metrics");
    String::from_utf8(page.body).unwrap()
}

/// Attempts that ended so, of all destinations.
fn attempts(gateway: &Gateway, outcome: &str) -> u64 {
    let page = metrics(gateway);
    let lines = page.lines().filter(|line| line.starts_with("sprag_attempts_total"));
    let ended = lines.filter(|line| line.contains(&format!("outcome=\"{outcome}\"")));
    ended.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Events come while the way is wrong; returns when attempts have ended so.
async fn load_until(world: &World, gateway: &Gateway, outcomes: [&str; 2]) {
    let count = || outcomes.iter().map(|outcome| attempts(gateway, outcome)).sum::<u64>();
    let (before, deadline) = (count(), Deadline::after(PATIENCE));
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
    world.no_problems();
    while count() == before {
        assert!(!deadline.has_passed(), "no attempt ended {outcomes:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The way is right again: everything comes.
async fn ends(world: &World, gateway: Gateway, mut fault: Fault, seen: &str) {
    world.drain(&gateway).await;
    gateway.stop();
    fault.judge(world);
    fault.seen(seen.to_owned());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_wrong() {
    let mut fault = Fault::new(
        "wrong TLS",
        "nothing is sent to who cannot show that it is the destination: unreachable, and tried again (L2)",
    );
    let seed = seed(28);
    let consumer = Consumer::start(seed).await;
    let (known, unknown) = (Authority::new(), Authority::new());
    let right = known.certifies("localhost");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let front = Front::start(any, consumer.address, right.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    known.write(&file);
    let url = format!("https://localhost:{}", front.address.port());
    let reach = Reach { url, lines: format!("ca = {file:?}\n{LINES}") };
    let world = World::reached(HEAD, seed, &DESTINATIONS, consumer, &reach);
    let gateway = world.serve();
    let wrong = [
        unknown.certifies("localhost"),
        known.certifies("elsewhere.test"),
        known.certified("localhost"),
        Meets::Plain,
        Meets::Silence,
    ];
    for round in Rounds::of(wrong.len()) {
        load_until(&world, &gateway, ["2xx", "2xx"]).await;
        front.change(wrong[(round - 1) % wrong.len()].clone());
        // What was cut off is through before anything is counted.
        load_until(&world, &gateway, ["unreachable", "unreachable"]).await;
        let arrived = world.consumer.arrived();
        load_until(&world, &gateway, ["unreachable", "unreachable"]).await;
        assert_eq!(world.consumer.arrived(), arrived, "something was sent all the same");
        front.change(right.clone());
        world.until_delivered(&gateway, usize::MAX).await;
        fault.rounds += 1;
    }
    let seen = "unknown authority, other name, expired, no TLS, silence: nothing was sent; afterwards everything came";
    ends(&world, gateway, fault, seen).await;
}

const NAME: &str = "consumer.sprag.test";

/// A program that runs others with this file as the machine's hosts, and no resolver beside it.
fn within(directory: &Path, hosts: &Path) -> Vec<String> {
    let resolver = directory.join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let script = format!(
        "mount --bind {} /etc/hosts && mount --bind {} /etc/resolv.conf && exec \"$0\" \"$@\"",
        hosts.display(),
        resolver.display()
    );
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script];
    words.map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_changes_and_fails() {
    let mut fault = Fault::new(
        "DNS",
        "each connection asks anew and judges the address it got (allow); what does not resolve is unreachable",
    );
    let seed = seed(29);
    let consumer = Consumer::start(seed).await;
    // The consumer lives behind two addresses; the name moves from one to the other.
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = Front::start(any, consumer.address, Meets::Open).await;
    let moved = SocketAddr::from(([127, 0, 0, 9], first.address.port()));
    let second = Front::start(moved, consumer.address, Meets::Open).await;
    let reach =
        Reach { url: format!("http://{NAME}:{}", first.address.port()), lines: LINES.to_owned() };
    let mut world = World::reached(HEAD, seed, &DESTINATIONS, consumer, &reach);
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    let resolves = |to: &str| {
        let own = if to.is_empty() { String::new() } else { format!("{to} {NAME}\n") };
        fs::write(&hosts, format!("127.0.0.1 localhost\n{own}")).unwrap();
        // Who is connected must ask again.
        [&first, &second].into_iter().for_each(|front| front.change(Meets::Open));
    };
    resolves("127.0.0.1");
    world.setup.within = within(directory.path(), &hosts);
    let gateway = world.serve();
    // No name, an address where nobody listens, one that is not allowed.
    let wrong = [("", "unreachable"), ("127.0.0.77", "unreachable"), ("10.255.255.1", "refused")];
    for round in Rounds::of(wrong.len()) {
        load_until(&world, &gateway, ["2xx", "2xx"]).await;
        let (to, outcome) = wrong[(round - 1) % wrong.len()];
        resolves(to);
        load_until(&world, &gateway, [outcome, outcome]).await;
        resolves(if round % 2 == 0 { "127.0.0.1" } else { "127.0.0.9" });
        world.until_delivered(&gateway, usize::MAX).await;
        fault.rounds += 1;
    }
    let seen = "no such name, nobody there, an address that is not allowed; then the name at another address: everything came";
    ends(&world, gateway, fault, seen).await;
}
