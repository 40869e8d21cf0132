//! Why a state is not compared or rebuilt.

use std::fmt;
use std::path::PathBuf;

use sprag_log::ReadError;
use sprag_log::embedded::OpenError;

use crate::state;

/// See the module.
#[derive(Debug)]
pub enum RebuildError {
    /// There is no log in the directory.
    NoLog(PathBuf),
    /// There are segments, and the head of none can be read.
    Unreadable(PathBuf),
    /// The log cannot be opened: in use, or damaged.
    Log(OpenError),
    /// The log cannot be read.
    Read(ReadError),
    /// The state store cannot be compared.
    State(state::Unusable),
    /// The new state cannot be written.
    New(PathBuf, String),
    /// It is written and cannot take the place of the old one.
    Replace(String),
}

impl fmt::Display for RebuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog(data) => write!(
                formatter,
                "{} holds no log: name the data directory (`server.data`) of a gateway",
                data.display()
            ),
            Self::Unreadable(directory) => write!(
                formatter,
                "{}: the head of no segment can be read: the log is damaged, restore it from a backup",
                directory.display()
            ),
            Self::Log(error) => write!(formatter, "{error}"),
            Self::Read(error) => write!(
                formatter,
                "{error}; the state stays as it is: restore this file of the log from a backup"
            ),
            Self::State(error) => write!(formatter, "{error}"),
            Self::New(path, why) => write!(
                formatter,
                "{}: the new state cannot be written: {why}; the old one stays",
                path.display()
            ),
            Self::Replace(why) => write!(
                formatter,
                "the new state cannot take the place of the old one: {why}; the next start builds it \
                 where there is none"
            ),
        }
    }
}

impl std::error::Error for RebuildError {}

impl From<OpenError> for RebuildError {
    fn from(error: OpenError) -> Self {
        Self::Log(error)
    }
}

impl From<ReadError> for RebuildError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
