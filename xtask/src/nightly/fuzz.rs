//! The fuzzers of fuzz/: built by cargo-fuzz without a sanitizer, which stable Rust can do and which
//! would find little in code without `unsafe`. What is found is kept in fuzz/cases/NAME, where the
//! tests replay it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::setup;
use crate::workspace::Workspace;

const TARGETS: &str = "fuzz/fuzz_targets/";
/// The build of all fuzzers, and what a fuzzer may take beyond its time to end.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
const END_LIMIT: Duration = Duration::from_secs(10 * 60);
/// One execution that takes longer is a finding. The slowest, a simulation on a busy machine, takes
/// two or three seconds.
const EXECUTION_SECONDS: u64 = 60;
/// Memory beyond this is a finding.
const MEMORY_MIB: u64 = 4_096;

/// The names of all fuzzers.
pub(super) fn names(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let files = workspace.files()?;
    let name = |path: &String| Some(path.strip_prefix(TARGETS)?.strip_suffix(".rs")?.to_owned());
    Ok(files.iter().filter_map(name).collect())
}

/// Fuzzers that can be run.
pub(super) struct Fuzzers {
    directory: PathBuf,
    programs: PathBuf,
}

/// Builds all fuzzers.
pub(super) fn build(workspace: &Workspace) -> Result<Fuzzers, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_FUZZ)?;
    let words = ["fuzz", "build", "--sanitizer", "none", "--no-cfg-fuzzing", "--fuzz-dir", "fuzz"];
    let mut command = workspace.cargo(words);
    let watch = Watch { echo: true, limit: BUILD_LIMIT, keep: |_| false };
    let built = process::watch(&mut command, &watch)?;
    if built.code != Some(0) {
        return Err(Failure::new("the fuzzers do not build"));
    }
    let version = process::output_of(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::new("rustc does not say what it builds for"))?;
    let directory = workspace.root().join("fuzz");
    let programs = directory.join("target").join(host).join("release");
    Ok(Fuzzers { directory, programs })
}

impl Fuzzers {
    /// Runs one for so long. Its corpus goes on where it was; kept cases are part of it.
    pub(super) fn run(
        &self,
        name: &str,
        minutes: u64,
    ) -> Result<(String, Option<String>), Failure> {
        let directory = |kind: &str| {
            let path = self.directory.join(kind).join(name);
            let made = fs::create_dir_all(&path);
            made.map(|()| path.clone()).map_err(Failure::while_doing(path.display().to_string()))
        };
        let (corpus, cases, found) =
            (directory("corpus")?, directory("cases")?, directory("artifacts")?);
        let mut command = Command::new(self.programs.join(name));
        command.arg(format!("-max_total_time={}", minutes * 60));
        command.arg(format!("-timeout={EXECUTION_SECONDS}"));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.args(["-print_final_stats=1", "-max_len=4096"]).arg(corpus).arg(&cases);
        let limit = Duration::from_secs(minutes * 60) + END_LIMIT;
        let watched = process::watch(&mut command, &Watch { echo: false, limit, keep: is_figure })?;
        let note = note(&watched.kept);
        if watched.code == Some(0) {
            return Ok((note, None));
        }
        print!("{}", watched.tail());
        let kept = keep(&found, &cases)?;
        let kept = if kept.is_empty() { "no case was left".to_owned() } else { kept.join(", ") };
        Ok((note, Some(kept)))
    }
}

/// Lines of libFuzzer that are kept: `#1234 DONE cov: 12 …` and `stat::name: 12`.
fn is_figure(line: &str) -> bool {
    line.starts_with("stat::") || line.starts_with('#') && line.contains("DONE")
}

/// The figures in a line for people.
fn note(kept: &[String]) -> String {
    let stat = |name: &str| {
        let line = kept.iter().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        line.map_or("?", |rest| rest.trim_start_matches(':').trim()).to_owned()
    };
    let done = kept.iter().find(|line| line.contains("DONE"));
    let words: Vec<&str> = done.map(|line| line.split_whitespace().collect()).unwrap_or_default();
    let after =
        |word: &str| words.windows(2).find(|pair| pair[0] == word).map_or("?", |pair| pair[1]);
    format!(
        "{} executions, {} a second, {} new, edges {}, corpus {}",
        stat("number_of_executed_units"),
        stat("average_exec_per_sec"),
        stat("new_units_added"),
        after("cov:"),
        after("corp:")
    )
}

/// Moves what was found to the kept cases; gives their names.
fn keep(found: &Path, cases: &Path) -> Result<Vec<String>, Failure> {
    let listed = fs::read_dir(found).map_err(Failure::while_doing(found.display().to_string()))?;
    let mut kept = Vec::new();
    for entry in listed.filter_map(Result::ok) {
        let name = entry.file_name();
        fs::rename(entry.path(), cases.join(&name))
            .map_err(Failure::while_doing("keeping a case"))?;
        kept.push(format!("{}", cases.join(name).display()));
    }
    kept.sort();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_fuzzer_are_read() {
        let said = [
            "#2\tINITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#4096\tDONE   cov: 311 ft: 912 corp: 21/1024b lim: 43 exec/s: 2048 rss: 60Mb",
            "stat::number_of_executed_units: 4096",
            "stat::average_exec_per_sec:     2048",
            "stat::new_units_added:          20",
            "stat::peak_rss_mb:              60",
        ];
        let kept: Vec<String> =
            said.iter().filter(|line| is_figure(line)).map(|line| (*line).to_owned()).collect();
        assert_eq!(kept.len(), 5);
        let expected = "4096 executions, 2048 a second, 20 new, edges 311, corpus 21/1024b";
        assert_eq!(note(&kept), expected);
    }

    #[test]
    fn what_is_found_is_kept_once() {
        let directory = std::env::temp_dir().join(format!("xtask-nightly-{}", std::process::id()));
        let (found, cases) = (directory.join("found"), directory.join("cases"));
        fs::create_dir_all(&found).unwrap();
        fs::create_dir_all(&cases).unwrap();
        fs::write(found.join("crash-1"), "x").unwrap();
        let (first, again) = (keep(&found, &cases).unwrap(), keep(&found, &cases).unwrap());
        let content = fs::read(cases.join("crash-1")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((first.len(), again.len(), content), (1, 0, b"x".to_vec()));
    }
}
