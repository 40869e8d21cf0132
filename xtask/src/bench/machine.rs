//! Where figures come from: processors, memory, kernel, file system, its fdatasync, the commit.
//! Linux only, as nginx and wrk are here.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::figures::{quantile, sorted};
use crate::failure::Failure;
use crate::process;

/// Appends of the probe: enough for a p99, over within a second on a disk that may be used.
const PROBE_APPENDS: u32 = 200;
/// Bytes of an append: a page.
const PROBE_BYTES: usize = 4_096;

/// What a figure means nothing without.
#[derive(Debug)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_mib: u64,
    kernel: String,
    file_system: String,
    sync_p50_ms: f64,
    sync_p99_ms: f64,
    commit: String,
}

impl Machine {
    /// Looks, and measures the disk under `directory`.
    pub(crate) fn look(directory: &Path, root: &Path) -> Result<Self, Failure> {
        let syncs = probe(directory).map_err(Failure::while_doing("measuring fdatasync"))?;
        let cores = std::thread::available_parallelism();
        let kernel = read("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let processor = line_of(&read("/proc/cpuinfo")?, "model name").unwrap_or_default();
        Ok(Self {
            cores: cores.map_err(Failure::while_doing("counting processors"))?.get(),
            processor,
            memory_mib: memory_mib(&read("/proc/meminfo")?).unwrap_or_default(),
            kernel,
            file_system: file_system(directory)?,
            sync_p50_ms: quantile(&syncs, 0.5),
            sync_p99_ms: quantile(&syncs, 0.99),
            commit: commit(root),
        })
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> String {
        format!(
            "{{\"cores\":{},\"processor\":{:?},\"memory_mib\":{},\"kernel\":{:?},\
             \"file_system\":{:?},\"fdatasync_p50_ms\":{:.3},\"fdatasync_p99_ms\":{:.3},\
             \"commit\":{:?}}}",
            self.cores,
            self.processor,
            self.memory_mib,
            self.kernel,
            self.file_system,
            self.sync_p50_ms,
            self.sync_p99_ms,
            self.commit
        )
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} cores ({}), {:.1} GiB, Linux {}, {}, fdatasync of 4 KiB p50 {:.2} ms, \
             p99 {:.2} ms, commit {}",
            self.cores,
            self.processor,
            f64::from(u32::try_from(self.memory_mib).unwrap_or(u32::MAX)) / 1_024.0,
            self.kernel,
            self.file_system,
            self.sync_p50_ms,
            self.sync_p99_ms,
            self.commit
        )
    }
}

/// A log in memory is not durable: its figures would be of another product.
pub(crate) fn refuse_memory(directory: &Path) -> Result<(), Failure> {
    let kind = file_system(directory)?;
    if matches!(kind.as_str(), "tmpfs" | "ramfs" | "devtmpfs") {
        let shown = directory.display();
        let remedy = "set CARGO_TARGET_DIR to a directory on a disk";
        return Err(Failure::new(format!("{shown} is in memory ({kind}): {remedy}")));
    }
    Ok(())
}

/// Milliseconds of each append with its fdatasync, ascending.
fn probe(directory: &Path) -> Result<Vec<f64>, std::io::Error> {
    let path = directory.join("probe");
    let mut file = File::create(&path)?;
    let page = [0x5a; PROBE_BYTES];
    let mut times = Vec::new();
    for _ in 0..PROBE_APPENDS {
        let began = process::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(&path)?;
    Ok(sorted(times.into_iter()))
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::while_doing(path))
}

/// The kind of the mount that holds a directory.
fn file_system(directory: &Path) -> Result<String, Failure> {
    let place = directory.canonicalize().map_err(Failure::while_doing("the data directory"))?;
    mounted(&read("/proc/self/mounts")?, &place)
        .ok_or_else(|| Failure::new("no mount holds the data directory"))
}

/// The kind of the longest mount point above a path; of equal ones the last covers the others.
fn mounted(mounts: &str, path: &Path) -> Option<String> {
    let fields = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = fields.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

/// The value of the first line with this name before a colon.
fn line_of(text: &str, name: &str) -> Option<String> {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    found.map(|(_, value)| value.trim().to_owned())
}

fn memory_mib(text: &str) -> Option<u64> {
    let total = line_of(text, "MemTotal")?;
    Some(total.strip_suffix(" kB")?.parse::<u64>().ok()? / 1_024)
}

/// The commit, marked when files differ from it; `unknown` without git.
fn commit(root: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "describe", "--always", "--dirty", "--abbrev=10"]);
    let described = process::output_of(git.current_dir(root));
    described.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_above_a_path_holds_it() {
        let mounts =
            "a / ext4 rw 0 0\nb /data tmpfs rw 0 0\nc /data/x xfs rw 0 0\nd / btrfs r 0 0\n";
        assert_eq!(mounted(mounts, Path::new("/data/y")).unwrap(), "tmpfs");
        assert_eq!(mounted(mounts, Path::new("/data/x/y")).unwrap(), "xfs");
        assert_eq!(mounted(mounts, Path::new("/database")).unwrap(), "btrfs");
    }

    #[test]
    fn lines_are_read_by_name() {
        let text = "MemFree: 1 kB\nMemTotal:       2097152 kB\nmodel name\t: A\nmodel name\t: B\n";
        assert_eq!(memory_mib(text), Some(2_048));
        assert_eq!(line_of(text, "model name").unwrap(), "A");
    }

    #[test]
    fn memory_is_no_disk() {
        let here = refuse_memory(Path::new("/dev/shm"));
        assert!(here.is_err_and(|failure| failure.to_string().contains("in memory")));
    }
}
