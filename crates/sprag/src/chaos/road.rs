//! The connections to the target: each takes what leaves next and sends it until it is answered.
//!
//! With one connection the target gets everything in the order in which it leaves.

use super::limits::END_TIME;
use crate::provider::{Answer, Connection, Target};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Makes the request; for each try anew, because a signature has its time.
pub(super) type Make = Box<dyn Fn() -> Option<Request<Full<Bytes>>> + Send + Sync>;

/// What leaves.
pub(super) trait Road: Send + Sync + 'static {
    /// What leaves next, when it may; none when nothing ever will.
    fn next(&self) -> impl Future<Output = Option<Make>> + Send;

    /// It was answered at last, or given up.
    fn answered(&self, answer: &Answer, tries: u32);
}

/// So many connections to the target, until nothing leaves any more.
pub(super) struct Drive(JoinSet<()>);

impl Drive {
    pub(super) fn start<R: Road>(road: &Arc<R>, target: &Target, connections: u16) -> Self {
        let mut workers = JoinSet::new();
        for _ in 0..connections.max(1) {
            workers.spawn(work(road.clone(), Connection::to(target)));
        }
        Self(workers)
    }

    /// Waits until all ended.
    pub(super) async fn finished(&mut self) {
        while let Some(worked) = self.0.join_next().await {
            // None is aborted before, so what ended otherwise has panicked: a bug is not hidden.
            if let Err(error) = worked
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Waits until all ended, but not for ever.
    pub(super) async fn end(mut self) {
        // What has not left then is counted by the road.
        let _ = tokio::time::timeout(END_TIME, self.finished()).await;
        self.0.shutdown().await;
    }
}

async fn work<R: Road>(road: Arc<R>, mut connection: Connection) {
    while let Some(make) = road.next().await {
        let (answer, tries) = connection.post(make, |_| {}).await;
        road.answered(&answer, tries);
    }
}
