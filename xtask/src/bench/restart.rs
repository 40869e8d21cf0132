//! From the start of the program until it is ready, with millions of events in the log: after `kill -9` under load,
//! and with its state store deleted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Gateway, Place, Source};
use super::table::{Line, Side};
use super::{Bench, Load, consumer, disk};
use crate::failure::Failure;
use crate::process::now;

/// Until it is ready.
const PATIENCE: Duration = Duration::from_secs(600);
/// Keys of the events in the log.
const KEYS: u64 = 100_000;
/// Events that come in before each kill: the state store has not seen the last of them.
const BEFORE_KILL: u64 = 20_000;

/// Measures with so many events in the log.
pub(crate) fn measure(bench: &Bench, events: u64, rounds: u32) -> Result<Vec<Line>, Failure> {
    let place = Place::empty(bench, "restart", Source::Made)?;
    let keys = KEYS.min(events);
    let filled =
        Fill { events, keys, attempts: Attempts::Answered, corpus: None }.write(bench, &place)?;
    let consumer = consumer::consumer(bench, false)?;
    let start = || -> Result<(Gateway, f64), Failure> {
        let began = now();
        let gateway = place.serve(bench, consumer.address, PATIENCE)?;
        Ok((gateway, began.elapsed().as_secs_f64()))
    };
    let (mut gateway, orderly) = start()?;
    let mut seconds = Vec::new();
    for number in 1..=rounds {
        let begin = u64::from(number - 1) * BEFORE_KILL;
        // Keys of their own, so that each has its first sequence.
        let load = Load::new(BEFORE_KILL, u32::try_from(BEFORE_KILL).unwrap_or(u32::MAX));
        let load = Load { first_key: KEYS + begin, first_event: events + 1 + begin, ..load };
        let load = bench.load_of("before-kill", load)?;
        let mut sending = load.send(gateway.listen, 0.0)?;
        sending.wait()?;
        sending.finish()?;
        gateway.server.end("KILL");
        let (next, took) = start()?;
        println!("  restart {number} of {rounds}: ready in {took:.2} s");
        gateway = next;
        seconds.push(took);
    }
    gateway.server.end("TERM");
    let (log, state) = (disk::bytes(&place.data().join("log"))?, state_bytes(&place.data())?);
    delete_state(&place.data())?;
    let (gateway, rebuilt) = start()?;
    let memory = gateway.server.memory_mib()?;
    drop(gateway);
    fs::remove_dir_all(&place.room).map_err(Failure::while_doing("removing a log"))?;
    let of_log = format!(
        "{events} events over {keys} keys, filled once in {:.0} s; log {} MiB, state {} MiB",
        filled.seconds,
        log >> 20,
        state >> 20
    );
    Ok(vec![
        Line {
            what: "restart to ready, 10 M events in the log",
            name: "restart",
            side: Side::AtMost,
            targets: [5.0, 2.0],
            unit: "s",
            precision: 2,
            measured: Spread::of(seconds.into_iter()),
            how: format!(
                "{rounds} times after kill -9 right behind {BEFORE_KILL} events; after an orderly stop \
                 {orderly:.2} s; {of_log}"
            ),
        },
        Line {
            what: "rebuild of deleted state, 10 M events in the log",
            name: "rebuild",
            side: Side::AtMost,
            targets: [120.0, 60.0],
            unit: "s",
            precision: 1,
            measured: Spread::of([rebuilt].into_iter()),
            how: format!("once; memory when ready {memory:.0} MiB; {of_log}"),
        },
    ])
}

/// The files of the state store in a data directory.
fn state_files(data: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let names = ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"];
    names.map(|name| data.join(name)).into_iter().filter(|path| path.exists())
}

fn state_bytes(data: &Path) -> Result<u64, Failure> {
    state_files(data).map(|path| disk::bytes(&path)).sum()
}

fn delete_state(data: &Path) -> Result<(), Failure> {
    let mut files = state_files(data);
    files.try_for_each(|path| fs::remove_file(path).map_err(Failure::while_doing("the state")))
}
