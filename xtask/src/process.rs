//! Runs other programs: shown, watched line by line, or read.
//! Must not know which program means what; a command decides that from what is returned.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Error, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::failure::Failure;

/// Lines of output kept to show why a watched program failed: a screenful.
const TAIL_LINES: usize = 40;
/// Lines a watcher may keep; beyond that they say nothing new.
const KEPT_LINES: usize = 64;
/// How long a program past its limit may take to end what it started.
const GRACE: Duration = Duration::from_secs(10);

/// A stopwatch for people; nothing is decided by what it shows but when to give up.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the duration of a step, shown to a person")]
    Instant::now()
}

/// Seconds since 1970, to be compared with what another program wrote down.
pub(crate) fn unix_seconds() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a measurement, shown to a person")]
    let now = SystemTime::now();
    // A clock before 1970 shows as 1970.
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The program and its arguments as one would type them.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs a program with its output on ours; anything but success is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    println!("  $ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(Failure::while_doing(format!("`{}` could not be started", shown(command))))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` ended with {status}", shown(command))))
}

/// Whether a program runs and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// What a successful program wrote on standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::while_doing(format!("`{}` could not be started", shown(command))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(format!("`{}` ended with {}: {reason}", shown(command), output.status)))
}

/// How a watched program is watched.
pub(crate) struct Watch {
    /// Shows every line as it comes.
    pub(crate) echo: bool,
    /// Kills the program after this long.
    pub(crate) limit: Duration,
    /// Which lines to keep.
    pub(crate) keep: fn(&str) -> bool,
}

/// What a watched program left behind.
pub(crate) struct Watched {
    /// The exit code; none when a signal or the time limit ended it.
    pub(crate) code: Option<i32>,
    /// Whether the time limit ended it.
    pub(crate) timed_out: bool,
    /// The first lines that were to be kept.
    pub(crate) kept: Vec<String>,
    /// The last lines, oldest first.
    pub(crate) tail: VecDeque<String>,
}

impl Watched {
    pub(crate) fn tail(&self) -> String {
        self.tail.iter().map(|line| format!("    {line}\n")).collect()
    }

    fn take(&mut self, line: String, watch: &Watch) {
        if watch.echo {
            println!("{line}");
        }
        if (watch.keep)(&line) && self.kept.len() < KEPT_LINES {
            self.kept.push(line.trim().to_owned());
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}

/// Runs a program and reads both of its outputs line by line until they close.
pub(crate) fn watch(command: &mut Command, watch: &Watch) -> Result<Watched, Failure> {
    if watch.echo {
        println!("  $ {}", shown(command));
    }
    let deadline = now() + watch.limit;
    // Colours are for terminals; kept lines go into tables.
    command.env("CARGO_TERM_COLOR", "never").stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::while_doing(format!("`{}` could not be started", shown(command))))?;
    let lines = lines_of(&mut child);
    let mut watched =
        Watched { code: None, timed_out: false, kept: Vec::new(), tail: VecDeque::new() };
    watched.timed_out = !drain(&lines, deadline, |line| watched.take(line, watch));
    let status = end(&mut child, watched.timed_out)
        .map_err(Failure::while_doing(format!("waiting for `{}`", shown(command))))?;
    watched.code = if watched.timed_out { None } else { status.code() };
    Ok(watched)
}

/// Waits for the end of a program, or brings it about: asked first, because nextest then ends
/// the tests it started, and killed when it does not listen.
fn end(child: &mut Child, by_force: bool) -> Result<ExitStatus, Error> {
    if !by_force {
        return child.wait();
    }
    let script = format!("kill -TERM {}", child.id());
    Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status()?;
    let deadline = now() + GRACE;
    while now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()
}

/// Hands out lines until all senders are gone (true) or the deadline has passed (false).
fn drain(lines: &Receiver<String>, deadline: Instant, mut take: impl FnMut(String)) -> bool {
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        read_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read_lines(stderr, sender);
    }
    receiver
}

/// Reads on a thread of its own, which ends when the program closes the stream.
fn read_lines(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Watched {
        let watching = Watch { echo: false, limit, keep: |line| line.contains("keep") };
        watch(Command::new("sh").args(["-c", script]), &watching).unwrap()
    }

    #[test]
    fn a_watched_program_leaves_its_code_its_tail_and_the_lines_to_keep() {
        let script = "for i in $(seq 100); do echo line $i; done; echo keep me >&2; exit 3";
        let watched = shell(script, Duration::from_secs(60));
        assert_eq!(watched.code, Some(3));
        assert_eq!(watched.kept, ["keep me"]);
        assert_eq!(watched.tail.len(), TAIL_LINES);
        assert!(!watched.timed_out);
    }

    #[test]
    fn a_program_past_its_limit_is_killed_and_has_no_code() {
        let watched = shell("exec sleep 600", Duration::from_millis(300));
        assert!(watched.timed_out);
        assert_eq!(watched.code, None);
    }

    #[test]
    fn what_was_said_before_the_limit_is_taken() {
        let (sender, lines) = channel();
        sender.send("said".to_owned()).unwrap();
        let mut taken = Vec::new();
        assert!(!drain(&lines, now(), |line| taken.push(line)), "whoever speaks lives on");
        assert_eq!(taken, ["said"]);
    }

    #[test]
    fn a_failing_program_is_a_failure_that_names_it() {
        let failure = output_of(Command::new("sh").args(["-c", "echo why >&2; exit 1"]));
        let words = failure.unwrap_err().to_string();
        assert!(words.contains("sh -c") && words.contains("why"), "{words}");
    }
}
