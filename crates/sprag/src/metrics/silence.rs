//! How long sources have been silent: when each was heard last in this process.
//!
//! What is asked for is no sign of life of a source: only what it posts counts. Must not know: how long a
//! silence may be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// When sources were heard, by name.
#[derive(Debug)]
pub(super) struct Silences {
    clock: Clock,
    heard: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

/// When a source was heard.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    clock: Clock,
    /// In elapsed microseconds.
    at: Arc<AtomicU64>,
}

impl Silences {
    pub(super) fn new() -> Self {
        Self { clock: Clock::start(), heard: Mutex::default() }
    }

    /// Of a source that was never heard silence begins now.
    pub(super) fn of(&self, name: &str) -> Heard {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let at = heard.entry(name.to_owned()).or_insert_with(|| {
            let heard = Heard { clock: self.clock, at: Arc::default() };
            heard.now();
            heard.at
        });
        Heard { clock: self.clock, at: Arc::clone(at) }
    }
}

impl Heard {
    pub(super) fn now(&self) {
        self.at.store(self.elapsed(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn silence(&self) -> Duration {
        Duration::from_micros(self.elapsed().saturating_sub(self.at.load(Ordering::Relaxed)))
    }

    fn elapsed(&self) -> u64 {
        self.clock.now().elapsed.0
    }
}
