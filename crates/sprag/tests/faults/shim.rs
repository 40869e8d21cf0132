//! The preload library (crate `shim`) and what it is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::gateway::Setup;
use crate::support::ledger::Moments;

/// Where cargo puts the library that this test depends on.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().expect("a test lies in a directory").join("libshim.so");
    assert!(library.exists(), "{} was not built", library.display());
    library
}

/// Which calls fail: `KIND ERRNO FIRST TIMES PREFIX`.
pub(crate) fn fail(setup: &mut Setup, rule: &str) {
    set(setup, "SPRAG_SHIM_FAIL", rule);
}

/// Records what the next start does to its data directory; what it did before is forgotten.
pub(crate) fn record(setup: &mut Setup, trace: &Path) {
    let _ = fs::remove_file(trace);
    let data = data(setup);
    set(setup, "SPRAG_SHIM_DIRECTORY", &data.to_string_lossy());
    set(setup, "SPRAG_SHIM_TRACE", &trace.to_string_lossy());
}

/// The file that says how far the wall clock is ahead.
pub(crate) fn clock(setup: &mut Setup, file: &Path) {
    turn(file, 0);
    set(setup, "SPRAG_SHIM_CLOCK", &file.to_string_lossy());
}

/// The wall clock is ahead so many seconds.
pub(crate) fn turn(file: &Path, seconds: i64) {
    use std::os::unix::fs::FileExt;
    let nanos = seconds * 1_000_000_000;
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(file).unwrap();
    open.write_all_at(&nanos.to_le_bytes(), 0).unwrap();
}

/// The data directory of a setup.
pub(crate) fn data(setup: &Setup) -> PathBuf {
    setup.directory.path().join("data")
}

/// How long a trace is.
pub(crate) fn moments(trace: &Path) -> Moments {
    let trace = trace.to_owned();
    Arc::new(move || fs::metadata(&trace).map_or(0, |file| file.len()))
}

fn set(setup: &mut Setup, name: &'static str, value: &str) {
    let preload = ("LD_PRELOAD", library().to_string_lossy().into_owned());
    for (name, value) in [preload, (name, value.to_owned())] {
        setup.secrets.retain(|(known, _)| *known != name);
        setup.secrets.push((name, value));
    }
}
