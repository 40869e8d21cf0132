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
