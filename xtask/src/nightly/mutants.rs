//! Mutants of the core (cargo-mutants): small changes of its code, each of which a test must notice.
//! There are some 2,700 and each takes about three seconds, so a night tests a part of them, another
//! one each day.
//!
//! What makes it three seconds and not twenty: the stories come first, which notice most and take half a
//! second (`profile.mutants` in .config/nextest.toml), one test that fails ends the others, and no
//! history that fails is made smaller, for nobody reads it.

use std::fs;
use std::time::Duration;

use super::survivors::{self, PAGE};
use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::setup;
use crate::workspace::Workspace;

/// Parts that all mutants are tested in: a week of nights, each well within its hour.
const PARTS: u64 = 7;
/// The tests that one mutant is given (.config/nextest.toml); and histories that fail stay as they are.
const ENVIRONMENT: [(&str, &str); 2] =
    [("NEXTEST_PROFILE", "mutants"), ("PROPTEST_MAX_SHRINK_ITERS", "0")];
/// A test run that takes longer has hung; by itself it takes a quarter of a minute.
const TEST_SECONDS: &str = "120";
const DAY_SECONDS: f64 = 86_400.0;

/// Tests a part of the mutants, for at most so many minutes.
pub(super) fn run(
    workspace: &Workspace,
    shard: Option<&str>,
    minutes: u64,
) -> Result<(String, Option<String>), Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    setup::cargo_tool(workspace, &setup::CARGO_MUTANTS)?;
    let shard = shard.map_or_else(|| shard_of(process::unix_seconds()), str::to_owned);
    let output = workspace.target().join("mutants");
    fs::create_dir_all(&output).map_err(Failure::while_doing(output.display().to_string()))?;
    let mut command = workspace.cargo(["mutants", "--package", "sprag-core", "--shard", &shard]);
    command.args(["--test-tool", "nextest", "--timeout", TEST_SECONDS, "--cap-lints", "true"]);
    command.args(["--colors", "never"]).arg("--output").arg(&output).envs(ENVIRONMENT);
    // Beyond its time it is ended; what it has tested until then counts.
    let limit = Duration::from_secs(minutes * 60);
    let watched = process::watch(&mut command, &Watch { echo: true, limit, keep: |_| false })?;
    // 2: some survived, 3: some hung, which is noticed as well.
    if !watched.timed_out && !matches!(watched.code, Some(0 | 2 | 3)) {
        return Err(Failure::new(format!("cargo mutants ended early:\n{}", watched.tail())));
    }
    let list = |name: &str| {
        let path = output.join("mutants.out").join(name);
        fs::read_to_string(&path).map_err(Failure::while_doing(path.display().to_string()))
    };
    let [caught, missed, hung] = [list("caught.txt")?, list("missed.txt")?, list("timeout.txt")?];
    let page =
        fs::read_to_string(workspace.root().join(PAGE)).map_err(Failure::while_doing(PAGE))?;
    let unargued = survivors::unargued(&missed, &page);
    let note = format!(
        "part {shard}{}: {} caught, {} hung, {} survived, {} of them argued in {PAGE}",
        if watched.timed_out { " (ended by time)" } else { "" },
        caught.lines().count(),
        hung.lines().count(),
        missed.lines().count(),
        missed.lines().count().saturating_sub(unargued.len()),
    );
    Ok((note, (!unargued.is_empty()).then(|| unargued.join("\n"))))
}

/// The part of a day.
fn shard_of(unix_seconds: f64) -> String {
    let days = (unix_seconds / DAY_SECONDS).floor();
    let part = days.rem_euclid(PARTS as f64);
    format!("{part}/{PARTS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_another_part_and_a_week_has_all() {
        let parts: Vec<String> =
            (0..PARTS).map(|day| shard_of(day as f64 * DAY_SECONDS + 7.0)).collect();
        assert_eq!((parts[0].as_str(), parts[6].as_str()), ("0/7", "6/7"));
        assert_eq!(shard_of(7.0 * DAY_SECONDS), parts[0]);
    }
}
