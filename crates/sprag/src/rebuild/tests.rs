//! The property behind `sprag keys rebuild --check`: whatever happens to a partition, what a real state store
//! was given of it leads to what its frames add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sprag_core::destination::Grant;
use sprag_core::fact::{DeadLetter, Outcome};
use sprag_core::id::{
    DestinationId, Epoch, FrameNumber, Hash, Key, PartitionId, Revision, Sequence, SourceId,
};
use sprag_core::input::{Arrival, Command, Ended, Input, Ticket};
use sprag_core::output::{Draft, Output};
use sprag_core::partition::{Head, Partition};
use sprag_core::pattern::Pattern;
use sprag_core::position::Position;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, OnGap, OnGiveUp, OnLate, Retry, Settings,
    SourceSettings, Start,
};
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::letters;
use sprag_driver::rebuilt::{Rebuilding, differences};
use sprag_driver::state::{Batch, LetterChange, StateCompletion, StateRequest};
use sprag_log::ReadFrame;
use sprag_log::digest::{Sha256, sha256};
use tempfile::TempDir;

use crate::node::StateStep;
use crate::state::{Opened, SqliteState, StoppedState};

const P: PartitionId = PartitionId(1);
const APP: DestinationId = DestinationId(1);
const LOG: &str = "some log";
/// A moment of 2026.
const BEGIN: u64 = 1_767_225_600_000_000;

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    /// An event of a source's key comes; under `fifo` with this position.
    Event {
        source: u32,
        key: u8,
        at: u64,
        id: u8,
    },
    /// Time passes.
    Wait(u64),
    /// Everything that may be sent is sent and answered so.
    Answers(u16),
    /// An operator pauses a key, lets it go on, redrives or drops what its lane stands at.
    Pause(u8),
    Resume(u8),
    Redrive(u8),
    Drop(u8, u64),
    Rebase(u8),
    /// The state store gets a batch.
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..=4_u32, 0..4_u8, 1..7_u64, any::<u8>())
            .prop_map(|(source, key, at, id)| Step::Event { source, key, at, id }),
        2 => (1..4_000_000_u64).prop_map(Step::Wait),
        3 => prop_oneof![Just(204), Just(500), Just(410)].prop_map(Step::Answers),
        1 => (0..4_u8).prop_map(Step::Pause),
        1 => (0..4_u8).prop_map(Step::Resume),
        1 => (0..4_u8).prop_map(Step::Redrive),
        1 => (0..4_u8, 1..4_u64).prop_map(|(key, sequence)| Step::Drop(key, sequence)),
        1 => (0..4_u8).prop_map(Step::Rebase),
        3 => Just(Step::Checkpoint),
    ]
}

fn source(name: &str, contract: Contract, forget_after: Option<Duration>) -> SourceSettings {
    SourceSettings {
        refill: None,
        list: None,
        depends_on: None,
        name: name.into(),
        contract,
        hold_wait: Duration::from_secs(2),
        hold_events: 4,
        hold_span: 100,
        max_ahead: Duration::from_secs(60),
        on_gap: OnGap::Skip,
        on_late: OnLate::Deliver,
        dedupe: Duration::from_secs(60),
        forget_after,
        destinations: vec![APP],
        rate: None,
        states: Arc::default(),
        ranks: vec![Pattern::any()],
        facts: Duration::from_secs(1_000_000),
    }
}

fn settings() -> Settings {
    let destination = DestinationSettings {
        name: "app".into(),
        start: Start::Now,
        types: vec![Pattern::any()],
        concurrency: 8,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
        rate: None,
        key_rate: None,
        retry: Retry {
            first: Duration::from_millis(10),
            cap: Duration::from_millis(20),
            give_up_after: Duration::from_secs(60),
            attempts: Some(2),
        },
        on_give_up: OnGiveUp::Halt,
        ack: Ack::Answer,
        batch: None,
    };
    let sources = [
        (1, source("fifo", Contract::Fifo { first: First::At(1) }, None)),
        (2, source("idle", Contract::Arrival, Some(Duration::from_secs(1)))),
        (3, source("unordered", Contract::Unordered, None)),
        (4, source("settle", Contract::Settle, None)),
    ];
    Settings {
        revision: Revision(1),
        sources: sources.map(|(id, source)| (SourceId(id), source)).into(),
        destinations: BTreeMap::from([(APP, destination)]),
        retired: BTreeSet::new(),
        hot_keys: 1_000,
        key_backlog: 10,
        dedupe_ids: 1_000,
        forgotten: 1,
        partition_rate: None,
        restore: None,
    }
}

fn key(source: u32, name: u8) -> Key {
    Key { source: SourceId(source), name: format!("k{name}").into() }
}

/// A partition, all it wrote, and a store that gets its batches.
struct World {
    partition: Partition<Sha256>,
    store: SqliteState,
    frames: Vec<ReadFrame>,
    letters: Vec<LetterChange>,
    micros: u64,
    tickets: u64,
    grants: Vec<Grant>,
}

impl World {
    fn new(store: SqliteState) -> Self {
        let mut partition = Partition::new(P, Arc::new(settings()), 7, Sha256);
        partition.begin(&Head::default());
        let (micros, tickets) = (0, 0);
        let (frames, letters, grants) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { partition, store, frames, letters, micros, tickets, grants };
        let now = world.now();
        world.partition.resume(now, Epoch(1), Arc::new(settings()));
        world.settle();
        world
    }

    fn now(&mut self) -> Now {
        self.micros += 1;
        Now { elapsed: ElapsedMicros(self.micros), clock: UnixMicros(BEGIN + self.micros) }
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.partition.handle(now, input);
    }

    /// Commits all frames and works all outputs off.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(draft) = self.partition.poll_frame() {
                let number = draft.number;
                self.keep(draft);
                self.handle(Input::Committed(number));
                moved = true;
            }
            while let Some(output) = self.partition.poll_output() {
                moved |= self.work_off(output);
            }
            if !moved {
                return;
            }
        }
    }

    fn keep(&mut self, draft: Draft) {
        let frame = ReadFrame {
            number: draft.number,
            epoch: draft.epoch,
            recorded: draft.recorded,
            open: draft.open,
            predecessor: Hash::default(),
            hash: Hash::default(),
            facts: draft.facts,
        };
        for (index, fact) in (0_u32..).zip(&frame.facts) {
            let place = sprag_core::id::Place { partition: P, frame: frame.number, index };
            self.letters.extend(letters::changes(place, frame.recorded, fact));
        }
        self.frames.push(frame);
    }

    /// Whether anything follows from it.
    fn work_off(&mut self, output: Output) -> bool {
        let input = match output {
            Output::Request(request) => {
                let slow_at = ElapsedMicros(u64::MAX);
                self.grants.push(Grant { lane: request.lane, slow_at, probe: false });
                return false;
            }
            Output::Withdraw(request) => {
                self.grants.retain(|grant| grant.lane != request.lane);
                return false;
            }
            Output::Load(key) => match self.read(StateRequest::Load(P, vec![key])) {
                StateCompletion::Loaded(_, mut records) => {
                    let (key, record) = records.pop().unwrap();
                    Input::Loaded { key, record: record.map(Box::new) }
                }
                other => panic!("{other:?}"),
            },
            Output::Page(page) => match self.read(StateRequest::Page(P, page)) {
                StateCompletion::Paged { queue, keys, next, .. } => {
                    Input::Page { queue, keys, next }
                }
                other => panic!("{other:?}"),
            },
            Output::FindIdle(request) => match self.read(StateRequest::Idle(P, request)) {
                StateCompletion::Idle { keys, next, beyond, .. } => {
                    Input::Idle { keys, next, beyond }
                }
                other => panic!("{other:?}"),
            },
            Output::LookUp(arrival) => {
                let seen = sprag_core::recent::Seen::default();
                Input::Receive { arrival, seen }
            }
            _ => return false,
        };
        self.handle(input);
        true
    }

    fn read(&mut self, request: StateRequest) -> StateCompletion {
        self.store.step(request).unwrap()
    }

    fn answer(&mut self, status: u16) {
        for grant in std::mem::take(&mut self.grants) {
            self.handle(Input::Granted(grant));
            let mut attempts = Vec::new();
            while let Some(output) = self.partition.poll_output() {
                match output {
                    Output::Attempt(attempt) => attempts.push(attempt.id),
                    output => drop(self.work_off(output)),
                }
            }
            for attempt in attempts {
                let took = Duration::from_millis(1);
                let outcome = Outcome::Answered { status };
                let (retry_after, dropped, acknowledged) = (None, None, None);
                let ended = Ended { attempt, outcome, retry_after, dropped, acknowledged, took };
                self.handle(Input::Ended(ended));
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.tickets += 1;
        self.handle(Input::Command { ticket: Ticket(self.tickets), command });
    }

    fn carry_out(&mut self, step: &Step) {
        match *step {
            Step::Event { source, key: name, at, id } => self.receive(source, name, at, id),
            Step::Wait(micros) => {
                self.micros += micros;
                self.handle(Input::Tick);
            }
            Step::Answers(status) => self.answer(status),
            Step::Pause(name) => self.command(Command::PauseKey(key(1, name))),
            Step::Resume(name) => self.command(Command::ResumeKey(key(1, name))),
            Step::Redrive(name) => {
                self.command(Command::Redrive {
                    key: key(1, name),
                    destination: APP,
                    passed: None,
                });
            }
            Step::Drop(name, sequence) => {
                let letter = DeadLetter::InLane { destination: APP, sequence: Sequence(sequence) };
                self.command(Command::Drop { key: key(1, name), letter });
            }
            Step::Rebase(name) => self.command(Command::Rebase(key(1, name))),
            Step::Checkpoint => self.checkpoint(),
        }
        self.settle();
    }

    fn receive(&mut self, source: u32, name: u8, at: u64, id: u8) {
        self.tickets += 1;
        let position = match source {
            1 => Position::Sequence(at),
            4 => Position::Timestamp(BEGIN * 1_000 + at),
            _ => Position::None,
        };
        let arrival = Box::new(Arrival {
            origin: sprag_core::fact::Origin::default(),
            depends_on: None,
            ticket: Ticket(self.tickets),
            key: key(source, name),
            id: Some(format!("{id}").into()),
            position,
            event_type: "t".into(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            digest: sha256(&[&[id]]),
            size: 10,
            in_time: true,
        });
        self.handle(Input::Receive { arrival, seen: sprag_core::recent::Seen::default() });
    }

    fn checkpoint(&mut self) {
        let Some(checkpoint) = self.partition.checkpoint() else { return };
        let head = Head {
            frame: checkpoint.through,
            recorded: checkpoint.recorded,
            open: checkpoint.open,
            directory: checkpoint.directory,
            totals: checkpoint.totals,
        };
        let (records, tombstones) = (checkpoint.records, checkpoint.tombstones);
        let letters = std::mem::take(&mut self.letters);
        let batch = Box::new(Batch { head, records, tombstones, letters });
        match self.read(StateRequest::Write(P, batch)) {
            StateCompletion::Written(_, frame) => self.handle(Input::Stored(frame)),
            other => panic!("{other:?}"),
        }
    }
}

/// What `sprag keys rebuild --check` would say, of the store and these frames.
fn compare(directory: &TempDir, frames: &[ReadFrame]) -> Vec<String> {
    let stopped = StoppedState::open(directory.path(), LOG).unwrap();
    let (stored, lists) = stopped.partition(P).unwrap();
    let mut anew = Rebuilding::from_nothing(P, FrameNumber(1), Sha256);
    let mut continued = Rebuilding::from_stored(P, stored, Sha256);
    for frame in frames {
        anew.take_in(frame);
        if frame.number >= continued.next() {
            continued.take_in(frame);
        }
    }
    let (is, adds) = (continued.finish(), anew.finish());
    let all = differences(&is, &adds).map(|difference| format!("{difference:?}"));
    all.chain(lists.iter().map(|list| format!("{list:?}"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_store_and_the_frames_behind_it_lead_to_what_all_frames_add_up_to(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let directory = TempDir::new().unwrap();
        let Opened { store, .. } = SqliteState::open(directory.path(), LOG).unwrap();
        let mut world = World::new(store);
        for step in &steps {
            world.carry_out(step);
        }
        let World { frames, store, .. } = world;
        drop(store);
        prop_assert_eq!(compare(&directory, &frames), Vec::<String>::new());
    }
}

#[test]
fn the_property_meets_keys_that_are_held_halted_forgotten_and_floors() {
    let directory = TempDir::new().unwrap();
    let Opened { store, .. } = SqliteState::open(directory.path(), LOG).unwrap();
    let mut world = World::new(store);
    let event = |source, key, at, id| Step::Event { source, key, at, id };
    let mut steps =
        vec![event(1, 0, 1, 1), event(1, 0, 3, 2), event(3, 0, 0, 3), Step::Answers(204)];
    steps.extend([event(2, 1, 0, 4), event(2, 2, 0, 5), event(2, 3, 0, 6), Step::Answers(204)]);
    steps.extend([Step::Checkpoint, event(1, 1, 1, 7), Step::Answers(500), Step::Wait(900_000)]);
    steps.extend([Step::Wait(900_000), Step::Answers(500)]);
    for _ in 0..20 {
        steps.extend([Step::Wait(900_000), Step::Checkpoint]);
    }
    steps.iter().for_each(|step| world.carry_out(step));
    let World { frames, store, partition, .. } = world;
    drop(store);
    let names: BTreeSet<&str> =
        frames.iter().flat_map(|frame| &frame.facts).map(|f| f.name()).collect();
    for name in ["held", "attempted", "forgotten", "boundary", "gap-abandoned"] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    assert!(partition.committed() > FrameNumber(0));
    assert_eq!(compare(&directory, &frames), Vec::<String>::new());
}
