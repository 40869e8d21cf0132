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

/// A configuration on disk with what starting it needs.
pub(crate) struct Setup {
    /// Holds configuration, data and what the processes said.
    pub(crate) directory: tempfile::TempDir,
    /// Environment variables.
    pub(crate) secrets: Vec<(&'static str, String)>,
}

impl Setup {
    /// Writes the configuration below the sections `[server]` and `[limits]`, which are the same
    /// for all tests.
    pub(crate) fn new(
        sections: &str,
        directory: tempfile::TempDir,
        secrets: Vec<(&'static str, String)>,
    ) -> Self {
        let head = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = {:?}\n\
             [limits]\ndisk_reserve = \"1MiB\"\n",
            directory.path().join("data")
        );
        std::fs::write(directory.path().join("sprag.toml"), head + sections).unwrap();
        Self { directory, secrets }
    }

    /// Starts the process and does not wait.
    pub(crate) fn spawn(&self) -> Process {
        self.spawn_with_log(&self.log())
    }

    pub(crate) fn spawn_with_log(&self, log: &Path) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
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
}

impl From<Process> for Gateway {
    /// Waits until it serves.
    fn from(mut process: Process) -> Self {
        let line = process.line("address", START);
        let line = line.unwrap_or_else(|| panic!("sprag serve ended:\n{}", process.said()));
        let rest = line.strip_prefix("listen http://").expect("the first line has the address");
        let listen = rest.split('/').next().and_then(|address| address.parse().ok());
        Self { listen: listen.expect("an address with a port"), process }
    }
}

impl Gateway {
    /// Ends it as an operator would, and expects success.
    pub(crate) fn stop(mut self) {
        self.process.terminate();
        let status = self.process.end(STOP);
        assert!(status.success(), "a graceful stop ended with {status}:\n{}", self.process.said());
    }
}
