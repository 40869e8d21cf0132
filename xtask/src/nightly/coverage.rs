//! Which lines of the core its own tests reach (cargo-llvm-cov). A line that none reaches gets a test,
//! goes, or is argued in docs/internals/coverage.md; else it is a finding.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::lines::{PAGE, Stretch, stretches};

use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::setup;
use crate::workspace::Workspace;

/// Building and running the core's tests with counters takes a minute or two.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Measures; all lines with their counts are in a file below target/.
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
    let (unargued, argued) = unreached(workspace, &list)?;
    let note = format!(
        "{share} of the core's lines; {missed} not reached, {argued} of them argued in {PAGE}: {}",
        list.display()
    );
    let unargued: Vec<String> = unargued.iter().map(Stretch::to_string).collect();
    Ok((note, (!unargued.is_empty()).then(|| unargued.join("\n"))))
}

/// Stretches that nobody argues, and how many lines those have that somebody does.
fn unreached(workspace: &Workspace, list: &Path) -> Result<(Vec<Stretch>, usize), Failure> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(Failure::while_doing(path.display().to_string()))
    };
    let (listing, page) = (read(list)?, read(&workspace.root().join(PAGE))?);
    let found = stretches(&listing, &workspace.root().display().to_string());
    let (argued, unargued): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|stretch| stretch.is_argued(&page));
    Ok((unargued, argued.iter().map(|stretch| stretch.count).sum()))
}

fn watched(command: &mut std::process::Command) -> Result<Vec<String>, Failure> {
    let watch = Watch { echo: false, limit: LIMIT, keep: |line| line.starts_with("TOTAL") };
    let watched = process::watch(command, &watch)?;
    match watched.code {
        Some(0) => Ok(watched.kept),
        _ => Err(Failure::new(format!("`{}`:\n{}", process::shown(command), watched.tail()))),
    }
}
