//! Connections to the API of a source that are kept for the next question, so that a pass through many keys does not connect
//! for each. What was not used for a while may be dead without a sign of it, and is closed.
//!
//! Must not know: what is asked.

use std::sync::{Arc, Mutex, PoisonError};

use sprag_core::time::ElapsedMicros;

use crate::dispatch::http1::Connection;
use crate::limits;

/// Connections of one source that nobody uses, with when each was used last. No more than questions are under way.
#[derive(Debug, Default)]
pub(super) struct Kept(Arc<Unused>);

#[derive(Debug, Default)]
struct Unused(Mutex<Vec<(ElapsedMicros, Connection)>>);

impl Kept {
    /// The one that was used last.
    pub(super) fn take(&self, now: ElapsedMicros) -> Option<Connection> {
        self.0.with(|kept| {
            kept.retain(|(used, _)| now.since(*used) < limits::RECONCILE_KEPT);
            kept.pop().map(|(_, connection)| connection)
        })
    }

    /// Keeps one that was used now; it is closed in time, whether or not another question follows.
    pub(super) fn put(&self, now: ElapsedMicros, connection: Connection) {
        self.0.with(|kept| kept.push((now, connection)));
        let unused = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(limits::RECONCILE_KEPT).await;
            let unused = unused.upgrade();
            unused.inspect(|unused| unused.with(|kept| kept.retain(|(used, _)| *used > now)));
        });
    }
}

impl Unused {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<(ElapsedMicros, Connection)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
