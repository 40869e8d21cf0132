//! The figures of a demo (names and meaning: DESIGN section 5, "Command line").

use super::contracts::Shown;
use super::ledger::Ledger;
use crate::provider::Tally;
use crate::sink::{Summary, ViolationKind};
use serde_json::{Value, json};
use std::fmt;

/// What the demo ends with.
pub(super) struct Report {
    sent: u64,
    received: u64,
    delivered: u64,
    duplicates: u64,
    reordered: u64,
    gaps: u64,
    refilled: u64,
    lost: u64,
    order_violations: u64,
    events_per_second: f64,
    latency_ms_p50: f64,
    latency_ms_p99: f64,
    /// What else is to be said, on standard error.
    tally: Tally,
    summary: Summary,
    shown: Vec<Shown>,
}

/// What was done to the events on their way, and what both sides counted.
pub(super) struct Counted<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) tally: Tally,
    pub(super) summary: Summary,
    pub(super) reordered: u64,
    pub(super) never_sent: u64,
    pub(super) shown: Vec<Shown>,
}

impl Report {
    pub(super) fn new(counted: Counted<'_>) -> Self {
        let Counted { ledger, tally, summary, reordered, never_sent, shown } = counted;
        let latencies = ledger.latencies_us();
        let order = [ViolationKind::Order, ViolationKind::Loss, ViolationKind::UnnamedGap];
        Self {
            sent: tally.sent,
            received: tally.acknowledged,
            delivered: ledger.kept(),
            duplicates: tally.of("duplicate"),
            reordered,
            gaps: never_sent,
            // Delivered although the provider never sent it: only a refill can do that.
            refilled: ledger.unknown(),
            lost: ledger.lost(),
            order_violations: order.into_iter().map(|kind| summary.violations_of(kind)).sum(),
            events_per_second: per_second(ledger.kept(), ledger.duration_us()),
            latency_ms_p50: percentile_ms(&latencies, 50),
            latency_ms_p99: percentile_ms(&latencies, 99),
            tally,
            summary,
            shown,
        }
    }

    /// Anything lost, out of order, or not as promised in another way?
    pub(super) fn has_found(&self) -> bool {
        let is_wrong = |shown: &Shown| !shown.is_right();
        self.lost > 0
            || self.summary.violations() > 0
            || self.tally.failed() > 0
            || self.shown.iter().any(is_wrong)
    }

    /// Everything that must not have been, in words.
    pub(super) fn troubles(&self) -> Vec<String> {
        let failures = self.tally.failures.iter().map(|(why, n)| format!("{n} not taken: {why}"));
        let violations = self.summary.first_violations.iter().map(ToString::to_string);
        failures.chain(violations).collect()
    }

    /// One JSON object.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "received": self.received,
            "delivered": self.delivered,
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "gaps": self.gaps,
            "refilled": self.refilled,
            "lost": self.lost,
            "order_violations": self.order_violations,
            "events_per_second": self.events_per_second,
            "latency_ms_p50": self.latency_ms_p50,
            "latency_ms_p99": self.latency_ms_p99,
            "contracts": self.shown.iter().map(Shown::to_json).collect::<Vec<_>>(),
        })
    }

    fn rows(&self) -> [(&'static str, String, &'static str); 12] {
        [
            ("sent", self.sent.to_string(), "requests of the provider, repeats included"),
            ("received", self.received.to_string(), "acknowledged by Sprag: durable"),
            ("duplicates", self.duplicates.to_string(), "repeats that Sprag recognised"),
            ("reordered", self.reordered.to_string(), "sent after a later event of their key"),
            ("gaps", self.gaps.to_string(), "positions the provider never sent"),
            ("refilled", self.refilled.to_string(), "of them fetched from the provider's API"),
            ("delivered", self.delivered.to_string(), "events the consumer acknowledged"),
            ("lost", self.lost.to_string(), "acknowledged by Sprag and never delivered"),
            ("order violations", self.order_violations.to_string(), "seen by the consumer"),
            ("events per second", format!("{:.0}", self.events_per_second), "from first to last"),
            ("latency p50", format!("{:.1} ms", self.latency_ms_p50), "provider to consumer"),
            ("latency p99", format!("{:.1} ms", self.latency_ms_p99), "waiting for gaps included"),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, meaning) in self.rows() {
            writeln!(formatter, "{name:<18}{value:>12}   {meaning}")?;
        }
        let repeated = self.summary.repeats;
        write!(
            formatter,
            "\n{repeated} deliveries were repeated because the consumer failed or did "
        )?;
        writeln!(formatter, "not answer, {} events came late.", self.summary.late)?;
        write!(formatter, "\n{:<10}{:<38}the consumer got", "contract", "events came as")?;
        self.shown.iter().try_for_each(|shown| write!(formatter, "\n{}", shown.line()))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people; 2⁵³ microseconds are 285 years"
)]
fn per_second(count: u64, duration_us: u64) -> f64 {
    if duration_us == 0 {
        return 0.0;
    }
    (count as f64 * 1e6 / duration_us as f64 * 10.0).round() / 10.0
}

/// The value below which `percent` of the sorted values lie, in milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people; 2⁵³ microseconds are 285 years"
)]
fn percentile_ms(sorted_us: &[u64], percent: usize) -> f64 {
    let last = sorted_us.len().saturating_sub(1);
    let at = (sorted_us.len() * percent / 100).min(last);
    sorted_us.get(at).map_or(0.0, |us| *us as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=200).map(|ms| ms * 1_000).collect();
        assert!((percentile_ms(&sorted, 50) - 101.0).abs() < f64::EPSILON);
        assert!((percentile_ms(&sorted, 99) - 199.0).abs() < f64::EPSILON);
        assert!(percentile_ms(&[], 99).abs() < f64::EPSILON);
        assert!((per_second(500, 250_000) - 2_000.0).abs() < f64::EPSILON);
    }
}
