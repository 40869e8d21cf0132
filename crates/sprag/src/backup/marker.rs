//! `restored.json` in a data directory: that its log was restored, and how far sequences jump.
//!
//! It is there before anything else is, so that no directory serves that was restored in part. It
//! stays when the boundary is durable: the log knows the restore by its number.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sprag_core::id::Epoch;
use sprag_core::settings::Restore;

use super::{BackupError, unpack};

/// The file within the data directory.
const FILE: &str = "restored.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// Which restore it is.
    pub restore: u64,
    /// When the backup was made.
    pub made: String,
    /// No term begins with this epoch or an older one.
    pub epoch: u64,
    /// How many sequences of each key may have been given after the backup was made; none until that
    /// is told.
    pub jump: Option<u64>,
}

impl Marker {
    /// That of a data directory; none where it was not restored.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(data: &Path) -> Result<Option<Self>, BackupError> {
        let path = data.join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackupError::File(path, error)),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| BackupError::File(path, error.into())),
        }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, data: &Path) -> Result<(), BackupError> {
        let (path, new) = (data.join(FILE), data.join(format!("{FILE}.new")));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(BackupError::file(&path))?;
        unpack::sync(data)
    }

    /// What the core is told of it; none until it is told how far to jump.
    #[must_use]
    pub fn restore(&self) -> Option<Restore> {
        self.jump.map(|jump| Restore { id: self.restore, jump })
    }

    /// The epoch behind which terms begin.
    #[must_use]
    pub fn after(&self) -> Epoch {
        Epoch(self.epoch)
    }
}
