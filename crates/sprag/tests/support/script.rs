//! The programs in `interop/`: Node and Python with the pinned packages `cargo xtask test`
//! installs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::child::Process;

const HINT: &str = "run `cargo xtask test --only interop`, which installs it";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop")
}

/// A Node program of `interop/`.
pub(crate) fn node(program: &str) -> Command {
    let installed = directory().join("node_modules/standardwebhooks/package.json");
    assert!(installed.exists(), "interop/node_modules is missing: {HINT}");
    let mut command = Command::new("node");
    command.current_dir(directory()).arg(program);
    command
}

/// A Python program of `interop/`.
pub(crate) fn python(program: &str) -> Command {
    let python = std::env::var_os("SPRAG_INTEROP_PYTHON");
    let python = python.unwrap_or_else(|| panic!("SPRAG_INTEROP_PYTHON is not set: {HINT}"));
    let mut command = Command::new(python);
    command.current_dir(directory()).arg(program);
    command
}

/// A line on the standard input of a program.
pub(crate) fn tell(process: &mut Process, line: &str) {
    let stdin = process.child.stdin.as_mut().expect("stdin is piped");
    writeln!(stdin, "{line}").unwrap();
}

/// Closes its standard input.
pub(crate) fn hang_up(process: &mut Process) {
    drop(process.child.stdin.take());
}
