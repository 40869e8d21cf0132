//! The record of what happened: a file that is only added to, in the order things happened.
//!
//! ```text
//! record  kind u8 │ file u64 │ at u64 │ length u32 │ bytes
//! ```
//! Numbers are little-endian. Files are known by their inode; paths are without the directory.
//! The reader is `crates/sprag/tests/faults/trace.rs`.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{O_APPEND, O_CLOEXEC, O_CREAT, O_WRONLY, c_int};

use crate::kernel;

/// What a record says.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A file was made; bytes: its path.
    Created = 1,
    /// A file or directory that was there was opened; bytes: its path.
    Opened = 2,
    /// Bytes were written at an offset.
    Written = 3,
    /// A file is `at` bytes long.
    Cut = 4,
    /// A sync began; `at` names it.
    Syncing = 5,
    /// That sync succeeded.
    Synced = 6,
    /// A name is gone; bytes: the path.
    Removed = 7,
    /// Bytes: both paths with a zero between.
    Renamed = 8,
    /// Bytes: the path.
    Directory = 9,
    /// A call was made to fail; bytes: which.
    Failed = 10,
    /// A change begins; what it was follows, unless the process is killed between the two. Bytes: the names
    /// that change, with a zero between; none where those of a file do that has one.
    Begun = 11,
}

/// The right to change something and record it: both happen as one.
pub(crate) struct Turn(MutexGuard<'static, Option<c_int>>);

/// Takes the turn; records go nowhere when nothing is to be recorded.
pub(crate) fn turn() -> Turn {
    static FILE: OnceLock<Mutex<Option<c_int>>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let path = kernel::setting(c"SPRAG_SHIM_TRACE");
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
        Mutex::new(path.map(|path| kernel::open(libc::AT_FDCWD, path.as_ptr(), flags, 0o600)))
    });
    Turn(file.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Turn {
    pub(crate) fn record(&self, kind: Kind, file: u64, at: u64, bytes: &[u8]) {
        let Some(trace) = *self.0 else { return };
        let mut record = Vec::with_capacity(21 + bytes.len());
        record.push(kind as u8);
        record.extend_from_slice(&file.to_le_bytes());
        record.extend_from_slice(&at.to_le_bytes());
        let length = u32::try_from(bytes.len()).unwrap_or_else(|_| std::process::abort());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(bytes);
        // Half a record would be a lie about all that follow.
        if kernel::write(trace, &record, None) != record.len() as isize {
            std::process::abort();
        }
    }
}
