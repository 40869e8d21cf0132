//! A process the test started: its lines, its end. It never outlives the test, and no other
//! process is ever touched.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::support::clock::Deadline;

/// How often an end is looked for.
const LOOK: Duration = Duration::from_millis(2);

/// A running child. Killed when dropped.
pub(crate) struct Process {
    name: String,
    /// Its standard input is piped.
    pub(crate) child: Child,
    lines: Receiver<String>,
    errors: PathBuf,
    /// Bytes that others had said into the file before.
    before: u64,
}

impl Process {
    /// Starts a program; what it says on standard error is added to `errors`.
    pub(crate) fn start(name: &str, command: &mut Command, errors: &Path) -> Self {
        let log = File::options().create(true).append(true).open(errors).unwrap();
        let before = log.metadata().unwrap().len();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let started = command.spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let read = BufReader::new(stdout).lines().map_while(Result::ok);
            // Nobody listens any more when the test has ended.
            read.for_each(|line| drop(sender.send(line)));
        });
        Self { name: name.to_owned(), child, lines, errors: errors.to_owned(), before }
    }

    /// The next line of standard output; none when it ended without one.
    pub(crate) fn line(&mut self, what: &str, patience: Duration) -> Option<String> {
        self.line_within(patience).unwrap_or_else(|| {
            panic!("{}: no {what} within {patience:?}; it said:\n{}", self.name, self.said())
        })
    }

    /// The same; none when there is neither a line nor an end in this time.
    pub(crate) fn line_within(&mut self, patience: Duration) -> Option<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Some(None),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self, patience: Duration) -> ExitStatus {
        let ended = self.end_within(patience);
        ended.unwrap_or_else(|| panic!("{}: no end within {patience:?}", self.name))
    }

    /// Waits for its end; none when it does not come in this time.
    pub(crate) fn end_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Deadline::after(patience);
        loop {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || deadline.has_passed() {
                return ended;
            }
            thread::sleep(LOOK);
        }
    }

    /// SIGTERM.
    pub(crate) fn terminate(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success(), "{}: cannot be asked to end", self.name);
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// The end of what it said on standard error. What others said into the same file before it is left
    /// out: their reasons are not its own.
    pub(crate) fn said(&self) -> String {
        let mut all = String::new();
        if let Ok(mut file) = File::open(&self.errors) {
            let _ = file.seek(SeekFrom::Start(self.before));
            let _ = file.read_to_string(&mut all);
        }
        let lines: Vec<&str> = all.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
