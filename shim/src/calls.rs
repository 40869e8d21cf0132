//! The functions of C that change files. Each does what it says to the kernel; below the directory
//! it does so in its turn, recorded, or fails because it was told to.
//!
//! Variadic functions are declared with the arguments they may have: on the machines this runs on
//! (Linux on x86-64 and AArch64) those are passed alike.

use std::sync::atomic::{AtomicU64, Ordering};

use libc::{
    AT_FDCWD, O_CREAT, O_TRUNC, c_char, c_int, c_void, iovec, mode_t, off_t, size_t, ssize_t,
};

use crate::fail::{self, verdict};
use crate::kernel;
use crate::trace::{Kind, turn};
use crate::watched::{self, below};

/// The functions whose names end with 64 are the same where offsets have 64 bits.
macro_rules! stand_in {
    ($($name:ident, $name64:ident => fn($($argument:ident: $type:ty),*) -> $result:ty = $act:path;)*) => {$(
        /// Stands in for the function of C.
        ///
        /// # Safety
        /// As that.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            $act($($argument),*)
        }

        /// Stands in for the function of C.
        ///
        /// # Safety
        /// As that.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name64($($argument: $type),*) -> $result {
            $act($($argument),*)
        }
    )*};
}

stand_in! {
    open, open64 => fn(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_path;
    openat, openat64 => fn(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_at;
    pwrite, pwrite64 => fn(file: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t = write_at;
    ftruncate, ftruncate64 => fn(file: c_int, length: off_t) -> c_int = cut;
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(file: c_int) -> c_int {
    watched::set(file, 0);
    kernel::close(file)
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    write_bytes(file, slice(bytes, length), None)
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(file: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    if watched::inode(file).is_none() {
        // SAFETY: the arguments are the caller's.
        return unsafe { libc::syscall(libc::SYS_writev, file, pieces, count) } as ssize_t;
    }
    // SAFETY: the caller gives so many pieces.
    let pieces = unsafe { std::slice::from_raw_parts(pieces, usize::try_from(count).unwrap_or(0)) };
    let piece = |piece: &iovec| slice(piece.iov_base, piece.iov_len);
    write_bytes(file, &pieces.iter().map(piece).collect::<Vec<_>>().concat(), None)
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(file: c_int) -> c_int {
    sync(file, false)
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(file, true)
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let Some(name) = below(kernel::text(path)) else { return kernel::unlink(path) };
    let turn = turn();
    if let Some(why) = failing(&turn, fail::REMOVE, name) {
        return kernel::fails(why);
    }
    turn.record(Kind::Begun, 0, 0, name);
    let result = kernel::unlink(path);
    if result == 0 {
        turn.record(Kind::Removed, 0, 0, name);
    }
    result
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let names = (below(kernel::text(from)), below(kernel::text(to)));
    let (Some(old), Some(new)) = names else { return kernel::rename(from, to) };
    let (turn, both) = (turn(), [old, b"\0", new].concat());
    turn.record(Kind::Begun, 0, 0, &both);
    let result = kernel::rename(from, to);
    if result == 0 {
        turn.record(Kind::Renamed, 0, 0, &both);
    }
    result
}

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let Some(name) = below(kernel::text(path)) else { return kernel::make_directory(path, mode) };
    let turn = turn();
    let result = kernel::make_directory(path, mode);
    if result == 0 {
        turn.record(Kind::Directory, 0, 0, name);
    }
    result
}

fn open_path(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(AT_FDCWD, path, flags, mode)
}

fn open_at(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let Some(name) = below(kernel::text(path)) else { return kernel::open(at, path, flags, mode) };
    let turn = turn();
    let is_new = flags & O_CREAT != 0 && !kernel::exists(path);
    if is_new && let Some(why) = failing(&turn, fail::OPEN, name) {
        return kernel::fails(why);
    }
    if is_new || flags & O_TRUNC != 0 {
        turn.record(Kind::Begun, 0, 0, name);
    }
    let file = kernel::open(at, path, flags, mode);
    if file < 0 {
        return file;
    }
    let Some(inode) = kernel::status(file).map(|status| status.st_ino) else { return file };
    watched::set(file, inode);
    watched::name(inode, name);
    turn.record(if is_new { Kind::Created } else { Kind::Opened }, inode, 0, name);
    if flags & O_TRUNC != 0 && !is_new {
        turn.record(Kind::Cut, inode, 0, b"");
    }
    file
}

fn write_at(file: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
    write_bytes(file, slice(bytes, length), Some(at))
}

/// A write that is made to fail leaves half of its bytes behind.
fn write_bytes(file: c_int, bytes: &[u8], at: Option<off_t>) -> ssize_t {
    let Some(inode) = watched::inode(file) else { return kernel::write(file, bytes, at) };
    let turn = turn();
    let start = at.unwrap_or_else(|| kernel::position(file));
    let why = failing(&turn, fail::WRITE, &watched::name_of(inode));
    let bytes = if why.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
    turn.record(Kind::Begun, inode, 0, b"");
    let written = kernel::write(file, bytes, at);
    if let Ok(length @ 1..) = usize::try_from(written) {
        turn.record(Kind::Written, inode, start.cast_unsigned(), &bytes[..length]);
    }
    why.map_or(written, |why| kernel::fails(why) as ssize_t)
}

/// A sync that is made to fail does not sync.
fn sync(file: c_int, data_only: bool) -> c_int {
    static SYNCS: AtomicU64 = AtomicU64::new(0);
    let Some(inode) = watched::inode(file) else { return kernel::sync(file, data_only) };
    let number = SYNCS.fetch_add(1, Ordering::Relaxed);
    let began = turn();
    if let Some(why) = failing(&began, fail::SYNC, &watched::name_of(inode)) {
        return kernel::fails(why);
    }
    began.record(Kind::Syncing, inode, number, b"");
    drop(began);
    let result = kernel::sync(file, data_only);
    if result == 0 {
        turn().record(Kind::Synced, inode, number, b"");
    }
    result
}

fn cut(file: c_int, length: off_t) -> c_int {
    let Some(inode) = watched::inode(file) else { return kernel::truncate(file, length) };
    let turn = turn();
    if let Some(why) = failing(&turn, fail::CUT, &watched::name_of(inode)) {
        return kernel::fails(why);
    }
    turn.record(Kind::Begun, inode, 0, b"");
    let result = kernel::truncate(file, length);
    if result == 0 {
        turn.record(Kind::Cut, inode, length.cast_unsigned(), b"");
    }
    result
}

/// Why a call fails, which is recorded.
fn failing(turn: &crate::trace::Turn, kind: &str, name: &[u8]) -> Option<c_int> {
    let why = verdict(kind, name)?;
    turn.record(Kind::Failed, 0, 0, &[kind.as_bytes(), b" ", name].concat());
    Some(why)
}

fn slice<'a>(bytes: *const c_void, length: size_t) -> &'a [u8] {
    if bytes.is_null() {
        return &[];
    }
    // SAFETY: callers of the functions stood in for give so many bytes.
    unsafe { std::slice::from_raw_parts(bytes.cast(), length) }
}
