//! What was promised and what was kept, event by event: written by provider and consumer at once,
//! read at the end. It trusts neither and knows nothing of the gateway.

use crate::clock::Clock;
use crate::provider::{Answer, Event, Listener};
use crate::sink::{Delivery, Watch};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The events that are sent, each with what happened to it.
pub(super) struct Ledger {
    clock: Clock,
    places: HashMap<Event, usize>,
    entries: Vec<Entry>,
    /// The entries in the order they are sent; repeats occur twice.
    order: Vec<usize>,
    promised: AtomicU64,
    kept: AtomicU64,
    unknown: AtomicU64,
}

/// One event. Times are elapsed microseconds, 0 while it has not happened.
#[derive(Default)]
struct Entry {
    left_us: AtomicU64,
    arrived_us: AtomicU64,
    promised: AtomicBool,
    kept_us: AtomicU64,
}

/// The name of a key as the provider writes it.
pub(super) fn key_name(key: u32) -> String {
    format!("cus_{key}")
}

/// The key of a name.
pub(super) fn key_number(name: &str) -> Option<u32> {
    name.strip_prefix("cus_")?.parse().ok()
}

impl Ledger {
    pub(super) fn new(clock: Clock, events: &[Event], order: Vec<usize>) -> Self {
        let places = events.iter().enumerate().map(|(at, event)| (*event, at)).collect();
        let entries = events.iter().map(|_| Entry::default()).collect();
        let zero = || AtomicU64::new(0);
        Self { clock, places, entries, order, promised: zero(), kept: zero(), unknown: zero() }
    }

    /// Events the gateway acknowledged and must deliver.
    pub(super) fn promised(&self) -> u64 {
        self.promised.load(Relaxed)
    }

    /// Different events the consumer acknowledged.
    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Relaxed)
    }

    /// Different events the consumer acknowledged that the provider never sent.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.load(Relaxed)
    }

    /// Acknowledged by the gateway, never by the consumer.
    pub(super) fn lost(&self) -> u64 {
        let lost =
            |entry: &&Entry| entry.promised.load(Relaxed) && entry.kept_us.load(Relaxed) == 0;
        self.entries.iter().filter(lost).count() as u64
    }

    /// From leaving the provider to first arriving at the consumer, ascending, microseconds.
    pub(super) fn latencies_us(&self) -> Vec<u64> {
        let latency = |entry: &Entry| {
            let (left, arrived) = (entry.left_us.load(Relaxed), entry.arrived_us.load(Relaxed));
            (arrived > 0).then(|| arrived.saturating_sub(left))
        };
        let mut latencies: Vec<u64> = self.entries.iter().filter_map(latency).collect();
        latencies.sort_unstable();
        latencies
    }

    /// From the first event that left to the last that was acknowledged, microseconds.
    pub(super) fn duration_us(&self) -> u64 {
        let first = self.entries.iter().map(|entry| entry.left_us.load(Relaxed));
        let first = first.filter(|left| *left > 0).min().unwrap_or_default();
        let last = self.entries.iter().map(|entry| entry.kept_us.load(Relaxed)).max();
        last.unwrap_or_default().saturating_sub(first)
    }

    fn now_us(&self) -> u64 {
        // 0 is never.
        self.clock.now().elapsed.0.max(1)
    }

    fn entry(&self, delivery: &Delivery) -> Option<&Entry> {
        let key = key_number(&delivery.key)?;
        let event = Event { key, sequence: delivery.position_number()? };
        self.places.get(&event).map(|place| &self.entries[*place])
    }
}

/// Notes a time the first time only; says whether it was the first.
fn note_once(time_us: &AtomicU64, now_us: u64) -> bool {
    time_us.compare_exchange(0, now_us, Relaxed, Relaxed).is_ok()
}

/// The provider's side of the ledger.
pub(super) struct Promises(pub(super) Arc<Ledger>);

impl Listener for Promises {
    fn leaves(&self, at: usize) {
        note_once(&self.0.entries[self.0.order[at]].left_us, self.0.now_us());
    }

    fn answered(&self, at: usize, answer: &Answer) {
        let Answer::Acknowledged(status) = answer else { return };
        // The others are recorded fates already: nothing more is promised.
        if !matches!(status.as_str(), "released" | "held" | "late" | "duplicate") {
            return;
        }
        let entry = &self.0.entries[self.0.order[at]];
        if !entry.promised.swap(true, Relaxed) {
            self.0.promised.fetch_add(1, Relaxed);
        }
    }
}

/// The consumer's side of the ledger.
pub(super) struct Deeds(pub(super) Arc<Ledger>);

impl Watch for Deeds {
    fn arrived(&self, delivery: &Delivery, _fresh: bool) {
        if let Some(entry) = self.0.entry(delivery) {
            note_once(&entry.arrived_us, self.0.now_us());
        }
    }

    fn acknowledged(&self, delivery: &Delivery) {
        match self.0.entry(delivery) {
            Some(entry) if note_once(&entry.kept_us, self.0.now_us()) => {
                self.0.kept.fetch_add(1, Relaxed);
            }
            Some(_) => {}
            None => {
                self.0.unknown.fetch_add(1, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_without_a_deed_is_a_loss() {
        let events = [Event { key: 0, sequence: 1 }, Event { key: 0, sequence: 2 }];
        let ledger = Arc::new(Ledger::new(Clock::start(), &events, vec![1, 0, 1]));
        let promises = Promises(ledger.clone());
        let answer = |status: &str| Answer::Acknowledged(status.to_owned());
        promises.leaves(0);
        promises.answered(0, &answer("held"));
        promises.answered(2, &answer("duplicate"));
        promises.answered(1, &answer("conflict"));
        promises.answered(1, &Answer::Refused(401, String::new()));
        assert_eq!((ledger.promised(), ledger.lost(), ledger.kept()), (1, 1, 0));
        assert!(note_once(&ledger.entries[1].kept_us, 7));
        assert_eq!(ledger.lost(), 0);
    }
}
