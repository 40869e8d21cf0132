//! The counters of one source that is compared with what it has.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use sprag_core::fact::RefillOutcome;

use super::{Metrics, RefillLabels};

/// Counts questions for what a source has. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct ReconcileMetrics {
    source: String,
    asked: Family<RefillLabels, Counter>,
}

impl ReconcileMetrics {
    pub(super) fn new(metrics: &Metrics, source: &str) -> Self {
        let metrics = Self { source: source.to_owned(), asked: metrics.reconcile_asked.clone() };
        // It begins at nothing, not with the first question.
        metrics.of(RefillOutcome::Whole.as_str());
        metrics
    }

    /// A question is over.
    pub fn ended(&self, outcome: RefillOutcome) {
        let outcome = match outcome {
            RefillOutcome::Answered { status: 404 | 410 } => "absent",
            outcome => outcome.as_str(),
        };
        self.of(outcome).inc();
    }

    fn of(&self, outcome: &'static str) -> Counter {
        self.asked.get_or_create_owned(&RefillLabels { source: self.source.clone(), outcome })
    }
}
