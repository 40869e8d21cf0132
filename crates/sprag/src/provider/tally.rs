//! What a provider was answered, counted.

use super::client::Answer;
use super::limits::STATUSES;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Counts of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events posted, repeats included.
    pub sent: u64,
    /// Answered with 2xx.
    pub acknowledged: u64,
    /// Tries beyond the first of an event.
    pub retries: u64,
    /// 2xx by the `status` of the answer.
    pub statuses: BTreeMap<String, u64>,
    /// Everything else, by status and code or by reason.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one event that was tried so often.
    pub(crate) fn count(&mut self, answer: &Answer, tries: u32) {
        self.sent += 1;
        self.retries += u64::from(tries.saturating_sub(1));
        match answer {
            Answer::Acknowledged(status) => {
                self.acknowledged += 1;
                add(&mut self.statuses, status);
            }
            Answer::Refused(code, problem) => {
                add(&mut self.failures, format!("{code} {problem}").trim_end());
            }
            Answer::Unanswered(why) => add(&mut self.failures, why),
        }
    }

    /// Adds another's counts.
    pub(crate) fn join(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.retries += other.retries;
        for (name, count) in &other.statuses {
            *entry(&mut self.statuses, name) += count;
        }
        for (name, count) in &other.failures {
            *entry(&mut self.failures, name) += count;
        }
    }

    /// Acknowledged with this status.
    #[must_use]
    pub fn of(&self, status: &str) -> u64 {
        self.statuses.get(status).copied().unwrap_or_default()
    }

    /// Not acknowledged.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "failed": self.failed(),
            "retries": self.retries,
            "statuses": self.statuses,
            "failures": self.failures,
        })
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str) {
    *entry(counts, name) += 1;
}

/// The count of a name; beyond the bound all others share one.
fn entry<'a>(counts: &'a mut BTreeMap<String, u64>, name: &str) -> &'a mut u64 {
    let known = counts.contains_key(name) || counts.len() < STATUSES;
    counts.entry(if known { name } else { "other" }.to_owned()).or_default()
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sent, {} acknowledged", self.sent, self.acknowledged)?;
        for (status, count) in &self.statuses {
            let status = if status.is_empty() { "(no status)" } else { status };
            write!(formatter, "\n{count:>12} {status}")?;
        }
        if self.retries > 0 {
            write!(formatter, "\n{:>12} retries", self.retries)?;
        }
        for (why, count) in &self.failures {
            write!(formatter, "\n{count:>12} failed: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_what_they_say() {
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.count(&Answer::Acknowledged("released".into()), 1);
        one.count(&Answer::Acknowledged("duplicate".into()), 3);
        two.count(&Answer::Refused(401, "signature-mismatch".into()), 1);
        two.count(&Answer::Unanswered("503 not-durable".into()), 10);
        one.join(&two);
        assert_eq!((one.sent, one.acknowledged, one.failed(), one.retries), (4, 2, 2, 11));
        assert_eq!(one.of("duplicate"), 1);
        assert_eq!(one.to_json()["failures"]["401 signature-mismatch"], 1);
        assert!(one.to_string().contains("1 failed: 503 not-durable"), "{one}");
    }

    #[test]
    fn names_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..200 {
            tally.count(&Answer::Unanswered(format!("reason {number}")), 1);
        }
        assert_eq!(tally.failures.len(), STATUSES + 1);
        assert_eq!(tally.failures.values().sum::<u64>(), 200);
    }
}
