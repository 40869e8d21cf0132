//! Connections to the API of a source that are kept for the next question, so that a pass through many keys does not connect
//! for each. What was not used for a while may be dead without a sign of it, and is closed.
//!
//! Must not know: what is asked.

use std::sync::{Mutex, PoisonError};

use sprag_core::time::ElapsedMicros;

use crate::dispatch::http1::Connection;
use crate::limits;

/// Connections of one source that nobody uses, with when each was used last. No more than questions are under way.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<(ElapsedMicros, Connection)>>);

impl Kept {
    /// The one that was used last.
    pub(super) fn take(&self, now: ElapsedMicros) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(used, _)| now.since(*used) < limits::RECONCILE_KEPT);
        kept.pop().map(|(_, connection)| connection)
    }

    pub(super) fn put(&self, now: ElapsedMicros, connection: Connection) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((now, connection));
    }
}
