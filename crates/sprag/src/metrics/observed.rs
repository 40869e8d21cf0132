//! Levels: what is true at the moment somebody asks.

use std::hash::Hash;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{Atomic, Gauge};
use prometheus_client::registry::Registry;

use super::history::{History, HistoryMetrics};
use super::list::help;
use super::{
    DestinationLabel, LaneLabels, PartitionLabel, PoolLabels, SourceLabel, SourceLabels, WaitLabels,
};

/// What is true at the moment somebody asks, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Ids and positions in memory for dedupe.
    pub dedupe_ids: u64,
    /// Events that wait behind missing positions, by source.
    pub held_events: Vec<(String, u64)>,
    /// Keys that wait for missing positions, by source.
    pub gaps_open: Vec<(String, u64)>,
    /// Seconds of the longest such wait, by source.
    pub oldest_gaps: Vec<(String, f64)>,
    /// Seconds since each source posted an event, or was known first.
    pub silences: Vec<(String, f64)>,
    /// Positions received beyond the next to release, by source and partition.
    pub drifts: Vec<((String, u16), u64)>,
    /// Seconds that the oldest event at a lane's head has waited, by destination and partition.
    pub head_ages: Vec<((String, u16), f64)>,
    /// Lanes that have something to deliver, by destination and what they wait for.
    pub lanes_waiting: Vec<((String, &'static str), u64)>,
    /// Attempts under way that are not slow, by destination.
    pub in_flight: Vec<(String, u64)>,
    /// Those that are.
    pub in_flight_slow: Vec<(String, u64)>,
    /// Bytes that wait, by destination.
    pub backlog_bytes: Vec<(String, u64)>,
    /// 1 where the breaker is open, by destination.
    pub breaker_open: Vec<(String, u64)>,
    /// Events not taken for their type since the process began, by destination.
    pub filtered: Vec<(String, u64)>,
    /// Keys compared since the process began, by source and which side was ahead.
    pub reconciled: Vec<((String, &'static str), u64)>,
    /// Dead letters and events in stopped lanes, by destination; an empty name is ingress.
    pub dead_letters: Vec<(String, u64)>,
    /// Tombstones of forgotten keys, by partition.
    pub forgotten_keys: Vec<(u16, u64)>,
    /// Keys in memory, by partition.
    pub keys_in_memory: Vec<(u16, u64)>,
    /// Seconds that the state store is behind the log.
    pub checkpoint_age: f64,
    /// Whether each partition decides here.
    pub partitions_owned: Vec<bool>,
    /// What history takes on disk, and what retention did.
    pub history: History,
}

type Level = Gauge<u64, AtomicU64>;
type Seconds = Gauge<f64, AtomicU64>;

/// The gauges.
#[derive(Debug, Default)]
pub(super) struct Levels {
    held_events: Family<SourceLabel, Level>,
    gaps_open: Family<SourceLabel, Level>,
    oldest_gaps: Family<SourceLabel, Seconds>,
    silences: Family<SourceLabel, Seconds>,
    drifts: Family<SourceLabels, Level>,
    head_ages: Family<LaneLabels, Seconds>,
    lanes_waiting: Family<WaitLabels, Level>,
    in_flight: Family<PoolLabels, Level>,
    dead_letters: Family<DestinationLabel, Level>,
    backlog_bytes: Family<DestinationLabel, Level>,
    breaker_open: Family<DestinationLabel, Level>,
    partition_owned: Family<PartitionLabel, Level>,
    forgotten_keys: Family<PartitionLabel, Level>,
    keys_in_memory: Family<PartitionLabel, Level>,
    checkpoint_age: Seconds,
    dedupe_ids: Level,
    history: HistoryMetrics,
}

impl Levels {
    pub(super) fn register(&self, registry: &mut Registry) {
        fn add<M: prometheus_client::registry::Metric>(
            registry: &mut Registry,
            name: &str,
            metric: M,
        ) {
            registry.register(name, help(name), metric);
        }
        add(registry, "held_events", self.held_events.clone());
        add(registry, "gaps_open", self.gaps_open.clone());
        add(registry, "oldest_gap_seconds", self.oldest_gaps.clone());
        add(registry, "source_silence_seconds", self.silences.clone());
        add(registry, "sequence_drift", self.drifts.clone());
        add(registry, "head_age_seconds", self.head_ages.clone());
        add(registry, "lanes_waiting", self.lanes_waiting.clone());
        add(registry, "in_flight", self.in_flight.clone());
        add(registry, "dead_letters", self.dead_letters.clone());
        add(registry, "backlog_bytes", self.backlog_bytes.clone());
        add(registry, "breaker_open", self.breaker_open.clone());
        add(registry, "partition_owned", self.partition_owned.clone());
        add(registry, "forgotten_keys", self.forgotten_keys.clone());
        add(registry, "keys_in_memory", self.keys_in_memory.clone());
        add(registry, "checkpoint_age_seconds", self.checkpoint_age.clone());
        add(registry, "dedupe_ids", self.dedupe_ids.clone());
        self.history.register(registry);
    }

    pub(super) fn set(&self, observed: &Observed) {
        let source = |name: &String| SourceLabel { source: name.clone() };
        set(&self.held_events, &observed.held_events, source);
        set(&self.gaps_open, &observed.gaps_open, source);
        set(&self.oldest_gaps, &observed.oldest_gaps, source);
        set(&self.silences, &observed.silences, source);
        set(&self.drifts, &observed.drifts, |(name, partition): &(String, u16)| SourceLabels {
            source: name.clone(),
            partition: *partition,
        });
        set(&self.head_ages, &observed.head_ages, |(name, partition): &(String, u16)| LaneLabels {
            destination: name.clone(),
            partition: *partition,
        });
        set(&self.lanes_waiting, &observed.lanes_waiting, |(name, reason)| WaitLabels {
            destination: name.clone(),
            reason,
        });
        let pool = |pool| move |name: &String| PoolLabels { destination: name.clone(), pool };
        set(&self.in_flight, &observed.in_flight, pool("main"));
        for (name, slow) in &observed.in_flight_slow {
            self.in_flight.get_or_create(&pool("slow")(name)).set(*slow);
        }
        let destination = |name: &String| DestinationLabel { destination: name.clone() };
        set(&self.dead_letters, &observed.dead_letters, destination);
        set(&self.backlog_bytes, &observed.backlog_bytes, destination);
        set(&self.breaker_open, &observed.breaker_open, destination);
        for (partition, owned) in (0..).zip(&observed.partitions_owned) {
            let label = PartitionLabel { partition };
            self.partition_owned.get_or_create(&label).set(u64::from(*owned));
        }
        let partition = |partition: &u16| PartitionLabel { partition: *partition };
        set(&self.forgotten_keys, &observed.forgotten_keys, partition);
        set(&self.keys_in_memory, &observed.keys_in_memory, partition);
        self.checkpoint_age.set(observed.checkpoint_age);
        self.dedupe_ids.set(observed.dedupe_ids);
        self.history.observe(&observed.history);
    }
}

/// Replaces all levels of a family: a name that is gone must not keep its last value.
fn set<L, N, T>(family: &Family<L, Gauge<T, AtomicU64>>, levels: &[(N, T)], label: impl Fn(&N) -> L)
where
    L: Clone + Hash + Eq,
    T: Copy,
    AtomicU64: Atomic<T>,
    Gauge<T, AtomicU64>: Default,
{
    family.clear();
    for (name, level) in levels {
        family.get_or_create(&label(name)).set(*level);
    }
}
