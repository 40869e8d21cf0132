//! What a consumer counted.

use super::checker::Observed;
use super::limits::VIOLATIONS;
use super::violation::{Violation, ViolationKind};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Counts of deliveries and of what was wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests.
    pub deliveries: u64,
    /// Different events.
    pub events: u64,
    /// Different events acknowledged with 2xx.
    pub acknowledged: u64,
    /// Deliveries of an event that came before.
    pub repeats: u64,
    /// Different events of kind `late`.
    pub late: u64,
    /// Positions named as missing.
    pub missing: u64,
    /// Different keys.
    pub keys: u64,
    /// Deliveries of keys beyond the bound, which were not judged in their lane.
    pub not_followed: u64,
    /// By kind.
    pub violations: BTreeMap<ViolationKind, u64>,
    /// The first of them in words.
    pub first_violations: Vec<Violation>,
}

impl Summary {
    /// Counts one attempt.
    pub(super) fn count(&mut self, observed: &Observed) {
        self.deliveries += 1;
        if let Some(delivery) = &observed.delivery {
            if observed.fresh {
                self.events += 1;
                self.late += u64::from(delivery.kind == "late");
                self.missing += delivery.missing.count();
            } else {
                self.repeats += 1;
            }
        }
        self.count_violations(&observed.violations);
    }

    /// Counts what is wrong with a range as a whole, or with one event.
    pub(super) fn count_violations(&mut self, violations: &[Violation]) {
        for violation in violations {
            *self.violations.entry(violation.kind).or_default() += 1;
            self.keep(violation);
        }
    }

    fn keep(&mut self, violation: &Violation) {
        if self.first_violations.len() < VIOLATIONS {
            self.first_violations.push(violation.clone());
        }
    }

    /// Adds the counts of another part of the same consumer.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.acknowledged += other.acknowledged;
        self.repeats += other.repeats;
        self.late += other.late;
        self.missing += other.missing;
        self.keys += other.keys;
        self.not_followed += other.not_followed;
        for (kind, count) in &other.violations {
            *self.violations.entry(*kind).or_default() += count;
        }
        other.first_violations.iter().for_each(|violation| self.keep(violation));
        self
    }

    /// All violations.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.violations.values().sum()
    }

    /// Violations of one kind.
    #[must_use]
    pub fn violations_of(&self, kind: ViolationKind) -> u64 {
        self.violations.get(&kind).copied().unwrap_or_default()
    }

    /// One JSON object; every kind of violation is a member, also with 0.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kinds = ViolationKind::ALL.map(|kind| (kind.as_str(), self.violations_of(kind)));
        let kinds: Map<String, Value> =
            kinds.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let words: Vec<Value> = self.first_violations.iter().map(Violation::to_json).collect();
        json!({
            "deliveries": self.deliveries,
            "events": self.events,
            "acknowledged": self.acknowledged,
            "repeats": self.repeats,
            "late": self.late,
            "missing": self.missing,
            "keys": self.keys,
            "not_followed": self.not_followed,
            "violations": kinds,
            "first_violations": words,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} deliveries of {} events of {} keys, {} acknowledged, {} repeats, {} late, \
             {} positions missing",
            self.deliveries,
            self.events,
            self.keys,
            self.acknowledged,
            self.repeats,
            self.late,
            self.missing
        )?;
        if self.not_followed > 0 {
            writeln!(formatter, "{} deliveries of too many keys not judged", self.not_followed)?;
        }
        if self.violations.is_empty() {
            return formatter.write_str("no violation");
        }
        let kinds = self.violations.iter().map(|(kind, n)| format!("{n} {}", kind.as_str()));
        write!(formatter, "violations: {}", kinds.collect::<Vec<_>>().join(", "))
    }
}
