//! Calls that fail below the process (rules D1, F10): each write, sync, creation and removal in its turn,
//! once or from then on. Nothing acknowledged is lost, a start that cannot be says why, and after a single
//! failure the process goes on by itself.
//!
//! A sync that failed has synced nothing, so after such rounds the power goes away as well.

use std::fmt;
use std::time::Duration;

use crate::image::LOSSES;
use crate::recorded::Recorded;
use crate::shim;
use crate::support::admin;
use crate::support::child::Process;
use crate::support::clock::Deadline;
use crate::support::dice::Dice;
use crate::support::fault::Fault;
use crate::support::gateway::{Gateway, HEAD};
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::World;
use crate::trace::Happened;

const EVENTS: usize = 60;
/// For a process to take all events, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// For a start on a disk that never gets better.
const STARTS: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// Posts that a dead disk refuses before the process is ended.
const REFUSED: usize = 20;
const EVER: u64 = 1 << 40;

/// What SQLite keeps beside the state, and makes anew at a start.
const BESIDE: &str = "state.sqlite-shm";

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// What fails in a round.
struct Rule {
    call: &'static str,
    why: i32,
    first: usize,
    times: u64,
    below: &'static str,
}

impl Rule {
    fn text(&self) -> String {
        let Self { call, why, first, times, below } = self;
        format!("{call} {why} {first} {times} {below}")
    }

    /// The system's words for it, and SQLite's, which are fewer. A disk that goes on failing refuses a
    /// file of ours as well, so then the system's words are there.
    fn words(&self) -> &'static [&'static str] {
        match (self.why, self.times) {
            (EIO, 1) => &["Input/output error", "disk I/O error", "unable to open database file"],
            (EIO, _) => &["Input/output error"],
            (ENOSPC, _) if self.below == BESIDE => &["cannot grow: the disk is full"],
            (ENOSPC, 1) => &["No space left on device", "disk is full"],
            (ENOSPC, _) => &["No space left on device"],
            _ => &["Read-only file system"],
        }
    }
}

/// How rounds ended.
#[derive(Default)]
struct Ends {
    refused: usize,
    waited: usize,
    went_on: usize,
    dead: usize,
    unhurt: usize,
}

/// A gateway below which calls fail.
struct Failing {
    recorded: Recorded,
    ends: Ends,
}

impl Failing {
    async fn new(seed: u64) -> Self {
        let recorded = Recorded::new(HEAD, seed).await;
        recorded.world.consumer.calm_down();
        Self { recorded, ends: Ends::default() }
    }

    /// Starts with the rule, loads, and ends the process; then the power goes away.
    async fn round(&mut self, rule: &Rule) {
        println!("{}", rule.text());
        let recorded = &mut self.recorded;
        recorded.record();
        shim::fail(&mut recorded.world.setup, &rule.text());
        let patience = if rule.times == 1 { PATIENCE } else { STARTS };
        let next = |process: &mut Process| {
            let line = process.line_within(patience);
            let said = process.said();
            // A slow start has said nothing of the disk, and goes on.
            let tells = rule.words().iter().any(|words| said.contains(words));
            if line.is_some() || tells { line } else { process.line_within(PATIENCE) }.flatten()
        };
        let serves = match Gateway::announced(recorded.world.setup.spawn(), next) {
            Ok(mut gateway) => {
                recorded.world.consumer.meets(gateway.listen);
                serves(&recorded.world, rule, &gateway).await;
                gateway.process.kill();
                recorded.world.consumer.fence().await;
                true
            }
            Err(mut process) => {
                let waits = refused(&mut process, rule);
                self.ends.waited += usize::from(waits);
                self.ends.refused += usize::from(!waits);
                false
            }
        };
        recorded.world.no_problems();
        let records = recorded.records();
        let mut failed = records.iter().filter_map(|record| match &record.happened {
            Happened::Failed { call } => call.split(' ').next(),
            _ => None,
        });
        let ends = &mut self.ends;
        match (failed.next(), serves) {
            (None, _) => ends.unhurt += 1,
            (Some(_), false) => {}
            (Some(_), true) if rule.times == 1 => ends.went_on += 1,
            (Some(_), true) => ends.dead += 1,
        }
        let loss = LOSSES[recorded.dice.below(LOSSES.len())];
        recorded.goes_on(&records, loss);
    }

    /// With nothing that fails everything arrives.
    async fn conclude(mut self, fault: &mut Fault) -> Ends {
        self.recorded.record();
        shim::fail(&mut self.recorded.world.setup, "none 0 1 0 -");
        let gateway = self.recorded.world.serve();
        self.recorded.world.drain(&gateway).await;
        gateway.stop();
        fault.judge(&self.recorded.world);
        self.ends
    }
}

/// A start that cannot be ends, or tries again for as long as the disk is so; it says why. True when it
/// tries again.
fn refused(process: &mut Process, rule: &Rule) -> bool {
    let ended = process.end_within(if rule.times == 1 { PATIENCE } else { STARTS });
    let said = process.said();
    let tells = rule.words().iter().any(|words| said.contains(words));
    assert!(tells, "{}: it does not say why:\n{said}", rule.text());
    let Some(status) = ended else {
        assert!(rule.times > 1, "{}: it does not start:\n{said}", rule.text());
        process.kill();
        return true;
    };
    assert!(status.code().is_some_and(|code| code != 0), "{}: {status}:\n{said}", rule.text());
    false
}

/// Everything is taken and delivered where something fails once; where it fails for ever, everything
/// is answered and the process lives.
async fn serves(world: &World, rule: &Rule, gateway: &Gateway) {
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    let refusals = || {
        locked(&world.ledger, |ledger| ledger.heard("not-durable") + ledger.heard("disk-reserve"))
    };
    let before = refusals();
    let mut providers = load::start(&world.ledger, gateway.listen, Ledger::next);
    let deadline = Deadline::after(PATIENCE);
    while !providers.is_empty() {
        while let Some(ended) = providers.try_join_next() {
            ended.unwrap();
        }
        if rule.times > 1 && refusals() >= before + REFUSED {
            locked(&world.ledger, Ledger::stop);
        }
        assert!(!deadline.has_passed(), "{}: it does not go on by itself", rule.text());
        tokio::time::sleep(LOOK).await;
    }
    world.no_problems();
    assert_eq!(admin::ask(gateway.admin, "GET", "/healthz", "").0, 200, "{}", rule.text());
    if rule.times == 1 {
        world.until_delivered(gateway, usize::MAX).await;
    }
}

/// What fails how, one after another, and how many such calls a round makes at least.
const CASES: [(&str, i32, u64, &str, usize); 11] = [
    ("write", ENOSPC, 1, "log/", 40),
    ("sync", EIO, 1, "log/", 40),
    ("write", EIO, 1, "log/", 40),
    ("write", EIO, 1, "state", 60),
    ("open", EIO, 1, "-", 3),
    ("sync", EIO, EVER, "-", 40),
    ("any", EIO, 1, "-", 150),
    ("write", ENOSPC, EVER, "-", 100),
    ("sync", EIO, 1, "state", 2),
    ("remove", EIO, 1, "-", 2),
    ("write", ENOSPC, EVER, "state.sqlite-shm", 1),
];
const USUAL: usize = 2 * CASES.len();

/// In the first rounds of a case it hits the start.
fn rule_of(round: usize, dice: &mut Dice) -> Rule {
    let (call, why, times, below, calls) = CASES[(round - 1) % CASES.len()];
    let first = if round <= CASES.len() { 1 + round % 2 } else { 1 + dice.below(calls) };
    Rule { call, why, first, times, below }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_write_and_sync_fails_in_its_turn() {
    let mut fault = Fault::new(
        "EIO and ENOSPC",
        "D1: a failed write or sync voids what was not synced: 503 to all who wait, a new term in a new segment",
    );
    let mut failing = Failing::new(seed(23)).await;
    for round in Rounds::of(USUAL) {
        let rule = rule_of(round, &mut failing.recorded.dice);
        failing.round(&rule).await;
        fault.rounds += 1;
    }
    let ends = failing.conclude(&mut fault).await;
    fault.seen(format!("{ends}; each time the power went away as well"));
}

/// Rounds on a disk that becomes one to read from, the first at the start.
const READ_ONLY: [usize; 3] = [1, 30, 120];
/// Changes of a round.
const CALLS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_becomes_read_only() {
    let mut fault = Fault::new(
        "read-only disk",
        "D1: nothing is acknowledged that cannot be made durable: 503; a start says why it cannot be",
    );
    let mut failing = Failing::new(seed(24)).await;
    for round in Rounds::of(READ_ONLY.len()) {
        let dice = &mut failing.recorded.dice;
        let first = READ_ONLY.get(round - 1).copied().unwrap_or_else(|| 1 + dice.below(CALLS));
        let rule = Rule { call: "any", why: EROFS, first, times: EVER, below: "-" };
        failing.round(&rule).await;
        fault.rounds += 1;
    }
    let ends = failing.conclude(&mut fault).await;
    fault.seen(ends.to_string());
}

impl fmt::Display for Ends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, waited, went_on, dead, unhurt } = self;
        write!(
            formatter,
            "{refused} starts refused with the reason, {waited} that said it and tried again, {went_on} times it went on by itself, {dead} times \
             it refused events and lived, {unhurt} times nothing was hit"
        )
    }
}
