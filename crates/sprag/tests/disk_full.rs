//! A disk that fills up under the real binary (rule D5 and D1): ingress says so, what was decided
//! is still recorded, nothing acknowledged is lost, and it goes on by itself when there is space
//! again.
//!
//! The disk is a small file system of the test's own in a mount namespace of its own: that needs
//! root, or user namespaces.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "the test log names counts")]

#[path = "observed/record.rs"]
mod record;
#[expect(dead_code, reason = "other tests need more of it")]
mod support {
    pub(crate) mod acknowledger;
    pub(crate) mod admin;
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod consumer;
    pub(crate) mod dice;
    pub(crate) mod event;
    pub(crate) mod fault;
    pub(crate) mod gateway;
    pub(crate) mod judge;
    pub(crate) mod ledger;
    pub(crate) mod load;
    pub(crate) mod world;
}

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use record::observed;
use support::admin;
use support::child::Process;
use support::clock::Deadline;
use support::fault::Fault;
use support::gateway::Gateway;
use support::ledger::Ledger;
use support::load::{self, locked};
use support::world::{DESTINATIONS, World};

const SEED: u64 = 5;
/// Of the file system.
const SIZE: u64 = 64 << 20;
/// The reserve of the configuration below.
const RESERVE: u64 = 8 << 20;
/// Events that wait for their consumer when the reserve is reached.
const EVENTS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);

const HEAD: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = "DIRECTORY/disk/data"
[limits]
disk_reserve = "8MiB"
"#;

/// A file system of [`SIZE`] bytes that only processes in its namespace see; it lives as long as
/// the process that mounted it.
struct Disk {
    holder: Process,
    /// Where the test sees it.
    directory: PathBuf,
}

impl Disk {
    fn mount(directory: &Path) -> Self {
        let at = directory.join("disk");
        fs::create_dir(&at).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={SIZE} none {} && echo mounted && exec cat",
            at.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let mut holder = Process::start("unshare", &mut command, &directory.join("mount.log"));
        let mounted = holder.line("mounted file system", PATIENCE);
        assert!(mounted.is_some(), "no mount namespace can be had: {}", holder.said());
        let root = PathBuf::from(format!("/proc/{}/root", holder.child.id()));
        let directory = root.join(at.strip_prefix("/").expect("an absolute path"));
        Self { holder, directory }
    }

    /// The program that runs others in its namespace.
    fn within(&self) -> Vec<String> {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.child.id());
        ["nsenter".to_owned(), namespace, "--".to_owned()].to_vec()
    }

    fn free(&self) -> u64 {
        fs4::available_space(&self.directory).unwrap()
    }

    /// Takes all space but so much.
    fn fill(&self, leave: u64) {
        let mut file = self.filler();
        file.seek(SeekFrom::End(0)).unwrap();
        let zeros = vec![0; 1 << 16];
        while self.free() > leave {
            let wanted = usize::try_from((self.free() - leave).min(1 << 16)).unwrap();
            if file.write_all(&zeros[..wanted]).is_err() {
                return;
            }
        }
        file.seek(SeekFrom::Start(0)).unwrap();
    }

    fn filler(&self) -> File {
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).truncate(false);
        options.open(self.directory.join("filler")).unwrap()
    }

    /// Gives so much of it back: the rest need not be taken again.
    fn give_back(&self, bytes: u64) {
        let file = self.filler();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(bytes)).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.directory.join("filler")).unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !holds() {
        assert!(!deadline.has_passed(), "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Posts until an answer is heard once more.
async fn load_until_heard(world: &World, gateway: &Gateway, word: &str) {
    let before = locked(&world.ledger, |ledger| ledger.heard(word));
    locked(&world.ledger, |ledger| ledger.allow(usize::MAX));
    let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
    let heard = || locked(&world.ledger, |ledger| ledger.heard(word)) > before;
    until(&format!("{word} is answered"), heard).await;
    locked(&world.ledger, Ledger::stop);
    providers.join_all().await;
    world.no_problems();
}

fn command(gateway: &Gateway, path: &str) {
    let answer = admin::ask(gateway.admin, "POST", path, "");
    assert_eq!(answer.0, 200, "{path}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_is_left_behind() {
    let mut fault = Fault::new(
        "full disk",
        "D5: below the reserve ingress answers 503 and outcomes are still recorded; D1: without space nothing is acknowledged",
    );
    let mut world = World::new(HEAD, SEED, &DESTINATIONS).await;
    let disk = Disk::mount(world.setup.directory.path());
    world.setup.within = disk.within();
    let mut gateway = world.serve();
    // Events wait for their consumer when the reserve is reached.
    command(&gateway, "/v1/destinations/app/pause");
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
    disk.fill(RESERVE / 2);
    load_until_heard(&world, &gateway, "disk-reserve").await;
    observed("code", "disk-reserve");
    // Resuming and all outcomes are recorded in the reserve.
    command(&gateway, "/v1/destinations/app/resume");
    world.until_delivered(&gateway, EVENTS).await;
    for full in 1..=3 {
        fault.rounds += 1;
        disk.empty();
        load_until_heard(&world, &gateway, "released").await;
        fill_before_it_is_looked_at(&world, &disk, &gateway).await;
        if full == 2 {
            gateway.process.kill();
            gateway = start_on_a_full_disk(&world, &disk);
        }
    }
    observed("code", "not-durable");
    observed("answer", "503");
    disk.empty();
    load_until_heard(&world, &gateway, "released").await;
    world.drain(&gateway).await;
    gateway.stop();
    let (verdict, words) =
        (world.conclude(), locked(&world.ledger, |ledger| format!("{:?}", ledger.words)));
    println!("full disk: {words}, {} deliveries, {} repeats", verdict.delivered, verdict.repeats);
    fault.judge(&world);
    let refused = |word| locked(&world.ledger, |ledger| ledger.heard(word));
    fault.seen(format!(
        "{} posts refused disk-reserve, {} not-durable; one start on the full disk; it went on by itself",
        refused("disk-reserve"),
        refused("not-durable")
    ));
}

/// Takes the last byte so soon after an event was taken that the reserve is not noticed: then
/// frames fail, and events are answered that they are not durable.
async fn fill_before_it_is_looked_at(world: &World, disk: &Disk, gateway: &Gateway) {
    // Larger than what the log keeps ahead.
    locked(&world.ledger, |ledger| ledger.filler = 10_000);
    locked(&world.ledger, |ledger| ledger.allow(usize::MAX));
    let before = locked(&world.ledger, |ledger| ledger.heard("not-durable"));
    let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
    let deadline = Deadline::after(PATIENCE);
    // Looked at once a round: what is heard between two looks must not leave the disk empty.
    loop {
        assert!(
            !deadline.has_passed(),
            "no event is answered not-durable: {}",
            gateway.process.said()
        );
        let released = locked(&world.ledger, |ledger| ledger.heard("released"));
        until("an event is taken", || {
            locked(&world.ledger, |ledger| ledger.heard("released")) > released
        })
        .await;
        disk.fill(0);
        let refused = locked(&world.ledger, |ledger| ledger.heard("disk-reserve"));
        until("the full disk is noticed", || {
            locked(&world.ledger, |ledger| ledger.heard("disk-reserve")) > refused
        })
        .await;
        if locked(&world.ledger, |ledger| ledger.heard("not-durable")) > before {
            break;
        }
        disk.give_back(2 * RESERVE);
    }
    locked(&world.ledger, Ledger::stop);
    locked(&world.ledger, |ledger| ledger.filler = 100);
    providers.join_all().await;
    let (status, _) = admin::ask(gateway.admin, "GET", "/healthz", "");
    assert_eq!(status, 200, "a full disk ends nothing");
}

/// A start on a full disk serves, or says what is missing; with space it serves.
fn start_on_a_full_disk(world: &World, disk: &Disk) -> Gateway {
    let mut process = world.setup.spawn();
    if process.line("address or end", PATIENCE).is_none() {
        let said = process.said();
        assert!(said.contains("No space left"), "it does not say why it cannot start:\n{said}");
    }
    process.kill();
    disk.empty();
    let gateway = world.serve();
    disk.fill(0);
    gateway
}
