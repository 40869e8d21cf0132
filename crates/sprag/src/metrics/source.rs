//! The counters of one source, resolved once.

use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use sprag_core::output::Status;

use super::{EventLabels, Metrics, RefusedLabels};
use crate::problem::Code;

/// Counts what arrives at a source. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct SourceMetrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    name: String,
    events: [Counter; STATUSES.len()],
    /// Made when first needed: most codes never occur.
    refused: Vec<OnceLock<Counter>>,
    family: prometheus_client::metrics::family::Family<RefusedLabels, Counter>,
}

const STATUSES: [Status; 8] = [
    Status::Released,
    Status::Late,
    Status::Held,
    Status::Duplicate,
    Status::Conflict,
    Status::Invalid,
    Status::Ignored,
    Status::Stale,
];

/// The label, and where [`STATUSES`] has it.
fn fate(status: Status) -> (usize, &'static str) {
    match status {
        Status::Released => (0, "released"),
        Status::Late => (1, "late"),
        Status::Held => (2, "held"),
        Status::Duplicate => (3, "duplicate"),
        Status::Conflict => (4, "conflict"),
        Status::Invalid => (5, "invalid"),
        Status::Ignored => (6, "ignored"),
        Status::Stale => (7, "stale"),
    }
}

impl SourceMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let counter = |status| {
            let labels = EventLabels { source: name.to_owned(), fate: fate(status).1 };
            metrics.events.get_or_create(&labels).clone()
        };
        Self(Arc::new(Counters {
            name: name.to_owned(),
            events: STATUSES.map(counter),
            refused: Code::ALL.iter().map(|_| OnceLock::new()).collect(),
            family: metrics.refused.clone(),
        }))
    }

    /// An event was answered with a status.
    pub fn event(&self, status: Status) {
        self.0.events[fate(status).0].inc();
    }

    /// A request was refused.
    pub fn refused(&self, code: Code) {
        // `ALL` lists the codes in the order of their declaration.
        let Some(counter) = self.0.refused.get(code as usize) else { return };
        let resolve = || {
            let labels = RefusedLabels { source: self.0.name.clone(), code: code.as_str() };
            self.0.family.get_or_create(&labels).clone()
        };
        counter.get_or_init(resolve).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_lists() {
        assert!((0..).zip(STATUSES).all(|(at, status)| fate(status).0 == at));
        assert!((0..).zip(Code::ALL).all(|(at, code)| *code as usize == at));
    }
}
