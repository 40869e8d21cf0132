//! Recently written events, so that delivering them reads nothing back (DESIGN L6).
//!
//! An event stays until an attempt of each lane that wants it was answered with 2xx: what is delivered leaves at once,
//! and its memory is used for the next one while it is still in the processor's. Bounded in bytes; the oldest go first, and
//! what is gone is read from the log.

use std::collections::VecDeque;
use std::sync::Arc;

use sprag_core::fact::{Received, Released};
use sprag_core::id::{PartitionId, Place};
use sprag_core::input::{AttemptId, Ended};
use sprag_core::output::Attempt;
use sprag_core::time::UnixMicros;

use crate::limits;
use crate::numbered::ByNumber;

/// An event as received, with its body.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its `received` fact.
    pub received: Received,
    /// Its body as received.
    pub body: Arc<[u8]>,
    /// When it was received.
    pub recorded: UnixMicros,
}

/// A released event: all that a delivery needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedEvent {
    /// Its `released` fact.
    pub released: Arc<Released>,
    /// The event.
    pub event: Arc<StoredEvent>,
}

/// The cache.
#[derive(Debug)]
pub struct EventCache {
    /// Those that are not released.
    events: ByNumber<Place, Arc<StoredEvent>>,
    released: ByNumber<Place, Wanted>,
    /// Of each attempt under way the releases it carries, as far as they are here.
    carried: ByNumber<(PartitionId, AttemptId), Vec<Place>>,
    /// The oldest first; some of them may be gone.
    order: VecDeque<Entry>,
    bytes: usize,
    most: usize,
}

/// A released event, and how many lanes have not delivered it. One whose destination was down when it was released is
/// not counted, and may take the place of another, which reads the log then.
#[derive(Debug)]
struct Wanted {
    event: ReleasedEvent,
    lanes: usize,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Event(Place),
    Released(Place),
}

/// What an entry costs beside its body, in bytes: facts, texts, table slots. An estimate that
/// keeps small bodies from being counted as nothing.
const OVERHEAD: usize = 1_024;

impl EventCache {
    /// A cache of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            events: ByNumber::default(),
            released: ByNumber::default(),
            carried: ByNumber::default(),
            order: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    /// Keeps an event that was just written.
    pub fn insert_event(&mut self, place: Place, event: Arc<StoredEvent>) {
        self.bytes += bytes_of(&event);
        self.events.insert(place, event);
        self.keep_bound(Entry::Event(place));
    }

    /// Lets an event go that nobody will ask for soon.
    pub fn remove_event(&mut self, place: Place) {
        if let Some(event) = self.events.remove(&place) {
            self.bytes -= bytes_of(&event);
        }
    }

    /// Keeps a release that was just written and that so many lanes will deliver, if its event is here.
    pub fn insert_released(&mut self, place: Place, released: Released, lanes: usize) {
        let Some(event) = self.events.remove(&released.event) else { return };
        let event = ReleasedEvent { released: Arc::new(released), event };
        self.released.insert(place, Wanted { event, lanes });
        self.keep_bound(Entry::Released(place));
    }

    /// The release at a place.
    #[must_use]
    pub fn get(&self, released: Place) -> Option<&ReleasedEvent> {
        Some(&self.released.get(&released)?.event)
    }

    /// An attempt begins.
    pub fn carry(&mut self, partition: PartitionId, attempt: &Attempt) {
        let places = attempt.released.iter().chain(&attempt.others).copied();
        let known: Vec<_> = places.filter(|place| self.released.contains_key(place)).collect();
        if !known.is_empty() {
            self.carried.insert((partition, attempt.id), known);
        }
    }

    /// An attempt ended; where it was answered with 2xx, its lane is done with what it carried. It may not be, with a part
    /// of a range or until a request acknowledges it: then it is read from the log.
    pub fn ended(&mut self, partition: PartitionId, ended: &Ended) {
        let Some(places) = self.carried.remove(&(partition, ended.attempt)) else { return };
        if ended.outcome.is_acknowledged() {
            places.into_iter().for_each(|place| self.delivered(place));
        }
    }

    fn delivered(&mut self, released: Place) {
        let Some(wanted) = self.released.get_mut(&released) else { return };
        wanted.lanes = wanted.lanes.saturating_sub(1);
        if wanted.lanes == 0 {
            self.remove(Entry::Released(released));
        }
    }

    /// Forgets everything of a partition: frames that failed may be written anew otherwise.
    pub fn forget(&mut self, partition: PartitionId) {
        self.events.retain(|place, _| place.partition != partition);
        self.released.retain(|place, _| place.partition != partition);
        let released = self.released.values().map(|wanted| &wanted.event.event);
        self.bytes = self.events.values().chain(released).map(|event| bytes_of(event)).sum();
    }

    fn keep_bound(&mut self, newest: Entry) {
        self.order.push_back(newest);
        while self.bytes > self.most {
            let Some(oldest) = self.order.pop_front() else { return };
            self.remove(oldest);
        }
        if self.order.len() > limits::CACHE_GONE + 2 * (self.events.len() + self.released.len()) {
            let (events, released) = (&self.events, &self.released);
            self.order.retain(|entry| match entry {
                Entry::Event(place) => events.contains_key(place),
                Entry::Released(place) => released.contains_key(place),
            });
        }
    }

    fn remove(&mut self, entry: Entry) {
        let event = match entry {
            Entry::Event(place) => self.events.remove(&place),
            Entry::Released(place) => self.released.remove(&place).map(|wanted| wanted.event.event),
        };
        self.bytes -= event.map_or(0, |event| bytes_of(&event));
    }
}

fn bytes_of(event: &StoredEvent) -> usize {
    event.body.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use sprag_core::fact::{Kind, Late, Origin, Outcome};
    use sprag_core::id::{
        DestinationId, Epoch, FrameNumber, Hash, Key, Revision, Sequence, SourceId,
    };
    use sprag_core::position::Position;
    use sprag_core::ranges::Ranges;

    use super::*;

    const BODY: usize = 1_000;

    fn place(index: u32) -> Place {
        Place { partition: PartitionId(0), frame: FrameNumber(1), index }
    }

    fn event() -> Arc<StoredEvent> {
        let received = Received {
            key: Key { source: SourceId(1), name: "a".into() },
            id: None,
            position: Position::None,
            event_type: "t".into(),
            content_type: "application/json".into(),
            digest: Hash::default(),
            size: 0,
            body: 0,
            headers: Vec::new(),
            origin: Origin::Posted,
            depends_on: None,
        };
        Arc::new(StoredEvent { received, body: vec![0; BODY].into(), recorded: UnixMicros(0) })
    }

    fn released(of: Place) -> Released {
        Released {
            key: Key { source: SourceId(1), name: "a".into() },
            event: of,
            position: Position::None,
            sequence: Sequence(1),
            kind: Kind::Event,
            previous_hash: Hash::default(),
            hash: Hash::default(),
            lanes: vec![DestinationId(1)],
            filtered: Vec::new(),
            revision: Revision(1),
            missing: Ranges::default(),
            salt: None,
            refers_to: None,
            unordered: false,
            fresh: Vec::new(),
            concurrent: false,
            causes: Vec::new(),
            passed: Vec::new(),
            late: Late::Delivered,
            earlier: None,
            broken_from: None,
            depends_on: None,
        }
    }

    #[test]
    fn what_is_let_go_leaves_room_and_takes_nothing_else_along() {
        let mut cache = EventCache::new(2 * (BODY + OVERHEAD));
        for index in 0..100 {
            cache.insert_event(place(index), event());
            if index != 0 {
                cache.remove_event(place(index));
            }
        }
        assert_eq!(cache.events.keys().collect::<Vec<_>>(), [&place(0)]);
        assert_eq!(cache.bytes, BODY + OVERHEAD);
        (100..102).for_each(|index| cache.insert_event(place(index), event()));
        assert_eq!((cache.events.len(), cache.events.contains_key(&place(0))), (2, false));
        assert_eq!(cache.bytes, 2 * (BODY + OVERHEAD));
    }

    /// An attempt with what was released at these places ends.
    fn attempted(cache: &mut EventCache, number: u64, places: &[u32], outcome: Outcome) {
        let id = AttemptId { epoch: Epoch(1), number };
        let mut places = places.iter().map(|index| place(*index));
        let attempt = Attempt {
            id,
            key: Key { source: SourceId(1), name: "a".into() },
            destination: DestinationId(1),
            sequence: Sequence(1),
            last: None,
            released: places.next(),
            others: places.collect(),
            previous: Sequence(0),
            omitted: Vec::new(),
            number: 1,
            redelivery: false,
            out_of_order: false,
            unmet: false,
        };
        cache.carry(PartitionId(0), &attempt);
        let (retry_after, dropped, acknowledged) = (None, None, None);
        let took = std::time::Duration::ZERO;
        let attempt = id;
        let ended = Ended { attempt, outcome, retry_after, dropped, acknowledged, took };
        cache.ended(PartitionId(0), &ended);
    }

    const DELIVERED: Outcome = Outcome::Answered { status: 204 };

    #[test]
    fn what_every_lane_has_delivered_is_gone() {
        let mut cache = EventCache::new(10 * (BODY + OVERHEAD));
        cache.insert_event(place(0), event());
        cache.insert_released(place(1), released(place(0)), 2);
        assert_eq!((cache.events.len(), cache.bytes), (0, BODY + OVERHEAD));
        // A second release of it, as of one that is repeated, has nothing here.
        cache.insert_released(place(2), released(place(0)), 1);
        assert!(cache.get(place(2)).is_none());
        attempted(&mut cache, 1, &[1, 2], Outcome::Answered { status: 503 });
        attempted(&mut cache, 2, &[1, 2], Outcome::Unreachable);
        attempted(&mut cache, 3, &[1, 2], DELIVERED);
        assert_eq!((cache.get(place(1)).is_some(), cache.bytes), (true, BODY + OVERHEAD));
        attempted(&mut cache, 4, &[1], DELIVERED);
        assert!(cache.get(place(1)).is_none());
        attempted(&mut cache, 5, &[1], DELIVERED);
        assert_eq!((cache.bytes, cache.carried.len()), (0, 0));
    }

    #[test]
    fn the_oldest_releases_go_where_there_is_no_room() {
        let mut cache = EventCache::new(2 * (BODY + OVERHEAD));
        for index in 0..3 {
            cache.insert_event(place(index), event());
            cache.insert_released(place(10 + index), released(place(index)), 1);
        }
        let kept = [10, 11, 12].map(|index| cache.get(place(index)).is_some());
        assert_eq!((kept, cache.bytes), ([false, true, true], 2 * (BODY + OVERHEAD)));
    }

    #[test]
    fn one_that_stays_does_not_keep_the_traces_of_those_that_went() {
        let mut cache = EventCache::new(10 * (BODY + OVERHEAD));
        let elsewhere = Place { partition: PartitionId(1), ..place(0) };
        cache.insert_event(place(0), event());
        cache.insert_event(elsewhere, event());
        for index in 1..10_000 {
            cache.insert_event(place(index), event());
            cache.insert_released(place(index), released(place(index)), 1);
            attempted(&mut cache, u64::from(index), &[index], DELIVERED);
        }
        assert!(cache.order.len() < 2 * limits::CACHE_GONE, "{}", cache.order.len());
        assert_eq!((cache.bytes, cache.events.len()), (2 * (BODY + OVERHEAD), 2));
        cache.forget(PartitionId(0));
        assert_eq!((cache.bytes, cache.events.len()), (BODY + OVERHEAD, 1));
    }
}
