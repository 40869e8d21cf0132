//! The power goes away (rules D1, F1, F10): all the process did to its files is recorded, and for moments
//! in that record a directory is made as the disk may be then. On each of them the gateway starts, and
//! everything acknowledged before that moment is there, once, in order.
//!
//! The state store is part of it: it may come back older, torn or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::{JoinHandle, LocalSet};

use crate::image::LOSSES;
use crate::recorded::Recorded;
use crate::support::fault::Fault;
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::World;
use crate::trace::{Happened, Record};

/// Losses that are tried of each recorded run.
const LOSSES_OF_A_RUN: usize = 6;
const IMAGES: usize = 2 * LOSSES_OF_A_RUN;
/// New events a run brings at most.
const EVENTS: usize = 500;
/// Records at the beginning of a run that belong to recovery.
const STARTING: usize = 60;
/// Images that recover at the same time: they mostly wait.
const SIDE_BY_SIDE: usize = 4;
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

/// Names of fields of the row.
type Counts = BTreeMap<&'static str, usize>;

/// A gateway whose power goes away again and again, with what is counted.
struct Power {
    recorded: Recorded,
    moments: Counts,
    files: Counts,
}

impl Power {
    /// Runs the gateway under load, ends it, and gives what it did.
    async fn run(&mut self, events: usize) -> Vec<Record> {
        self.recorded.record();
        let world = &self.recorded.world;
        locked(&world.ledger, |ledger| ledger.allow(events));
        let mut gateway = world.serve();
        let providers = load::start(&world.ledger, gateway.listen, Ledger::next);
        let wait = u64::try_from(700 + self.recorded.dice.below(1_800)).unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        gateway.process.kill();
        world.consumer.fence().await;
        providers.join_all().await;
        world.no_problems();
        let records = self.recorded.records();
        for record in &records {
            if let Happened::Created { name, .. } = &record.happened {
                *self.files.entry(kind_of(name)).or_default() += 1;
            }
        }
        records
    }

    /// Where in a record the power goes away: at the moments that matter, one kind after another.
    fn moment(&mut self, records: &[Record], turn: usize) -> usize {
        let (kind, is): (_, fn(&Happened) -> bool) = match turn % 4 {
            0 => ("before a sync ends", |one| matches!(one, Happened::Synced { .. })),
            1 => ("at a change of names", |one| {
                let named = matches!(one, Happened::Created { .. } | Happened::Renamed { .. });
                named || matches!(one, Happened::Removed { .. })
            }),
            2 => ("while starting", |_| true),
            _ => ("anywhere", |_| true),
        };
        let last = if turn % 4 == 2 { STARTING.min(records.len()) } else { records.len() };
        let matching: Vec<usize> = (0..last).filter(|at| is(&records[*at].happened)).collect();
        *self.moments.entry(kind).or_default() += 1;
        let dice = &mut self.recorded.dice;
        // Before that, or right behind it.
        matching[dice.below(matching.len())] + dice.below(2)
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

/// Worlds that start on what their disks hold and bring everything to an end, side by side.
#[derive(Default)]
pub(crate) struct Recovering {
    together: LocalSet,
    under_way: Vec<JoinHandle<World>>,
}

impl Recovering {
    pub(crate) async fn add(&mut self, world: World, fault: &mut Fault) {
        self.under_way.push(self.together.spawn_local(async move {
            let gateway = world.serve();
            world.drain(&gateway).await;
            gateway.stop();
            world
        }));
        fault.rounds += 1;
        if self.under_way.len() == SIDE_BY_SIDE {
            self.end(fault).await;
        }
    }

    /// Waits for all, and judges them.
    pub(crate) async fn end(&mut self, fault: &mut Fault) {
        for recovering in self.under_way.drain(..) {
            fault.judge(&self.together.run_until(recovering).await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_power_goes_away() {
    let mut fault = Fault::new(
        "power loss",
        "D1: a 2xx leaves after the sync of its frame; recovery keeps whole frames and drops a torn tail",
    );
    let recorded = Recorded::new(HEAD, seed(21)).await;
    let mut power = Power { recorded, moments: Counts::new(), files: Counts::new() };
    let mut records = Vec::new();
    let mut recovering = Recovering::default();
    for round in Rounds::of(IMAGES) {
        let turn = (round - 1) % LOSSES_OF_A_RUN;
        let loss = LOSSES[(round - 1) % LOSSES.len()];
        if turn == 0 {
            recovering.end(&mut fault).await;
            if round > 1 {
                power.recorded.goes_on(&records, loss);
            }
            records = power.run(EVENTS).await;
        }
        let until = power.moment(&records, turn);
        println!("round {round}: {loss:?} after {until} of {} records", records.len());
        let files = power.recorded.loses(&records, until, loss);
        let world = power.recorded.as_of(&records, until, &files).await;
        recovering.add(world, &mut fault).await;
    }
    recovering.end(&mut fault).await;
    let Power { recorded: Recorded { at_risk, .. }, moments, files } = &power;
    fault.seen(format!(
        "{at_risk} changes that were not synced, lost in five ways: {}; files made meanwhile: {}",
        told(moments),
        told(files)
    ));
}

fn told(counts: &Counts) -> String {
    let one = |(what, count): (&&str, &usize)| format!("{count} {what}");
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Events of the run whose last batch is torn.
const FEW: usize = 40;
/// Places where it is torn.
const PLACES: usize = 8;

/// The last write of the log: the records up to it, and its length.
fn last_batch(records: &[Record]) -> (usize, usize) {
    let logs = records.iter().filter_map(|record| match &record.happened {
        Happened::Created { file, name } if name.ends_with(".segment") => Some(*file),
        _ => None,
    });
    let logs: Vec<u64> = logs.collect();
    let is_log = |one: &Happened| match one {
        Happened::Written { file, bytes, .. } => {
            logs.contains(file) && bytes.iter().any(|byte| *byte != 0)
        }
        _ => false,
    };
    let at = records.iter().rposition(|record| is_log(&record.happened)).expect("a batch");
    let Happened::Written { bytes, .. } = &records[at].happened else { unreachable!() };
    (at + 1, bytes.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_frame_is_torn_at_every_byte() {
    let mut fault = Fault::new(
        "torn frame",
        "D1: what was not synced was not acknowledged: a torn tail is dropped and reported, whole frames are kept",
    );
    let recorded = Recorded::new(HEAD, seed(22)).await;
    let mut power = Power { recorded, moments: Counts::new(), files: Counts::new() };
    let records = power.run(FEW).await;
    let (until, length) = last_batch(&records);
    let disk = power.recorded.disk(&records, until);
    let mut recovering = Recovering::default();
    let rounds = Rounds::of(PLACES);
    let places = rounds.planned().max(2);
    for round in rounds {
        // From the first byte to the last, all of them when there are rounds enough.
        let kept = ((round - 1) * length).div_ceil(places - 1).min(length);
        let files = disk.torn(kept);
        let world = power.recorded.as_of(&records, until, &files).await;
        recovering.add(world, &mut fault).await;
    }
    recovering.end(&mut fault).await;
    fault.seen(format!("the last {length} bytes of the log kept up to {places} places, evenly"));
}
