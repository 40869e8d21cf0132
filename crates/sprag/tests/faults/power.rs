//! The power goes away (rules D1, F1, F10): all the process did to its files is recorded, and for moments
//! in that record a directory is made as the disk may be then. On each of them the gateway starts, and
//! everything acknowledged before that moment is there, once, in order.
//!
//! The state store is part of it: it may come back older, torn or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::image::{self, Disk, Files, LOSSES, Loss};
use crate::rounds::{Rounds, seed};
use crate::shim;
use crate::support::dice::Dice;
use crate::support::fault::Fault;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::world::{DESTINATIONS, World};
use crate::trace::{self, Happened, Record};

/// Losses that are tried of each recorded run.
const LOSSES_OF_A_RUN: usize = 8;
const IMAGES: usize = 2 * LOSSES_OF_A_RUN;
/// New events a run brings at most.
const EVENTS: usize = 2_000;
/// And what brings an image to an end.
const LAST: usize = 100;
/// Images that recover at the same time: they mostly wait.
const SIDE_BY_SIDE: usize = 4;
/// Records at the beginning of a run that belong to recovery.
const STARTING: usize = 60;

/// Segments are sealed each second, and written anew without their bodies soon after.
const HEAD: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = "DIRECTORY/data"
partitions = 4
[limits]
disk_reserve = "1MiB"
[retention]
bodies = "1s"
"#;

/// A gateway whose power goes away again and again, with what is counted.
struct Power {
    world: World,
    seed: u64,
    dice: Dice,
    /// What the disk held when the process was started.
    base: Files,
    /// How long all traces before were.
    before: u64,
    at_risk: usize,
    moments: BTreeMap<&'static str, usize>,
    /// How many of each kind were made.
    files: BTreeMap<&'static str, usize>,
}

impl Power {
    async fn new(seed: u64) -> Self {
        Self {
            world: World::new(HEAD, seed, &DESTINATIONS).await,
            seed,
            dice: Dice::new(seed ^ 0x706f_7765),
            base: Files::new(),
            before: 0,
            at_risk: 0,
            moments: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Runs the gateway under load, ends it, and gives what it did.
    async fn record(&mut self) -> Vec<Record> {
        let trace = self.world.setup.directory.path().join("trace");
        shim::record(&mut self.world.setup, &trace);
        let before = self.before;
        let length = shim::moments(&trace);
        let moments: crate::support::ledger::Moments =
            std::sync::Arc::new(move || before + length());
        self.world.consumer.keeps(moments.clone());
        locked(&self.world.ledger, |ledger| {
            ledger.moments = moments;
            ledger.allow(EVENTS);
        });
        let mut gateway = self.world.serve();
        let providers = load::start(&self.world.ledger, gateway.listen, Ledger::next);
        let wait = u64::try_from(700 + self.dice.below(2_000)).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        gateway.process.kill();
        self.world.consumer.fence().await;
        providers.join_all().await;
        self.world.no_problems();
        let records = trace::read(&trace);
        self.is_whole(&records);
        for record in &records {
            if let Happened::Created { name, .. } = &record.happened {
                *self.files.entry(kind_of(name)).or_default() += 1;
            }
        }
        records
    }

    /// Nothing that changed a file escaped the record.
    fn is_whole(&self, records: &[Record]) {
        let mut disk = Disk::new(&self.base);
        records.iter().for_each(|record| disk.follow(record));
        let (recorded, real) = (disk.files(), image::files(&shim::data(&self.world.setup)));
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&recorded), names(&real), "files that were not recorded");
        for (name, bytes) in &real {
            assert!(recorded[name] == *bytes, "{name} was changed in ways that are not recorded");
        }
    }

    /// Where in a record the power goes away: at the moments that matter, one kind after another.
    fn moment(&mut self, records: &[Record], turn: usize) -> usize {
        let (kind, is): (_, fn(&Happened) -> bool) = match turn % 4 {
            0 => ("before a sync ends", |one| matches!(one, Happened::Synced { .. })),
            1 => ("at a change of names", |one| {
                let named = matches!(one, Happened::Created { .. } | Happened::Renamed { .. });
                named || matches!(one, Happened::Removed { .. })
            }),
            2 => ("anywhere", |_| true),
            _ => ("while starting", |_| true),
        };
        let last = if turn % 4 == 3 { STARTING.min(records.len()) } else { records.len() };
        let matching: Vec<usize> =
            (0..last).filter(|at| is(&records[*at].happened)).collect();
        *self.moments.entry(kind).or_default() += 1;
        // Before that, or right behind it.
        matching[self.dice.below(matching.len())] + self.dice.below(2)
    }

    /// The disk as it may be when the power goes away after so many records.
    fn loses(&mut self, records: &[Record], until: usize, loss: Loss) -> Files {
        let mut disk = Disk::new(&self.base);
        records[..until].iter().for_each(|record| disk.follow(record));
        self.at_risk += disk.at_risk();
        disk.after(loss, &mut self.dice)
    }

    /// A world that knows what was known at a moment, with such a disk.
    async fn as_of(&mut self, moment: u64, files: &Files) -> World {
        self.seed += 1;
        let mut world = World::new(HEAD, self.seed, &DESTINATIONS).await;
        image::write(files, &shim::data(&world.setup));
        let ledger = locked(&self.world.ledger, |ledger| ledger.as_of(moment, self.seed));
        world.ledger = std::sync::Arc::new(std::sync::Mutex::new(ledger));
        world.consumer.remembers(&self.world.consumer, moment);
        world.consumer.calm_down();
        world.last = LAST;
        world
    }

    /// Goes on with what a loss at the end of a run left.
    fn goes_on(&mut self, records: &[Record], loss: Loss) {
        let files = self.loses(records, records.len(), loss);
        let data = shim::data(&self.world.setup);
        fs::remove_dir_all(&data).unwrap();
        image::write(&files, &data);
        self.base = files;
        self.before += records.last().map_or(0, |last| last.moment);
    }
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((number, "segment")) if number.contains('-') => "rewritten segment",
        Some((_, "segment")) => "segment",
        Some((_, "index")) => "index",
        _ => "other",
    }
}

/// Starts on what the disk holds, and brings everything to an end.
async fn recovers(world: World) -> World {
    let gateway = world.serve();
    world.drain(&gateway).await;
    gateway.stop();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_power_goes_away() {
    let mut fault = Fault::new(
        "power loss",
        "D1: a 2xx leaves after the sync of its frame; recovery keeps whole frames and drops a torn tail",
    );
    let mut power = Power::new(seed(21)).await;
    let mut records = Vec::new();
    let mut under_way = Vec::new();
    let side_by_side = LocalSet::new();
    for round in Rounds::of(IMAGES) {
        let turn = (round - 1) % LOSSES_OF_A_RUN;
        let loss = LOSSES[(round - 1) % LOSSES.len()];
        if turn == 0 {
            if round > 1 {
                power.goes_on(&records, loss);
            }
            records = side_by_side.run_until(power.record()).await;
        }
        let until = power.moment(&records, turn);
        let files = power.loses(&records, until, loss);
        let moment = until.checked_sub(1).map_or(0, |last| records[last].moment) + power.before;
        println!("round {round}: {loss:?} after {until} of {} records", records.len());
        let world = power.as_of(moment, &files).await;
        under_way.push(side_by_side.spawn_local(recovers(world)));
        fault.rounds += 1;
        if under_way.len() == SIDE_BY_SIDE || turn + 1 == LOSSES_OF_A_RUN {
            for recovering in under_way.drain(..) {
                fault.judge(&side_by_side.run_until(recovering).await.unwrap());
            }
        }
    }
    for recovering in under_way {
        fault.judge(&side_by_side.run_until(recovering).await.unwrap());
    }
    let Power { at_risk, moments, files, .. } = &power;
    fault.seen(format!(
        "{at_risk} changes that were not synced lost in five ways, {moments:?}; files made meanwhile: {files:?}"
    ));
}
