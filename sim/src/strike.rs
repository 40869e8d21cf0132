//! Faults that come at their own time: crashes, restarts, other owners, clocks, full disks.

use sprag_core::destination::Pool;
use sprag_core::id::PartitionId;
use sprag_core::output::Attempt;
use sprag_log::embedded::simulated::{Fault, Operation};

use crate::happening::{Happening, Strike};
use crate::schedule::{MILLISECOND, SECOND};
use crate::workload::flood_post;
use crate::world::{Phase, World};

/// Requests in a flood: more than a key that is being loaded lets wait.
const FLOOD: usize = 1_100;
/// Bytes left on a disk that is about to be full.
const LITTLE_SPACE: u64 = 6_000;

impl World {
    /// Plans every fault that does not happen by the way.
    pub(crate) fn plan_strikes(&mut self) {
        let length = self.phase_ends;
        let many = [
            (self.faults.crashes, Strike::Crash),
            (self.faults.restarts, Strike::Shutdown),
            (self.faults.claims, Strike::Claim),
            (self.faults.clock_steps, Strike::ClockStep),
            (self.faults.suspends, Strike::Suspend),
            (u64::from(self.faults.flood), Strike::Flood),
            (2, Strike::ConsumerDies),
            (self.faults.outages, Strike::Outage),
        ];
        for (count, strike) in many {
            for _ in 0..count {
                let at = self.dice.between(length / 20, length);
                self.schedule.plan(at, Happening::Strike(strike));
            }
        }
    }

    /// Before history has any names, syncs fail and the process crashes.
    pub(crate) fn spoil_start(&mut self) {
        let fault = self.disk_dice.pick(&[Fault::Error, Fault::Forgotten]);
        self.disk.inject(Operation::Sync, self.disk_dice.between(1, 6), fault);
        self.counts.hit("fault", "bad start");
        let at = self.now + self.dice.between(MILLISECOND, SECOND);
        self.schedule.plan(at, Happening::Strike(Strike::Crash));
    }

    pub(crate) fn strike(&mut self, strike: Strike) {
        let over = self.phase != Phase::Safety;
        match strike {
            Strike::Thaw(away) => self.thaw(away),
            Strike::SpaceFreed => self.disk.set_capacity(None),
            Strike::Restart => {
                self.end_process();
                self.disk.restart();
                self.state.crash(0);
                self.schedule.plan(self.now + MILLISECOND, Happening::Start);
            }
            _ if over => {}
            Strike::Crash => self.crash_or_arm(),
            Strike::Shutdown => self.shut_down(),
            Strike::Claim => self.claim(),
            Strike::ClockStep => self.step_clock(),
            Strike::Suspend => self.suspend(),
            Strike::DiskFull => self.fill_disk(),
            Strike::ConsumerDies => self.consumer_dies(),
            Strike::Outage => self.outage(),
            Strike::Flood => self.flood(),
            Strike::Backup => self.take_backup(),
            Strike::Reload => self.reload(),
        }
    }

    fn note(&mut self, what: &'static str) {
        self.trace.note(self.now, '!', &[what.len() as u64], || what.to_owned());
    }

    /// Dies at once, or at the next fault of the disk.
    fn crash_or_arm(&mut self) {
        let in_disk = self.faults.crash_in_disk && self.disk_dice.chance(500);
        let Some(process) = &mut self.process else { return };
        if !in_disk || process.dies_with_disk {
            self.crash();
            return;
        }
        process.dies_with_disk = true;
        let (operation, fault) = self.disk_dice.pick(&[
            (Operation::Append, Fault::Torn),
            (Operation::Append, Fault::Error),
            (Operation::Sync, Fault::Error),
            (Operation::Sync, Fault::Error),
            (Operation::Sync, Fault::Error),
            (Operation::Sync, Fault::Forgotten),
            (Operation::Create, Fault::Error),
            (Operation::SyncDirectory, Fault::Error),
        ]);
        self.disk.inject(operation, self.disk_dice.below(4), fault);
        self.schedule.plan(self.now + SECOND, Happening::Strike(Strike::Crash));
    }

    /// The process ends here and now.
    pub(crate) fn crash(&mut self) {
        self.counts.hit("fault", "crash");
        self.note("crash");
        let up_before = self.uptime_before;
        self.end_process();
        // Power that failed once fails again soon; a process that is killed leaves what it wrote in
        // the system's cache, where only the next power cut takes it.
        let again = self.uptime_before - up_before < SECOND;
        let often = if self.faults.torn { 550 } else { 250 };
        let is_cut = match &self.tale {
            Some(tale) => tale.cuts_power,
            None => self.disk_dice.chance(if again { 800 } else { often }),
        };
        if is_cut {
            self.counts.hit("fault", "power cut");
            self.disk.power_cut();
        } else {
            self.disk.restart();
        }
        self.state_suffers();
        self.probe();
        if self.retaining_dice.chance(200) {
            self.audit_retention();
        }
        let down = self.dice.between(MILLISECOND, self.faults.downtime);
        self.schedule.plan(self.now + down, Happening::Start);
    }

    /// The process is gone, and every connection with it.
    pub(crate) fn end_process(&mut self) {
        self.uptime_before = self.uptime();
        self.note_life();
        self.count_moves();
        self.forget_reload();
        self.process = None;
        self.under_way.clear();
        // Numbers of names that nothing durable was acknowledged under may become others (F6).
        let watching = &mut self.watching;
        if watching.answers.acknowledged.is_empty() && watching.deliveries.told.is_empty() {
            watching.policies.begin_anew();
            self.numbers.clear();
        }
        for resource in self.watching.commands.rebasing() {
            self.watching.answers.begins_anew(resource);
        }
        self.watching.answers.disconnected();
        self.watching.deliveries.disconnected();
        self.watching.refilled.disconnected();
        self.authorities.disconnected();
        self.listings.disconnected();
        self.comparisons.disconnected();
        self.watching.said.disconnected();
        self.watching.brought.disconnected();
        self.arrivals.disconnected();
        let outages = &mut self.watching.outages;
        outages.disconnected();
        self.counts.add("outage", "surely down", std::mem::take(&mut outages.outages));
        self.counts.add("outage", "probes", std::mem::take(&mut outages.probes));
        self.watching.commands.disconnected();
        self.consumers_disconnected();
        for post in self.provider.disconnected() {
            self.counts.hit("provider", "connection broke");
            self.provider.is_put_off(post);
            let at = self.now + self.provider.pause();
            self.schedule.plan(at, Happening::Post(post));
        }
    }

    /// What the metrics of destinations say.
    pub(crate) fn note_destinations(&mut self) {
        let Some(process) = &mut self.process else { return };
        for (id, destination) in process.node.destinations() {
            let is_open = destination.is_open();
            if process.open.contains(id) != is_open {
                let name = if is_open { "breaker opened" } else { "breaker closed" };
                self.counts.hit("outage", name);
                match is_open {
                    true => process.open.insert(*id),
                    false => process.open.remove(id),
                };
            }
            for (pool, name) in [(Pool::Usual, "usual"), (Pool::Slow, "slow")] {
                self.counts.add("pool", name, u64::from(destination.in_flight_of(pool) > 0));
            }
        }
    }

    /// How keys came into memory and left it in this process.
    fn count_moves(&mut self) {
        let Some(process) = &self.process else { return };
        let tally = process.node.log().tally();
        self.counts.add("body", "packed", tally.packed);
        self.counts.add("body", "packed with a dictionary", tally.with_dictionary);
        for moves in process.node.partitions().map(|partition| partition.moves()) {
            self.counts.add("memory", "left: nothing to do", moves.left_idle);
            self.counts.add("memory", "left: waits for its time", moves.left_waiting);
            self.counts.add("memory", "left: waits for an operator", moves.left_stopped);
            self.counts.add("memory", "permit withdrawn", moves.withdrawn);
            self.counts.add("memory", "back: a lane is due", moves.lanes_due);
            self.counts.add("memory", "back: a hold ends", moves.holds_due);
            let acknowledgements = moves.acknowledgements_due;
            self.counts.add("memory", "back: not acknowledged", acknowledgements);
            self.counts.add("memory", "turn of an unordered key over", moves.turns_over);
        }
        for tally in process.node.partitions().map(|partition| partition.forgetting()) {
            self.counts.add("forgetting", "forgotten", tally.forgotten);
            self.counts.add("forgetting", "came back", tally.returned);
            self.counts.add("forgetting", "tombstone became a floor", tally.dropped);
            self.counts.add("forgetting", "began behind a floor", tally.behind);
        }
    }

    fn state_suffers(&mut self) {
        let lost = if self.faults.state_loses { self.dice.index(4) } else { 0 };
        if lost > 0 {
            self.counts.hit("fault", "state lost batches");
        }
        self.state.crash(lost);
        if self.faults.state_wiped && self.dice.chance(400) {
            self.counts.hit("fault", "state lost");
            if self.archive.values().any(|deleted| !deleted.is_empty()) {
                self.counts.hit("retention", "state lost behind a deletion");
            }
            self.state.wipe();
        } else if self.faults.state_foreign && self.dice.chance(400) {
            self.counts.hit("fault", "state of another log");
            self.state.replace();
        }
    }

    /// An orderly end: nothing new is taken, everything is stored first.
    fn shut_down(&mut self) {
        let ticket = self.next_ticket();
        let Some(process) = self.process.as_mut().filter(|process| process.stopping.is_none())
        else {
            return;
        };
        process.stopping = Some(ticket);
        process.node.store_now(ticket);
        self.note("shutdown");
        self.turn();
    }

    /// Everything is stored: the process that waited for it ends.
    pub(crate) fn stored(&mut self) {
        // One that was asked for before everything was repaired is no end of the simulation; nor is one while which
        // a source was asked for what follows, and gave it.
        if std::mem::take(&mut self.is_ending) && self.is_through() {
            self.finish();
            return;
        }
        self.counts.hit("fault", "clean shutdown");
        self.end_process();
        self.disk.restart();
        self.state.crash(0);
        let down = self.dice.between(MILLISECOND, self.faults.downtime);
        self.schedule.plan(self.now + down, Happening::Start);
    }

    fn claim(&mut self) {
        let partition = self.dice.below(u64::from(self.setting.partitions));
        let partition = PartitionId(u16::try_from(partition).unwrap_or(0));
        let Some(process) = &mut self.process else { return };
        process.node.log_mut().claim_by_another(partition);
        self.counts.hit("fault", "claimed by another owner");
        self.note("claimed by another owner");
        self.turn();
    }

    fn step_clock(&mut self) {
        let seconds = self.dice.between(1, 7_200) * SECOND;
        let step = i64::try_from(seconds).unwrap_or(0);
        let (skew, name) = match self.dice.chance(500) {
            true => (step, "clock forwards"),
            false => (-step, "clock back"),
        };
        self.skew = skew;
        self.counts.hit("fault", name);
        self.note(name);
    }

    /// The machine sleeps: nothing of it moves, time goes on.
    fn suspend(&mut self) {
        if self.process.is_none() || self.now < self.frozen_until {
            return;
        }
        let away = self.dice.between(100 * MILLISECOND, 60 * SECOND);
        self.frozen_until = self.now + away;
        self.schedule.plan(self.frozen_until, Happening::Strike(Strike::Thaw(away)));
        self.counts.hit("fault", "suspended");
        self.note("suspended");
    }

    fn thaw(&mut self, away: u64) {
        if let Some(process) = &mut self.process {
            process.away += away.saturating_sub(SECOND);
        }
        self.watching.outages.thawed(self.now);
        self.note("goes on");
    }

    fn fill_disk(&mut self) {
        let left = self.disk_dice.below(LITTLE_SPACE);
        let used = self.disk.used() as u64;
        self.disk.set_capacity(usize::try_from(used + left).ok());
        self.counts.hit("fault", "disk full");
        self.note("the disk is nearly full");
        let until = self.now + self.disk_dice.between(50 * MILLISECOND, 3 * SECOND);
        self.schedule.plan(until, Happening::Strike(Strike::SpaceFreed));
    }

    /// A consumer's process ends: who waits for its answer loses the connection.
    fn consumer_dies(&mut self) {
        let ids: Vec<_> = self.watching.policies.destinations.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.dice.pick(&ids);
        let name = self.destination_name(id);
        self.consumers.die(&name, self.now + self.dice.between(MILLISECOND, 4 * SECOND));
        self.counts.hit("consumer", "consumer died");
        self.note("a consumer dies");
        let (now, life) = (self.now, self.life);
        let to = |attempt: &Attempt| attempt.destination == id;
        let waiting = self.under_way.iter_mut().filter(|(_, under_way)| to(&under_way.attempt));
        for ((partition, attempt), under_way) in waiting {
            under_way.cut = true;
            self.schedule.plan(now, Happening::Reply(life, *partition, *attempt));
        }
    }

    /// Every attempt to a destination goes wrong for a while, all in the same way.
    fn outage(&mut self) {
        let ids: Vec<_> = self.watching.policies.destinations.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.dice.pick(&ids);
        let name = self.destination_name(id);
        let what = self.consumers.fail(&name, self.now);
        self.counts.hit("consumer", what);
        self.note(what);
    }

    /// One event, again and again, while its key may still be on its way into memory.
    fn flood(&mut self) {
        let cold = self.resources.iter().rposition(|resource| !resource.name.is_empty());
        let resource = cold.expect("there are KEYS resources");
        let source = &self.sources[self.resources[resource].source];
        let post = flood_post(&mut self.dice, resource, source, self.now);
        self.counts.hit("fault", "flood");
        self.note("flood");
        for _ in 0..FLOOD {
            let number = self.provider.add(post.clone());
            self.schedule.plan(self.now, Happening::Post(number));
        }
    }
}
