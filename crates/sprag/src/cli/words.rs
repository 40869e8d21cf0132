//! The only way a command writes to standard output.

use std::fmt;
use std::io::{Write, stdout};

/// One line, or several. Who reads may have gone (`sprag sink | head`): the exit code still tells
/// what was found.
pub(super) fn say(line: impl fmt::Display) {
    let _ = writeln!(stdout().lock(), "{line}");
}

/// Says that a list was cut off.
pub(super) fn say_more(more: bool) {
    if more {
        say("… and more: raise --limit");
    }
}
