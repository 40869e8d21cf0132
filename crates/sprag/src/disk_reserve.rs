//! Whether free disk space is below the reserve (DESIGN D5): then ingress answers 503, while
//! outcomes and overrides still go to the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits;

/// A flag that follows the free space of the data directory's file system.
#[derive(Debug, Default)]
pub struct DiskReserve {
    reached: AtomicBool,
}

impl DiskReserve {
    /// Whether less than the reserve is free.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Looks now and then until the process ends. `reserve` in bytes.
    pub fn watch(self: Arc<Self>, directory: PathBuf, reserve: u64) {
        tokio::spawn(async move {
            loop {
                let (directory, reserve_of) = (directory.clone(), self.clone());
                // Asking a file system can block; a task that cannot run leaves the flag as it is.
                let look =
                    tokio::task::spawn_blocking(move || reserve_of.look(&directory, reserve));
                let _ = look.await;
                tokio::time::sleep(limits::DISK_LOOK_EVERY).await;
            }
        });
    }

    fn look(&self, directory: &std::path::Path, reserve: u64) {
        if let Ok(free) = fs4::available_space(directory) {
            self.reached.store(free < reserve, Ordering::Relaxed);
        }
    }
}
