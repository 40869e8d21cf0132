//! CPU time of processes and of the machine, from Linux's /proc (proc(5)).
//! Must not know what the processes do.

use std::fs;

use crate::failure::Failure;

/// Ticks of /proc per second: fixed for programs on Linux (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// One process at one moment.
#[derive(Debug, PartialEq)]
struct Usage {
    parent: u32,
    seconds: f64,
}

/// CPU seconds of a process and its children, as long as they run.
pub(crate) fn of_family(process: u32) -> Result<f64, Failure> {
    let own = of(process).ok_or_else(|| Failure::new(format!("no process {process}")))?;
    let entries = fs::read_dir("/proc").map_err(Failure::while_doing("reading /proc"))?;
    let others = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = others.filter_map(of).filter(|usage| usage.parent == process);
    Ok(own.seconds + children.map(|usage| usage.seconds).sum::<f64>())
}

/// CPU seconds of everything on this machine since it started, waiting not counted.
pub(crate) fn of_machine() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/stat").map_err(Failure::while_doing("/proc/stat"))?;
    busy(&text).ok_or_else(|| Failure::new("/proc/stat has no line for all processors"))
}

/// So many in so many seconds, per second.
#[expect(clippy::cast_precision_loss, reason = "at most millions of events")]
pub(crate) fn per(events: u64, seconds: f64) -> f64 {
    events as f64 / seconds
}

fn of(process: u32) -> Option<Usage> {
    usage(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Fields 4 (parent), 14 and 15 (user and system time). The name, field 2, may hold blanks and
/// parentheses, so counting begins after the last one.
fn usage(stat: &str) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let seconds = (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND;
    Some(Usage { parent: fields.get(1)?.parse().ok()?, seconds })
}

/// All columns of the first line but `idle`, `iowait` and the guests', which `user` contains.
fn busy(stat: &str) -> Option<f64> {
    let columns = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<f64> = columns.filter_map(|column| column.parse().ok()).collect();
    let busy = ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4 | 8 | 9));
    Some(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 1 2 0 0 150 50 9 9 20 0 1 0 1 1 1\n";
        assert_eq!(usage(stat), Some(Usage { parent: 3, seconds: 2.0 }));
        assert_eq!(usage("7 (a"), None);
    }

    #[test]
    fn waiting_is_not_work() {
        let stat = "cpu  100 200 300 9999 9999 10 20 30 70 80\ncpu0 1 1\n";
        assert_eq!(busy(stat), Some(6.6));
        assert_eq!(busy("intr 1\n"), None);
    }

    #[test]
    fn this_process_is_found() {
        assert!(of_family(std::process::id()).is_ok());
        assert!(of_family(u32::MAX).is_err());
    }
}
