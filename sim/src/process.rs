//! The process: how it starts, is turned, and what becomes of its effects.

use std::sync::Arc;

use sprag_core::backlog::Level;
use sprag_core::chain::Fingerprint;
use sprag_core::id::{Key, PartitionId};
use sprag_core::input::Ended;
use sprag_core::output::Attempt;
use sprag_driver::cache::ReleasedEvent;
use sprag_driver::effect::{Effect, Notice};
use sprag_driver::node::Node;
use sprag_log::ReadFrame;
use sprag_log::embedded::simulated::{Fault, Operation};
use sprag_log::embedded::{OpenError, Options};
use sprag_log::pack::Packing;

use crate::batches;
use crate::comparing::FEW_KEYS;
use crate::consumer::Conduct;
use crate::happening::{Happening, Strike};
use crate::judge::deliveries::{Answered, Arrived};
use crate::judge::history::Frames;
use crate::judge::outages::Ending;
use crate::schedule::MILLISECOND;
use crate::sim_log::SimLog;
use crate::world::{Phase, Process, Sha256, UnderWay, World};

/// Which of a process's organs are planned to move; indexes of `Process::planned`.
const WRITE: usize = 0;
const ANSWER: usize = 1;
const LAND: usize = 2;
const STORE: usize = 3;
/// Queries the log answers at a time, at the most.
const QUERIES: usize = 24;

impl World {
    /// The process starts: it opens its log as after any end.
    pub(crate) fn start(&mut self) {
        if self.life > 0 && self.faults.reconfigure && self.dice.chance(600) {
            self.setting.revise(&mut self.dice);
            self.counts.hit("fault", "reconfigured");
        }
        self.life += 1;
        let (packing, samples) = self.packing();
        let options = Options {
            packing,
            samples,
            segment_bytes: self.disk_dice.pick(&[4 << 10, 30 << 10, 64 << 20]),
            ..Options::new(self.setting.partitions, self.disk_dice.draw())
        };
        let log = match SimLog::open(self.disk.clone(), options) {
            Ok((log, report)) => {
                if report.dropped.is_some() {
                    self.counts.hit("fault", "torn tail dropped");
                }
                if report.carried > 0 {
                    self.counts.hit("fault", "unsynced frames kept");
                }
                log
            }
            Err(OpenError::Failed(_)) => {
                self.schedule.plan(self.now + 100 * MILLISECOND, Happening::Start);
                return;
            }
            Err(error) => {
                self.judge("log", Err(format!("it does not open after a crash: {error}")));
                return;
            }
        };
        let plan = self.setting.plan.clone();
        let seed = self.dice.draw();
        let node = Node::new(log, self.state.clone(), Sha256, plan, self.setting.partitions, seed);
        let dies_before = self.dies_before();
        self.process = Some(Process {
            node,
            started: self.now,
            away: 0,
            is_named: false,
            settings: None,
            effects: 0,
            dies_before,
            dies_with_disk: false,
            stopping: None,
            turn_at: None,
            planned: [false; 4],
            open: std::collections::BTreeSet::new(),
        });
        self.trace.note(self.now, 's', &[self.life], || "the process starts".to_owned());
        if self.life == 1 && self.faults.bad_start {
            self.spoil_start();
        }
        // Power that fails once fails again soon: recovery itself must survive it.
        if self.life > 1 && self.phase == Phase::Safety && self.dice.chance(250) {
            let at = self.now + self.dice.between(0, 600 * MILLISECOND);
            self.schedule.plan(at, Happening::Strike(Strike::Crash));
        }
        self.turn();
    }

    /// The effect before which this process is to die, if any.
    fn dies_before(&mut self) -> Option<u64> {
        if let Some(tale) = &mut self.tale {
            return tale.next_death();
        }
        (self.faults.crash_between_effects && self.phase == Phase::Safety)
            .then(|| self.dice.between(20, 4_000))
    }

    /// How this process stores bodies, and on how many bytes of them it trains dictionaries: an
    /// operator may have changed it.
    fn packing(&mut self) -> (Packing, usize) {
        let Some(dice) = &mut self.packing_dice else { return (Packing::None, 0) };
        let packing = if dice.chance(850) { Packing::Zstd } else { Packing::None };
        // Training takes far longer than anything else here.
        let samples = if dice.chance(250) { 8 << 10 } else { 0 };
        (packing, samples)
    }

    pub(crate) fn turn_of(&mut self, life: u64) {
        let now = self.now;
        if let Some(process) = self.alive(life)
            && process.turn_at.take_if(|at| *at <= now).is_some()
        {
            self.turn();
        }
    }

    /// Turns the node and carries its effects out.
    pub(crate) fn turn(&mut self) {
        let now = self.clock();
        self.latest_clock = self.latest_clock.max(now.clock.0);
        let Some(process) = &mut self.process else { return };
        process.node.turn(now);
        self.learn_names();
        self.note_frames();
        self.note_destinations();
        while self.violation.is_none() {
            let Some(process) = &mut self.process else { return };
            if process.dies_before == Some(process.effects) {
                self.counts.hit("fault", "crash between effects");
                self.crash();
                return;
            }
            process.effects += 1;
            let Some(effect) = process.node.poll_effect() else { break };
            self.carry_out(effect);
        }
        self.plan_organs();
    }

    /// What is in force is other than it was: the numbers of names must be what they were.
    fn learn_names(&mut self) {
        let Some(process) = &mut self.process else { return };
        let Some(settings) = process.node.settings().cloned() else { return };
        if process.settings.as_ref().is_some_and(|known| Arc::ptr_eq(known, &settings)) {
            return;
        }
        let is_first = process.settings.replace(settings.clone()).is_none();
        self.listings.begins_anew();
        process.is_named = true;
        self.note_reload(&settings, is_first);
        let kept = self.setting.plan.retention.bodies;
        self.watching.policies.bodies_go = kept < std::time::Duration::from_secs(3_600);
        let kept = u64::try_from(kept.as_micros()).unwrap_or(u64::MAX);
        let shortest = self.watching.policies.bodies.map_or(kept, |known| known.min(kept));
        self.watching.policies.bodies = Some(shortest);
        self.watching.policies.limits_backlog |= self.setting.plan.destination_backlog.is_some();
        self.watching.policies.removed.extend(self.setting.removed.iter().cloned());
        let verdict = self.watching.policies.started(&settings, self.now);
        for (number, resource) in self.resources.iter().enumerate() {
            let name = &self.sources[resource.source].name;
            if let Some(source) = self.watching.policies.source_number(name) {
                self.numbers.insert(Key { source, name: resource.name.clone() }, number);
            }
        }
        self.judge("names", verdict);
    }

    fn note_frames(&mut self) {
        let uptime = self.uptime();
        let Some(process) = &mut self.process else { return };
        let log = process.node.log_mut();
        for frame in log.submitted.drain(..) {
            self.watching.submitted.insert(frame, uptime);
        }
        for (partition, frames) in std::mem::take(&mut log.deleting) {
            archive(&mut self.archive, partition, frames);
        }
        let (broken, superseded) = (log.broken.take(), std::mem::take(&mut log.superseded));
        let dropped = std::mem::take(&mut log.dropped);
        // Mostly nothing was dropped; and a fingerprint of each key costs something.
        for (key, resource) in self.numbers.iter().filter(|_| !dropped.is_empty()) {
            if dropped.contains(&Fingerprint::of_key(&Sha256, key)) {
                self.watching.answers.begins_anew(*resource);
                self.watching.deliveries.forgets(*resource);
            }
        }
        if let Some(broken) = broken {
            self.judge("bounds", Err(broken));
        }
        for (epoch, fact) in superseded {
            let Some(resource) = self.numbers.get(&fact.key).copied() else { continue };
            let verdict = self.watching.deliveries.superseded(resource, epoch, &fact);
            self.judge("order", verdict);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { ticket, answer } => self.answered(ticket, &answer),
            Effect::Deliver { partition, attempt, event, others } => {
                self.deliver(partition, attempt, &event, &others);
            }
            Effect::Abort { partition, attempt } => {
                let key = (partition, attempt);
                if let Some(under_way) = self.under_way.get_mut(&key) {
                    (under_way.cut, under_way.aborted) = (true, true);
                    let at = self.now + self.dice.between(0, 500 * MILLISECOND);
                    self.counts.hit("consumer", "connection cut");
                    self.schedule.plan(at, Happening::Reply(self.life, partition, attempt));
                }
            }
            Effect::Fetch { partition, fetch } => self.ask(partition, &fetch),
            Effect::ReadList(asked) => self.read_list(asked),
            Effect::Compare { partition, compare } => self.compare(partition, *compare),
            Effect::BringTheirs(theirs) => self.bring_theirs(&theirs),
            Effect::Notice(notice) => self.notice(&notice),
        }
    }

    fn notice(&mut self, notice: &Notice) {
        self.trace.note(self.now, 's', &[self.life], || notice.to_string());
        match notice {
            Notice::SourceChanged(_) => self.judge("names", Err(notice.to_string())),
            // The disk loses what was not synced; it damages nothing that was.
            Notice::Damaged(..) => self.judge("loss", Err(notice.to_string())),
            Notice::RemovedTooEarly(removed) => {
                self.counts.hit("operator", "removal refused");
                let name = removed.name.clone();
                self.setting.retire_instead(&name);
                self.schedule.plan(self.now, Happening::Strike(Strike::Restart));
            }
            Notice::Lost(..) => self.counts.hit("fault", "partition lost its term"),
            Notice::StateFailed(_) => self.counts.hit("fault", "state refused a batch"),
            Notice::SequenceReset(key) => self.alerted(key),
            Notice::Reloaded(_) => self.reloaded(),
            Notice::ReloadRefused(why) => self.reload_refused(why),
            Notice::Backlog(level) => self.counts.hit("backlog", level_name(level.level)),
            Notice::Serving(_) | Notice::Configured(_) => {}
        }
    }

    /// The operator is told that a source seems to count anew.
    fn alerted(&mut self, key: &Key) {
        self.counts.hit("alert", "sequence-reset");
        let Some(resource) = self.numbers.get(key).copied() else {
            return self.judge("names", Err(format!("an alert of no resource: {key:?}")));
        };
        *self.watching.alerts.entry(resource).or_default() += 1;
        self.operator.alerted.push((resource, key.clone()));
    }

    /// An attempt reaches its consumer.
    fn deliver(
        &mut self,
        partition: PartitionId,
        attempt: Box<Attempt>,
        event: &ReleasedEvent,
        others: &[ReleasedEvent],
    ) {
        let Some(resource) = self.numbers.get(&attempt.key).copied() else {
            self.judge("order", Err(format!("{attempt:?} of no resource")));
            return;
        };
        let arrived = Arrived {
            at: self.now,
            uptime: self.uptime(),
            partition,
            resource,
            attempt: &attempt,
            event,
            others,
            reads_fail: self.reads_fail,
        };
        let watching = &mut self.watching;
        let verdict = watching.deliveries.arrived(&arrived, &watching.policies, &watching.commands);
        // With memory for few keys there may be no room for the one that is asked about.
        let works = self.phase == Phase::Repair && self.setting.plan.hot_keys >= FEW_KEYS;
        let works_since = works.then_some(self.works_since);
        let rules = (&watching.policies, &watching.commands);
        let waited = watching.deliveries.depends(&arrived, &self.numbers, rules, works_since);
        let beside = watching.deliveries.others(attempt.destination, resource);
        let treated = watching.outages.arrived(self.now, attempt.destination);
        self.judge("outages", treated);
        self.judge("dependencies", waited);
        if beside > 1 {
            self.counts.hit("consumer", "has others of the key");
        }
        if event.released.depends_on.is_some() && !attempt.redelivery {
            let name =
                if attempt.unmet { "gets what waited in vain" } else { "has what it refers to" };
            self.counts.hit("consumer", name);
        }
        let name = self.destination_name(attempt.destination);
        let told = self.take_as_told(&name, event);
        let mut conduct = told.unwrap_or_else(|| self.consumers.take(self.now, &name, resource));
        if self.tale.is_none() {
            batches::part(&mut self.batch_dice, &attempt, &mut conduct, self.consumers.moody);
        }
        self.may_accept(&attempt, resource, &mut conduct);
        self.counts.hit("consumer", conduct.name);
        self.tell_delivery((&name, resource), &attempt, (event, others), &conduct);
        let numbers = [
            u64::from(attempt.destination.0),
            resource as u64,
            attempt.sequence.0,
            u64::from(attempt.number),
            u64::from(attempt.redelivery),
        ];
        self.trace.note(self.now, '=', &numbers, || {
            let again = if attempt.redelivery { ", redelivery" } else { "" };
            let order = if attempt.out_of_order { ", out of order" } else { "" };
            format!(
                "{name} resource {resource} sequence {} try {} epoch {}{again}{order}",
                attempt.sequence.0, attempt.number, attempt.id.epoch.0
            )
        });
        let at = self.now + conduct.after;
        self.schedule.plan(at, Happening::Reply(self.life, partition, attempt.id));
        let id = attempt.id;
        let (since, cut, aborted) = (self.now, false, false);
        let under_way = UnderWay { attempt, resource, conduct, since, cut, aborted };
        self.under_way.insert((partition, id), under_way);
        self.judge("order", verdict);
    }

    /// Plans what the log, the state store and the node itself will do next.
    fn plan_organs(&mut self) {
        let (disk, state) = (self.faults.disk_delay, self.faults.state_delay);
        let waits = self.state.is_waiting();
        let Some(process) = &mut self.process else { return };
        let log = process.node.log_mut();
        let moves = [
            (WRITE, log.is_writing(), disk),
            (ANSWER, log.is_asked(), disk),
            (LAND, log.is_landing(), MILLISECOND),
            (STORE, waits, state),
        ];
        for (organ, is_due, delay) in moves {
            let at = self.now + self.disk_dice.between(50, delay);
            let Some(process) = &mut self.process else { return };
            if is_due && !std::mem::replace(&mut process.planned[organ], true) {
                let happening = match organ {
                    WRITE => Happening::Write(self.life),
                    ANSWER => Happening::Answer(self.life),
                    LAND => Happening::Land(self.life),
                    _ => Happening::Store(self.life),
                };
                self.schedule.plan(at, happening);
            }
        }
        self.plan_turn();
    }

    fn plan_turn(&mut self) {
        let Some(process) = &mut self.process else { return };
        let Some(deadline) = process.node.deadline() else { return };
        let at = process.started + deadline.0;
        // What is overdue waits for something else as well: it is looked at every millisecond.
        let at = if at <= self.now { self.now + MILLISECOND } else { at };
        if process.turn_at.is_none_or(|planned| planned > at) {
            process.turn_at = Some(at);
            self.schedule.plan(at, Happening::Turn(self.life));
        }
    }

    /// The log writes one batch, on a disk that may fail.
    pub(crate) fn write_log(&mut self, life: u64) {
        if self.alive(life).is_none() {
            return;
        }
        self.disk_fails();
        let before = self.disk.statistics().faults;
        let rewrites = self.retaining_dice.chance(700);
        let Some(process) = self.alive(life) else { return };
        process.planned[WRITE] = false;
        let dies = process.dies_with_disk;
        let log = process.node.log_mut();
        log.write();
        while log.seal() {}
        let done = if rewrites { log.rewrite() } else { None };
        let failed = self.disk.statistics().faults > before;
        if let Some(rewritten) = done {
            let name = if rewritten { "segment rewritten" } else { "rewriting failed" };
            self.counts.hit("retention", name);
        }
        self.trace.note(self.now, 'w', &[u64::from(failed)], || {
            if failed { "a batch is written, and the disk fails" } else { "a batch is written" }
                .to_owned()
        });
        if failed && dies {
            self.counts.hit("fault", "crash in a disk operation");
            self.crash();
            return;
        }
        self.plan_organs();
    }

    /// Draws the faults that the next batch meets.
    fn disk_fails(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        if self.disk_dice.chance(self.faults.io_error) {
            let (operation, fault, name) = self.disk_dice.pick(&[
                (Operation::Append, Fault::Error, "write failed"),
                (Operation::Append, Fault::Torn, "write torn"),
                (Operation::Reserve, Fault::Error, "reserve failed"),
                (Operation::Create, Fault::Error, "new segment failed"),
                (Operation::SyncDirectory, Fault::Error, "new segment failed"),
            ]);
            self.disk.inject(operation, self.disk_dice.below(2), fault);
            self.counts.hit("fault", name);
        }
        if self.disk_dice.chance(self.faults.failed_sync) {
            let (fault, name) = self.disk_dice.pick(&[
                (Fault::Error, "sync failed"),
                (Fault::Forgotten, "sync failed and forgot"),
            ]);
            self.disk.inject(Operation::Sync, self.disk_dice.below(2), fault);
            self.counts.hit("fault", name);
        }
        if self.disk_dice.chance(self.faults.no_space) {
            self.schedule.plan(self.now, Happening::Strike(Strike::DiskFull));
        }
    }

    /// The log answers some queries, in any order.
    pub(crate) fn answer_query(&mut self, life: u64) {
        let (which, fails) = (self.disk_dice.index(1 << 16), self.disk_dice.chance(20));
        let fails = fails && self.faults.io_error > 0 && self.phase == Phase::Safety;
        let disk = self.disk.clone();
        let Some(process) = self.alive(life) else { return };
        process.planned[ANSWER] = false;
        let before = disk.statistics().faults;
        if fails {
            disk.inject(Operation::Read, 0, Fault::Error);
        }
        for next in 0..=which % QUERIES {
            process.node.log_mut().answer(which / QUERIES + next);
        }
        if disk.statistics().faults > before {
            self.reads_fail = true;
            self.watching.outages.reads_fail = true;
            self.counts.hit("fault", "read failed");
        }
        self.plan_organs();
    }

    pub(crate) fn land(&mut self, life: u64) {
        let Some(process) = self.alive(life) else { return };
        process.planned[LAND] = false;
        process.node.log_mut().land();
        self.turn();
    }

    pub(crate) fn store(&mut self, life: u64) {
        let refuses = self.phase == Phase::Safety && self.dice.chance(self.faults.state_refuses);
        let Some(process) = self.alive(life) else { return };
        process.planned[STORE] = false;
        self.state.step(refuses);
        self.turn();
    }

    /// An attempt ends: answered, timed out, or cut off.
    pub(crate) fn reply(
        &mut self,
        life: u64,
        partition: PartitionId,
        attempt: sprag_core::input::AttemptId,
    ) {
        if self.alive(life).is_none() {
            return;
        }
        let Some(under_way) = self.under_way.remove(&(partition, attempt)) else { return };
        let UnderWay { attempt, resource, conduct, since, cut, aborted } = under_way;
        let is_due = self.now >= since + conduct.after;
        let unknown = Conduct {
            outcome: sprag_core::fact::Outcome::Unknown,
            retry_after: None,
            dropped: None,
            acknowledged: None,
            ..conduct
        };
        let conduct = if is_due || !cut { conduct } else { unknown };
        let Conduct { outcome, retry_after, dropped, acknowledged, .. } = conduct;
        let dropped = dropped.map(Arc::from);
        let begun = self.watching.commands.begins_anew(resource, attempt.destination);
        let uptime = self.uptime();
        self.watching.outages.ended(&Ending {
            to: attempt.destination,
            resource,
            sequence: attempt.sequence.0,
            last: attempt.last.unwrap_or(attempt.sequence).0,
            since,
            now: self.now,
            outcome,
            retry_after,
            acknowledged,
            aborted,
        });
        let policy = self.watching.policies.destinations.get(&attempt.destination);
        let ack_timeout = policy.and_then(|policy| policy.ack_timeout);
        let dropped_it = dropped.is_some();
        let end =
            Some(Answered { outcome, retry_after, dropped: dropped_it, acknowledged, ack_timeout });
        self.watching.deliveries.ended(self.now, uptime, resource, &attempt, end, begun);
        let numbers = [u64::from(attempt.destination.0), resource as u64, attempt.sequence.0];
        self.trace.note(self.now, '+', &numbers, || {
            let name = format!("destination-id {}", attempt.destination.0);
            let how = if cut { " (cut off)" } else { "" };
            format!("{name} resource {resource} sequence {} {outcome:?}{how}", attempt.sequence.0)
        });
        self.watching.refilled.is_news_of(&attempt.key);
        let (now, took) = (self.clock(), self.now - since);
        if let Some(process) = &mut self.process {
            let took = std::time::Duration::from_micros(took);
            let attempt = attempt.id;
            let ended = Ended { attempt, outcome, retry_after, dropped, acknowledged, took };
            process.node.ended(now, partition, ended);
        }
        self.turn();
    }
}

/// Keeps frames that are about to be deleted, behind those that were.
fn archive(archive: &mut Frames, partition: PartitionId, frames: Vec<ReadFrame>) {
    let kept = archive.entry(partition).or_default();
    let last = kept.last().map_or(0, |frame| frame.number.0);
    kept.extend(frames.into_iter().filter(|frame| frame.number.0 > last));
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Low => "below half",
        Level::Half => "half",
        Level::High => "80 %",
        Level::Full => "full",
    }
}
