//! The store on a small file system of its own, in a mount namespace of its own: that needs root, or
//! user namespaces.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;

/// Of the file system, in MiB: little beside what the write-ahead log grows to where it may.
const SIZE: usize = 2;
/// Batches of some pages each: many times what the file system holds.
const BATCHES: u64 = 2_000;

/// A file system that lives as long as the process that mounted it.
struct Disk {
    holder: Child,
    directory: PathBuf,
}

impl Disk {
    fn mount(directory: &Path) -> Self {
        let script = format!(
            "mount -t tmpfs -o size={SIZE}m none {} && echo mounted && exec cat",
            directory.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let stdout = holder.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "no mount namespace can be had");
        let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
        Self { holder, directory: root.join(directory.strip_prefix("/").unwrap()) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

#[test]
fn the_write_ahead_log_takes_no_more_than_the_disk_has() {
    let directory = TempDir::new().unwrap();
    let disk = Disk::mount(directory.path());
    let mut store = opened(&disk.directory).store;
    for sequence in 1..=BATCHES {
        write(&mut store, batch(sequence, vec![(key("a"), record(sequence))], vec![]));
    }
    assert_eq!(load(&mut store, &["a"]), [Some(record(BATCHES))]);
}
