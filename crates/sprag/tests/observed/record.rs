//! What was seen, a line each: `code unknown-key`, `status held`, `fate dead`, `key sources.*.rate`.
//!
//! Only assertions that held write here, so a line is an observation and not an intention.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Where `cargo xtask test` wants the lines; without it they are not kept.
const DIRECTORY: &str = "SPRAG_OBSERVED";

/// Writes one observation down, in the file of this process.
pub(crate) fn observed(kind: &str, name: &str) {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let file = directory.join(std::process::id().to_string());
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{kind} {name}\n").as_bytes()).unwrap();
}
