//! The three phases: everything may fail; then only what stays broken; then nothing. And the end,
//! at which all that was promised is compared with all that happened.

use std::collections::BTreeMap;

use sprag_core::chain::Fingerprint;
use sprag_core::destination::Destination;
use sprag_core::fact::Visit;
use sprag_core::id::{DestinationId, FrameNumber, Key, PartitionId};
use sprag_core::partition::Partition;
use sprag_core::record::{KeyRecord, Lane, Reached};
use sprag_core::settings::{Contract, OnGap, RetentionSettings, Start};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Options, Reader, open};
use sprag_log::{Answer, Query, ReadError};

use crate::happening::Happening;
use crate::judge::history::{Context, Frames, History};
use crate::judge::rebuilt::Tombstones;
use crate::judge::retention::Kept;
use crate::judge::{Verdict, audit, probe, rebuilt, retention, unmet};
use crate::operator;
use crate::restore;
use crate::scenario::REPAIRED;
use crate::schedule::{Instant, SECOND};
use crate::world::{Phase, Process, Sha256, Watching, World};

/// Everything but what stays broken is through within this, or something waits that must not.
const ISOLATION: Instant = 150 * SECOND;
/// How long storing everything may take, once all is through.
const STOPS_WITHIN: Instant = 60 * SECOND;
/// Everything is through within this once all is repaired.
const REPAIR: Instant = 400 * SECOND;
/// A process that was up for so long has claimed, recovered and read every page of its state.
const SETTLE: Instant = 20 * SECOND;
/// With fewer keys in memory, a handful of broken ones is all there is.
const FEW_KEYS: usize = 41;
/// How often the world looks whether it is.
const LOOK: Instant = 2 * SECOND;
/// Bytes of frames read at a time by the auditor.
const READ: usize = 1 << 20;

impl World {
    /// Looks whether a phase is over.
    pub(crate) fn look(&mut self) {
        if self.now < self.frozen_until {
            self.schedule.plan(self.frozen_until, Happening::Look);
            return;
        }
        self.schedule.plan(self.now + LOOK, Happening::Look);
        match self.phase {
            Phase::Safety => self.isolate(),
            Phase::Isolation => {
                let is_through = self.is_settled() && self.is_through() && self.lists_had_time();
                let is_through = is_through && self.comparisons_had_time();
                if is_through || (self.now >= self.phase_ends && !self.takes_longer()) {
                    self.judge_isolation();
                    self.judge_unasked();
                    self.judge_tails();
                    self.judge_listed();
                    self.judge_compared();
                    self.repair();
                }
            }
            Phase::Repair => self.look_at_repair(),
            Phase::Over => {}
            Phase::Story => self.enter(Phase::Isolation, ISOLATION),
        }
    }

    fn enter(&mut self, phase: Phase, length: Instant) {
        self.phase = phase;
        (self.phase_began, self.phase_ends) = (self.now, self.now + length);
        self.works_since = self.uptime();
        self.watching.patience = None;
        self.trace.note(self.now, 'p', &[phase as u64], || format!("{phase:?}"));
        if phase == Phase::Repair {
            self.tell(REPAIRED.to_owned());
        }
    }

    /// Faults end; consumers that are broken stay so.
    fn isolate(&mut self) {
        // Every seed crashes at least once (DESIGN section 8).
        if self.counts.of("fault", "crash") == 0 {
            match self.process {
                Some(_) => self.crash(),
                None => return,
            }
        }
        self.audit_retention();
        self.enter(Phase::Isolation, ISOLATION);
        self.consumers.moody = false;
        self.disk.heal();
        self.disk.set_capacity(None);
        if let Some(process) = &mut self.process {
            (process.dies_before, process.dies_with_disk) = (None, false);
        }
    }

    /// Everything works from now on; some of what was dropped is sent after all.
    fn repair(&mut self) {
        self.enter(Phase::Repair, REPAIR);
        self.consumers.repair();
        for post in std::mem::take(&mut self.dropped) {
            if self.dice.chance(500) {
                self.counts.hit("provider", "sent after all");
                let at = self.now + self.dice.between(0, 5 * SECOND);
                let number = self.provider.add(post);
                self.schedule.plan(at, Happening::Post(number));
            }
        }
        self.mend();
    }

    /// The operator lets everything go on that stands, unless something is to stay paused.
    fn mend(&mut self) {
        let shown = self.show();
        if self.watching.commands.any_waiting() {
            return;
        }
        if !self.leaves_paused {
            let Some(process) = &self.process else { return };
            let paused: Vec<_> = process.node.directory().paused.iter().copied().collect();
            let keys = shown.keys.iter().filter(|(resource, key)| {
                let record = self.live_record(process, key);
                record.is_some_and(|record| record.paused)
                    || self.watching.commands.key_paused(*resource).is_some()
            });
            let keys: Vec<_> = keys.cloned().collect();
            keys.into_iter().for_each(|(number, key)| {
                self.order(operator::resume_key(number, key));
            });
            paused.into_iter().for_each(|to| self.order(operator::resume_destination(to)));
        }
        let mut stopped = shown.lanes;
        stopped.retain(|lane| !lane.mode.delivers());
        // One command moves all strands of a lane.
        stopped.dedup_by_key(|lane| (lane.resource, lane.destination));
        for lane in stopped {
            self.order(operator::redrive(lane.resource, lane.key, lane.destination));
        }
    }

    fn look_at_repair(&mut self) {
        let Some(process) = &self.process else { return };
        let is_stopping = process.stopping.is_some();
        if is_stopping && self.now < self.phase_ends {
            return;
        }
        if !is_stopping && self.is_settled() && self.is_through() && !self.stands() {
            let ticket = self.next_ticket();
            self.is_ending = true;
            // What was through in the last moment is stored as any.
            self.phase_ends = self.phase_ends.max(self.now + STOPS_WITHIN);
            if let Some(process) = &mut self.process {
                process.stopping = Some(ticket);
                process.node.store_now(ticket);
            }
            self.turn();
        } else if self.now >= self.phase_ends && !self.takes_longer() {
            let what = self.what_waits();
            self.judge("liveness", Err(format!("not everything is through: {what}")));
        } else {
            self.mend();
        }
    }

    /// Whether any lane waits for an operator.
    fn stands(&self) -> bool {
        self.show().lanes.iter().any(|lane| !lane.mode.delivers())
    }

    fn what_waits(&self) -> String {
        let Some(process) = &self.process else { return "no process".to_owned() };
        let busy = self.live_records(process).into_values().flatten();
        let busy = busy.filter(|(key, record)| self.is_busy(key, record));
        let keys: Vec<_> = busy.take(3).collect();
        let (ticket, serving) = (self.provider.oldest_ticket(), process.node.is_serving());
        format!(
            "serving {serving}, provider {} {ticket:?}, {} under way, {keys:?}",
            self.provider.is_done(),
            self.under_way.len()
        )
    }

    /// Whether the process has been up long enough to have everything in memory that has work.
    fn is_settled(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| self.now >= process.started + process.away + SETTLE)
    }

    /// Whether everything is through that can be.
    pub(crate) fn is_through(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let is_calm = self
            .under_way
            .values()
            .all(|under_way| !self.is_served(under_way.attempt.destination, under_way.resource));
        let mut partitions = process.node.partitions();
        process.node.is_serving()
            && partitions.all(|partition| partition.taken() == partition.committed())
            && is_calm
            && (self.phase != Phase::Repair || self.provider.is_done())
            && !self.watching.commands.any_waiting()
            && !self.reloads.is_wanted()
            && self.has_opened_all(process)
            && self.nothing_waits(process)
    }

    /// Whether the lanes of every destination that begins before now are open: until then nobody knows
    /// what waits in them.
    fn has_opened_all(&self, process: &Process) -> bool {
        let Some(settings) = process.node.settings() else { return false };
        let early = settings.destinations.iter().filter(|(_, to)| to.start != Start::Now);
        let early: Vec<_> = early.map(|(id, _)| (*id, Visit::Opens)).collect();
        let mut partitions = process.node.partitions();
        partitions.all(|partition| early.iter().all(|it| partition.totals().visited.contains(it)))
    }

    /// Whether nothing of any key is still to be done; those in memory are looked at first.
    fn nothing_waits(&self, process: &Process) -> bool {
        let mut hot = process.node.partitions().flat_map(|partition| partition.records());
        hot.all(|(key, record)| !self.is_busy(key, record))
            && self
                .live_records(process)
                .into_values()
                .flatten()
                .all(|(key, record)| !self.is_busy(&key, &record))
    }

    /// Whether something of a key is still to be done that can be done.
    fn is_busy(&self, key: &Key, record: &KeyRecord) -> bool {
        let Some(resource) = self.numbers.get(key).copied() else { return false };
        let halts = self.sources[self.resources[resource].source].on_gap == OnGap::Halt;
        if !record.order.held.is_empty() && (!halts || self.begins(key, record)) {
            return true;
        }
        self.busy_lanes(key, record).next().is_some()
    }

    /// The lanes of a key that have something to send and can.
    pub(crate) fn busy_lanes<'a>(
        &'a self,
        key: &Key,
        record: &'a KeyRecord,
    ) -> impl Iterator<Item = &'a Lane> {
        let paused = |lane: &&Lane| {
            let directory = self.process.as_ref().map(|process| process.node.directory());
            directory.is_some_and(|directory| directory.paused.contains(&lane.destination))
        };
        let resource = self.numbers.get(key).copied();
        let lanes = record.lanes.iter().filter(|_| !record.paused);
        lanes.filter(move |lane| !paused(lane)).filter(move |lane| {
            let served = resource.is_some_and(|it| self.is_served(lane.destination, it));
            served && lane.has_work() && !self.is_crowded_out(lane.destination)
        })
    }

    /// Whether a resource is in no state that its table has, or no link of it was released: its beginning is not waited for without end.
    fn begins(&self, key: &Key, record: &KeyRecord) -> bool {
        let settings = self.process.as_ref().and_then(|process| process.settings.as_ref());
        let source = settings.and_then(|settings| settings.sources.get(&key.source));
        match (source.map(|source| source.contract), &record.order.reached) {
            (Some(Contract::Link), reached) => !matches!(reached, Reached::Link(_)),
            (Some(Contract::States), Reached::State(machine)) => {
                source.is_some_and(|source| source.states.index(&machine.state).is_none())
            }
            (Some(Contract::States), _) => true,
            _ => false,
        }
    }

    /// Whether a destination processes a resource in this phase.
    pub(crate) fn is_served(&self, to: DestinationId, resource: usize) -> bool {
        self.consumers.is_healthy(&self.destination_name(to), resource)
    }

    /// Whether only broken resources are left and so few keys fit memory that these alone ask for
    /// the probes, of which there is one a minute: then the others' turn comes late (L2, F5).
    fn is_crowded_out(&self, to: DestinationId) -> bool {
        let destination = self.process.as_ref().and_then(|p| p.node.destinations().get(&to));
        let is_open = destination.is_some_and(Destination::is_open);
        is_open && self.phase == Phase::Isolation && self.setting.plan.hot_keys < FEW_KEYS
    }

    fn context(&self) -> Context<'_> {
        Context {
            policies: &self.watching.policies,
            answers: &self.watching.answers,
            submitted: &self.watching.submitted,
            resources: &self.numbers,
            commands: &self.watching.commands,
            outages: &self.watching.outages,
            said: &self.watching.said,
            brought: &self.watching.brought,
            acknowledged: &self.acker.asked,
        }
    }

    /// What is served must be through although other things fail (promise 3).
    fn judge_isolation(&mut self) {
        let verdict = self.isolated();
        self.judge("isolation", verdict);
    }

    fn isolated(&self) -> Verdict {
        if self.process.is_none() {
            return Err("the process did not start again".to_owned());
        }
        let frames = self.read_history(&self.disk.fork(self.seed.number()))?;
        let history = History::read(&frames, &self.context())?;
        // Where memory has room for a few keys, all are visited one by one: that takes longer than this.
        let few = self.setting.plan.hot_keys < FEW_KEYS;
        let fails = |to, resource| {
            let is_visited_late = few && history.retired.contains(&to);
            let waits = self.waits_for_what_fails(&history, to, resource);
            !self.is_served(to, resource) || waits || self.is_crowded_out(to) || is_visited_late
        };
        audit::nothing_is_left(&history, &self.context(), &fails)
    }

    /// What came because it was asked for is marked, and what was given up for its authority's sake, that said so.
    fn judge_asked_for(&mut self, history: &History) {
        let marked = self.watching.refilled.judge(&history.marked.refilled);
        self.judge("refill", marked);
        let brought = self.watching.brought.judge(&history.marked.reconciled);
        self.judge("reconcile", brought);
        for (resource, key) in &history.keys {
            let gone = self.watching.refilled.judge_gone(*resource, &key.gone);
            self.judge("refill", gone);
        }
    }

    /// The end: the process has stored everything and stops; the auditor reads.
    pub(crate) fn finish(&mut self) {
        let live = self.process.as_ref().map(|process| self.live_records(process));
        let live = live.unwrap_or_default();
        let forgotten = self.process.as_ref().map(|process| self.live_tombstones(process));
        let forgotten = forgotten.unwrap_or_default();
        let paused = self.process.as_ref().map(|p| p.node.directory().paused.clone());
        let totals = self.process.iter().flat_map(|process| process.node.partitions());
        let totals: BTreeMap<_, _> =
            totals.map(|partition| (partition.id(), partition.totals().clone())).collect();
        self.end_process();
        self.disk.restart();
        self.probe();
        let frames = match self.read_history(&self.disk) {
            Ok(frames) => frames,
            Err(what) => return self.judge("log", Err(what)),
        };
        let history = match History::read(&frames, &self.context()) {
            Ok(history) => history,
            Err(what) => return self.judge("history", Err(what)),
        };
        self.judge("unmet", unmet::judge(&frames, &self.watching.submitted));
        self.tell_fates(&history);
        self.judge("loss", audit::acknowledgements(&history, &self.watching.answers));
        let Watching { commands, alerts, refusals, .. } = &self.watching;
        let rebased = audit::rebases(&history, commands, alerts);
        let refused = refusals.judge(&history.refused);
        self.judge("loss", rebased);
        self.judge("refusals", refused);
        self.judge_asked_for(&history);
        let delivered = audit::deliveries(&history, &self.watching.deliveries);
        self.judge("deliveries", delivered);
        let left = audit::nothing_is_left(&history, &self.context(), &|_, _| false);
        self.judge("loss", left);
        if paused.as_ref() != Some(&history.paused) {
            let what = format!("{paused:?} are paused, by history {:?}", history.paused);
            self.judge("state", Err(what));
        }
        let left = self.read_frames(&self.disk).map(|(_, left)| left).unwrap_or_default();
        for (partition, frames) in frames.iter().chain(&left) {
            let empty = BTreeMap::new();
            let rebuilt = rebuilt::state(*partition, frames, Sha256);
            let counted = totals.get(partition).cloned().unwrap_or_default();
            self.judge("state", rebuilt::compare_totals(&counted, &rebuilt));
            let stored = self.state.whole(*partition);
            let verdict = rebuilt::compare_stored(*partition, stored, frames, (&rebuilt, Sha256));
            self.judge("state", verdict);
            let last = frames.last().map_or(FrameNumber(0), |last| last.number);
            let live = live.get(partition).unwrap_or(&empty);
            let verdict = rebuilt::compare(live, &rebuilt.records, last);
            self.judge("state", verdict);
            let (kept, open) = forgotten.get(partition).cloned().unwrap_or_default();
            let open = open.into_iter().filter(|(_, frame)| *frame > last);
            let open = open.map(|(digest, _)| digest).collect();
            let verdict = rebuilt::compare_tombstones(&kept, &open, &rebuilt.tombstones);
            self.judge("state", verdict);
        }
        for frames in left.values().filter_map(|frames| frames.first()) {
            self.counts.add("retention", "frames deleted", frames.number.0 - 1);
        }
        self.audit_retention();
        self.places = restore::places(&frames, &self.numbers);
        self.judge_restore(&history);
        for (fact, count) in &history.facts {
            self.counts.add("fact", fact, *count);
        }
        self.enter(Phase::Over, 0);
    }

    /// What is live of every key: in memory, else in the state store.
    pub(crate) fn live_records(
        &self,
        process: &Process,
    ) -> BTreeMap<PartitionId, BTreeMap<Key, KeyRecord>> {
        let partitions = process.node.partitions().map(|partition| {
            let mut records = self.state.records(partition.id());
            records.extend(partition.records().map(|(key, record)| (key.clone(), record.clone())));
            (partition.id(), records)
        });
        partitions.collect()
    }

    /// What is kept of forgotten keys: in memory, else in the state store; and in which frames what is in
    /// memory changed.
    fn live_tombstones(
        &self,
        process: &Process,
    ) -> BTreeMap<PartitionId, (Tombstones, BTreeMap<Fingerprint, FrameNumber>)> {
        let partitions = process.node.partitions().map(|partition| {
            let mut kept = self.state.tombstones(partition.id());
            let mut moved = BTreeMap::new();
            for (digest, frame, record) in partition.tombstones() {
                moved.insert(digest, frame);
                match record {
                    Some(record) => kept.insert(digest, record.clone()),
                    None => kept.remove(&digest),
                };
            }
            (partition.id(), (kept, moved))
        });
        partitions.collect()
    }

    fn live_record(&self, process: &Process, key: &Key) -> Option<KeyRecord> {
        if let Some((_, view)) = process.node.view(key) {
            return Some(view.record);
        }
        let ids = process.node.partitions().map(Partition::id);
        ids.filter_map(|id| self.state.record(id, key)).next()
    }

    /// Reads all frames as a process would that starts on this disk; and those that were deleted
    /// before.
    pub(crate) fn read_history(&self, disk: &SimulatedDisk) -> Result<Frames, String> {
        let (_, left) = self.read_frames(disk)?;
        retention::joined(&self.archive, &left)
    }

    /// The frames that are left on a disk.
    pub(crate) fn read_frames(
        &self,
        disk: &SimulatedDisk,
    ) -> Result<(Reader<SimulatedDisk>, Frames), String> {
        let options = Options::new(self.setting.partitions, self.seed.number());
        let opened = open(disk.clone(), options);
        let (_writer, mut reader, _) = opened.map_err(|error| error.to_string())?;
        let mut all = Frames::new();
        for number in 0..self.setting.partitions {
            let partition = PartitionId(number);
            let frames = all.entry(partition).or_default();
            let mut from = FrameNumber(1);
            loop {
                let query = Query::Frames { partition, from, most: usize::MAX, bytes: READ };
                match reader.answer(&query) {
                    Ok(Answer::Frames(mut read)) => {
                        frames.append(&mut read.frames);
                        from = frames.last().map_or(from, |frame| frame.number.next());
                        if read.end {
                            break;
                        }
                    }
                    Err(ReadError::Trimmed { oldest }) if frames.is_empty() => from = oldest,
                    other => return Err(format!("frames were asked for, {other:?} came")),
                }
            }
        }
        Ok((reader, all))
    }

    /// What retention left is what it must: on a copy of the disk as a power cut would leave it.
    pub(crate) fn audit_retention(&mut self) {
        let verdict = self.retained();
        match verdict {
            Ok(gone) => self.counts.add("retention", "body dropped", gone),
            Err(what) => self.judge("retention", Err(what)),
        }
    }

    fn retained(&self) -> Result<u64, String> {
        // Nobody was told anything yet: which number a name has is open (F6).
        if self.numbers.is_empty() {
            return Ok(0);
        }
        let disk = self.disk.fork(self.seed.number());
        disk.heal();
        disk.set_capacity(None);
        let (mut reader, left) = self.read_frames(&disk)?;
        let all = retention::joined(&self.archive, &left)?;
        let history = History::read(&all, &self.context())?;
        let RetentionSettings { bodies, facts } = self.setting.plan.retention;
        let kept = Kept { bodies, facts, now: self.latest_clock };
        let deleted = self.archive.iter().map(|(partition, frames)| {
            let first = left.get(partition).and_then(|left| left.first());
            let first = first.map_or(u64::MAX, |first| first.number.0);
            let frames = frames.iter().filter(|frame| frame.number.0 < first).cloned().collect();
            (*partition, frames)
        });
        retention::deleted(&deleted.collect(), kept)?;
        retention::bodies(&mut reader, &left, &history, &self.context(), kept)
    }

    /// On a copy of the disk a bit is flipped: it is noticed, or it changes nothing.
    pub(crate) fn probe(&mut self) {
        let options = Options::new(self.setting.partitions, self.seed.number());
        match probe::flip_dictionary(&self.disk, options, &mut self.damage_dice) {
            Ok(flipped) => self.counts.add("fault", "dictionary damaged", flipped.into()),
            Err(what) => self.judge("corruption", Err(what)),
        }
        if !self.faults.bit_flips {
            return;
        }
        let verdict = probe::flip(&self.disk, options, &mut self.disk_dice);
        self.counts.hit("fault", "bit flipped");
        self.judge("corruption", verdict);
    }
}
