//! The counters of one source that is asked for missing positions.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use sprag_core::fact::RefillOutcome;

use super::{Metrics, RefillLabels};

/// Counts asks for missing positions. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct RefillMetrics {
    source: String,
    refills: Family<RefillLabels, Counter>,
}

impl RefillMetrics {
    pub(super) fn new(metrics: &Metrics, source: &str) -> Self {
        Self { source: source.to_owned(), refills: metrics.refills.clone() }
    }

    /// An ask is over.
    pub fn ended(&self, outcome: RefillOutcome) {
        let labels = RefillLabels { source: self.source.clone(), outcome: outcome.as_str() };
        self.refills.get_or_create(&labels).inc();
    }
}
