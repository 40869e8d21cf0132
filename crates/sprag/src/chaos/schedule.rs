//! A schedule as text: what left, in the order it left, and what never did.
//!
//! ```text
//! # comments and empty lines say nothing
//! 1 +0ms
//! 3 +120ms
//! 2 +85ms
//! 3 +40ms
//! 4 drop
//! ```
//!
//! The number is that of the request in the order they came, from 1; the time counts from then. Where
//! it stands among the others decides when it leaves; the time only says when at the earliest. A
//! number that occurs again is a repeat. What is not named leaves when it comes.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::limits::{DELAY, SCHEDULE_LINES};

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A request leaves, so long after it came.
    Leaves(Departure),
    /// A request never leaves.
    Dropped(u64),
}

/// A request leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Its number in the order they came, from 1.
    pub number: u64,
    /// At the earliest so long after it came.
    pub after: Duration,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// In their order.
    pub departures: Vec<Departure>,
    /// Those that never leave.
    pub dropped: BTreeSet<u64>,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleProblem {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaves(Departure { number, after }) => {
                write!(formatter, "{number} +{}ms", after.as_millis())
            }
            Self::Dropped(number) => write!(formatter, "{number} drop"),
        }
    }
}

impl Schedule {
    /// Reads what was printed.
    ///
    /// # Errors
    /// At the first line that is none.
    pub fn parse(text: &str) -> Result<Self, ScheduleProblem> {
        let mut schedule = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let problem = |what| ScheduleProblem { line: at + 1, what };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match read(line).map_err(problem)? {
                Line::Leaves(departure) => schedule.departures.push(departure),
                Line::Dropped(number) => {
                    schedule.dropped.insert(number);
                }
            }
            if schedule.departures.len() > SCHEDULE_LINES {
                return Err(problem(format!("more than {SCHEDULE_LINES} requests leave")));
            }
        }
        match schedule.departures.iter().find(|one| schedule.dropped.contains(&one.number)) {
            Some(one) => Err(ScheduleProblem {
                line: text.lines().count(),
                what: format!("request {} leaves and is dropped as well", one.number),
            }),
            None => Ok(schedule),
        }
    }

    /// The highest number it names.
    #[must_use]
    pub fn last(&self) -> u64 {
        let leaves = self.departures.iter().map(|departure| departure.number).max();
        leaves.max(self.dropped.last().copied()).unwrap_or_default()
    }
}

fn read(line: &str) -> Result<Line, String> {
    let expected = || format!("\"NUMBER +TIMEms\" or \"NUMBER drop\" is needed, not {line:?}");
    let (number, rest) = line.split_once(' ').ok_or_else(expected)?;
    let number: u64 = number.parse().map_err(|_| expected())?;
    if number == 0 {
        return Err("requests are counted from 1".into());
    }
    match rest.trim_start() {
        "drop" => Ok(Line::Dropped(number)),
        time => {
            let digits = time.strip_prefix('+').and_then(|time| time.strip_suffix("ms"));
            let after = digits.and_then(|digits| digits.parse().ok()).ok_or_else(expected)?;
            let after = Duration::from_millis(after);
            if after > DELAY {
                return Err(format!("at most +{}ms", DELAY.as_millis()));
            }
            Ok(Line::Leaves(Departure { number, after }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let leaves =
            |number, ms| Line::Leaves(Departure { number, after: Duration::from_millis(ms) });
        let lines = [leaves(1, 0), leaves(3, 120), Line::Dropped(4), leaves(2, 85), leaves(3, 40)];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(text, "1 +0ms\n3 +120ms\n4 drop\n2 +85ms\n3 +40ms\n");
        let read = Schedule::parse(&format!("# seed 7\n\n{text}# 4 taken\n")).unwrap();
        let again: Vec<Line> = read.departures.iter().copied().map(Line::Leaves).collect();
        assert_eq!(again, [lines[0], lines[1], lines[3], lines[4]]);
        assert_eq!((read.dropped.iter().next(), read.last()), (Some(&4), 4));
    }

    #[test]
    fn what_is_no_schedule_is_told_with_its_line() {
        for (text, line) in [
            ("1 +0ms\nx", 2),
            ("1", 1),
            ("-1 drop", 1),
            ("0 +1ms", 1),
            ("1 +5s", 1),
            ("1 5ms", 1),
            ("\n1 +3600001ms", 2),
            ("1 +99999999999999999999ms", 1),
            ("1 +0ms\n1 drop", 2),
        ] {
            let problem = Schedule::parse(text).unwrap_err();
            assert_eq!(problem.line, line, "{text:?}: {}", problem.what);
        }
    }
}
