//! `kill -9` of the real binary under load, round after round on one data directory (DESIGN
//! section 8, test 4): what was acknowledged arrives, in order, and repeats are recognisable.
//!
//! `SPRAG_KILL_SEED=N` runs it with another seed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "the test log names rounds and counts")]

mod support {
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod consumer;
    pub(crate) mod dice;
    pub(crate) mod event;
    pub(crate) mod gateway;
    pub(crate) mod judge;
    pub(crate) mod ledger;
    pub(crate) mod load;
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use support::clock::Deadline;
use support::consumer::{Consumer, Reaction};
use support::dice::Dice;
use support::event::SECRETS;
use support::gateway::{Gateway, Setup};
use support::judge::{Verdict, judge};
use support::ledger::Ledger;
use support::load::{self, Shared, locked};

const SEED: u64 = 2;
const ROUNDS: usize = 20;
/// New events a round brings at most.
const EVENTS: usize = 500;
/// Every so many rounds the process is killed once more while it starts.
const STARTUP_KILLS: usize = 3;
/// In this round a second process tries the same data directory.
const SECOND_PROCESS: usize = 4;
/// Before this round the state store is deleted.
const STATE_DELETED: usize = 11;
/// Events posted once more at the end, all of them acknowledged long ago.
const REPEATED: usize = 300;
/// For everything to arrive once nothing is killed any more.
const DRAIN: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(10);

/// Positions begin at 1 and nothing is skipped: an event that is never acknowledged to its
/// provider is posted again, so every gap closes.
const CONFIGURATION: &str = r#"
[sources.orders]
verify = { scheme = "standard-webhooks", secrets = ["env:ORDERS_SECRET"] }
id = "header:webhook-id"
key = "body:/key"
position = { sequence = "body:/n" }
strict_first = true
on_gap = "halt"

[sources.meters]
id = "header:x-id"
key = "body:/key"
position = { sequence = "header:x-sequence" }
strict_first = true
on_gap = "halt"
[sources.meters.verify]
scheme = "hmac"
secrets = ["env:METERS_SECRET"]
header = "x-signature"
signed = "{id}.{sequence}.{body}"
id = "header:x-id"
sequence = "header:x-sequence"

[destinations.app]
from = ["orders", "meters"]
url = "http://ADDRESS/webhooks"
secrets = ["env:APP_SECRET"]
allow = ["127.0.0.0/8"]
timeout = "1500ms"
retry = { first = "20ms", cap = "200ms" }
"#;

/// A data directory, its providers and its consumer.
struct World {
    setup: Setup,
    consumer: Consumer,
    ledger: Shared,
    dice: Dice,
    startup_kills: usize,
}

impl World {
    async fn new(seed: u64) -> Self {
        let consumer = Consumer::start(seed).await;
        let whsec = |key: &[u8]| format!("whsec_{}", BASE64.encode(key));
        let secrets = vec![
            ("ORDERS_SECRET", whsec(&SECRETS[0])),
            ("METERS_SECRET", String::from_utf8(SECRETS[1].to_vec()).unwrap()),
            ("APP_SECRET", whsec(&[7; 24])),
        ];
        let sections = CONFIGURATION.replace("ADDRESS", &consumer.address.to_string());
        Self {
            setup: Setup::new(&sections, tempfile::tempdir().unwrap(), secrets),
            consumer,
            ledger: Arc::new(Mutex::new(Ledger::new(seed))),
            dice: Dice::new(seed ^ 0x6b69_6c6c),
            startup_kills: 0,
        }
    }

    /// Starts, loads, kills at a random moment.
    async fn round(&mut self, round: usize) {
        if round.is_multiple_of(STARTUP_KILLS) {
            self.kill_while_starting().await;
        }
        if round == STATE_DELETED {
            self.delete_state();
        }
        let mut gateway = self.setup.serve();
        locked(&self.ledger, |ledger| ledger.allow(EVENTS));
        let providers = load::start(&self.ledger, gateway.listen, Ledger::next);
        if round == SECOND_PROCESS {
            self.refuses_a_second_process();
        }
        self.random_wait(50, 800).await;
        gateway.process.kill();
        self.consumer.fence().await;
        providers.join_all().await;
    }

    async fn kill_while_starting(&mut self) {
        let mut process = self.setup.spawn();
        self.random_wait(0, 120).await;
        process.kill();
        self.consumer.fence().await;
        self.startup_kills += 1;
    }

    async fn random_wait(&mut self, from: usize, to: usize) {
        let wait = u64::try_from(from + self.dice.below(to - from)).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Deleting it only costs a rebuild.
    fn delete_state(&self) {
        let files = std::fs::read_dir(self.setup.directory.path().join("data")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let state: Vec<_> =
            paths.filter(|path| path.to_string_lossy().contains("state.sqlite")).collect();
        assert!(!state.is_empty(), "there is no state store to delete");
        state.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }

    /// The data directory of a running process is not touched by another.
    fn refuses_a_second_process(&self) {
        let log = self.setup.directory.path().join("second.log");
        let mut second = self.setup.spawn_with_log(&log);
        let status = second.end(DRAIN);
        let said = second.said();
        assert_eq!(status.code(), Some(2), "a second process on the same data directory:\n{said}");
        assert!(said.contains("in use by another process"), "the reason is not clear:\n{said}");
    }

    /// Starts once more, posts what was never acknowledged and much that was, and waits until
    /// everything has arrived.
    async fn drain(&self) -> Gateway {
        let gateway = self.setup.serve();
        let deadline = Deadline::after(DRAIN);
        self.consumer.hang_next();
        locked(&self.ledger, |ledger| ledger.allow(EVENTS));
        while locked(&self.ledger, |ledger| ledger.acknowledged() < ledger.events().count()) {
            assert!(!deadline.has_passed(), "the gateway does not take everything in {DRAIN:?}");
            load::start(&self.ledger, gateway.listen, Ledger::next).join_all().await;
            self.no_problems();
        }
        locked(&self.ledger, |ledger| ledger.repeat(REPEATED));
        load::start(&self.ledger, gateway.listen, Ledger::next_repeat).join_all().await;
        self.no_problems();
        self.until_delivered(deadline).await;
        gateway
    }

    fn no_problems(&self) {
        let problems = locked(&self.ledger, |ledger| ledger.problems.clone());
        assert!(problems.is_empty(), "wrong answers to providers: {problems:#?}");
    }

    async fn until_delivered(&self, deadline: Deadline) {
        let events = locked(&self.ledger, |ledger| ledger.events().count());
        loop {
            if self.consumer.acknowledged() >= events {
                let lost = self.judged().lost;
                if lost.is_empty() {
                    return;
                }
                let some = &lost[..lost.len().min(10)];
                assert!(!deadline.has_passed(), "{} events not delivered: {some:?}", lost.len());
            }
            let acknowledged = self.consumer.acknowledged();
            assert!(!deadline.has_passed(), "{acknowledged} deliveries of {events} in {DRAIN:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    fn judged(&self) -> Verdict {
        locked(&self.ledger, |ledger| {
            self.consumer.look_at(|arrivals| judge(ledger.events(), arrivals))
        })
    }

    /// Every promise; then the line for the log.
    fn conclude(&self, seed: u64) {
        self.no_problems();
        let verdict = self.judged();
        let broken = &verdict.violations;
        let some = &broken[..broken.len().min(10)];
        assert!(broken.is_empty(), "{} promises about order broken: {some:#?}", broken.len());
        assert!(verdict.lost.is_empty(), "lost: {:?}", verdict.lost);
        let [failed, hung, closed] = [Reaction::Fail, Reaction::Hang, Reaction::Close]
            .map(|reaction| self.consumer.count(reaction));
        let (events, answered, unanswered) = locked(&self.ledger, |ledger| {
            (ledger.events().count(), ledger.answered, ledger.unanswered)
        });
        assert_eq!(verdict.delivered, events);
        let faults = [failed, hung, closed, unanswered, verdict.repeats_after_crash];
        assert!(faults.iter().all(|count| *count > 0), "a fault did not happen: {faults:?}");
        println!(
            "kill rounds: {ROUNDS} rounds and {} kills while starting, seed {seed}; {events} events \
             acknowledged ({answered} answers, {unanswered} posts without one), {} delivered, \
             consumer failed {failed}, hung {hung}, closed {closed}; {} repeats, {} of them after \
             a crash, {} after they were acknowledged; order violations 0, lost 0",
            self.startup_kills,
            verdict.delivered,
            verdict.repeats,
            verdict.repeats_after_crash,
            verdict.repeats_after_acknowledgement,
        );
    }
}

/// Says on the way out of a failure how to see it again, and keeps what the processes left.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.setup.directory.disable_cleanup(true);
            println!("kept {}", self.setup.directory.path().display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_lose_nothing_and_keep_every_order() {
    let seed = std::env::var("SPRAG_KILL_SEED").map_or(SEED, |text| text.parse().unwrap());
    println!("seed {seed}");
    let mut world = World::new(seed).await;
    for round in 1..=ROUNDS {
        world.round(round).await;
    }
    let gateway = world.drain().await;
    gateway.stop();
    world.conclude(seed);
}
