//! Counts of the node at one moment, for metrics, health and readiness.

use std::collections::BTreeMap;
use std::time::Duration;

use sprag_core::backlog::Level;
use sprag_core::chain::Digest;
use sprag_core::destination::Pool;
use sprag_core::fact::Outcome;
use sprag_core::id::{DestinationId, Epoch, FrameNumber, PartitionId, SourceId};
use sprag_core::partition::{ReconcileTally, WaitsFor};
use sprag_core::retention::Tally;
use sprag_core::time::{Now, OpenMicros, UnixMicros};
use sprag_core::totals::Backlog;
use sprag_driver::node::Node;
use sprag_driver::state::State;
use sprag_log::{Log, LogSize};

/// The reason of lanes that wait for an operator: they stopped.
pub const STOPPED: &str = "stopped";

/// The node at one moment.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Whether every partition serves.
    pub serving: bool,
    /// By partition number.
    pub partitions: Vec<PartitionStatistics>,
    /// By destination.
    pub destinations: BTreeMap<DestinationId, DestinationStatistics>,
    /// What lanes in memory wait for that have something to deliver, by destination and reason.
    pub waits: BTreeMap<(DestinationId, &'static str), u64>,
    /// Ids and positions in memory for dedupe.
    pub dedupe_ids: u64,
    /// When the oldest first event of a lane in memory was released, by destination and partition.
    pub heads: BTreeMap<(DestinationId, PartitionId), UnixMicros>,
    /// What the log takes on disk.
    pub log: LogSize,
    /// What retention did.
    pub retention: Tally,
    /// What comparing with sources came to.
    pub reconciling: BTreeMap<SourceId, ReconcileTally>,
}

/// One partition.
#[derive(Debug, Clone, Copy)]
pub struct PartitionStatistics {
    /// Whether it decides.
    pub serving: bool,
    /// Its term.
    pub epoch: Epoch,
    /// Its newest durable frame.
    pub committed: FrameNumber,
    /// The recorded time of that frame, or of one after it that is not durable yet.
    pub recorded: UnixMicros,
    /// Its open time, by which holds are measured.
    pub open: OpenMicros,
    /// Keys in memory.
    pub hot_keys: usize,
}

/// One destination.
#[derive(Debug, Clone, Copy)]
pub struct DestinationStatistics {
    /// Attempts under way.
    pub in_flight: usize,
    /// Those of them that are slow (DESIGN D4).
    pub slow: usize,
    /// Whether its breaker is open (DESIGN L2).
    pub breaker_open: bool,
    /// Since when, by the clock.
    pub breaker_since: Option<UnixMicros>,
    /// What came of the newest attempt, where one ended.
    pub newest_outcome: Option<Outcome>,
    /// Lanes that wait for a permit.
    pub waiting: usize,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Events that it did not take for their type, since the process began.
    pub filtered: u64,
    /// What waits for it.
    pub backlog: Backlog,
    /// How much of what may that is.
    pub backlog_level: Level,
}

impl Statistics {
    /// Counts. Takes time in the number of keys in memory.
    pub(super) fn of<L: Log, S: State, D: Digest + Clone>(node: &Node<L, S, D>) -> Self {
        let mut statistics = Self {
            serving: node.is_serving(),
            log: node.log().size(),
            retention: node.retention(),
            ..Self::default()
        };
        for partition in node.partitions() {
            statistics.partitions.push(PartitionStatistics {
                serving: partition.is_serving(),
                epoch: partition.epoch(),
                committed: partition.committed(),
                recorded: partition.recorded(),
                open: partition.open_time(),
                hot_keys: partition.hot_keys(),
            });
            statistics.dedupe_ids += partition.recent_ids() as u64;
            for (destination, waits_for) in partition.waits() {
                let Some(reason) = reason(waits_for) else { continue };
                *statistics.waits.entry((destination, reason)).or_default() += 1;
            }
            for (source, tally) in partition.reconciled() {
                let sum = statistics.reconciling.entry(source).or_default();
                *sum = sum.and(tally);
            }
            for (destination, released) in partition.heads() {
                let oldest = statistics.heads.entry((destination, partition.id()));
                let oldest = oldest.or_insert(released);
                *oldest = (*oldest).min(released);
            }
        }
        for (id, destination) in node.destinations() {
            let counts = DestinationStatistics {
                in_flight: destination.in_flight(),
                slow: destination.in_flight_of(Pool::Slow),
                breaker_open: destination.is_open(),
                breaker_since: None,
                newest_outcome: None,
                waiting: destination.waiting(),
                paused: destination.is_paused(),
                backlog: node.backlog(*id),
                backlog_level: node.backlog_level(*id),
                filtered: node.partitions().filter_map(|of| of.filtered().get(id)).sum(),
            };
            statistics.destinations.insert(*id, counts);
        }
        statistics
    }
}

/// What a lane waits for, in a word; none where nothing waits in it.
fn reason(waits_for: WaitsFor) -> Option<&'static str> {
    Some(match waits_for {
        WaitsFor::Nothing => return None,
        WaitsFor::Answer => "answer",
        WaitsFor::Acknowledgement(_) => "acknowledgement",
        WaitsFor::Permit => "slot",
        WaitsFor::Breaker => "breaker",
        WaitsFor::Rate(_) => "rate",
        WaitsFor::Backlog => "read",
        WaitsFor::Unreadable => "unreadable",
        WaitsFor::Strand => "strand",
        WaitsFor::Turn => "turn",
        WaitsFor::Retry(_) => "retry",
        WaitsFor::Redrive => STOPPED,
        WaitsFor::KeyResumed => "key-paused",
        WaitsFor::DestinationResumed => "destination-paused",
        WaitsFor::Resource(_) => "resource",
        WaitsFor::Commit => "commit",
    })
}

/// How long until `deadline`, from `now`; an hour when nothing is due.
pub(super) fn wait_until(deadline: Option<sprag_core::time::ElapsedMicros>, now: Now) -> Duration {
    deadline.map_or(Duration::from_secs(3_600), |deadline| deadline.since(now.elapsed))
}
