//! The counters of one destination, resolved once.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use sprag_core::fact::Outcome;
use sprag_core::id::PartitionId;

use super::{AttemptLabels, Lags, LaneLabels, Metrics};

/// Counts the attempts to a destination. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct DestinationMetrics(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    attempts: [Counter; CLASSES.len()],
    name: String,
    lags: Lags,
}

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
        let attempts = CLASSES.map(counter);
        let (name, lags) = (name.to_owned(), metrics.lag_seconds.clone());
        Self(Arc::new(Counted { attempts, name, lags }))
    }

    /// The destination's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// An attempt ended.
    pub fn attempt(&self, outcome: Outcome) {
        self.0.attempts[class(outcome)].inc();
    }

    /// Events of a partition were acknowledged so long after they were received.
    pub fn delivered(&self, partition: PartitionId, lags: impl Iterator<Item = Duration>) {
        let mut lags = lags.peekable();
        if lags.peek().is_none() {
            return;
        }
        let labels = LaneLabels { destination: self.0.name.clone(), partition: partition.0 };
        let histogram = self.0.lags.get_or_create(&labels);
        lags.for_each(|lag| histogram.observe(lag.as_secs_f64()));
    }
}
