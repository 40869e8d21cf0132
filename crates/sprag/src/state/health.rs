//! Whether the state store works, for readiness. The store tells; the admin API asks.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Shared between the store and whoever asks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StateHealth(Arc<Condition>);

#[derive(Debug, Default)]
struct Condition {
    broken: OnceLock<String>,
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

    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.get().is_some()
    }

    /// The first reason stays.
    pub(super) fn broken(&self, why: String) {
        let _ = self.0.broken.set(why);
    }

    pub(super) fn written(&self, refused: Option<String>) {
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}
