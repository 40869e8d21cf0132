//! Why a backup is not made or not restored.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use sprag_log::ReadError;
use sprag_log::embedded::OpenError;

/// See the module.
#[derive(Debug)]
pub enum BackupError {
    /// A file or directory.
    File(PathBuf, io::Error),
    /// The stream of a backup.
    Stream(io::Error),
    /// It ends without its manifest.
    Incomplete,
    /// It is none, or not as it was made.
    Damaged(String),
    /// Something is there already.
    NotEmpty(PathBuf),
    /// There is no directory that was restored.
    NotRestored(PathBuf),
    /// It was told already how far to jump.
    AlreadyTold(u64),
    /// A line of the file with the newest sequences.
    Newest(usize, String),
    /// How far to jump is no number that can be.
    Jump(u64),
    /// The log.
    Log(OpenError),
    /// The log.
    Read(ReadError),
}

impl BackupError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File(path, error)
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(formatter, "{}: {error}", path.display()),
            Self::Stream(error) => write!(formatter, "the backup broke off: {error}"),
            Self::Incomplete => formatter.write_str(
                "it has no manifest.json: it is no backup, or one that broke off while it was made; \
                 name another",
            ),
            Self::Damaged(what) => write!(formatter, "the backup is damaged: {what}"),
            Self::NotEmpty(path) => write!(
                formatter,
                "{} is not empty: name a directory that is not there yet",
                path.display()
            ),
            Self::NotRestored(path) => write!(
                formatter,
                "{} holds no restored log; restore one with --from BACKUP",
                path.display()
            ),
            Self::AlreadyTold(jump) => write!(
                formatter,
                "this log was told already to jump {jump}: its sequences may have been given since"
            ),
            Self::Newest(line, what) => {
                write!(formatter, "line {line} of the newest sequences: {what}")
            }
            Self::Jump(jump) => {
                write!(formatter, "a jump of {jump} cannot be: sequences would come to their end")
            }
            Self::Log(error) => write!(formatter, "the restored log: {error}"),
            Self::Read(error) => write!(formatter, "the restored log: {error}"),
        }
    }
}

impl std::error::Error for BackupError {}
