//! What SQLite says when the disk fails, with which file, what was done to it, and what the system says
//! about the directory. Must not know what the store is for.
//!
//! SQLite's own words are "disk I/O error" or "unable to open database file" whatever the system said,
//! also where the disk is full and the file that cannot grow is the one it keeps beside the database.
//! The extended code tells some of them apart (<https://www.sqlite.org/rescode.html>), and who cannot
//! start deserves the rest: so a file is written there to see.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

/// Written, synced and deleted again; nobody reads it.
const PROBE: &str = "state.probe";

/// The system's own words where a file cannot be written into the directory either.
pub(super) fn system(directory: &Path, error: &rusqlite::Error) -> Option<io::Error> {
    use ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    let disk = [CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure];
    let code = error.sqlite_error_code()?;
    if disk.contains(&code) { probe(&directory.join(PROBE)).err() } else { None }
}

fn probe(path: &Path) -> io::Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(b"can be written")?;
        file.sync_all()
    });
    written.and(fs::remove_file(path))
}

/// An error of SQLite, for a reader.
pub(super) struct Told<'a>(pub &'a rusqlite::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        match self.0.sqlite_error().and_then(|error| what(error.extended_code)) {
            Some(what) => write!(formatter, " ({what})"),
            None => Ok(()),
        }
    }
}

fn what(extended: i32) -> Option<&'static str> {
    Some(match extended {
        ffi::SQLITE_IOERR_SHMSIZE => {
            "the file -shm beside it cannot grow: the disk is full, or cannot be written"
        }
        ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_SHMMAP | ffi::SQLITE_IOERR_SHMLOCK => {
            "the file -shm beside it cannot be opened, locked or mapped"
        }
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => "a read failed",
        ffi::SQLITE_IOERR_WRITE => "a write failed",
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => "a sync failed",
        ffi::SQLITE_IOERR_TRUNCATE => "a file cannot be cut",
        ffi::SQLITE_IOERR_FSTAT => "the size of a file cannot be read",
        ffi::SQLITE_IOERR_DELETE => "a file cannot be deleted",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_written_the_system_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let gone = directory.path().join("gone");
        let why = system(&gone, &failure(ffi::SQLITE_CANTOPEN)).unwrap();
        assert_eq!(why.kind(), io::ErrorKind::NotFound);
        assert!(system(&gone, &failure(ffi::SQLITE_CORRUPT)).is_none());
        assert!(system(directory.path(), &failure(ffi::SQLITE_CANTOPEN)).is_none());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn says_which_file_and_keeps_the_words_of_sqlite() {
        let failure = |code| {
            let error = ffi::Error::new(code);
            rusqlite::Error::SqliteFailure(error, Some("disk I/O error".to_owned()))
        };
        assert_eq!(
            Told(&failure(ffi::SQLITE_IOERR_SHMSIZE)).to_string(),
            "disk I/O error (the file -shm beside it cannot grow: the disk is full, or cannot be written)"
        );
        assert_eq!(Told(&failure(ffi::SQLITE_IOERR)).to_string(), "disk I/O error");
        assert_eq!(
            Told(&rusqlite::Error::InvalidQuery).to_string(),
            rusqlite::Error::InvalidQuery.to_string()
        );
    }
}
