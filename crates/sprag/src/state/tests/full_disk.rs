//! The store on a small file system of its own, in a mount namespace of its own: that needs root, or
//! user namespaces.
//!
//! The test starts itself once more in there. From outside it would not do: SQLite resolves a path through
//! `/proc` to what lies under it in its own namespace.

use std::env;
use std::process::Command;

use super::*;

/// Of the file system, in MiB: little beside what the write-ahead log grows to where it may.
const SIZE: usize = 2;
/// Batches of some pages each: many times what the file system holds.
const BATCHES: u64 = 2_000;
/// Says where the file system is, to the test within.
const WITHIN: &str = "SPRAG_TEST_FULL_DISK";

#[test]
fn the_write_ahead_log_takes_no_more_than_the_disk_has() {
    if let Some(directory) = env::var_os(WITHIN) {
        return write_many(Path::new(&directory));
    }
    let directory = TempDir::new().unwrap();
    let at = directory.path().display();
    let name = "state::tests::full_disk::the_write_ahead_log_takes_no_more_than_the_disk_has";
    let test = env::current_exe().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={SIZE}m none {at} && exec {} --exact {name} --nocapture",
        test.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    let ended = command.env(WITHIN, directory.path()).output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn write_many(directory: &Path) {
    let size = fs4::total_space(directory).unwrap();
    assert_eq!(size, (SIZE as u64) << 20, "the file system is the small one");
    let mut store = opened(directory).store;
    for sequence in 1..=BATCHES {
        write(&mut store, batch(sequence, vec![(key("a"), record(sequence))], vec![]));
    }
    assert_eq!(load(&mut store, &["a"]), [Some(record(BATCHES))]);
}
