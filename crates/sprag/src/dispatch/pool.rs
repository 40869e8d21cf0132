//! Connections kept for the next attempt to the same destination.

use std::sync::{Mutex, PoisonError};

use super::connect::Connection;

/// Idle connections, the most recently used first: it is the least likely to be closed.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    most: usize,
}

impl Pool {
    /// Keeps at most `most` connections.
    pub(super) fn new(most: usize) -> Self {
        Self { idle: Mutex::default(), most }
    }

    /// An idle connection that is not known to be closed.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }
}
