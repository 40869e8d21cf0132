//! Whether the state store works, for readiness and for the process, which ends when it can no longer be
//! read. The store tells.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

/// Shared between the store and whoever asks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StateHealth(Arc<Condition>);

#[derive(Debug, Default)]
struct Condition {
    broken: OnceLock<String>,
    breaks: Notify,
    refused: Mutex<Option<String>>,
}

impl StateHealth {
    /// What is wrong: that it can no longer be read, which only a restart mends, or that the last
    /// batch was refused. None while it works.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let broken = self
            .0
            .broken
            .get()
            .map(|why| format!("the state store cannot be read until the next start: {why}"));
        broken.or_else(|| {
            let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.as_ref().map(|why| format!("the state store takes no batches: {why}"))
        })
    }

    /// Returns when it can no longer be read, and why. Then keys that are not in memory cannot be decided
    /// about, and those who wait for them get no answer: a start mends it, and nothing else.
    pub async fn broken_for(&self) -> String {
        loop {
            if let Some(why) = self.0.broken.get() {
                return why.clone();
            }
            self.0.breaks.notified().await;
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.get().is_some()
    }

    /// The first reason stays.
    pub(super) fn broken(&self, why: String) {
        let _ = self.0.broken.set(why);
        // Kept for who asks later.
        self.0.breaks.notify_one();
    }

    pub(super) fn written(&self, refused: Option<String>) {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_its_end_is_told_before_and_after() {
        let health = StateHealth::default();
        let waiting = health.clone();
        let waiting = tokio::spawn(async move { waiting.broken_for().await });
        tokio::task::yield_now().await;
        health.broken("first".to_owned());
        health.broken("second".to_owned());
        assert_eq!(waiting.await.unwrap(), "first");
        assert_eq!(health.broken_for().await, "first");
    }
}
