//! What is counted, under the names of DESIGN section 5, as Prometheus reads it.
//!
//! Labels are names of the configuration and fixed words, never a key: their number is bounded.
//! Counters are resolved once per source or destination, so that an event costs one atomic
//! addition. Gauges are set when somebody asks ([`Observed`]). Must not know: HTTP, the node.

mod destination;
mod source;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use destination::DestinationMetrics;
pub use source::SourceMetrics;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Commits take 0.1 ms to 3 s; each bucket is half as large as the next.
const COMMIT_BUCKETS: (f64, f64, u16) = (0.0001, 2.0, 16);
/// Frames hold 1 to 4,096 facts.
const FRAME_BUCKETS: (f64, f64, u16) = (1.0, 2.0, 13);

type Level = Gauge<u64, AtomicU64>;

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
struct PartitionLabel {
    partition: u16,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: Family<EventLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    commit_seconds: Histogram,
    frame_events: Histogram,
    held_events: Family<SourceLabel, Level>,
    gaps_open: Family<SourceLabel, Level>,
    in_flight: Family<PoolLabels, Level>,
    filtered: Family<DestinationLabel, Counter>,
    dead_letters: Family<DestinationLabel, Level>,
    breaker_open: Family<DestinationLabel, Level>,
    partition_owned: Family<PartitionLabel, Level>,
    dedupe_ids: Level,
}

/// What is true at the moment somebody asks, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Ids and positions in memory for dedupe.
    pub dedupe_ids: u64,
    /// Events of keys in memory that wait behind missing positions, by source.
    pub held_events: Vec<(String, u64)>,
    /// Keys in memory that wait for missing positions, by source.
    pub gaps_open: Vec<(String, u64)>,
    /// Attempts under way that are not slow, by destination.
    pub in_flight: Vec<(String, u64)>,
    /// Those that are.
    pub in_flight_slow: Vec<(String, u64)>,
    /// 1 where the breaker is open, by destination.
    pub breaker_open: Vec<(String, u64)>,
    /// Events not taken for their type since the process began, by destination.
    pub filtered: Vec<(String, u64)>,
    /// Dead letters and events in stopped lanes, by destination; an empty name is ingress.
    pub dead_letters: Vec<(String, u64)>,
    /// Whether each partition decides here.
    pub partitions_owned: Vec<bool>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let buckets = |(start, factor, length)| exponential_buckets(start, factor, length);
        let mut metrics = Self {
            registry: Registry::with_prefix("sprag"),
            events: Family::default(),
            refused: Family::default(),
            attempts: Family::default(),
            commit_seconds: Histogram::new(buckets(COMMIT_BUCKETS)),
            frame_events: Histogram::new(buckets(FRAME_BUCKETS)),
            held_events: Family::default(),
            gaps_open: Family::default(),
            in_flight: Family::default(),
            filtered: Family::default(),
            dead_letters: Family::default(),
            breaker_open: Family::default(),
            dedupe_ids: Level::default(),
            partition_owned: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let counted = "Events answered, by what they became on arrival";
        registry.register("events", counted, self.events.clone());
        let refused = "Requests refused, by problem code";
        registry.register("refused", refused, self.refused.clone());
        let attempts = "Attempts ended, by outcome";
        registry.register("attempts", attempts, self.attempts.clone());
        let commit = "Seconds from handing a frame over until it is durable";
        registry.register("commit_seconds", commit, self.commit_seconds.clone());
        let frame = "Events of a frame";
        registry.register("frame_events", frame, self.frame_events.clone());
        let held = "Events that wait behind missing positions, of keys in memory";
        registry.register("held_events", held, self.held_events.clone());
        let gaps = "Keys in memory that wait for missing positions";
        registry.register("gaps_open", gaps, self.gaps_open.clone());
        let flight = "Attempts under way";
        registry.register("in_flight", flight, self.in_flight.clone());
        let filtered = "Events that did not enter a destination's lanes for their type";
        registry.register("filtered", filtered, self.filtered.clone());
        let dead = "Dead letters, and events in stopped lanes; no destination is ingress";
        registry.register("dead_letters", dead, self.dead_letters.clone());
        let breaker = "Whether the breaker of a destination is open";
        registry.register("breaker_open", breaker, self.breaker_open.clone());
        let ids = "Ids and positions in memory for dedupe; older ones are looked up";
        registry.register("dedupe_ids", ids, self.dedupe_ids.clone());
        let owned = "Whether this instance decides for the partition";
        registry.register("partition_owned", owned, self.partition_owned.clone());
    }

    /// The counters of a source.
    #[must_use]
    pub fn source(&self, name: &str) -> SourceMetrics {
        SourceMetrics::new(self, name)
    }

    /// The counters of a destination.
    #[must_use]
    pub fn destination(&self, name: &str) -> DestinationMetrics {
        DestinationMetrics::new(self, name)
    }

    /// A frame of so many events became durable after `took`.
    pub fn commit(&self, took: Duration, events: u32) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.frame_events.observe(f64::from(events));
    }

    /// Everything as text, with what is true now.
    #[must_use]
    pub fn text(&self, observed: &Observed) -> String {
        self.observe(observed);
        self.dedupe_ids.set(observed.dedupe_ids);
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    fn observe(&self, observed: &Observed) {
        let source = |name: &String| SourceLabel { source: name.clone() };
        set(&self.held_events, &observed.held_events, source);
        set(&self.gaps_open, &observed.gaps_open, source);
        let pool = |pool| move |name: &String| PoolLabels { destination: name.clone(), pool };
        set(&self.in_flight, &observed.in_flight, pool("main"));
        for (name, slow) in &observed.in_flight_slow {
            self.in_flight.get_or_create(&pool("slow")(name)).set(*slow);
        }
        let destination = |name: &String| DestinationLabel { destination: name.clone() };
        for (name, count) in &observed.filtered {
            let counter = self.filtered.get_or_create(&destination(name));
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        set(&self.dead_letters, &observed.dead_letters, destination);
        set(&self.breaker_open, &observed.breaker_open, destination);
        for (partition, owned) in (0..).zip(&observed.partitions_owned) {
            let label = PartitionLabel { partition };
            self.partition_owned.get_or_create(&label).set(u64::from(*owned));
        }
    }
}

/// Replaces all levels of a family: a name that is gone must not keep its last value.
fn set<L>(family: &Family<L, Level>, levels: &[(String, u64)], label: impl Fn(&String) -> L)
where
    L: Clone + std::hash::Hash + Eq,
{
    family.clear();
    for (name, level) in levels {
        family.get_or_create(&label(name)).set(*level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;
    use sprag_core::fact::Outcome;
    use sprag_core::output::Status;

    #[test]
    fn counters_have_the_names_and_labels_of_the_design() {
        let metrics = Metrics::new();
        let (source, app) = (metrics.source("billing"), metrics.destination("app"));
        source.event(Status::Released);
        source.event(Status::Released);
        metrics.source("billing").event(Status::Held);
        source.refused(Code::SignatureMismatch);
        app.attempt(Outcome::Answered { status: 204 });
        app.attempt(Outcome::Answered { status: 503 });
        app.attempt(Outcome::Unknown);
        metrics.commit(Duration::from_millis(2), 30);
        let observed = Observed {
            dedupe_ids: 9,
            held_events: vec![("billing".into(), 4)],
            gaps_open: vec![("billing".into(), 1)],
            in_flight: vec![("app".into(), 7)],
            in_flight_slow: vec![("app".into(), 3)],
            breaker_open: vec![("app".into(), 1)],
            filtered: vec![("app".into(), 5)],
            dead_letters: vec![("app".into(), 2)],
            partitions_owned: vec![true, false],
        };
        let text = metrics.text(&observed);
        for line in [
            "sprag_events_total{source=\"billing\",fate=\"released\"} 2",
            "sprag_events_total{source=\"billing\",fate=\"held\"} 1",
            "sprag_events_total{source=\"billing\",fate=\"duplicate\"} 0",
            "sprag_refused_total{source=\"billing\",code=\"signature-mismatch\"} 1",
            "sprag_attempts_total{destination=\"app\",outcome=\"2xx\"} 1",
            "sprag_attempts_total{destination=\"app\",outcome=\"5xx\"} 1",
            "sprag_attempts_total{destination=\"app\",outcome=\"unknown\"} 1",
            "sprag_held_events{source=\"billing\"} 4",
            "sprag_gaps_open{source=\"billing\"} 1",
            "sprag_in_flight{destination=\"app\",pool=\"main\"} 7",
            "sprag_in_flight{destination=\"app\",pool=\"slow\"} 3",
            "sprag_breaker_open{destination=\"app\"} 1",
            "sprag_filtered_total{destination=\"app\"} 5",
            "sprag_dead_letters{destination=\"app\"} 2",
            "sprag_commit_seconds_count 1",
            "sprag_frame_events_sum 30.0",
            "sprag_dedupe_ids 9",
            "sprag_partition_owned{partition=\"0\"} 1",
            "sprag_partition_owned{partition=\"1\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // Levels that are gone are gone from the page.
        let text = metrics.text(&Observed::default());
        assert!(!text.contains("sprag_held_events{"), "{text}");
    }
}
