//! The wall clock, ahead or behind by what the file `SPRAG_SHIM_CLOCK` says: nanoseconds, i64
//! little-endian, read anew at each look. Elapsed time is left alone, as a clock that is set does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use libc::{CLOCK_REALTIME, c_int, timespec};

use crate::kernel;

const SECOND: i64 = 1_000_000_000;

/// Stands in for the function of C.
///
/// # Safety
/// As that.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, into: *mut timespec) -> c_int {
    let result = kernel::clock(clock, into);
    if result == 0 && clock == CLOCK_REALTIME {
        // SAFETY: the kernel has just written there.
        let now = unsafe { &mut *into };
        let nanos = now.tv_nsec + ahead() % SECOND;
        now.tv_sec += ahead() / SECOND + nanos.div_euclid(SECOND);
        now.tv_nsec = nanos.rem_euclid(SECOND);
    }
    result
}

fn ahead() -> i64 {
    static AHEAD: OnceLock<Option<&'static AtomicI64>> = OnceLock::new();
    let found = AHEAD.get_or_init(|| {
        let path = kernel::setting(c"SPRAG_SHIM_CLOCK")?;
        let file = kernel::open(libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY, 0);
        let start = kernel::map(file, size_of::<AtomicI64>())?;
        kernel::close(file);
        // SAFETY: a page of its own that stays mapped; the test has made the file 8 bytes long.
        Some(unsafe { &*start.cast::<AtomicI64>() })
    });
    found.map_or(0, |ahead| ahead.load(Ordering::Relaxed))
}
