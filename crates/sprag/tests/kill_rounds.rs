//! `kill -9` of the real binary under load, round after round on one data directory (DESIGN
//! section 8, test 4): what was acknowledged arrives, in order, and repeats are recognisable.
//!
//! It is a row of `cargo xtask faults`: `SPRAG_FAULTS_SEED=N` runs it with another seed,
//! `SPRAG_FAULTS_ROUNDS=N` and `SPRAG_FAULTS_SECONDS=N` longer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "the test log names rounds and counts")]

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
    pub(crate) mod rounds;
    pub(crate) mod world;
}

use std::time::Duration;

use support::consumer::Reaction;
use support::dice::Dice;
use support::fault::Fault;
use support::gateway::HEAD;
use support::ledger::Ledger;
use support::load::{self, locked};
use support::rounds::{self, Rounds};
use support::world::{DESTINATIONS, DRAIN, World};

const SEED: u64 = 2;
const ROUNDS: usize = 50;
/// New events a round brings at most.
const EVENTS: usize = 250;
/// Every so many rounds the process is killed once more while it starts.
const STARTUP_KILLS: usize = 5;
/// In this round a second process tries the same data directory.
const SECOND_PROCESS: usize = 4;
/// Before this round the state store is deleted.
const STATE_DELETED: usize = 11;

/// The world with what decides when its process dies.
struct Killed {
    world: World,
    dice: Dice,
    startup_kills: usize,
}

impl Killed {
    async fn new(seed: u64) -> Self {
        let world = World::new(HEAD, seed, &DESTINATIONS).await;
        Self { world, dice: Dice::new(seed ^ 0x6b69_6c6c), startup_kills: 0 }
    }

    /// Starts, loads, kills at a random moment.
    async fn round(&mut self, round: usize) {
        if round.is_multiple_of(STARTUP_KILLS) {
            self.kill_while_starting().await;
        }
        if round == STATE_DELETED {
            self.delete_state();
        }
        let mut gateway = self.world.serve();
        locked(&self.world.ledger, |ledger| ledger.allow(EVENTS));
        let providers = load::start(&self.world.ledger, gateway.listen, Ledger::next);
        if round == SECOND_PROCESS {
            self.refuses_a_second_process();
        }
        self.random_wait(50, 700).await;
        gateway.process.kill();
        self.world.consumer.fence().await;
        providers.join_all().await;
        self.world.no_problems();
    }

    async fn kill_while_starting(&mut self) {
        let mut process = self.world.setup.spawn();
        self.random_wait(0, 120).await;
        process.kill();
        self.world.consumer.fence().await;
        self.startup_kills += 1;
    }

    async fn random_wait(&mut self, from: usize, to: usize) {
        let wait = u64::try_from(from + self.dice.below(to - from)).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Deleting it only costs a rebuild.
    fn delete_state(&self) {
        let data = self.world.setup.directory.path().join("data");
        let paths = std::fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
        let state: Vec<_> =
            paths.filter(|path| path.to_string_lossy().contains("state.sqlite")).collect();
        assert!(!state.is_empty(), "there is no state store to delete");
        state.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }

    /// The data directory of a running process is not touched by another.
    fn refuses_a_second_process(&self) {
        let log = self.world.setup.directory.path().join("second.log");
        let mut second = self.world.setup.spawn_with_log(&log);
        let status = second.end(DRAIN);
        let said = second.said();
        assert_eq!(status.code(), Some(2), "a second process on the same data directory:\n{said}");
        assert!(said.contains("in use by another process"), "the reason is not clear:\n{said}");
    }

    /// Every promise; then the line for the log, and what is short of it.
    fn conclude(&self, rounds: usize, seed: u64) -> String {
        let verdict = self.world.conclude();
        let consumer = &self.world.consumer;
        let [failed, hung, closed, requests] =
            [Reaction::Fail, Reaction::Hang, Reaction::Close, Reaction::Request]
                .map(|reaction| consumer.count(reaction));
        let behind = consumer.in_ranges();
        let (events, answered, unanswered, words) = locked(&self.world.ledger, |ledger| {
            let words = format!("{:?}", ledger.words);
            (ledger.entries().len(), ledger.answered, ledger.unanswered, words)
        });
        let faults = [failed, hung, closed, unanswered, verdict.repeats_after_crash];
        let fates = [verdict.late, verdict.dead, verdict.coalesced];
        // Fewer rounds than usual may see less of everything.
        if rounds >= ROUNDS {
            assert!(requests > 0 && behind > 0, "{requests} requests, {behind} behind others");
            assert!(faults.iter().all(|count| *count > 0), "a fault did not happen: {faults:?}");
            assert!(fates.iter().all(|count| *count > 0), "a fate did not occur: {fates:?}");
        }
        println!(
            "kill rounds: {rounds} rounds and {} kills while starting, seed {seed}; {events} events \
             acknowledged ({answered} answers {words}, {unanswered} posts without one), {} \
             deliveries in five lanes each, {} late, {} dead, {} superseded; {behind} of them \
             behind others of their range, {requests} acknowledged by requests; consumers failed \
             {failed}, hung {hung}, closed {closed}; {} repeats, {} of them after a crash, {} after \
             they were acknowledged; order violations 0, lost 0",
            self.startup_kills,
            verdict.delivered,
            verdict.late,
            verdict.dead,
            verdict.coalesced,
            verdict.repeats,
            verdict.repeats_after_crash,
            verdict.repeats_after_acknowledgement,
        );
        format!(
            "{} more kills while starting; {unanswered} posts without an answer, {} repeats after a crash, all marked",
            self.startup_kills, verdict.repeats_after_crash
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_nothing_and_keep_every_order() {
    let mut fault = Fault::new(
        "kill -9",
        "D1, F11: what was acknowledged is in a synced frame; an attempt is sent again, marked, until its outcome is",
    );
    let seed = rounds::seed(SEED);
    let mut killed = Killed::new(seed).await;
    for round in Rounds::of(ROUNDS) {
        killed.round(round).await;
        fault.rounds += 1;
    }
    let gateway = killed.world.serve();
    killed.world.drain(&gateway).await;
    gateway.stop();
    fault.judge(&killed.world);
    let seen = killed.conclude(fault.rounds, seed);
    fault.seen(seen);
}
