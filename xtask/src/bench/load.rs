//! The load generator: wrk with bench/load.lua, one thread, every request once.
//! Must not know who answers.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::server::{send, wait_for};
use crate::failure::Failure;

/// wrk runs until it is told to stop; this ends it should we be gone.
const LONGEST: Duration = Duration::from_secs(300);
/// After the last answer wrk needs a moment to sum up.
const SUM_UP: Duration = Duration::from_secs(10);

/// Requests in a file, and how they are sent.
#[derive(Clone)]
pub(crate) struct LoadFile {
    pub(crate) path: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) events: u64,
    pub(crate) connections: u32,
}

/// A load under way. Dropping it ends it.
pub(crate) struct Sending {
    child: Child,
    result: PathBuf,
    events: u64,
}

/// What the generator measured, every request answered with 2xx or 3xx.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sent {
    /// First request, seconds since 1970.
    pub(crate) began: f64,
    /// Last answer, seconds since 1970.
    pub(crate) ended: f64,
    /// Seconds of CPU in between.
    pub(crate) cpu: f64,
    /// Half of the answers came within so many milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 answers came within so many milliseconds.
    pub(crate) p99_ms: f64,
}

impl LoadFile {
    /// Starts to send; `rate` in requests per second, 0 as fast as answers come.
    pub(crate) fn send(&self, to: SocketAddr, rate: f64) -> Result<Sending, Failure> {
        let result = self.path.with_extension("result");
        // Left by the run before, or not there.
        let _ = fs::remove_file(&result);
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "--timeout", "60s", &format!("-c{}", self.connections)]);
        wrk.arg(format!("-d{}s", LONGEST.as_secs())).arg("-s").arg(&self.script);
        wrk.arg(format!("http://{to}")).arg("--").arg(&self.path);
        wrk.args([self.connections.to_string(), rate.to_string()]).arg(&result);
        let child = wrk.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.map_err(Failure::while_doing("starting wrk"))?;
        Ok(Sending { child, result, events: self.events })
    }
}

impl Sending {
    /// Whether every request is answered.
    pub(crate) fn is_done(&mut self) -> Result<bool, Failure> {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return Err(Failure::new(format!("wrk ended early: {}", self.said())));
        }
        Ok(self.result.exists())
    }

    /// Returns once every request is answered.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        let answered = wait_for(LONGEST, || self.is_done().map(|done| done.then_some(())))?;
        answered.ok_or_else(|| Failure::new("the load was not answered in five minutes"))
    }

    /// Ends wrk and reads what it measured.
    pub(crate) fn finish(mut self) -> Result<Sent, Failure> {
        let times = fs::read_to_string(&self.result);
        let times = times.map_err(Failure::while_doing("the result of load.lua"))?;
        send(self.child.id(), "INT");
        wait_for(SUM_UP, || Ok(self.child.try_wait().ok().flatten()))?;
        let said = self.said();
        parse(&times, &said, self.events)
            .ok_or_else(|| Failure::new(format!("not every request was answered well: {said}")))
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        if let Some(stdout) = self.child.stdout.as_mut() {
            // What cannot be read is missing from a message, or from a result, which then fails.
            let _ = stdout.read_to_string(&mut said);
        }
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = stderr.read_to_string(&mut said);
        }
        said.trim().to_owned()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Ended already, most of the time.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// None unless all of `events` were answered, and none with an error.
fn parse(times: &str, said: &str, events: u64) -> Option<Sent> {
    let times: Vec<f64> = times.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[began, began_cpu, ended, ended_cpu] = times.as_slice() else { return None };
    let line = said.lines().find_map(|line| line.strip_prefix("bench-result "))?;
    let value = |name: &str| -> Option<f64> {
        let mut words = line.split(' ').filter_map(|word| word.split_once('='));
        words.find(|(known, _)| *known == name)?.1.parse().ok()
    };
    let errors = ["status", "connect", "read", "write", "timeout"];
    let faultless = errors.iter().all(|name| value(name) == Some(0.0));
    let answers = line.split(' ').find_map(|word| word.strip_prefix("answers="));
    if !faultless || answers?.parse() != Ok(events) {
        return None;
    }
    let milliseconds = |name| value(name).map(|microseconds| microseconds / 1_000.0);
    Some(Sent {
        began,
        ended,
        cpu: ended_cpu - began_cpu,
        p50_ms: milliseconds("p50")?,
        p99_ms: milliseconds("p99")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: &str = "1000.5 0.5 1003.5 2.0\n";
    const SAID: &str = "Running 300s test\nbench-result answers=9 bytes=1 status=0 connect=0 \
        read=0 write=0 timeout=0 p50=1500 p99=20000 max=30000\n";

    #[test]
    fn times_and_sums_become_one_result() {
        let sent = Sent { began: 1000.5, ended: 1003.5, cpu: 1.5, p50_ms: 1.5, p99_ms: 20.0 };
        assert_eq!(parse(TIMES, SAID, 9), Some(sent));
    }

    #[test]
    fn a_missing_answer_or_any_error_is_no_result() {
        assert_eq!(parse(TIMES, SAID, 10), None);
        assert_eq!(parse(TIMES, &SAID.replace("status=0", "status=1"), 9), None);
        assert_eq!(parse(TIMES, &SAID.replace("read=0", "read=2"), 9), None);
        assert_eq!(parse("1000.5", SAID, 9), None);
        assert_eq!(parse(TIMES, "killed", 9), None);
    }
}
