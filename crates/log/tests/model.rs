//! Random histories with random faults against a model: what was acknowledged stays, what failed
//! may stay until the partition is claimed again and never comes back afterwards.
//!
//! For a longer search: `SEEDS=20000 cargo nextest run -p sprag-log --cargo-profile simulation`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_core::fact::Fact;
use sprag_core::id::{Epoch, FrameNumber, PartitionId, Place};
use sprag_core::random::Random;
use sprag_log::conformance::{Subject, event, event_with, key};
use sprag_log::embedded::simulated::{Fault, Operation, SimulatedDisk};
use sprag_log::embedded::{EmbeddedLog, OpenError, Options};
use sprag_log::frame::FrameDraft;
use sprag_log::lookup::{Handle, Wanted};
use sprag_log::{AppendError, Completion, Request};

const PARTITIONS: u16 = 3;

type Log = Subject<EmbeddedLog<SimulatedDisk>, fn(&mut EmbeddedLog<SimulatedDisk>)>;

fn turn(log: &mut EmbeddedLog<SimulatedDisk>) {
    while log.step() {}
}

/// What is known of one partition from its completions alone.
#[derive(Default)]
struct Known {
    epoch: Epoch,
    /// Acknowledged, or seen by a claim: frame 1 first.
    kept: Vec<FrameDraft>,
    /// Appends with an unknown outcome since.
    unknown: Vec<FrameDraft>,
    /// The oldest frame as the last trim or claim told.
    oldest: u64,
    /// The largest frame that was named as the first that must stay.
    before: u64,
}

struct World {
    random: Random,
    disk: SimulatedDisk,
    known: Vec<Known>,
    /// Makes every event different.
    events: u64,
    highest: Epoch,
}

fn partitions() -> impl Iterator<Item = usize> {
    0..usize::from(PARTITIONS)
}

impl World {
    fn new(seed: u64) -> Self {
        let known = partitions().map(|_| Known { oldest: 1, ..Known::default() }).collect();
        let disk = SimulatedDisk::new(seed);
        Self { random: Random::new(seed), disk, known, events: 0, highest: Epoch(0) }
    }

    fn id(partition: usize) -> u16 {
        u16::try_from(partition).unwrap()
    }

    /// Opens, with faults on the way at times: then again without.
    fn open(&mut self) -> Log {
        match self.random.below(8) {
            0 => self.fault(12),
            1 => self.disk.inject(Operation::Read, self.random.below(40), Fault::Error),
            _ => {}
        }
        let segment_bytes = 200 + self.random.below(3000);
        let options = Options { segment_bytes, ..Options::new(PARTITIONS, self.random.draw()) };
        let opened = match EmbeddedLog::open(self.disk.clone(), options) {
            Err(OpenError::Failed(_)) => {
                self.disk.heal();
                if self.random.below(2) == 0 {
                    self.disk.power_cut();
                }
                EmbeddedLog::open(self.disk.clone(), options)
            }
            opened => opened,
        };
        self.disk.heal();
        let (log, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        Subject::new(log, turn as fn(&mut _))
    }

    fn fault(&mut self, within: u64) {
        let operations = [
            Operation::Create,
            Operation::Append,
            Operation::Reserve,
            Operation::Sync,
            Operation::Sync,
            Operation::SyncDirectory,
            Operation::Remove,
        ];
        let operation =
            operations[usize::try_from(self.random.below(operations.len() as u64)).unwrap()];
        let fault = match (operation, self.random.below(2)) {
            (Operation::Append, 0) => Fault::Torn,
            (Operation::Sync, 0) => Fault::Forgotten,
            _ => Fault::Error,
        };
        self.disk.inject(operation, self.random.below(within), fault);
    }

    fn claim(&mut self, log: &mut Log, partition: usize) {
        let Ok(claim) = log.claim(Self::id(partition)) else { return };
        assert!(claim.epoch > self.highest, "epochs grow");
        self.highest = claim.epoch;
        let known = &mut self.known[partition];
        let (kept, tip) = (known.kept.len() as u64, claim.tip.number.0);
        assert!(tip >= kept, "{partition}: frame {kept} was acknowledged, {tip} is the last");
        assert!(claim.oldest.0 <= known.oldest.max(1), "nothing is trimmed by itself");
        let oldest = claim.oldest.0;
        let all = log.frames(Self::id(partition), oldest, usize::MAX).unwrap();
        assert!(all.end);
        for frame in &all.frames {
            let number = frame.number.0;
            let at = usize::try_from(number - 1).unwrap();
            if let Some(draft) = known.kept.get(at) {
                assert_eq!(frame.facts, draft.facts, "{partition}-{number}");
                continue;
            }
            let draft = known.unknown.iter().find(|draft| draft.facts == frame.facts);
            let draft = draft.unwrap_or_else(|| panic!("{partition}-{number} was never written"));
            assert_eq!(draft.number, frame.number);
            known.kept.push(draft.clone());
        }
        assert_eq!(known.kept.len() as u64, tip);
        known.unknown.clear();
        (known.epoch, known.oldest) = (claim.epoch, oldest);
    }

    fn append(&mut self, log: &mut Log) {
        let mut drafts = Vec::new();
        for partition in partitions() {
            let known = &self.known[partition];
            let next = known.kept.len() as u64 + 1;
            for number in next..next + self.random.below(3) {
                self.events += 1;
                let name =
                    format!("k{}", "x".repeat(usize::try_from(self.random.below(90)).unwrap()));
                let id = Self::id(partition);
                let mut draft = event(id, number, known.epoch, &key(&name), self.events);
                if self.random.below(6) == 0 {
                    let length = usize::try_from(self.random.below(9000)).unwrap();
                    let body = vec![b'x'; length];
                    let key = key(&name);
                    draft = event_with(id, number, known.epoch, &key, self.events, body);
                }
                drafts.push(draft);
            }
        }
        let requests = drafts.iter().map(|draft| Request::Append { draft: draft.clone() });
        let completions = log.ask(requests);
        assert_eq!(completions.len(), drafts.len());
        for completion in completions {
            let Completion::Appended { partition, number, result } = completion else {
                panic!("{completion:?}");
            };
            let is_it =
                |draft: &&FrameDraft| (draft.partition, draft.number) == (partition, number);
            let draft = drafts.iter().find(is_it).unwrap().clone();
            let known = &mut self.known[usize::from(partition.0)];
            match result {
                Ok(_) => {
                    assert_eq!(number.0, known.kept.len() as u64 + 1, "in order");
                    known.kept.push(draft);
                }
                Err(error) if error.is_unknown() => known.unknown.push(draft),
                Err(AppendError::Fenced) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn trim(&mut self, log: &mut Log) {
        for partition in partitions() {
            let before = self.random.below(self.known[partition].kept.len() as u64 + 1) + 1;
            let id = PartitionId(Self::id(partition));
            let completions =
                log.ask([Request::Trim { partition: id, before: FrameNumber(before) }]);
            let [Completion::Trimmed { result, .. }] = &completions[..] else { panic!() };
            let known = &mut self.known[partition];
            known.before = known.before.max(before);
            if let Ok(oldest) = result {
                assert!(oldest.0 <= known.before.max(known.oldest), "{oldest:?} had to stay");
            }
        }
        for partition in partitions() {
            let id = Self::id(partition);
            let oldest = match log.frames(id, 0, 1) {
                Err(sprag_log::ReadError::Trimmed { oldest }) => oldest.0,
                other => panic!("{other:?}"),
            };
            self.known[partition].oldest = oldest;
        }
    }

    /// Bodies and lookups of some kept frames.
    fn look_up(&mut self, log: &mut Log) {
        for partition in partitions() {
            let known = &self.known[partition];
            let Some(count) = (known.kept.len() as u64 + 1).checked_sub(known.oldest) else {
                continue;
            };
            if count == 0 {
                continue;
            }
            let at = known.oldest - 1 + self.random.below(count);
            let draft = &known.kept[usize::try_from(at).unwrap()];
            let place = Place { partition: draft.partition, frame: draft.number, index: 0 };
            assert_eq!(log.event(place).unwrap().body, draft.bodies[0]);
            let Fact::Received(received) = &draft.facts[0] else { panic!() };
            let by = Handle::Id(received.id.clone().unwrap());
            let wanted = Wanted { key: received.key.clone(), by };
            let found = log.find(Self::id(partition), vec![wanted], u64::MAX);
            assert_eq!(found.facts[0].len(), 1);
            assert_eq!(found.facts[0][0].place, place);
        }
    }

    fn live(&mut self) {
        let mut log = self.open();
        for partition in partitions() {
            self.claim(&mut log, partition);
        }
        for _ in 0..2 + self.random.below(8) {
            match self.random.below(8) {
                0 => self.fault(6),
                1 => {
                    let used = self.disk.used();
                    let room = usize::try_from(self.random.below(3000)).unwrap();
                    self.disk.set_capacity(Some(used + room));
                }
                2 => {
                    let partition = usize::try_from(self.random.below(3)).unwrap();
                    self.claim(&mut log, partition);
                }
                3 => self.trim(&mut log),
                4 => self.look_up(&mut log),
                _ => self.append(&mut log),
            }
        }
        self.disk.set_capacity(None);
        drop(log);
        if self.random.below(2) == 0 { self.disk.power_cut() } else { self.disk.restart() }
    }
}

fn run(seeds: std::ops::Range<u64>) {
    let mut frames = 0;
    let (mut faults, mut lost_bytes, mut lost_names) = (0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..6 {
                world.live();
            }
        }));
        assert!(outcome.is_ok(), "seed {seed}");
        frames += world.known.iter().map(|known| known.kept.len()).sum::<usize>();
        let statistics = world.disk.statistics();
        faults += statistics.faults;
        lost_bytes += statistics.lost_bytes;
        lost_names += statistics.lost_names;
    }
    assert!(frames > 0 && faults > 0 && lost_bytes > 0 && lost_names > 0);
}

#[test]
fn random_histories_keep_what_was_acknowledged() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    run(0..seeds.unwrap_or(300));
}
