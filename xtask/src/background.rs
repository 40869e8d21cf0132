//! A program that runs beside others with what they leave of the machine: it has the lowest
//! priority, its output goes to a file until it has ended, and it ends where whoever waits for it
//! gives up. Killed from outside, that one leaves it behind until its own end.
//! Must not know which program it is.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process;

/// How often it is looked whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A program that was started. Dropped before it has ended, it is killed.
pub(crate) struct Background {
    child: Child,
    shown: String,
    output: PathBuf,
    deadline: Instant,
}

impl Background {
    /// Starts a program that may take so long; both its outputs go to this file.
    pub(crate) fn begin(
        command: &Command,
        output: PathBuf,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let shown = process::shown(command);
        println!("  $ {shown} &");
        let started = File::create(&output).and_then(|file| {
            let mut nice = Command::new("nice");
            nice.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
            if let Some(directory) = command.get_current_dir() {
                nice.current_dir(directory);
            }
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => nice.env(name, value),
                    None => nice.env_remove(name),
                };
            }
            nice.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()
        });
        let child =
            started.map_err(Failure::while_doing(format!("`{shown}` could not be started")))?;
        Ok(Self { child, shown, output, deadline: process::now() + limit })
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Failure> {
        let waiting = Failure::while_doing(format!("waiting for `{}`", self.shown));
        self.child.try_wait().map(|status| status.is_some()).map_err(waiting)
    }

    /// Waits for its end, shows what it wrote, and returns that if it succeeded.
    pub(crate) fn conclude(mut self) -> Result<String, Failure> {
        let status = self.wait()?;
        let output = fs::read(&self.output);
        let output = output.map_err(Failure::while_doing(self.output.display().to_string()))?;
        let output = String::from_utf8_lossy(&output).into_owned();
        println!("  $ {}\n{output}", self.shown);
        match status {
            Some(status) if status.success() => Ok(output),
            Some(status) => Err(Failure::new(format!("`{}` ended with {status}", self.shown))),
            None => Err(Failure::new(format!("`{}` took too long", self.shown))),
        }
    }

    /// How it ended; none where its time was over before.
    fn wait(&mut self) -> Result<Option<ExitStatus>, Failure> {
        loop {
            let status = self.child.try_wait();
            let waiting = Failure::while_doing(format!("waiting for `{}`", self.shown));
            let status = status.map_err(waiting)?;
            if status.is_some() || process::now() >= self.deadline {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // What has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str, name: &str, limit: Duration) -> Background {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let file = format!("xtask-background-{name}-{}", std::process::id());
        Background::begin(&command, std::env::temp_dir().join(file), limit).unwrap()
    }

    #[test]
    fn it_has_what_it_wrote_and_the_lowest_priority() {
        let background = shell("echo one; echo two >&2; nice", "wrote", LIMIT);
        let file = background.output.clone();
        assert_eq!(background.conclude().unwrap(), "one\ntwo\n19\n");
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_fails_or_takes_too_long_is_a_failure_that_names_it() {
        for (script, name, limit, word) in [
            ("exit 3", "fails", LIMIT, "3"),
            ("exec sleep 600", "hangs", Duration::from_millis(300), "too long"),
        ] {
            let background = shell(script, name, limit);
            let file = background.output.clone();
            let words = background.conclude().unwrap_err().to_string();
            assert!(words.contains(script) && words.contains(word), "{words}");
            fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn what_has_ended_in_time_may_be_looked_at_later() {
        let mut background = shell("echo done", "later", Duration::from_millis(1));
        while !background.has_ended().unwrap() {
            thread::sleep(LOOK_EVERY);
        }
        let file = background.output.clone();
        assert_eq!(background.conclude().unwrap(), "done\n");
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn it_ends_with_whoever_waits_for_it() {
        let mut background = shell("exec sleep 600", "dropped", LIMIT);
        assert!(!background.has_ended().unwrap());
        let (process, file) = (background.child.id(), background.output.clone());
        let runs = || {
            let script = format!("kill -0 {process}");
            process::succeeds(Command::new("sh").args(["-c", &script]))
        };
        assert!(runs());
        drop(background);
        assert!(!runs());
        fs::remove_file(file).unwrap();
    }
}
