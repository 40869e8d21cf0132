//! A consumer that trusts nothing: every delivery is judged alone, then in its lane.
//!
//! Pure: time and requests come in, violations come out. It must not know HTTP servers.

use super::delivery::Delivery;
use super::inspect::{Inspected, InspectedBatch, Inspector};
use super::lane::Lane;
use super::limits::{KEYS, SHARDS};
use super::summary::Summary;
use super::violation::Violation;
use http::HeaderMap;
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of the keys this consumer saw.
#[derive(Debug)]
pub struct Checker {
    inspector: Arc<Inspector>,
    from_first: bool,
    most_keys: usize,
    /// By source and key.
    lanes: HashMap<String, Lane>,
    summary: Summary,
}

/// What a delivery turned out to be.
#[derive(Debug, Default)]
pub struct Observed {
    /// Absent when it cannot be read.
    pub delivery: Option<Delivery>,
    /// Is it the first of its sequence?
    pub fresh: bool,
    /// Everything that is wrong with it and its place.
    pub violations: Vec<Violation>,
}

/// What a range turned out to be.
#[derive(Debug, Default)]
pub struct ObservedBatch {
    /// Everything that is wrong with it as a whole.
    pub violations: Vec<Violation>,
    /// Its events.
    pub events: Vec<Observed>,
}

impl Checker {
    /// With `from_first` every key must begin at its first event: the consumer was there from the
    /// start. Without, a key may begin anywhere and is judged from then on.
    #[must_use]
    pub fn new(inspector: Arc<Inspector>, from_first: bool) -> Self {
        let (lanes, summary) = (HashMap::new(), Summary::default());
        Self { inspector, from_first, most_keys: KEYS / SHARDS, lanes, summary }
    }

    /// Judges one attempt; `now_us` in microseconds since 1970. When the consumer means to answer
    /// 2xx it calls [`Checker::acknowledge`] before the answer leaves: the successor may be on its
    /// way a moment later.
    pub fn observe(&mut self, now_us: i64, headers: &HeaderMap, body: &[u8]) -> Observed {
        let inspected = self.inspector.inspect(now_us, headers, body);
        self.follow(inspected)
    }

    /// The second half of [`Checker::observe`], for a caller that inspects without holding the
    /// checker.
    pub fn follow(&mut self, inspected: Inspected) -> Observed {
        let mut observed = Observed {
            delivery: inspected.delivery,
            fresh: false,
            violations: inspected.violations,
        };
        if let Some(delivery) = &observed.delivery {
            let from_first = self.from_first;
            if let Some(lane) = self.lane(delivery) {
                let followed = lane.follow(delivery, from_first);
                observed.fresh = followed.fresh;
                observed.violations.extend(followed.violations);
            } else {
                self.summary.not_followed += 1;
            }
        }
        self.summary.count(&observed);
        observed
    }

    /// Judges a range of events in one request: each in its lane, those before it taken for
    /// acknowledged, for they are answered together.
    pub fn follow_batch(&mut self, inspected: InspectedBatch) -> ObservedBatch {
        let range = |events: &[Inspected]| {
            let sequence = |one: &Inspected| Some(one.delivery.as_ref()?.sequence);
            Some((sequence(events.first()?)?, sequence(events.last()?)?))
        };
        let range = range(&inspected.events);
        let mut violations = inspected.whole;
        let first = inspected.events.first().and_then(|one| one.delivery.clone());
        if let Some((lane, range)) = first.as_ref().and_then(|one| self.lane(one)).zip(range) {
            violations.extend(lane.begin_range(range, first.as_ref()));
        }
        self.summary.count_violations(&violations);
        let events = inspected.events.into_iter().map(|one| self.follow(one)).collect();
        if let Some(lane) = first.as_ref().and_then(|one| self.lane(one)) {
            lane.end_range();
        }
        ObservedBatch { violations, events }
    }

    /// The delivery is about to be answered with 2xx. Says whether that is the first time.
    pub fn acknowledge(&mut self, delivery: &Delivery) -> bool {
        let first = self.lane(delivery).is_some_and(|lane| lane.acknowledge(delivery));
        self.summary.acknowledged += u64::from(first);
        first
    }

    /// Counts until now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { keys: self.lanes.len() as u64, ..self.summary.clone() }
    }

    /// The lane of a delivery; none when there are too many.
    fn lane(&mut self, delivery: &Delivery) -> Option<&mut Lane> {
        let name = delivery.lane();
        if !self.lanes.contains_key(name) {
            if self.lanes.len() >= self.most_keys {
                return None;
            }
            self.lanes.insert(name.to_owned(), Lane::default());
        }
        self.lanes.get_mut(name)
    }
}
