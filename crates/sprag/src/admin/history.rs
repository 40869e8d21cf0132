//! What the admin API asks the log.

use std::future::Future;
use std::pin::Pin;

use sprag_log::{Answer, Corruption, Query, ReadError};

/// What will come of a question. Boxed: operators ask seldom.
pub type HistoryAnswer<'a> = Pin<Box<dyn Future<Output = Result<Answer, ReadError>> + Send + 'a>>;

/// Durable history, as far as it is still kept.
pub trait History: Send + Sync + 'static {
    /// Asks the log.
    fn query(&self, query: Query) -> HistoryAnswer<'_>;

    /// Damaged places for which something could not be read: none in an engine without a disk.
    fn unreadable(&self) -> Vec<Corruption> {
        Vec::new()
    }
}

impl History for crate::node::LogQueries {
    fn query(&self, query: Query) -> HistoryAnswer<'_> {
        Box::pin(self.query(query))
    }

    fn unreadable(&self) -> Vec<Corruption> {
        self.unreadable()
    }
}
