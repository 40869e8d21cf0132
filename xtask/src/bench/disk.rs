//! Bytes on disk after sealing beside the bytes of the bodies, with GitHub's published examples.
//!
//! The corpus is filled in again and again, each round with other numbers, hashes, times and node ids
//! (`examples/bench_fill/corpus.rs`): one round alone is shorter than what a dictionary is trained on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::Bench;
use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Place, READY, Source};
use super::server::{free_address, wait_for};
use super::table::{Line, Side};
use crate::failure::Failure;

/// Bodies of the corpus (version 7.6.1).
const EXAMPLES: u64 = 328;
/// Until the indexes of sealed segments are written; an eighth of a second each.
const SEAL: Duration = Duration::from_secs(60);
/// Sizes that stay for so long are final.
const STILL: Duration = Duration::from_millis(1_500);
/// Bytes the file system counts a block with, whatever its own blocks are (stat(2)).
const BLOCK: u64 = 512;

/// Bytes that a file, or all in a directory, take on disk.
pub(crate) fn bytes(path: &Path) -> Result<u64, Failure> {
    let shown = path.display().to_string();
    let failed = || Failure::while_doing(shown.clone());
    let metadata = fs::symlink_metadata(path).map_err(failed())?;
    let mut sum = metadata.blocks() * BLOCK;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(failed())? {
            sum += bytes(&entry.map_err(failed())?.path())?;
        }
    }
    Ok(sum)
}

/// Measures with so many rounds of the corpus.
pub(crate) fn measure(bench: &Bench, corpus: &Path, rounds: u64) -> Result<Vec<Line>, Failure> {
    let (once, _) = ratio(bench, corpus, EXAMPLES)?;
    let events = EXAMPLES * rounds;
    let (measured, parts) = ratio(bench, corpus, events)?;
    Ok(vec![Line {
        what: "bytes on disk after sealing ÷ bytes of bodies, GitHub's examples",
        name: "disk",
        side: Side::AtMost,
        targets: [1.4, 0.6],
        unit: "",
        precision: 3,
        measured: Spread::of([measured].into_iter()),
        how: format!(
            "once, {rounds} rounds of {EXAMPLES} bodies, of which {parts}; one round alone, where the least \
             sizes of files count most: {once:.2}"
        ),
    }])
}

/// The ratio, and what takes which share.
fn ratio(bench: &Bench, corpus: &Path, events: u64) -> Result<(f64, String), Failure> {
    let place = Place::empty(bench, "corpus", Source::Github)?;
    let fill = Fill { events, keys: 1, attempts: Attempts::Answered, corpus: Some(corpus) };
    let bodies = fill.write(bench, &place)?.body_bytes;
    // A new term begins a new segment: what was written before is sealed.
    let gateway = place.serve(bench, free_address()?, READY)?;
    let (mut size, mut since) = (0, crate::process::now());
    wait_for(SEAL, || {
        let newest = bytes(&place.data())?;
        if newest != size {
            (size, since) = (newest, crate::process::now());
        }
        Ok((since.elapsed() >= STILL).then_some(()))
    })?;
    gateway.server.end("TERM");
    let share = |bytes: u64| share(bytes, bodies);
    let (all, log) = (bytes(&place.data())?, place.data().join("log"));
    let indexes = indexes(&log)?;
    let log = bytes(&log)?;
    let parts = format!(
        "log {:.3}, indexes {:.3}, state {:.3}; {} MiB of bodies",
        share(log - indexes),
        share(indexes),
        share(all - log),
        bodies >> 20
    );
    fs::remove_dir_all(&place.room).map_err(Failure::while_doing("removing a log"))?;
    Ok((share(all), parts))
}

fn indexes(log: &Path) -> Result<u64, Failure> {
    let reading = || Failure::while_doing("reading the log's directory");
    let mut sum = 0;
    for entry in fs::read_dir(log).map_err(reading())? {
        let path = entry.map_err(reading())?.path();
        if path.extension().is_some_and(|extension| extension == "index") {
            sum += bytes(&path)?;
        }
    }
    Ok(sum)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files, far below 2^52")]
fn share(bytes: u64, of: u64) -> f64 {
    bytes as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_all_that_is_in_it() {
        let room = std::env::temp_dir().join(format!("xtask-disk-{}", std::process::id()));
        fs::create_dir_all(room.join("inner")).unwrap();
        fs::write(room.join("inner/a"), vec![7; 100_000]).unwrap();
        fs::File::open(room.join("inner/a")).unwrap().sync_all().unwrap();
        assert!(bytes(&room).unwrap() >= 100_000);
        assert!(bytes(&room.join("absent")).is_err());
        fs::remove_dir_all(room).unwrap();
    }
}
