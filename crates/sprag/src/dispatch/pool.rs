//! Connections kept for the next attempt to the same destination.

use std::sync::{Mutex, PoisonError};

use super::connect::Sender;

/// Idle connections, the most recently used first: it is the least likely to be closed.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<Sender>>,
    most: usize,
}

impl Pool {
    /// Keeps at most `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { idle: Mutex::default(), most }
    }

    /// An idle connection that is not known to be closed.
    pub(super) fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most && !sender.is_closed() {
            idle.push(sender);
        }
    }
}
