//! Which open files lie below the directory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use libc::c_int;

use crate::kernel;

/// File descriptors that are watched at all: more than a process under test opens.
const DESCRIPTORS: usize = 4096;

/// The inode of each watched descriptor; 0 of the others.
static FILES: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];

/// The inode of an open file below the directory.
pub(crate) fn inode(file: c_int) -> Option<u64> {
    let inode = slot(file)?.load(Ordering::Acquire);
    (inode != 0).then_some(inode)
}

/// From now on this descriptor is watched, or no longer when there is no inode.
pub(crate) fn set(file: c_int, inode: u64) {
    match slot(file) {
        Some(slot) => slot.store(inode, Ordering::Release),
        None if inode == 0 => {}
        // A file that nobody watches would be missing from every image.
        None => std::process::abort(),
    }
}

/// The name each inode was last opened by.
static NAMES: LazyLock<Mutex<HashMap<u64, Vec<u8>>>> = LazyLock::new(Mutex::default);

/// Remembers the name of an inode.
pub(crate) fn name(inode: u64, name: &[u8]) {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner).insert(inode, name.to_owned());
}

/// The name an inode was last opened by.
pub(crate) fn name_of(inode: u64) -> Vec<u8> {
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get(&inode).cloned().unwrap_or_default()
}

fn slot(file: c_int) -> Option<&'static AtomicU64> {
    FILES.get(usize::try_from(file).ok()?)
}

/// A path relative to the directory; none when it is not below it.
pub(crate) fn below(path: &[u8]) -> Option<&[u8]> {
    static DIRECTORY: OnceLock<Option<&'static [u8]>> = OnceLock::new();
    let directory = DIRECTORY
        .get_or_init(|| kernel::setting(c"SPRAG_SHIM_DIRECTORY").map(std::ffi::CStr::to_bytes));
    match path.strip_prefix((*directory)?)? {
        [] => Some(b""),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_directory_nothing_is_below_it() {
        assert_eq!(below(b"/data/log"), None);
    }

    #[test]
    fn a_descriptor_is_watched_until_it_is_not() {
        set(9, 77);
        assert_eq!(inode(9), Some(77));
        set(9, 0);
        assert_eq!((inode(9), inode(-1)), (None, None));
    }
}
