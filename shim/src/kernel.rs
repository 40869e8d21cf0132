//! Calls of the kernel, past the functions this library stands in for, and where it was told what
//! to do.

use std::ffi::CStr;

use libc::{AT_FDCWD, c_char, c_int, c_long, c_void, mode_t, off_t, size_t, stat};

pub(crate) fn open(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are those of a caller of `open`, or a string of our own.
    narrow(unsafe { libc::syscall(libc::SYS_openat, at, path, flags, mode) })
}

pub(crate) fn close(file: c_int) -> c_int {
    // SAFETY: closing a number touches no memory.
    narrow(unsafe { libc::syscall(libc::SYS_close, file) })
}

/// Writes at an offset, or where the file stands when there is none.
pub(crate) fn write(file: c_int, bytes: &[u8], at: Option<off_t>) -> isize {
    let (start, length) = (bytes.as_ptr().cast::<c_void>(), bytes.len());
    // SAFETY: the kernel reads `length` bytes of a slice that has as many.
    let written = unsafe {
        match at {
            Some(at) => libc::syscall(libc::SYS_pwrite64, file, start, length, at),
            None => libc::syscall(libc::SYS_write, file, start, length),
        }
    };
    written as isize
}

/// Where a file stands.
pub(crate) fn position(file: c_int) -> off_t {
    // SAFETY: asking for a position touches no memory.
    unsafe { libc::syscall(libc::SYS_lseek, file, 0, libc::SEEK_CUR) }
}

pub(crate) fn sync(file: c_int, data_only: bool) -> c_int {
    let call = if data_only { libc::SYS_fdatasync } else { libc::SYS_fsync };
    // SAFETY: syncing touches no memory.
    narrow(unsafe { libc::syscall(call, file) })
}

pub(crate) fn truncate(file: c_int, length: off_t) -> c_int {
    // SAFETY: setting a length touches no memory.
    narrow(unsafe { libc::syscall(libc::SYS_ftruncate, file, length) })
}

pub(crate) fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the path is that of a caller of `unlink`.
    narrow(unsafe { libc::syscall(libc::SYS_unlinkat, AT_FDCWD, path, 0) })
}

pub(crate) fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the paths are those of a caller of `rename`.
    narrow(unsafe { libc::syscall(libc::SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) })
}

pub(crate) fn make_directory(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the path is that of a caller of `mkdir`.
    narrow(unsafe { libc::syscall(libc::SYS_mkdirat, AT_FDCWD, path, mode) })
}

/// What the kernel knows of an open file.
pub(crate) fn status(file: c_int) -> Option<stat> {
    // SAFETY: all zeros is a `stat`, and the call fills it.
    unsafe {
        let mut found: stat = std::mem::zeroed();
        (libc::fstat(file, &raw mut found) == 0).then_some(found)
    }
}

/// Whether something has this name.
pub(crate) fn exists(path: *const c_char) -> bool {
    // SAFETY: the path is that of a caller of `open`.
    unsafe { libc::syscall(libc::SYS_faccessat, AT_FDCWD, path, libc::F_OK) == 0 }
}

pub(crate) fn clock(clock: c_int, into: *mut libc::timespec) -> c_int {
    // SAFETY: the arguments are those of a caller of `clock_gettime`.
    narrow(unsafe { libc::syscall(libc::SYS_clock_gettime, clock, into) })
}

/// The first bytes of a file as long as this process lives; what others write there is seen.
pub(crate) fn map(file: c_int, length: size_t) -> Option<*const c_void> {
    // SAFETY: a new mapping that nothing else knows of.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file, 0)
    };
    (start != libc::MAP_FAILED).then_some(start.cast_const())
}

/// Fails a call with a reason.
pub(crate) fn fails(why: c_int) -> c_int {
    // SAFETY: the reason is the calling thread's own.
    unsafe { *libc::__errno_location() = why };
    -1
}

/// A setting; none when it is not set.
pub(crate) fn setting(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: nothing in a process under test changes its environment.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: what `getenv` returns ends with a zero and stays.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
}

/// The bytes of a path that a caller gave.
pub(crate) fn text<'a>(path: *const c_char) -> &'a [u8] {
    if path.is_null() {
        return b"";
    }
    // SAFETY: callers of the functions stood in for give paths that end with a zero.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

fn narrow(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}
