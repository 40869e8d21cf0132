//! What history takes on disk, and what retention did (rule D6).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::list::help;

/// What is true of history at the moment somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Bytes of the log.
    pub bytes: u64,
    /// Its segments.
    pub segments: u64,
    /// Those that were written anew without bodies that had expired.
    pub rewritten_segments: u64,
    /// Seconds since the newest fact of the oldest sealed segment; 0 while none is sealed.
    pub oldest_seconds: u64,
    /// Damaged places for which something could not be read since the process began.
    pub damaged: u64,
    /// Whether the oldest segment would be deleted if nothing in it were waited for.
    pub is_pinned: bool,
    /// Segments deleted since the process began.
    pub deleted: u64,
    /// Segments written anew since.
    pub rewritten: u64,
    /// Bytes freed since.
    pub freed: u64,
    /// Keys whose state was written down anew since.
    pub carried: u64,
}

#[derive(Debug, Default)]
pub(super) struct HistoryMetrics {
    bytes: Gauge<i64>,
    segments: Gauge<i64>,
    rewritten_segments: Gauge<i64>,
    oldest: Gauge<i64>,
    pinned: Gauge<i64>,
    damaged: Counter,
    deleted: Counter,
    rewritten: Counter,
    freed: Counter,
    carried: Counter,
}

impl HistoryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("log_bytes", &self.bytes),
            ("log_segments", &self.segments),
            ("log_rewritten_segments", &self.rewritten_segments),
            ("log_oldest_seconds", &self.oldest),
            ("retention_pinned", &self.pinned),
        ];
        for (name, gauge) in gauges {
            registry.register(name, help(name), gauge.clone());
        }
        let counters = [
            ("log_damaged", &self.damaged),
            ("retention_deleted", &self.deleted),
            ("retention_rewritten", &self.rewritten),
            ("retention_freed_bytes", &self.freed),
            ("retention_carried", &self.carried),
        ];
        for (name, counter) in counters {
            registry.register(name, help(name), counter.clone());
        }
    }

    pub(super) fn observe(&self, history: &History) {
        let level = |level: u64| i64::try_from(level).unwrap_or(i64::MAX);
        self.bytes.set(level(history.bytes));
        self.segments.set(level(history.segments));
        self.rewritten_segments.set(level(history.rewritten_segments));
        self.oldest.set(level(history.oldest_seconds));
        self.pinned.set(i64::from(history.is_pinned));
        let counted = [
            (&self.damaged, history.damaged),
            (&self.deleted, history.deleted),
            (&self.rewritten, history.rewritten),
            (&self.freed, history.freed),
            (&self.carried, history.carried),
        ];
        for (counter, total) in counted {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }
}
