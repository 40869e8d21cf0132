//! The counters of one source, resolved once.

use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use sprag_core::output::Status;

use super::silence::Heard;
use super::{EventLabels, Metrics, RefusedLabels};
use crate::fate::AtIngress;
use crate::problem::Code;

/// Counts what arrives at a source. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct SourceMetrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    name: String,
    heard: Heard,
    events: [Counter; AtIngress::ALL.len()],
    /// Made when first needed: most codes never occur.
    refused: Vec<OnceLock<Counter>>,
    family: prometheus_client::metrics::family::Family<RefusedLabels, Counter>,
}

impl SourceMetrics {
    pub(super) fn new(metrics: &Metrics, name: &str) -> Self {
        let counter = |at: usize| {
            let fate = AtIngress::ALL[at].as_str();
            let labels = EventLabels { source: name.to_owned(), fate };
            metrics.events.get_or_create(&labels).clone()
        };
        Self(Arc::new(Counters {
            name: name.to_owned(),
            heard: metrics.silences.of(name),
            events: std::array::from_fn(counter),
            refused: Code::ALL.iter().map(|_| OnceLock::new()).collect(),
            family: metrics.refused.clone(),
        }))
    }

    /// An event that it posted was answered with a status.
    pub fn event(&self, status: Status) {
        self.0.heard.now();
        self.asked_for(status);
    }

    /// An event that it was asked for was answered with a status.
    pub fn asked_for(&self, status: Status) {
        // `ALL` lists them in the order of their declaration.
        self.0.events[AtIngress::from(status) as usize].inc();
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
    fn places_are_those_of_the_list() {
        assert!((0..).zip(Code::ALL).all(|(at, code)| *code as usize == at));
    }
}
