//! How much may wait: requests and the bytes of their bodies.

use super::limits::{BYTES, REQUESTS};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is taken of the room.
#[derive(Debug, Default)]
pub(super) struct Room {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// The place of one request; given back when it is let go.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// A place without bytes; none when there is no more.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let place = Place { room: self.clone(), bytes: 0 };
        let others = self.requests.fetch_add(1, Ordering::Relaxed);
        (others < REQUESTS).then_some(place)
    }
}

impl Place {
    /// So many bytes more; false when there is no room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.bytes += bytes;
        self.room.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.requests.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_requests_and_bytes() {
        let room = Arc::new(Room::default());
        let mut places: Vec<Place> = (0..REQUESTS).map(|_| room.enter().unwrap()).collect();
        assert!(room.enter().is_none());
        places.pop();
        places.push(room.enter().unwrap());
        let half = usize::try_from(BYTES / 2).unwrap();
        assert!(places[0].grow(half) && places[1].grow(half) && !places[2].grow(1));
        places.clear();
        assert!(room.enter().unwrap().grow(2 * half));
    }
}
