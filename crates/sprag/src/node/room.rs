//! How much may wait for the deciding thread, which a disk may hold up. Must not know what waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// Shared by all who speak to the deciding thread. What is taken comes back when the permit is dropped.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    is_short: AtomicBool,
}

impl Room {
    /// All of it.
    pub(super) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(limits::UNANSWERED_BYTES)),
            refusals: Arc::new(Semaphore::new(limits::REFUSALS_WAITING)),
            is_short: AtomicBool::new(false),
        }
    }

    /// For an event, until it is answered.
    pub(super) fn of_event(&self, body: usize) -> Option<OwnedSemaphorePermit> {
        let body = u32::try_from(body).unwrap_or(u32::MAX);
        let bytes = body.saturating_add(limits::UNANSWERED_LEAST);
        self.bytes.clone().try_acquire_many_owned(bytes).ok()
    }

    /// For the note that a request was refused, until it is heard.
    pub(super) fn of_refusal(&self) -> Option<OwnedSemaphorePermit> {
        self.refusals.clone().try_acquire_owned().ok()
    }

    /// There was none. True for the first who says so.
    pub(super) fn is_short(&self) -> bool {
        !self.is_short.swap(true, Ordering::Relaxed)
    }

    /// Something was done about it.
    pub(super) fn was_made(&self) {
        self.is_short.store(false, Ordering::Relaxed);
    }
}
