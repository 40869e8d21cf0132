//! Which configuration is in force, and what became of reloads.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::list::help;
use crate::reload::OUTCOMES;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The metrics of the configuration.
#[derive(Debug, Default)]
pub(super) struct ConfigurationMetrics {
    revision: Gauge<u64, AtomicU64>,
    successful: Gauge<u64, AtomicU64>,
    reloads: Family<OutcomeLabel, Counter>,
}

impl ConfigurationMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        self.successful.set(1);
        for outcome in OUTCOMES {
            drop(self.reloads.get_or_create(&OutcomeLabel { outcome }));
        }
        let (revision, successful) = ("config_revision", "config_reload_successful");
        registry.register(revision, help(revision), self.revision.clone());
        registry.register(successful, help(successful), self.successful.clone());
        registry.register("config_reloads", help("config_reloads"), self.reloads.clone());
    }

    pub(super) fn in_force(&self, revision: u32) {
        self.revision.set(u64::from(revision));
    }

    pub(super) fn reloaded(&self, accepted: bool) {
        self.successful.set(u64::from(accepted));
        let outcome = OUTCOMES[usize::from(!accepted)];
        self.reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
