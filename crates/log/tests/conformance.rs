//! The embedded engine keeps the promises of the suite: on a real directory, on the simulated
//! disk, and with segments so small that every few frames begin another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, though not all in test functions")]

use sprag_log::conformance::{PARTITIONS, Persistence, run};
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::embedded::{Disk, EmbeddedLog, FileDisk, Options};
use sprag_log::pack::Packing;
use std::cell::RefCell;
use std::collections::HashMap;

fn options(segment_bytes: u64, packing: Packing) -> Options {
    Options { segment_bytes, packing, samples: 8192, ..Options::new(PARTITIONS, 7) }
}

/// Large and small segments, bodies as received and packed.
const VARIANTS: [(u64, Packing); 4] = [
    (64 << 20, Packing::None),
    (1000, Packing::None),
    (64 << 20, Packing::Zstd),
    (1000, Packing::Zstd),
];

fn turn<D: Disk>(log: &mut EmbeddedLog<D>) {
    while log.step() {}
}

#[test]
fn on_a_real_directory() {
    let directory = tempfile::tempdir().unwrap();
    for (segment_bytes, packing) in VARIANTS {
        let open = |name: &str| {
            let path = directory.path().join(format!("{segment_bytes}-{packing:?}-{name}"));
            EmbeddedLog::open(FileDisk::open(&path).unwrap(), options(segment_bytes, packing))
                .unwrap()
                .0
        };
        run(Persistence::Kept, open, turn);
    }
}

#[test]
fn on_the_simulated_disk() {
    for (segment_bytes, packing) in VARIANTS {
        let disks: RefCell<HashMap<String, SimulatedDisk>> = RefCell::default();
        let open = |name: &str| {
            let mut disks = disks.borrow_mut();
            let disk = disks.entry(name.to_owned()).or_insert_with(|| SimulatedDisk::new(1));
            EmbeddedLog::open(disk.clone(), options(segment_bytes, packing)).unwrap().0
        };
        run(Persistence::Kept, open, turn);
    }
}

#[test]
fn on_the_simulated_disk_after_a_power_cut() {
    for seed in 0..50 {
        let packing = if seed % 2 == 0 { Packing::None } else { Packing::Zstd };
        let disks: RefCell<HashMap<String, SimulatedDisk>> = RefCell::default();
        let open = |name: &str| {
            let mut disks = disks.borrow_mut();
            let disk = disks.entry(name.to_owned()).or_insert_with(|| SimulatedDisk::new(seed));
            disk.power_cut();
            EmbeddedLog::open(disk.clone(), options(1000, packing)).unwrap().0
        };
        run(Persistence::Kept, open, turn);
    }
}
