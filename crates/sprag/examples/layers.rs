//! What single layers cost, in CPU of the thread that runs them: `layers core|state EVENTS`. Run by
//! `cargo xtask bench --only layers`, beside sprag-log's example `packing` for the log.
//!
//! `core`: one partition, nothing else: events come in over 1,000 keys, sixteen to a frame; each frame is committed
//! at once, each lane gets its permit and each attempt is answered 200. `state`: batches of a thousand of 100,000
//! keys into the state store's file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example is run by hand and stops at its first fault"
)]

use std::sync::Arc;
use std::time::Duration;

use sprag::config;
use sprag::node::StateStep as _;
use sprag::plan;
use sprag::secret::Secret;
use sprag::state::SqliteState;
use sprag_core::destination::Grant;
use sprag_core::fact::Outcome;
use sprag_core::id::{Epoch, FrameNumber, Hash, Key, PartitionId, SourceId};
use sprag_core::input::{Arrival, Command, Ended, Input, Ticket};
use sprag_core::output::Output;
use sprag_core::partition::{Head, Partition};
use sprag_core::position::Position;
use sprag_core::recent::Seen;
use sprag_core::record::Directory;
use sprag_core::settings::Settings;
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::state::{Batch, StateCompletion, StateRequest};
use sprag_log::digest::Sha256;

/// Keys of the events, and of the state store.
const KEYS: [u64; 2] = [1_000, 100_000];
/// Events of a frame: what comes in while another one syncs.
const FRAME: u64 = 16;
/// Events between two batches of changed keys.
const CHECKPOINT: u64 = 8_192;
/// Keys of a batch for the state store.
const BATCH: u64 = 1_000;

const CONFIGURATION: &str = r#"
[sources.bench]
verify = { scheme = "standard-webhooks", secrets = ["env:S"] }
id = "header:webhook-id"
key = "body:/key"
type = "body:/type"
position = { sequence = "body:/sequence" }
contract = "fifo"
[destinations.consumer]
from = ["bench"]
url = "http://127.0.0.1:9"
secrets = ["env:S"]
allow = ["127.0.0.0/8"]
"#;

/// Nanoseconds of CPU this thread had so far.
fn cpu() -> u64 {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    said.split(' ').next().unwrap().parse().unwrap()
}

/// A time that moves on by itself, a microsecond a call.
fn later(now: &mut u64) -> Now {
    *now += 1;
    Now { elapsed: ElapsedMicros(*now), clock: UnixMicros(1_700_000_000_000_000 + *now) }
}

fn arrival(number: u64) -> Box<Arrival> {
    let (key, sequence) = (number % KEYS[0], number / KEYS[0] + 1);
    Box::new(Arrival {
        ticket: Ticket(number),
        key: Key { source: SourceId(1), name: Arc::from(format!("cus_{key:07}")) },
        id: Some(Arc::from(format!("evt_{number:09}"))),
        position: Position::Sequence(sequence),
        event_type: Arc::from("invoice.updated"),
        content_type: Arc::from("application/json"),
        headers: Vec::new(),
        digest: Hash([7; 32]),
        size: 1_000,
        in_time: true,
        origin: sprag_core::fact::Origin::Posted,
        depends_on: None,
    })
}

/// A partition and what it brought about.
struct World {
    partition: Partition<Sha256>,
    now: u64,
    settled: u64,
}

impl World {
    fn new() -> Self {
        let secret = Secret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let checked = config::check(CONFIGURATION, "layers", &|_| Ok(secret.clone())).unwrap();
        let plan = plan::plan(&checked.config, None);
        let (settings, declared) = plan.resolve(&Directory::default()).unwrap();
        let settings: Arc<Settings> = Arc::new(settings);
        let mut partition = Partition::new(PartitionId(0), settings.clone(), 1, Sha256);
        let mut now = 0;
        partition.begin(&Head::default());
        partition.resume(later(&mut now), Epoch(1), settings);
        let mut world = Self { partition, now, settled: 0 };
        world.handle(Input::Command {
            ticket: Ticket(u64::MAX),
            command: Command::Declare(declared),
        });
        world.go_on();
        world
    }

    fn handle(&mut self, input: Input) {
        let now = later(&mut self.now);
        self.partition.handle(now, input);
    }

    /// Commits what was decided and carries out what follows, until nothing does.
    fn go_on(&mut self) {
        loop {
            let mut progressed = false;
            if let Some(draft) = self.partition.poll_frame() {
                self.handle(Input::Committed(draft.number));
                progressed = true;
            }
            while let Some(output) = self.partition.poll_output() {
                progressed = true;
                self.carry_out(output);
            }
            if !progressed {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::LookUp(arrival) => {
                let seen = Seen { through: FrameNumber(u64::MAX), ..Seen::default() };
                self.handle(Input::Receive { arrival, seen });
            }
            Output::Load(key) => self.handle(Input::Loaded { key, record: None }),
            Output::Request(request) => {
                let slow_at = ElapsedMicros(u64::MAX);
                self.handle(Input::Granted(Grant { lane: request.lane, slow_at, probe: false }));
            }
            Output::Attempt(attempt) => {
                self.settled += 1;
                let (attempt, outcome) = (attempt.id, Outcome::Answered { status: 200 });
                let (retry_after, dropped, acknowledged) = (None, None, None);
                let took = Duration::from_micros(100);
                let ended = Ended { attempt, outcome, retry_after, dropped, acknowledged, took };
                self.handle(Input::Ended(ended));
            }
            _ => {}
        }
    }

    /// Takes the batch of changed keys; it is stored.
    fn checkpoint(&mut self) -> Option<Batch> {
        let made = self.partition.checkpoint()?;
        self.handle(Input::Stored(made.through));
        let (frame, recorded, open, totals) = (made.through, made.recorded, made.open, made.totals);
        let head = Head { frame, recorded, open, directory: made.directory, totals };
        let (records, tombstones) = (made.records, made.tombstones);
        Some(Batch { head, records, tombstones, letters: Vec::new() })
    }
}

fn core(events: u64) -> f64 {
    let mut world = World::new();
    let mut took = 0;
    for first in (0..events).step_by(usize::try_from(FRAME).unwrap()) {
        let arrivals: Vec<_> = (first..events.min(first + FRAME)).map(arrival).collect();
        let before = cpu();
        for arrival in arrivals {
            world.handle(Input::Receive { arrival, seen: Seen::default() });
        }
        world.go_on();
        if first % CHECKPOINT == 0 {
            world.checkpoint();
        }
        took += cpu() - before;
    }
    assert_eq!(world.settled, events, "events that were delivered");
    took as f64 / events as f64 / 1e3
}

fn state(keys: u64) -> f64 {
    let mut world = World::new();
    for first in (0..KEYS[0]).step_by(usize::try_from(FRAME).unwrap()) {
        for arrival in (first..KEYS[0].min(first + FRAME)).map(arrival) {
            world.handle(Input::Receive { arrival, seen: Seen::default() });
        }
        world.go_on();
    }
    let batch = world.checkpoint().unwrap();
    let directory = tempfile::tempdir_in(".").unwrap();
    let mut store = SqliteState::open(directory.path(), "layers").unwrap().store;
    let (mut took, mut frame) = (0, batch.head.frame.0);
    for first in (0..keys).step_by(usize::try_from(BATCH).unwrap()) {
        let mut next = batch.clone();
        frame += 1;
        next.head.frame = FrameNumber(frame);
        for (at, (key, _)) in (first..).zip(&mut next.records) {
            // A stride through all keys, so that neighbours in a batch are none in the file.
            let number = at.wrapping_mul(61_803) % KEYS[1];
            key.name = Arc::from(format!("cus_{number:07}"));
        }
        let before = cpu();
        let done = store.step(StateRequest::Write(PartitionId(0), Box::new(next)));
        took += cpu() - before;
        assert!(matches!(done, Some(StateCompletion::Written(..))), "{done:?}");
    }
    took as f64 / keys as f64 / 1e3
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, layer, count] = arguments.as_slice() else { panic!("layers core|state EVENTS") };
    let count = count.parse().unwrap();
    match layer.as_str() {
        "core" => println!("{:.3}", core(count)),
        "state" => println!("{:.3}", state(count)),
        _ => panic!("no such layer: {layer}"),
    }
}
