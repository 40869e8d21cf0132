//! One key with very many events behind a halt: what others lose by it, what memory it takes, and whether what others
//! leave on disk still goes.

use std::thread;
use std::time::Duration;

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Place, Source};
use super::load::LoadFile;
use super::run::{Run, ratios, rounds};
use super::table::{Line, Side};
use super::{Bench, Load, consumer, disk};
use crate::failure::Failure;
use crate::process::now;

/// Until a gateway is ready on it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bodies are kept for so long where it is looked whether they go.
const KEPT: &str = "20s";
/// Until they are gone: they are old enough after that time, and their segments are looked at now and then.
const GONE: Duration = Duration::from_secs(150);
/// Nothing more is gone for so long: then all is that goes.
const STILL: Duration = Duration::from_secs(30);
/// Between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Measures with so many events behind the halt, and `events` of others in each run. History is as long without the halt: there
/// all of them were delivered.
pub(crate) fn measure(
    bench: &Bench,
    behind: u64,
    events: u64,
    keys: u32,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    let filled = |name, attempts| {
        let place = Place::empty(bench, name, Source::Made)?;
        let fill = Fill { events: behind, keys: 1, attempts, corpus: None }.write(bench, &place)?;
        Ok::<_, Failure>((place, fill))
    };
    let (delivered, _) = filled("delivered", Attempts::Answered)?;
    let (halted, fill) = filled("halted", Attempts::Gone)?;
    let load = Load { first_key: 1, first_event: behind + 1, ..Load::new(events, keys) };
    let load = bench.load_of("others", load)?;
    let kinds = rounds::<2>("without a halted key; with it", number, |kind| {
        let consumer = consumer::consumer(bench, false)?;
        let filled = if kind == 0 { &delivered } else { &halted };
        let place = filled.copy(bench, "gateway")?;
        let mut gateway = place.serve(bench, consumer.address, PATIENCE)?;
        Run::of(&mut gateway, &load, load.events)
    })?;
    let more = kinds.iter().map(|[without, with]| with.memory_mib - without.memory_mib);
    let how = format!(
        "{number} rounds of {events} events over {keys} keys; {behind} of one key wait, or were delivered, filled once with at most {:.0} MiB",
        fill.memory_mib
    );
    let speed = Line {
        what: "one key with 1 M events behind a halt: throughput of others ÷ without",
        name: "halted_throughput",
        side: Side::AtLeast,
        targets: [0.9, 0.95],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios(&kinds, 1, 0)),
        how: how.clone(),
    };
    let memory = Line {
        what: "… memory beside the same without",
        name: "halted_memory",
        side: Side::AtMost,
        targets: [50.0, 25.0],
        unit: "MiB",
        precision: 0,
        measured: Spread::of(more),
        how,
    };
    Ok(vec![speed, memory, freed(bench, &halted, &load)?])
}

/// How much of what others added to the log is gone once their bodies are old enough.
fn freed(bench: &Bench, filled: &Place, load: &LoadFile) -> Result<Line, Failure> {
    let place = filled.copy(bench, "gateway")?.keeping(KEPT);
    let consumer = consumer::consumer(bench, false)?;
    let mut gateway = place.serve(bench, consumer.address, PATIENCE)?;
    let log = place.data().join("log");
    let before = disk::bytes(&log)?;
    Run::of(&mut gateway, load, load.events)?;
    let (until, mut most) = (now() + GONE, disk::bytes(&log)?);
    let (mut least, mut fell) = (most, None);
    while now() < until && fell.is_none_or(|fell| now() < fell + STILL) {
        thread::sleep(LOOK_EVERY);
        gateway.server.check()?;
        let bytes = disk::bytes(&log)?;
        most = most.max(bytes);
        if bytes < least {
            (least, fell) = (bytes, Some(now()));
        }
    }
    let freed = share(most - least, most.saturating_sub(before));
    Ok(Line {
        what: "… disk of others: share that retention frees",
        name: "halted_disk",
        side: Side::AtLeast,
        targets: [0.6, 0.75],
        unit: "",
        precision: 2,
        measured: Spread::of([freed].into_iter()),
        how: format!(
            "once, bodies not packed and kept for {KEPT}: log {} MiB with the halted key alone, {} with {} events of \
             others, {} after; facts stay, and bodies of the halted key",
            before >> 20,
            most >> 20,
            load.events,
            least >> 20
        ),
    })
}

#[expect(clippy::cast_precision_loss, reason = "bytes on a disk, far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
