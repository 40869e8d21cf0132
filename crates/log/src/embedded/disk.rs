//! What the engine needs of a disk: one directory of files that are only ever appended to.
//!
//! So small that the simulator's disk runs the real engine (DESIGN F8). Must not know what is in
//! the files.

use std::fmt::Debug;
use std::io;

/// A directory of append-only files. Clones are the same directory.
pub trait Disk: Clone {
    /// A file being written.
    type File: DiskFile + Debug;

    /// Creates a file that must not exist. Its name is durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// When it exists, or the disk fails.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Reads from an offset on, at most as much as fits; 0 at the end.
    ///
    /// # Errors
    /// When there is no such file, or the disk fails.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// A file's length in bytes.
    ///
    /// # Errors
    /// When there is no such file, or the disk fails.
    fn length(&self, name: &str) -> io::Result<u64>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// When the disk fails.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file; durably after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// When there is no such file, or the disk fails.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all creations and removals durable.
    ///
    /// # Errors
    /// When the disk fails; what is durable is then unknown.
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file being written.
pub trait DiskFile {
    /// Makes the file `length` bytes long with zeros behind what was appended; appended bytes take
    /// their place. A sync of bytes that replace others need not write down that the file grew,
    /// which on a journaling file system costs more than the bytes. After a crash any of the zeros
    /// may be there. Does nothing when the file is as long already.
    ///
    /// # Errors
    /// When the disk fails or is full; the file is then as good as before.
    fn reserve(&mut self, length: u64) -> io::Result<()>;

    /// Appends all bytes.
    ///
    /// # Errors
    /// When the disk fails; how much was written is then unknown.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// When the disk fails. It is never tried again on the same file: a system may drop what it
    /// could not write and report success the next time.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Reads exactly as much as fits.
///
/// # Errors
/// As [`Disk::read_at`]; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
pub(crate) fn read_exact_at(
    disk: &impl Disk,
    name: &str,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    match read_up_to(disk, name, offset, buffer)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads as much as fits or as there is; returns how much.
pub(crate) fn read_up_to(
    disk: &impl Disk,
    name: &str,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match disk.read_at(name, offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
