//! The real `sprag serve` on a data directory of the test's own, on ports the system chooses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::child::Process;

/// Starting reads the whole log; a debug build on a busy machine takes a second or two.
const START: Duration = Duration::from_secs(30);
/// A graceful stop waits for requests under way.
const STOP: Duration = Duration::from_secs(30);

/// Addresses and data as most tests want them.
pub(crate) const HEAD: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = "DIRECTORY/data"
[limits]
disk_reserve = "1MiB"
"#;

/// A configuration on disk with what starting it needs.
pub(crate) struct Setup {
    /// Holds configuration, data and what the processes said.
    pub(crate) directory: tempfile::TempDir,
    /// Environment variables.
    pub(crate) secrets: Vec<(&'static str, String)>,
    /// A program that runs it, with its arguments: one that changes limits or what it sees.
    pub(crate) within: Vec<String>,
}

impl Setup {
    /// Writes the configuration; `DIRECTORY` in it is the test's own.
    pub(crate) fn new(
        text: &str,
        directory: tempfile::TempDir,
        secrets: Vec<(&'static str, String)>,
    ) -> Self {
        let text = text.replace("DIRECTORY", &directory.path().to_string_lossy());
        std::fs::write(directory.path().join("sprag.toml"), text).unwrap();
        Self { directory, secrets, within: Vec::new() }
    }

    /// Starts the process and does not wait.
    pub(crate) fn spawn(&self) -> Process {
        self.spawn_with_log(&self.log())
    }

    pub(crate) fn spawn_with_log(&self, log: &Path) -> Process {
        let program = env!("CARGO_BIN_EXE_sprag");
        let mut words = self.within.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words);
        command.arg("serve").arg("--config").arg(self.directory.path().join("sprag.toml"));
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
        Process::start("sprag serve", &mut command, log)
    }

    /// What all starts said on standard error.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("sprag.log")
    }

    /// Starts the process and waits until it serves.
    pub(crate) fn serve(&self) -> Gateway {
        Gateway::from(self.spawn())
    }
}

/// A process that serves.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    /// Where providers post.
    pub(crate) listen: SocketAddr,
    /// Where the admin API is.
    pub(crate) admin: SocketAddr,
}

impl From<Process> for Gateway {
    /// Waits until it serves.
    fn from(process: Process) -> Self {
        let announced = Self::announced(process, |process| process.line("address", START));
        announced.unwrap_or_else(|process| panic!("sprag serve ended:\n{}", process.said()))
    }
}

impl Gateway {
    /// Reads its addresses; the process when there is no next line.
    pub(crate) fn announced(
        mut process: Process,
        mut next: impl FnMut(&mut Process) -> Option<String>,
    ) -> Result<Self, Process> {
        let mut addresses = [SocketAddr::from(([0, 0, 0, 0], 0)); 2];
        for (word, address) in ["listen", "admin"].into_iter().zip(&mut addresses) {
            let Some(line) = next(&mut process) else { return Err(process) };
            let rest = line.strip_prefix(word).and_then(|rest| rest.trim().strip_prefix("http://"));
            let rest = rest.unwrap_or_else(|| panic!("no {word} address: {line}"));
            let text = rest.split('/').next().and_then(|text| text.parse().ok());
            *address = text.expect("an address");
        }
        let [listen, admin] = addresses;
        Ok(Self { process, listen, admin })
    }

    /// Ends it as an operator would, and expects success.
    pub(crate) fn stop(mut self) {
        self.process.terminate();
        let status = self.process.end(STOP);
        assert!(status.success(), "a graceful stop ended with {status}:\n{}", self.process.said());
    }
}
