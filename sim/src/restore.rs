//! A second life from a backup: while the first is lived a backup is taken, and when it is over the
//! same node starts from that copy, told how far sequences must jump (DESIGN D10).
//!
//! The provider sends all it ever sent once more, so what the backup does not know comes as new
//! events, of keys it knows and of keys it does not. The process is killed on the way. Consumers are
//! those of the first life: they remember what every webhook-id stood for.

use std::collections::BTreeMap;

use sprag_core::fact::{Fact, Outcome, Released};
use sprag_core::id::{FrameNumber, Key, PartitionId, Sequence};
use sprag_core::input::{Arrival, Ended, Ticket};
use sprag_core::output::Attempt;
use sprag_core::plan::Plan;
use sprag_core::record::OmitReason;
use sprag_core::settings::Restore;
use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::{Effect, Notice};
use sprag_driver::node::Node;
use sprag_log::digest::sha256;
use sprag_log::embedded::disk::{Disk, DiskFile};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Cut, Options};
use sprag_log::pack::Packing;

use crate::dice::Dice;
use crate::happening::{Happening, Strike};
use crate::judge::history::History;
use crate::judge::{Verdict, must};
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::sim_log::SimLog;
use crate::state_model::StateModel;
use crate::workload::Post;
use crate::world::{CLOCK, Phase, Sha256, SimNode, World};

/// The stream of chance that decides when a backup is taken.
pub(crate) const BACKUP_DICE: u64 = 42;
/// The stream of chance that decides about the life after it.
const RESTORE_DICE: u64 = 43;
/// Steps in which a node comes to rest, or never.
const MOST_STEPS: usize = 20_000;
/// How much later the second life begins.
const LATER: Instant = 3_600 * SECOND;

/// A copy of the log as it stood, as the gateway makes it.
#[derive(Debug)]
pub(crate) struct Backup {
    cut: Cut,
    files: Vec<(String, Vec<u8>)>,
}

impl World {
    /// A backup is taken, if there is a process that serves.
    pub(crate) fn take_backup(&mut self) {
        let Some(process) = self.process.as_mut().filter(|process| process.node.is_serving())
        else {
            if self.phase == Phase::Safety {
                let at = self.now + 200 * MILLISECOND;
                self.schedule.plan(at, Happening::Strike(Strike::Backup));
            }
            return;
        };
        let cut = process.node.log_mut().cut();
        let read = |file: &sprag_log::embedded::CutFile| {
            let mut bytes =
                vec![0; usize::try_from(file.bytes).expect("simulated disks are small")];
            let read = self.disk.read_at(&file.name, 0, &mut bytes);
            let whole = read.is_ok_and(|read| read == bytes.len());
            whole.then(|| (file.name.clone(), bytes))
        };
        let files: Option<Vec<_>> = cut.files.iter().map(read).collect();
        // A read that fails breaks a backup off; the next one is another.
        let Some(files) = files else { return };
        self.counts.hit("restore", "backup taken");
        self.trace.note(self.now, '!', &[files.len() as u64], || "a backup is taken".to_owned());
        self.backup = Some(Backup { cut, files });
    }

    /// Lives the second life and judges it.
    pub(crate) fn judge_restore(&mut self, history: &History) {
        let Some(backup) = self.backup.take() else { return };
        let (known, jump) = self.known_to(&backup, history);
        let mut dice = Dice::new(&self.seed, RESTORE_DICE);
        let jump = jump + dice.pick(&[0, 0, 1, 50]);
        let mut plan = self.setting.plan.clone();
        plan.restore = Some(Restore { id: dice.draw(), jump });
        let mut life = Life::begin(self, &backup, plan, dice);
        let verdict = life.live(self).and_then(|()| life.judge(self, history, &known, jump));
        self.counts.add("restore", "crashed", life.crashes);
        self.judge("restore", verdict);
    }

    /// The newest sequence of each key that the backup knows, and how many more were given since at
    /// the most.
    fn known_to(&self, backup: &Backup, history: &History) -> (BTreeMap<usize, u64>, u64) {
        let mut known = BTreeMap::new();
        let mut jump = 0;
        for (resource, key) in &history.keys {
            let last = key.released.last_key_value().map_or(0, |(last, _)| *last);
            let places = self.places.get(resource);
            let is_known = |sequence: &&u64| {
                places.and_then(|places| places.get(sequence)).is_some_and(|(partition, frame)| {
                    let cut = backup.cut.last.get(usize::from(partition.0));
                    cut.is_some_and(|cut| frame <= cut)
                })
            };
            let in_backup = key.released.keys().filter(is_known).max().copied().unwrap_or(0);
            known.insert(*resource, in_backup);
            jump = jump.max(last - in_backup);
        }
        (known, jump)
    }
}

/// A life on a restored disk.
struct Life {
    disk: SimulatedDisk,
    state: StateModel,
    plan: Plan,
    partitions: u16,
    node: Option<SimNode>,
    now: Instant,
    started: Instant,
    tickets: u64,
    dice: Dice,
    crashes: u64,
    /// What consumers got.
    deliveries: Vec<(Attempt, ReleasedEvent)>,
}

impl Life {
    fn begin(world: &World, backup: &Backup, plan: Plan, dice: Dice) -> Self {
        let disk = SimulatedDisk::new(world.seed.number() ^ 1);
        for (name, bytes) in &backup.files {
            let copied = disk.create(name).and_then(|mut file| {
                file.append(bytes)?;
                file.sync_data()
            });
            copied.expect("this disk does not fail");
        }
        disk.sync_directory().expect("this disk does not fail");
        let now = world.now + LATER;
        Self {
            disk,
            state: StateModel::default(),
            plan,
            partitions: world.setting.partitions,
            node: None,
            now,
            started: now,
            tickets: 0,
            dice,
            crashes: 0,
            deliveries: Vec::new(),
        }
    }

    /// All that the provider ever sent, and a process that is killed now and then.
    fn live(&mut self, world: &World) -> Verdict {
        let posts: Vec<Post> = world.provider.posts().to_vec();
        let usual = |post: &&Post| post.in_time && post.accepted && !post.is_unreadable;
        let posts: Vec<&Post> = posts.iter().filter(usual).collect();
        self.start()?;
        // Before the boundary is durable, or just after.
        let steps = self.dice.between(0, 12);
        self.pump(usize::try_from(steps).unwrap_or(0));
        self.crash()?;
        let kills = [self.dice.index(posts.len().max(1)), self.dice.index(posts.len().max(1))];
        for (number, post) in posts.iter().enumerate() {
            if kills.contains(&number) {
                self.crash()?;
            }
            self.post(world, post)?;
            self.now += 20 * MILLISECOND;
            if number % 4 == 0 {
                self.rest()?;
            }
        }
        for _ in 0..40 {
            self.now += SECOND;
            self.rest()?;
        }
        Ok(())
    }

    fn start(&mut self) -> Verdict {
        let options = Options {
            segment_bytes: self.dice.pick(&[4 << 10, 64 << 20]),
            packing: Packing::Zstd,
            after: sprag_core::id::Epoch(1_000_000),
            ..Options::new(self.partitions, self.dice.draw())
        };
        let opened = SimLog::open(self.disk.clone(), options);
        let (log, _) = opened.map_err(|error| format!("a backup does not open: {error}"))?;
        self.started = self.now;
        let (plan, seed) = (self.plan.clone(), self.dice.draw());
        let node = Node::new(log, self.state.clone(), Sha256, plan, self.partitions, seed);
        self.node = Some(node);
        Ok(())
    }

    fn crash(&mut self) -> Verdict {
        self.crashes += 1;
        self.node = None;
        if self.dice.chance(500) {
            self.disk.power_cut();
        } else {
            self.disk.restart();
        }
        if self.dice.chance(300) {
            self.state.wipe();
        } else {
            self.state.crash(self.dice.index(3));
        }
        self.now += SECOND;
        self.start()?;
        // At times it dies again at once.
        if self.dice.chance(700) { self.rest() } else { Ok(()) }
    }

    fn clock(&self) -> Now {
        let elapsed = ElapsedMicros(self.now - self.started);
        Now { elapsed, clock: UnixMicros(CLOCK + self.now) }
    }

    /// Turns everything until nothing is left to do, or so many times.
    fn pump(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            let now = self.clock();
            let Some(node) = &mut self.node else { return true };
            node.turn(now);
            let (mut moved, mut is_refused) = (false, false);
            while let Some(effect) = node.poll_effect() {
                moved = true;
                // Something waited for it when the backup was taken: the operator retires it.
                if let Effect::Notice(Notice::RemovedTooEarly(removed)) = &effect {
                    self.plan.retired.push(removed.name.clone());
                    is_refused = true;
                }
                if let Effect::Deliver { partition, attempt: sent, event, others } = effect {
                    let outcome = Outcome::Answered { status: 200 };
                    let took = std::time::Duration::from_millis(1);
                    let (retry_after, dropped) = (None, None);
                    let acknowledged = None;
                    let attempt = sent.id;
                    let ended =
                        Ended { attempt, outcome, retry_after, dropped, took, acknowledged };
                    self.deliveries.extend(one_by_one(*sent, event, others));
                    node.ended(now, partition, ended);
                }
            }
            let log = node.log_mut();
            moved |= log.is_writing() || log.is_asked() || self.state.is_waiting();
            log.write();
            while log.seal() {}
            if log.is_asked() {
                log.answer(0);
            }
            moved |= log.is_landing();
            log.land();
            self.state.step(false);
            if is_refused && self.start().is_err() {
                return false;
            }
            if !moved {
                return true;
            }
        }
        false
    }

    fn rest(&mut self) -> Verdict {
        must(self.pump(MOST_STEPS), || "after a restore it does not come to rest".to_owned())
    }

    fn post(&mut self, world: &World, post: &Post) -> Verdict {
        if self.node.as_ref().is_none_or(|node| !node.is_serving()) {
            self.rest()?;
        }
        let Some(key) = self.key(world, post.resource) else {
            return Err("after a restore it does not serve".to_owned());
        };
        self.tickets += 1;
        let arrival = Arrival {
            ticket: Ticket(self.tickets),
            key,
            id: post.id.clone(),
            position: post.position.clone(),
            event_type: "thing.happened".into(),
            content_type: "application/json".into(),
            headers: Vec::new(),
            digest: post.digest,
            size: u32::try_from(post.body.len()).unwrap_or(u32::MAX),
            in_time: true,
            origin: sprag_core::fact::Origin::Posted,
            depends_on: None,
        };
        let now = self.clock();
        if let Some(node) = &mut self.node {
            node.receive(now, arrival, post.body.clone());
        }
        Ok(())
    }

    fn key(&self, world: &World, resource: usize) -> Option<Key> {
        let settings = self.node.as_ref()?.settings()?;
        let resource = &world.resources[resource];
        let name = &world.sources[resource.source].name;
        let source = settings.sources.iter().find(|(_, source)| source.name == *name);
        source.map(|(source, _)| Key { source: *source, name: resource.name.clone() })
    }

    /// No sequence of a key stands for two events, in neither life nor between them; deliveries say
    /// the same as ever under the same webhook-id, and account for what is between them.
    fn judge(
        &mut self,
        world: &mut World,
        history: &History,
        known: &BTreeMap<usize, u64>,
        jump: u64,
    ) -> Verdict {
        self.node = None;
        self.disk.restart();
        let mut given: BTreeMap<usize, BTreeMap<u64, Released>> = BTreeMap::new();
        // What its retention deleted said the same before.
        let (_, left) = world.read_frames(&self.disk)?;
        for (partition, frames) in &left {
            let mut noted = None;
            for fact in frames.iter().flat_map(|frame| &frame.facts) {
                match fact {
                    Fact::Restored(restored) => {
                        world.counts.hit("fact", "restored");
                        let first = *noted.get_or_insert(restored.restore);
                        must(restored.total == jump && first == restored.restore, || {
                            format!("{partition:?} jumps {jump} once, not {restored:?}")
                        })?;
                    }
                    Fact::Jumped(_) => world.counts.hit("fact", "jumped"),
                    Fact::Released(released) => {
                        let resource = world.numbers.get(&released.key).copied();
                        let resource = resource.ok_or("a release of no resource")?;
                        let all = given.entry(resource).or_default();
                        let other = all.insert(released.sequence.0, released.clone());
                        must(other.is_none(), || {
                            format!("resource {resource}: {released:?} and {other:?}")
                        })?;
                    }
                    _ => {}
                }
            }
        }
        for (resource, all) in &given {
            let known = known.get(resource).copied().unwrap_or(0);
            let before = history.keys.get(resource).map(|key| &key.released);
            let new = all.range(known + 1..).next().is_some();
            let name = if known > 0 { "known key" } else { "unknown key" };
            world.counts.add("restore", name, u64::from(new));
            for (sequence, released) in all {
                let other = before.and_then(|before| before.get(sequence));
                let same = other.is_none_or(|other| *sequence <= known && other == released);
                must(same, || {
                    format!(
                        "resource {resource} sequence {sequence} was {other:?} and is {released:?}"
                    )
                })?;
            }
        }
        self.judge_deliveries(world)
    }

    fn judge_deliveries(&self, world: &World) -> Verdict {
        let mut told = BTreeMap::new();
        for (attempt, event) in &self.deliveries {
            let (resource, sequence) =
                (world.numbers.get(&attempt.key).copied(), attempt.sequence.0);
            let resource = resource.ok_or("a delivery of no resource")?;
            let digest = sha256(&[&event.event.body]);
            let first = world.watching.deliveries.told.get(&(resource, sequence));
            let known = first.map(|first| first.digest);
            let known = known.unwrap_or(*told.entry((resource, sequence)).or_insert(digest));
            must(known == digest, || {
                format!("resource {resource} sequence {sequence} is delivered with another body")
            })?;
            let reached = attempt.omitted.iter().fold(attempt.previous.0, |reached, omission| {
                let follows = omission.range.from <= reached + 1 || omission.merged;
                if follows { reached.max(omission.range.to) } else { reached }
            });
            let jumps = attempt.omitted.iter().any(|one| one.reason == OmitReason::Restored);
            must(attempt.out_of_order || !jumps || reached + 1 >= sequence, || {
                format!("resource {resource}: {attempt:?} leaves something out after a restore")
            })?;
        }
        Ok(())
    }
}

/// The events of a range, each as if it had come alone behind the one before it.
fn one_by_one(
    attempt: Attempt,
    event: ReleasedEvent,
    others: Vec<ReleasedEvent>,
) -> Vec<(Attempt, ReleasedEvent)> {
    let behind = |(at, event): (u64, ReleasedEvent)| {
        let previous = Sequence(attempt.sequence.0 + at);
        let sequence = previous.next();
        (Attempt { sequence, previous, omitted: Vec::new(), ..attempt.clone() }, event)
    };
    let rest: Vec<_> = (0..).zip(others).map(behind).collect();
    std::iter::once((attempt, event)).chain(rest).collect()
}

/// Where each release stands, by resource and sequence.
pub(crate) type Places = BTreeMap<usize, BTreeMap<u64, (PartitionId, FrameNumber)>>;

/// Where releases stand in history.
pub(crate) fn places(
    frames: &crate::judge::history::Frames,
    numbers: &BTreeMap<Key, usize>,
) -> Places {
    let mut places = Places::new();
    for (partition, frames) in frames {
        for frame in frames {
            for fact in &frame.facts {
                let Fact::Released(released) = fact else { continue };
                let Some(resource) = numbers.get(&released.key) else { continue };
                let of_key = places.entry(*resource).or_default();
                of_key.insert(released.sequence.0, (*partition, frame.number));
            }
        }
    }
    places
}
