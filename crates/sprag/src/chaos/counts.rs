//! What was done, counted.

use crate::provider::{Answer, Tally};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;

/// Counts of requests and of what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken from senders, or from the files.
    pub taken: u64,
    /// Never left, on purpose.
    pub dropped: u64,
    /// Left once more.
    pub duplicated: u64,
    /// Left for the first time after a later one had left.
    pub reordered: u64,
    /// Answered 503: too much waited.
    pub turned_away: u64,
    /// Requests that are no events, passed on at once.
    pub passed: u64,
    /// Named by the schedule and never came, or too late.
    pub absent: u64,
    /// Taken, and still waiting when the proxy ended.
    pub left: u64,
    /// What left, and what the target answered.
    pub tally: Tally,
    /// The highest number that left.
    highest: u64,
    /// Those that leave more than once.
    repeated: HashMap<u64, Repeated>,
}

/// A request that leaves more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Repeated {
    /// So often still.
    left: u64,
    has_left: bool,
}

impl Counts {
    /// A request came that will leave so often.
    pub(super) fn take(&mut self, number: u64, ways: u64) {
        self.taken += 1;
        match ways {
            0 => self.dropped += 1,
            1 => {}
            left => {
                self.repeated.insert(number, Repeated { left, has_left: false });
            }
        }
    }

    /// A request leaves, for the first time or again.
    pub(super) fn leave(&mut self, number: u64) {
        if self.is_repeat(number) {
            self.duplicated += 1;
            return;
        }
        self.reordered += u64::from(number < self.highest);
        self.highest = self.highest.max(number);
    }

    fn is_repeat(&mut self, number: u64) -> bool {
        let Some(repeated) = self.repeated.get_mut(&number) else { return false };
        repeated.left -= 1;
        let is_repeat = std::mem::replace(&mut repeated.has_left, true);
        if repeated.left == 0 {
            self.repeated.remove(&number);
        }
        is_repeat
    }

    /// What left was answered.
    pub(super) fn answered(&mut self, answer: &Answer, tries: u32) {
        self.tally.count(answer, tries);
    }

    /// Was everything that left acknowledged, and did everything leave?
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.tally.failed() == 0 && self.left == 0
    }

    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "taken": self.taken,
            "forwarded": self.tally.sent,
            "acknowledged": self.tally.acknowledged,
            "failed": self.tally.failed(),
            "retries": self.tally.retries,
            "dropped": self.dropped,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "turned_away": self.turned_away,
            "passed": self.passed,
            "absent": self.absent,
            "left": self.left,
            "statuses": self.tally.statuses,
            "failures": self.tally.failures,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} taken, {} forwarded, {} dropped, {} duplicated, {} reordered, {} failed",
            self.taken,
            self.tally.sent,
            self.dropped,
            self.duplicated,
            self.reordered,
            self.tally.failed()
        )?;
        for (count, what) in [
            (self.passed, "passed on at once: no POST"),
            (self.turned_away, "answered 503: too much waited"),
            (self.absent, "of the schedule not waited for any longer"),
            (self.left, "taken and not forwarded"),
            (self.tally.retries, "retries"),
        ] {
            if count > 0 {
                write!(formatter, "\n{count:>12} {what}")?;
            }
        }
        for (status, count) in self.tally.statuses.iter().filter(|(name, _)| !name.is_empty()) {
            write!(formatter, "\n{count:>12} {status}")?;
        }
        for (why, count) in &self.tally.failures {
            write!(formatter, "\n{count:>12} failed: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_those_that_were_passed_are_told_apart() {
        let mut counts = Counts::default();
        for (number, ways) in [(1, 1), (2, 2), (3, 0), (4, 1)] {
            counts.take(number, ways);
        }
        // 4 before 2, which leaves twice and counts as reordered once.
        [1, 4, 2, 2].into_iter().for_each(|number| counts.leave(number));
        for _ in 0..3 {
            counts.answered(&Answer::Acknowledged(String::new()), 1);
        }
        assert!(counts.is_fine());
        counts.answered(&Answer::Refused(400, "malformed".into()), 1);
        assert!(!counts.is_fine());
        assert!(counts.repeated.is_empty());
        let text = counts.to_string();
        assert!(
            text.starts_with(
                "4 taken, 4 forwarded, 1 dropped, 1 duplicated, 1 reordered, 1 failed\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("1 failed: 400 malformed"), "{text}");
        assert_eq!(counts.to_json()["acknowledged"], 3);
    }
}
