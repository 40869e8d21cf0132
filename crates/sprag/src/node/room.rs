//! How much may wait for the deciding thread, which a disk may hold up. Must not know what waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// Shared by all who speak to the deciding thread. What is taken comes back when the permit is dropped.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Room {
    /// All of it.
    pub(super) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(limits::UNANSWERED_BYTES)),
            refusals: Arc::new(Semaphore::new(limits::REFUSALS_WAITING)),
        }
    }

    /// For an event, its body and the headers kept of it, until it is answered: also where who brought it has
    /// gone, for the node still has it.
    pub(super) fn of_event(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bytes = bytes.saturating_add(limits::UNANSWERED_LEAST);
        self.bytes.clone().try_acquire_many_owned(bytes).ok()
    }

    /// For the note that a request was refused, until it is heard.
    pub(super) fn of_refusal(&self) -> Option<OwnedSemaphorePermit> {
        self.refusals.clone().try_acquire_owned().ok()
    }
}
