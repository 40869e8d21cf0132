//! Anonymous memory of processes, from Linux's /proc (proc(5)): what the kernel cannot take back by reading a file
//! again. Must not know what the processes do.

use std::fs;
use std::thread;
use std::time::Duration;

use super::server::Server;
use crate::failure::Failure;
use crate::process::now;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// MiB of anonymous memory a process has now.
pub(crate) fn anonymous_mib(process: u32) -> Result<f64, Failure> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).map_err(Failure::while_doing(path))?;
    parse(&text).ok_or_else(|| Failure::new(format!("process {process} has no RssAnon")))
}

fn parse(status: &str) -> Option<f64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.trim();
    Some(kib.strip_suffix(" kB")?.parse::<f64>().ok()? / 1_024.0)
}

/// The most MiB a server has until `done` says something, and what that is.
pub(crate) fn most_until<T>(
    server: &mut Server,
    mut done: impl FnMut(&mut Server) -> Result<Option<T>, Failure>,
) -> Result<(f64, T), Failure> {
    let mut most: f64 = 0.0;
    loop {
        // One that has ended has none; that is for `done` to tell.
        most = most.max(server.memory_mib().unwrap_or_default());
        if let Some(answer) = done(server)? {
            return Ok((most, answer));
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The most MiB a server has for so long.
pub(crate) fn most_for(server: &mut Server, time: Duration) -> Result<f64, Failure> {
    let until = now() + time;
    let over = |server: &mut Server| server.check().map(|()| (now() >= until).then_some(()));
    most_until(server, over).map(|(most, ())| most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_anonymous_memory_counts() {
        let status = "VmRSS:\t  9999 kB\nRssAnon:\t    2048 kB\nRssFile:\t 1 kB\n";
        assert_eq!(parse(status), Some(2.0));
        assert_eq!(parse("VmRSS:\t 1 kB\n"), None);
        assert!(anonymous_mib(std::process::id()).unwrap() > 0.0);
    }
}
