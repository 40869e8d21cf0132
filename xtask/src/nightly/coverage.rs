//! Which lines of the core its own tests reach (cargo-llvm-cov).

use std::time::Duration;

use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::setup;
use crate::workspace::Workspace;

/// Building and running the core's tests with counters takes a minute or two.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Measures; the uncovered lines are in a file below target/.
pub(super) fn measure(workspace: &Workspace) -> Result<(String, Option<String>), Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    setup::cargo_tool(workspace, &setup::CARGO_LLVM_COV)?;
    setup::llvm_tools()?;
    let list = workspace.target().join("core-coverage.txt");
    let mut command = workspace.cargo(["llvm-cov", "nextest", "--package", "sprag-core", "--text"]);
    command.arg("--output-path").arg(&list);
    watched(&mut command)?;
    let mut summary = workspace.cargo(["llvm-cov", "report", "--package", "sprag-core"]);
    let summary = watched(summary.arg("--summary-only"))?;
    let total = summary.iter().rev().find(|line| line.starts_with("TOTAL"));
    let words: Vec<&str> = total.map(|line| line.split_whitespace().collect()).unwrap_or_default();
    // Regions, functions, lines: each with how many there are, how many were missed, and a share.
    let (missed, share) = (words.get(8).unwrap_or(&"?"), words.get(9).unwrap_or(&"?"));
    let note = format!("{share} of the core's lines, {missed} not reached: {}", list.display());
    Ok((note, None))
}

fn watched(command: &mut std::process::Command) -> Result<Vec<String>, Failure> {
    let watch = Watch { echo: false, limit: LIMIT, keep: |line| line.starts_with("TOTAL") };
    let watched = process::watch(command, &watch)?;
    match watched.code {
        Some(0) => Ok(watched.kept),
        _ => Err(Failure::new(format!("`{}`:\n{}", process::shown(command), watched.tail()))),
    }
}
