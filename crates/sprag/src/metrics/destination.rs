//! The counters of one destination, resolved once.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use sprag_core::fact::Outcome;

use super::{AttemptLabels, Metrics};

/// Counts the attempts to a destination. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct DestinationMetrics(Arc<[Counter; CLASSES.len()]>);

/// Classes of outcomes: answers by the first digit of their status, and the ends without one.
const CLASSES: [&str; 9] =
    ["2xx", "3xx", "4xx", "5xx", "other", "unreachable", "refused", "unknown", "unreadable"];

fn class(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Answered { status: 200..=299 } => 0,
        Outcome::Answered { status: 300..=399 } => 1,
        Outcome::Answered { status: 400..=499 } => 2,
        Outcome::Answered { status: 500..=599 } => 3,
        Outcome::Answered { .. } => 4,
        Outcome::Unreachable => 5,
        Outcome::Refused => 6,
        // What is not acknowledged in time was answered 202 before, and counted as that.
        Outcome::Unknown | Outcome::Unacknowledged => 7,
        Outcome::Unreadable => 8,
    }
}

impl DestinationMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let counter = |outcome| {
            let labels = AttemptLabels { destination: name.to_owned(), outcome };
            metrics.attempts.get_or_create(&labels).clone()
        };
        Self(Arc::new(CLASSES.map(counter)))
    }

    /// An attempt ended.
    pub fn attempt(&self, outcome: Outcome) {
        self.0[class(outcome)].inc();
    }
}
