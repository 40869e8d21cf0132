//! Requests that were taken and have not left, between the senders and the target.

use super::Watch;
use super::counts::Counts;
use super::queue::Queue;
use super::road::{Make, Road};
use super::room::Place;
use super::schedule::Line;
use crate::clock::Clock;
use crate::provider::Answer;
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body_util::Full;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A request as it goes on to the target, with its place in the room.
pub(super) struct Taken {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) _place: Place,
}

/// What waits.
pub(super) struct Waiting {
    state: Mutex<State>,
    changed: Notify,
    clock: Clock,
    watch: Box<dyn Watch>,
}

struct State {
    queue: Queue,
    requests: HashMap<u64, Held>,
    counts: Counts,
    /// Left and not answered.
    under_way: u64,
    is_ended: bool,
}

struct Held {
    taken: Arc<Taken>,
    /// Leaves so often still.
    ways: u64,
}

impl Waiting {
    pub(super) fn new(queue: Queue, clock: Clock, watch: Box<dyn Watch>) -> Self {
        let state = State {
            queue,
            requests: HashMap::new(),
            counts: Counts::default(),
            under_way: 0,
            is_ended: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), clock, watch }
    }

    /// Takes a request and gives it its number; none when nothing is taken any more.
    pub(super) fn take(&self, taken: Taken) -> Option<u64> {
        let now = self.now();
        let mut state = self.state();
        if state.is_ended {
            return None;
        }
        let number = state.counts.taken + 1;
        let ways = state.queue.take(number, now);
        state.counts.take(number, ways);
        if ways == 0 {
            self.watch.line(Line::Dropped(number));
        } else {
            state.requests.insert(number, Held { taken: Arc::new(taken), ways });
        }
        drop(state);
        self.changed.notify_waiters();
        Some(number)
    }

    /// A request was answered 503.
    pub(super) fn turned_away(&self) {
        self.state().counts.turned_away += 1;
    }

    /// A request that is no event was passed on.
    pub(super) fn passed(&self) {
        self.state().counts.passed += 1;
    }

    /// Nothing more is taken; what waits leaves at once, in its order.
    pub(super) fn end(&self) {
        let now = self.now();
        let mut state = self.state();
        state.is_ended = true;
        state.queue.end(now);
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        let mut counts = state.counts.clone();
        counts.left = state.requests.len() as u64 + state.under_way;
        counts.absent = state.queue.absent();
        counts
    }

    /// What leaves now, or else when to look again.
    fn leave(&self) -> Result<Option<Arc<Taken>>, Option<Duration>> {
        let mut state = self.state();
        let now = self.now();
        // In the end nothing waits for its time.
        let by = if state.is_ended { Duration::MAX } else { now };
        let Some(departure) = state.queue.next(by) else {
            let due = state.queue.due().map(|due| due.saturating_sub(now));
            return if state.is_ended { Ok(None) } else { Err(due) };
        };
        let held = state.requests.get_mut(&departure.number);
        // Whatever the queue gives it has taken, once for each way.
        let Some(held) = held else { return Err(Some(Duration::ZERO)) };
        held.ways -= 1;
        let (taken, is_last) = (held.taken.clone(), held.ways == 0);
        if is_last {
            state.requests.remove(&departure.number);
        }
        state.under_way += 1;
        state.counts.leave(departure.number);
        // Said under the lock: the lines have the order in which they left.
        self.watch.line(Line::Leaves(departure));
        Ok(Some(taken))
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.clock.now().elapsed.0)
    }

    /// A task that panicked while it held the lock leaves a count that is at worst one too low.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Road for Waiting {
    async fn next(&self) -> Option<Make> {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on nothing is missed.
            changed.as_mut().enable();
            match self.leave() {
                Ok(taken) => return taken.map(make),
                Err(None) => changed.await,
                Err(Some(time)) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(time) => {}
                },
            }
        }
    }

    fn answered(&self, answer: &Answer, tries: u32) {
        let mut state = self.state();
        state.under_way -= 1;
        state.counts.answered(answer, tries);
    }
}

fn make(taken: Arc<Taken>) -> Make {
    Box::new(move || Some(Request::from_parts(taken.head.clone(), Full::new(taken.body.clone()))))
}
