//! What two looks at the metrics say together.

use super::scrape::Scrape;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything of one time span.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// How long it was.
    pub(super) seconds: f64,
    pub(super) config_revision: u64,
    pub(super) partitions_serving: usize,
    pub(super) store_behind_seconds: f64,
    /// From handing a frame over until it is durable.
    pub(super) commit: Latency,
    /// Bodies that were stored, as received.
    pub(super) body_bytes_per_second: f64,
    pub(super) sources: Vec<Source>,
    pub(super) destinations: Vec<Destination>,
    pub(super) partitions: Vec<Partition>,
}

/// Absent where nothing was measured.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ms_p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ms_p99: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) events_per_second: f64,
    pub(super) refused_per_second: f64,
    pub(super) held_events: u64,
    /// Keys that wait for missing positions.
    pub(super) gaps_open: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_gap_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) delivered_per_second: f64,
    /// Attempts that were not answered with 2xx.
    pub(super) failed_per_second: f64,
    pub(super) in_flight: u64,
    /// From the receipt of an event to its acknowledgement.
    pub(super) lag: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_head_seconds: Option<f64>,
    pub(super) backlog_bytes: u64,
    pub(super) dead_letters: u64,
    pub(super) breaker_open: bool,
    /// Lanes that have something to deliver, by what they wait for.
    pub(super) lanes_waiting: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Partition {
    pub(super) partition: u16,
    pub(super) serving: bool,
    pub(super) keys_in_memory: u64,
    pub(super) delivered_per_second: f64,
    pub(super) lag: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_head_seconds: Option<f64>,
}

/// Two looks, and the time between them.
struct Between<'a> {
    before: &'a Scrape,
    now: &'a Scrape,
    seconds: f64,
}

impl Picture {
    pub(super) fn between(before: &Scrape, now: &Scrape, took: Duration) -> Self {
        let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
        let between = Between { before, now, seconds };
        let named = |metric: &str, label: &str| now.values(metric, label).into_iter();
        let destinations = named("sprag_attempts_total", "destination");
        let partitions: Vec<Partition> = named("sprag_partition_owned", "partition")
            .filter_map(|name| between.partition(&name))
            .collect();
        Self {
            seconds,
            config_revision: whole(now.sum("sprag_config_revision", &[])),
            partitions_serving: partitions.iter().filter(|of| of.serving).count(),
            store_behind_seconds: now.sum("sprag_checkpoint_age_seconds", &[]),
            commit: between.latency("sprag_commit_seconds", &[]),
            body_bytes_per_second: between.rate("sprag_body_bytes_total", &[]),
            sources: named("sprag_events_total", "source")
                .map(|name| between.source(name))
                .collect(),
            destinations: destinations.map(|name| between.destination(name)).collect(),
            partitions,
        }
    }

    /// Whether something is not as it should be.
    pub(super) fn has_found(&self) -> bool {
        self.partitions_serving < self.partitions.len()
            || self.destinations.iter().any(|to| to.breaker_open)
    }
}

impl Between<'_> {
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.now.rise(self.before, name, labels) / self.seconds
    }

    fn latency(&self, name: &str, labels: &[(&str, &str)]) -> Latency {
        let millis = |share| Some(self.now.quantile(self.before, name, labels, share)? * 1_000.0);
        Latency { ms_p50: millis(0.5), ms_p99: millis(0.99) }
    }

    fn level(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        whole(self.now.sum(name, labels))
    }

    fn source(&self, name: String) -> Source {
        let labels = &[("source", name.as_str())][..];
        Source {
            events_per_second: self.rate("sprag_events_total", labels),
            refused_per_second: self.rate("sprag_refused_total", labels),
            held_events: self.level("sprag_held_events", labels),
            gaps_open: self.level("sprag_gaps_open", labels),
            oldest_gap_seconds: self.now.highest("sprag_oldest_gap_seconds", labels),
            name,
        }
    }

    fn destination(&self, name: String) -> Destination {
        let labels = &[("destination", name.as_str())][..];
        let attempts = "sprag_attempts_total";
        let answered = [("destination", name.as_str()), ("outcome", "2xx")];
        let failed = self.rate(attempts, labels) - self.rate(attempts, &answered);
        let waiting = self.now.by("sprag_lanes_waiting", "reason", labels).into_iter();
        let waiting = waiting.map(|(reason, lanes)| (reason, whole(lanes)));
        Destination {
            delivered_per_second: self.rate("sprag_lag_seconds_count", labels),
            failed_per_second: failed.max(0.0),
            in_flight: self.level("sprag_in_flight", labels),
            lag: self.latency("sprag_lag_seconds", labels),
            oldest_head_seconds: self.now.highest("sprag_head_age_seconds", labels),
            backlog_bytes: self.level("sprag_backlog_bytes", labels),
            dead_letters: self.level("sprag_dead_letters", labels),
            breaker_open: self.level("sprag_breaker_open", labels) > 0,
            lanes_waiting: waiting.filter(|(_, lanes)| *lanes > 0).collect(),
            name,
        }
    }

    fn partition(&self, name: &str) -> Option<Partition> {
        let labels = &[("partition", name)][..];
        Some(Partition {
            partition: name.parse().ok()?,
            serving: self.level("sprag_partition_owned", labels) > 0,
            keys_in_memory: self.level("sprag_keys_in_memory", labels),
            delivered_per_second: self.rate("sprag_lag_seconds_count", labels),
            lag: self.latency("sprag_lag_seconds", labels),
            oldest_head_seconds: self.now.highest("sprag_head_age_seconds", labels),
        })
    }
}

/// A level as the whole number it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are written as whole numbers; `as` saturates"
)]
fn whole(level: f64) -> u64 {
    level as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "sprag_events_total{source=\"s\",fate=\"released\"} 10\n\
        sprag_attempts_total{destination=\"app\",outcome=\"2xx\"} 5\n\
        sprag_partition_owned{partition=\"0\"} 1\n";
    const NOW: &str = "sprag_events_total{source=\"s\",fate=\"released\"} 30\n\
        sprag_events_total{source=\"s\",fate=\"held\"} 10\n\
        sprag_attempts_total{destination=\"app\",outcome=\"2xx\"} 9\n\
        sprag_attempts_total{destination=\"app\",outcome=\"5xx\"} 6\n\
        sprag_lanes_waiting{destination=\"app\",reason=\"retry\"} 4\n\
        sprag_lanes_waiting{destination=\"app\",reason=\"slot\"} 0\n\
        sprag_head_age_seconds{destination=\"app\",partition=\"0\"} 2.5\n\
        sprag_partition_owned{partition=\"0\"} 1\nsprag_partition_owned{partition=\"1\"} 1\n";

    fn picture(now: &str) -> Picture {
        Picture::between(&Scrape::read(BEFORE), &Scrape::read(now), Duration::from_secs(2))
    }

    #[test]
    fn two_looks_give_rates_and_the_second_what_waits() {
        let picture = picture(NOW);
        let json = serde_json::to_value(&picture).unwrap();
        assert_eq!(json["sources"][0]["events_per_second"], 15.0, "{json}");
        let to = &json["destinations"][0];
        assert_eq!(
            (&to["failed_per_second"], &to["oldest_head_seconds"]),
            (&3.0.into(), &2.5.into())
        );
        assert_eq!(to["lanes_waiting"], serde_json::json!({"retry": 4}), "{json}");
        assert_eq!((picture.partitions_serving, picture.has_found()), (2, false));
        assert!(to["lag"].as_object().unwrap().is_empty(), "nothing was delivered: {json}");
    }

    #[test]
    fn a_partition_that_does_not_serve_and_an_open_breaker_are_found() {
        assert!(picture(&NOW.replace("partition=\"1\"} 1", "partition=\"1\"} 0")).has_found());
        assert!(
            picture(&format!("{NOW}sprag_breaker_open{{destination=\"app\"}} 1\n")).has_found()
        );
    }
}
