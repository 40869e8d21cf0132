//! The real disk: a directory of the file system, held by a lock.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskFile};
use super::recover::OpenError;
use crate::limits::{OPEN_FILES, ZEROS_BYTES};

/// The file that is locked while a process uses the directory. It stays when the process ends;
/// the lock does not.
const LOCK: &str = "LOCK";

/// A directory of the file system.
#[derive(Debug, Clone)]
pub struct FileDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// Held until the last clone is gone.
    _lock: File,
    reading: Mutex<HashMap<String, Arc<File>>>,
}

impl FileDisk {
    /// Takes a directory for this process, making it when there is none.
    ///
    /// # Errors
    /// [`OpenError::InUse`] when another process has it; otherwise when the disk fails.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        make_for_good(directory)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).open(directory.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { directory: directory.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let reading = Mutex::default();
        let directory = directory.to_owned();
        Ok(Self { shared: Arc::new(Shared { directory, _lock: lock, reading }) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.directory.join(name)
    }

    fn reading(&self, name: &str) -> io::Result<Arc<File>> {
        let mut open = self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.path(name))?);
        if open.len() >= OPEN_FILES {
            open.clear();
        }
        open.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

/// Makes a directory, and those it is in where they are missing. Each one's own entry is as much needed as those in it.
fn make_for_good(directory: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = directory.ancestors().take_while(is_missing).collect();
    std::fs::create_dir_all(directory)?;
    for made in missing.into_iter().skip(1).rev().chain([directory]) {
        if let Some(parent) = made.canonicalize()?.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

impl Disk for FileDisk {
    type File = AppendFile;

    fn create(&self, name: &str) -> io::Result<AppendFile> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path(name))?;
        Ok(AppendFile { file, appended: 0, length: 0 })
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reading(name)?.read_at(buffer, offset)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(self.reading(name)?.metadata()?.len())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.shared.directory)?;
        // A name that is not UTF-8 is none of ours.
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        std::fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.shared.directory)?.sync_all()
    }
}

/// A file of the file system, open for appending. Dropped, it gives back what it reserved in vain.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    /// Where the next bytes go.
    appended: u64,
    /// How long the file is: the rest is zeros.
    length: u64,
}

impl DiskFile for AppendFile {
    fn reserve(&mut self, length: u64) -> io::Result<()> {
        // Written, not allocated: allocated blocks are marked as written by the sync of the first
        // bytes in them, and that is the journal entry again.
        while self.length < length {
            let step = usize::try_from(length - self.length).unwrap_or(usize::MAX);
            let zeros = &[0; ZEROS_BYTES][..step.min(ZEROS_BYTES)];
            self.file.write_all_at(zeros, self.length)?;
            self.length += zeros.len() as u64;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.appended)?;
        self.appended += bytes.len() as u64;
        self.length = self.length.max(self.appended);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Drop for AppendFile {
    fn drop(&mut self) {
        if self.appended < self.length {
            // Nobody reads the zeros; they only take space when they stay.
            let _ = self.file.set_len(self.appended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_refused_by_name_until_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let held = FileDisk::open(&path).unwrap();
        let refused = FileDisk::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&path.display().to_string()), "{refused}");
        assert!(refused.contains("in use"), "{refused}");
        drop(held);
        FileDisk::open(&path).unwrap();
    }

    #[test]
    fn files_are_created_once_appended_to_and_read_anywhere() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path()).unwrap();
        let mut file = disk.create("a").unwrap();
        file.reserve(9).unwrap();
        file.append(b"hello ").unwrap();
        file.append(b"world").unwrap();
        file.sync_data().unwrap();
        disk.sync_directory().unwrap();
        assert_eq!(disk.create("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        file.reserve(100_000).unwrap();
        assert_eq!(disk.length("a").unwrap(), 100_000);
        drop(file);
        let mut buffer = [0; 8];
        assert_eq!(disk.read_at("a", 6, &mut buffer).unwrap(), 5);
        assert_eq!((&buffer[..5], disk.length("a").unwrap()), (&b"world"[..], 11));
        disk.remove("a").unwrap();
        assert_eq!(disk.length("a").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.list().unwrap(), ["LOCK"]);
    }
}
