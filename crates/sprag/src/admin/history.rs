//! What the admin API asks the log.

use std::future::Future;
use std::pin::Pin;

use sprag_log::{Answer, Query, ReadError};

/// What will come of a question. Boxed: operators ask seldom.
pub type HistoryAnswer<'a> = Pin<Box<dyn Future<Output = Result<Answer, ReadError>> + Send + 'a>>;

/// Durable history, as far as it is still kept.
pub trait History: Send + Sync + 'static {
    /// Asks the log.
    fn query(&self, query: Query) -> HistoryAnswer<'_>;
}

impl History for crate::node::LogQueries {
    fn query(&self, query: Query) -> HistoryAnswer<'_> {
        Box::pin(self.query(query))
    }
}
