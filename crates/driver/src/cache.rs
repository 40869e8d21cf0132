//! Recently written events, so that delivering them reads nothing back (DESIGN L6).
//!
//! Bounded in bytes; the oldest go first, and what is gone is read from the log.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sprag_core::fact::{Received, Released};
use sprag_core::id::{PartitionId, Place};
use sprag_core::time::UnixMicros;

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
    events: HashMap<Place, Arc<StoredEvent>>,
    released: HashMap<Place, ReleasedEvent>,
    order: VecDeque<(Entry, usize)>,
    bytes: usize,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Event(Place),
    Released(Place),
}

/// What an entry costs beside its body, in bytes: facts, texts, table slots. An estimate that
/// keeps small bodies from being counted as nothing.
const OVERHEAD: usize = 512;

impl EventCache {
    /// A cache of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            events: HashMap::new(),
            released: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            most,
        }
    }

    /// Keeps an event that was just written.
    pub fn insert_event(&mut self, place: Place, event: Arc<StoredEvent>) {
        self.admit(Entry::Event(place), event.body.len() + OVERHEAD);
        self.events.insert(place, event);
    }

    /// Lets an event go that nobody will ask for soon.
    pub fn remove_event(&mut self, place: Place) {
        self.events.remove(&place);
        // What was just written stands last. Where it does not, its place in the order goes when its time comes.
        let is_it =
            |(entry, _): &mut (Entry, usize)| matches!(entry, Entry::Event(of) if *of == place);
        if let Some((_, bytes)) = self.order.pop_back_if(is_it) {
            self.bytes -= bytes;
        }
    }

    /// Keeps a release that was just written, if its event is here.
    pub fn insert_released(&mut self, place: Place, released: Released) {
        let Some(event) = self.events.get(&released.event).cloned() else { return };
        self.admit(Entry::Released(place), OVERHEAD);
        self.released.insert(place, ReleasedEvent { released: Arc::new(released), event });
    }

    /// The release at a place.
    #[must_use]
    pub fn get(&self, released: Place) -> Option<&ReleasedEvent> {
        self.released.get(&released)
    }

    /// Forgets everything of a partition: frames that failed may be written anew otherwise.
    pub fn forget(&mut self, partition: PartitionId) {
        self.events.retain(|place, _| place.partition != partition);
        self.released.retain(|place, _| place.partition != partition);
    }

    fn admit(&mut self, entry: Entry, bytes: usize) {
        self.order.push_back((entry, bytes));
        self.bytes += bytes;
        while self.bytes > self.most {
            let Some((oldest, bytes)) = self.order.pop_front() else { return };
            self.bytes -= bytes;
            match oldest {
                Entry::Event(place) => drop(self.events.remove(&place)),
                Entry::Released(place) => drop(self.released.remove(&place)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sprag_core::fact::Origin;
    use sprag_core::id::{FrameNumber, Key, SourceId};
    use sprag_core::position::Position;

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
            digest: sprag_core::id::Hash::default(),
            size: 0,
            body: 0,
            headers: Vec::new(),
            origin: Origin::Posted,
            depends_on: None,
        };
        Arc::new(StoredEvent { received, body: vec![0; BODY].into(), recorded: UnixMicros(0) })
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
        assert_eq!((cache.order.len(), cache.bytes), (1, BODY + OVERHEAD));
        // One that is not the last leaves its place behind, until that is the oldest.
        cache.insert_event(place(100), event());
        cache.remove_event(place(0));
        cache.insert_event(place(101), event());
        cache.insert_event(place(102), event());
        assert_eq!((cache.order.len(), cache.events.len()), (2, 2));
        assert_eq!(cache.bytes, 2 * (BODY + OVERHEAD));
    }
}
