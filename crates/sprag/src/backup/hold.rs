//! Files of the log held while they are copied: a hard link to each, in a directory beside them.
//!
//! Segments are deleted by trimming, or replaced by rewriting, under the names the catalog has; what
//! a link leads to stays. A file that went between the look and the link is no fault: the look is
//! taken again.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sprag_log::embedded::{Catalog, Cut};

use super::{BackupError, LOG};
use crate::limits;

/// What the directories with the links begin with.
const PREFIX: &str = "hold-";

/// A cut of the log whose files stay as long as this.
#[derive(Debug)]
pub(super) struct Hold {
    directory: PathBuf,
    pub(super) cut: Cut,
}

impl Hold {
    /// Holds history as it stands now.
    pub(super) fn take(data: &Path, catalog: &Catalog, number: u64) -> Result<Self, BackupError> {
        let log = data.join(LOG);
        let directory = log.join(format!("{PREFIX}{number:016x}"));
        let file = || BackupError::file(&directory);
        fs::create_dir(&directory).map_err(file())?;
        let mut hold = Self { directory: directory.clone(), cut: Cut::default() };
        for _ in 0..limits::BACKUP_LOOKS {
            hold.cut = catalog.cut();
            match hold.link(&log) {
                Ok(()) => return Ok(hold),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(file()(error)),
            }
        }
        Err(file()(io::Error::other("segments go faster than they can be held; try again")))
    }

    fn link(&self, log: &Path) -> io::Result<()> {
        self.cut.files.iter().try_for_each(|file| {
            match fs::hard_link(log.join(&file.name), self.path(&file.name)) {
                // Linked when the look before was taken.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Hold {
    /// What is left of it goes at the next start.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Removes what an earlier process held.
///
/// # Errors
/// When a directory cannot be removed.
pub fn clear(data: &Path) -> io::Result<()> {
    let log = data.join(LOG);
    if !log.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
