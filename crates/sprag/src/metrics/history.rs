//! What history takes on disk, and what retention did (rule D6).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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
    deleted: Counter,
    rewritten: Counter,
    freed: Counter,
    carried: Counter,
}

impl HistoryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("log_bytes", "Bytes of the log", &self.bytes),
            ("log_segments", "Segments of the log", &self.segments),
            (
                "log_rewritten_segments",
                "Segments that were written anew without bodies that had expired",
                &self.rewritten_segments,
            ),
            (
                "log_oldest_seconds",
                "Seconds since the newest fact of the oldest sealed segment",
                &self.oldest,
            ),
            (
                "retention_pinned",
                "Whether the oldest segment would be deleted if nothing in it were waited for",
                &self.pinned,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let counters = [
            ("retention_deleted", "Segments deleted", &self.deleted),
            ("retention_rewritten", "Segments written anew", &self.rewritten),
            ("retention_freed_bytes", "Bytes freed by retention", &self.freed),
            ("retention_carried", "Keys whose state was written down anew", &self.carried),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
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
