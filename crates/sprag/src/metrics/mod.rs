//! What is counted, under the names of DESIGN section 5, as Prometheus reads it.
//!
//! Labels are names of the configuration and fixed words, never a key: their number is bounded.
//! Counters are resolved once per source or destination, so that an event costs one atomic
//! addition. Gauges are set when somebody asks ([`Observed`]). Must not know: HTTP, the node.

mod configuration;
mod destination;
mod history;
mod list;
mod observed;
mod reconcile;
mod refill;
mod silence;
mod source;

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use sprag_log::pack::Tally;

pub use destination::DestinationMetrics;
pub use history::History;
pub use list::{Described, LIST, metrics_markdown};
pub use observed::Observed;
pub use reconcile::ReconcileMetrics;
pub use refill::RefillMetrics;
pub use source::SourceMetrics;

use configuration::ConfigurationMetrics;
use list::help;
use observed::Levels;
use silence::Silences;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Commits take 0.1 ms to 3 s; each bucket is half as large as the next.
const COMMIT_BUCKETS: (f64, f64, u16) = (0.0001, 2.0, 16);
/// From a millisecond to three days, each bucket four times the one before: an event may be held,
/// queued and retried for as long.
const LAG_BUCKETS: (f64, f64, u16) = (0.001, 4.0, 15);
/// Frames hold 1 to 4,096 facts.
const FRAME_BUCKETS: (f64, f64, u16) = (1.0, 2.0, 13);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    source: String,
    fate: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    source: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefillLabels {
    source: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    destination: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabel {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    destination: String,
    /// The pool an attempt's slot is taken from (DESIGN D4).
    pool: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitLabels {
    destination: String,
    /// What a lane waits for.
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconciledLabels {
    source: String,
    /// Which side is ahead.
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabel {
    partition: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
    partition: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    destination: String,
    partition: u16,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: Family<EventLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    refills: Family<RefillLabels, Counter>,
    reconcile_asked: Family<RefillLabels, Counter>,
    reconciled: Family<ReconciledLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    filtered: Family<DestinationLabel, Counter>,
    lag_seconds: Lags,
    commit_seconds: Histogram,
    frame_events: Histogram,
    body_bytes: Counter,
    body_stored_bytes: Counter,
    descriptors_missing: Counter,
    configuration: ConfigurationMetrics,
    levels: Levels,
    silences: Silences,
}

type Lags = Family<LaneLabels, Histogram, fn() -> Histogram>;

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn histogram((start, factor, length): (f64, f64, u16)) -> Histogram {
    Histogram::new(exponential_buckets(start, factor, length))
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("sprag"),
            events: Family::default(),
            refused: Family::default(),
            refills: Family::default(),
            reconcile_asked: Family::default(),
            reconciled: Family::default(),
            attempts: Family::default(),
            filtered: Family::default(),
            lag_seconds: Family::new_with_constructor(|| histogram(LAG_BUCKETS)),
            commit_seconds: histogram(COMMIT_BUCKETS),
            frame_events: histogram(FRAME_BUCKETS),
            body_bytes: Counter::default(),
            body_stored_bytes: Counter::default(),
            descriptors_missing: Counter::default(),
            configuration: ConfigurationMetrics::default(),
            levels: Levels::default(),
            silences: Silences::new(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("events", help("events"), self.events.clone());
        registry.register("refused", help("refused"), self.refused.clone());
        registry.register("refills", help("refills"), self.refills.clone());
        let asked = self.reconcile_asked.clone();
        registry.register("reconcile_asked", help("reconcile_asked"), asked);
        registry.register("reconciled", help("reconciled"), self.reconciled.clone());
        registry.register("attempts", help("attempts"), self.attempts.clone());
        registry.register("filtered", help("filtered"), self.filtered.clone());
        registry.register("lag_seconds", help("lag_seconds"), self.lag_seconds.clone());
        registry.register("commit_seconds", help("commit_seconds"), self.commit_seconds.clone());
        registry.register("frame_events", help("frame_events"), self.frame_events.clone());
        for (name, counter) in [
            ("body_bytes", &self.body_bytes),
            ("body_stored_bytes", &self.body_stored_bytes),
            ("descriptors_missing", &self.descriptors_missing),
        ] {
            registry.register(name, help(name), counter.clone());
        }
        self.configuration.register(registry);
        self.levels.register(registry);
    }

    /// The counters of a source.
    #[must_use]
    pub fn source(&self, name: &str) -> SourceMetrics {
        SourceMetrics::new(self, name)
    }

    /// How long a source has posted nothing: since it was heard last, or known first, in this process.
    #[must_use]
    pub fn silence(&self, name: &str) -> Duration {
        self.silences.of(name).silence()
    }

    /// The counters of a source that is asked for missing positions.
    #[must_use]
    pub fn refill(&self, name: &str) -> RefillMetrics {
        RefillMetrics::new(self, name)
    }

    /// The counters of a source that is compared with what it has.
    #[must_use]
    pub fn reconcile(&self, name: &str) -> ReconcileMetrics {
        ReconcileMetrics::new(self, name)
    }

    /// The counters of a destination.
    #[must_use]
    pub fn destination(&self, name: &str) -> DestinationMetrics {
        DestinationMetrics::new(self, name)
    }

    /// This configuration is in force.
    pub fn in_force(&self, revision: u32) {
        self.configuration.in_force(revision);
    }

    /// A reload was accepted, or refused.
    pub fn reloaded(&self, accepted: bool) {
        self.configuration.reloaded(accepted);
    }

    /// A frame of so many events became durable after `took`.
    pub fn commit(&self, took: Duration, events: u32) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.frame_events.observe(f64::from(events));
    }

    /// This is what the log's writer stored of bodies since the process began. Only who has it says so.
    pub fn bodies(&self, tally: &Tally) {
        self.body_bytes.inc_by(tally.received.saturating_sub(self.body_bytes.get()));
        self.body_stored_bytes.inc_by(tally.stored.saturating_sub(self.body_stored_bytes.get()));
    }

    /// A connection could not be taken or made for want of a file descriptor.
    pub fn descriptor_missing(&self) {
        self.descriptors_missing.inc();
    }

    /// Everything as text, with what is true now.
    #[must_use]
    pub fn text(&self, observed: &Observed) -> String {
        self.levels.set(observed);
        for (name, count) in &observed.filtered {
            let label = DestinationLabel { destination: name.clone() };
            let counter = self.filtered.get_or_create(&label);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        for ((source, result), count) in &observed.reconciled {
            let label = ReconciledLabels { source: source.clone(), result };
            let counter = self.reconciled.get_or_create(&label);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;
    use sprag_core::fact::{Outcome, RefillOutcome};
    use sprag_core::id::PartitionId;
    use sprag_core::output::Status;
    use std::collections::BTreeSet;

    #[test]
    fn counters_have_the_names_and_labels_of_the_design() {
        let metrics = Metrics::new();
        let (source, app) = (metrics.source("billing"), metrics.destination("app"));
        source.event(Status::Released);
        source.event(Status::Released);
        metrics.source("billing").event(Status::Held);
        source.refused(Code::SignatureMismatch);
        metrics.refill("billing").ended(RefillOutcome::Answered { status: 429 });
        metrics.reconcile("billing").ended(RefillOutcome::Answered { status: 404 });
        app.attempt(Outcome::Answered { status: 204 });
        app.attempt(Outcome::Answered { status: 503 });
        app.attempt(Outcome::Unknown);
        metrics.commit(Duration::from_millis(2), 30);
        metrics.bodies(&Tally { received: 500, stored: 200, ..Tally::default() });
        metrics.bodies(&Tally { received: 700, stored: 300, ..Tally::default() });
        app.delivered(PartitionId(3), [Duration::from_millis(20)].into_iter());
        let text = metrics.text(&levels());
        for line in [
            "sprag_events_total{source=\"billing\",fate=\"released\"} 2",
            "sprag_events_total{source=\"billing\",fate=\"held\"} 1",
            "sprag_events_total{source=\"billing\",fate=\"duplicate\"} 0",
            "sprag_refused_total{source=\"billing\",code=\"signature-mismatch\"} 1",
            "sprag_refills_total{source=\"billing\",outcome=\"throttled\"} 1",
            "sprag_reconcile_asked_total{source=\"billing\",outcome=\"absent\"} 1",
            "sprag_reconciled_total{source=\"billing\",result=\"behind\"} 2",
            "sprag_attempts_total{destination=\"app\",outcome=\"2xx\"} 1",
            "sprag_attempts_total{destination=\"app\",outcome=\"5xx\"} 1",
            "sprag_attempts_total{destination=\"app\",outcome=\"unknown\"} 1",
            "sprag_held_events{source=\"billing\"} 4",
            "sprag_gaps_open{source=\"billing\"} 1",
            "sprag_in_flight{destination=\"app\",pool=\"main\"} 7",
            "sprag_in_flight{destination=\"app\",pool=\"slow\"} 3",
            "sprag_lanes_waiting{destination=\"app\",reason=\"retry\"} 6",
            "sprag_keys_in_memory{partition=\"3\"} 12",
            "sprag_body_bytes_total 700",
            "sprag_body_stored_bytes_total 300",
            "sprag_breaker_open{destination=\"app\"} 1",
            "sprag_filtered_total{destination=\"app\"} 5",
            "sprag_dead_letters{destination=\"app\"} 2",
            "sprag_commit_seconds_count 1",
            "sprag_frame_events_sum 30.0",
            "sprag_dedupe_ids 9",
            "sprag_forgotten_keys{partition=\"3\"} 11",
            "sprag_partition_owned{partition=\"0\"} 1",
            "sprag_oldest_gap_seconds{source=\"billing\"} 7.5",
            "sprag_sequence_drift{source=\"billing\",partition=\"3\"} 12",
            "sprag_head_age_seconds{destination=\"app\",partition=\"3\"} 60.0",
            "sprag_lag_seconds_count{destination=\"app\",partition=\"3\"} 1",
            "sprag_checkpoint_age_seconds 0.5",
            "sprag_partition_owned{partition=\"1\"} 0",
            "sprag_log_bytes 5",
            "sprag_log_segments 2",
            "sprag_retention_deleted_total 1",
            "sprag_log_damaged_total 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_is_described(&text);
        // Levels that are gone are gone from the page.
        let text = metrics.text(&Observed::default());
        assert!(!text.contains("sprag_held_events{"), "{text}");
    }

    fn levels() -> Observed {
        Observed {
            reconciled: vec![(("billing".to_owned(), "behind"), 2)],
            dedupe_ids: 9,
            held_events: vec![("billing".into(), 4)],
            gaps_open: vec![("billing".into(), 1)],
            silences: vec![("billing".into(), 12.5)],
            lanes_waiting: vec![(("app".into(), "retry"), 6)],
            in_flight: vec![("app".into(), 7)],
            in_flight_slow: vec![("app".into(), 3)],
            backlog_bytes: vec![("app".into(), 900)],
            breaker_open: vec![("app".into(), 1)],
            filtered: vec![("app".into(), 5)],
            dead_letters: vec![("app".into(), 2)],
            oldest_gaps: vec![("billing".into(), 7.5)],
            drifts: vec![(("billing".into(), 3), 12)],
            head_ages: vec![(("app".into(), 3), 60.0)],
            checkpoint_age: 0.5,
            partitions_owned: vec![true, false],
            forgotten_keys: vec![(3, 11)],
            keys_in_memory: vec![(3, 12)],
            history: History {
                bytes: 5,
                segments: 2,
                damaged: 3,
                deleted: 1,
                ..History::default()
            },
        }
    }

    /// The list of the reference has the same metrics, with the same labels.
    fn assert_is_described(text: &str) {
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let kinds: BTreeSet<&str> = kinds.collect();
        let described: Vec<String> = LIST
            .iter()
            .map(|described| {
                format!("{} {}", described.name.trim_end_matches("_total"), described.kind)
            })
            .collect();
        assert_eq!(kinds, described.iter().map(String::as_str).collect());
        for described in LIST {
            let labelled = text.lines().any(|line| {
                line.starts_with(described.name)
                    && described.labels.iter().all(|label| line.contains(&format!("{label}=\"")))
            });
            assert!(labelled, "{}", described.name);
        }
    }
}
