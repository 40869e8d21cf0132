//! The only way a command writes to standard output.

use std::fmt;
use std::io::{ErrorKind, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something could not be written, for another reason than that nobody reads.
static IS_SHORT: AtomicBool = AtomicBool::new(false);

/// One line, or several. Who reads may have gone (`sprag sink | head`): the exit code still tells
/// what was found.
pub(super) fn say(line: impl fmt::Display) {
    if let Err(error) = writeln!(stdout().lock(), "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        IS_SHORT.store(true, Ordering::Relaxed);
    }
}

/// Whether what was said is not all there, as on a disk that is full: no exit code may then say that it is.
pub(super) fn is_short() -> bool {
    IS_SHORT.load(Ordering::Relaxed)
}

/// Says that a list was cut off.
pub(super) fn say_more(more: bool) {
    if more {
        say("… and more: raise --limit");
    }
}
