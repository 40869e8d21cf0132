//! What catches a bug: the simulation or a test, run in the copy of the project. Building comes
//! first and apart, because code that does not compile has not been caught, only misspelled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use super::copy::SourceCopy;
use crate::failure::Failure;
use crate::process::{self, Watch, Watched};

/// Seeds when the header names none: as many as the sweep of `cargo xtask test`.
const SEEDS: &str = "2000";
/// A bug may make its catcher hang; then it counts as not caught. A green sweep takes two minutes.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Of a line of evidence, what a table shows.
const EVIDENCE_CHARACTERS: usize = 120;
/// The exit code of nextest when tests ran and one failed.
const NEXTEST_TEST_FAILED: i32 = 100;

/// Who has to notice.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Catcher {
    /// A sweep of the simulator; a count (`40`) or a range (`1..40`).
    Simulation { seeds: String },
    /// The tests of a package that a nextest filter expression selects.
    Tests { package: String, filter: String },
}

/// What a catcher found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing wrong.
    Green,
    /// A violation or a failed test, in its own words.
    Caught(String),
    /// Neither: it did not build, hung, or ended without saying what is wrong.
    Unclear(String),
}

impl FromStr for Catcher {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = text.splitn(3, ' ').map(str::trim).collect();
        match words[..] {
            ["sim"] => Ok(Self::Simulation { seeds: SEEDS.to_owned() }),
            ["sim", "--seeds", seeds] if range(seeds).is_some() => {
                Ok(Self::Simulation { seeds: seeds.to_owned() })
            }
            ["test", package, filter] if !filter.is_empty() => {
                Ok(Self::Tests { package: package.to_owned(), filter: filter.to_owned() })
            }
            _ => Err(Failure::new(format!(
                "caught by `{text}`? write `sim`, `sim --seeds 1..40` or `test PACKAGE FILTER`"
            ))),
        }
    }
}

/// Few catchers that look at all that these look at: one sweep, and one run of tests a package.
pub(crate) fn together<'a>(catchers: impl Iterator<Item = &'a Catcher>) -> Vec<Catcher> {
    let mut seeds: Option<(u64, u64)> = None;
    let mut filters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for catcher in catchers {
        match catcher {
            Catcher::Simulation { seeds: these } => {
                let Some((first, end)) = range(these) else { continue };
                let (lowest, highest) = seeds.unwrap_or((first, end));
                seeds = Some((lowest.min(first), highest.max(end)));
            }
            Catcher::Tests { package, filter } => {
                filters.entry(package).or_default().insert(filter);
            }
        }
    }
    let sweep = |(first, end)| Catcher::Simulation { seeds: format!("{first}..{end}") };
    let tests = |(package, filters): (&str, BTreeSet<&str>)| {
        let filters: Vec<String> = filters.iter().map(|filter| format!("({filter})")).collect();
        Catcher::Tests { package: package.to_owned(), filter: filters.join(" | ") }
    };
    seeds.map(sweep).into_iter().chain(filters.into_iter().map(tests)).collect()
}

/// The first seed and the one behind the last; a count begins at seed 1.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, end) = match text.split_once("..") {
        Some((first, end)) => (first.parse().ok()?, end.parse().ok()?),
        None => (1, text.parse::<u64>().ok()?.checked_add(1)?),
    };
    Some((first, end))
}

impl fmt::Display for Catcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulation { seeds } => write!(formatter, "simulation of seeds {seeds}"),
            Self::Tests { package, filter } => write!(formatter, "tests of {package}: {filter}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Green => formatter.write_str("green"),
            Self::Caught(evidence) => formatter.write_str(evidence),
            Self::Unclear(reason) => write!(formatter, "NOT CAUGHT: {reason}"),
        }
    }
}

impl Catcher {
    /// Builds what stands in the copy and lets the catcher look at it.
    pub(crate) fn run(&self, copy: &SourceCopy) -> Result<Verdict, Failure> {
        let building = watch(&mut self.build(copy), |_| false)?;
        if building.code != Some(0) {
            return Ok(Verdict::Unclear(format!("it does not build:\n{}", building.tail())));
        }
        let looked = watch(&mut self.look(copy), self.evidence())?;
        Ok(self.verdict(&looked))
    }

    fn build(&self, copy: &SourceCopy) -> Command {
        match self {
            Self::Simulation { .. } => {
                copy.cargo(&["build", "--profile", "simulation", "-p", "sim"])
            }
            Self::Tests { package, .. } => {
                copy.cargo(&["nextest", "run", "--no-run", "-p", package])
            }
        }
    }

    fn look(&self, copy: &SourceCopy) -> Command {
        match self {
            Self::Simulation { seeds } => {
                let mut run = copy.cargo(&["run", "--profile", "simulation", "-p", "sim", "--"]);
                run.args(["sweep", "--seeds", seeds, "--stop-at-first"]);
                run
            }
            Self::Tests { package, filter } => {
                let mut run = copy.cargo(&["nextest", "run", "-p", package]);
                run.args(["--ignore-default-filter", "-E", filter]);
                run
            }
        }
    }

    fn evidence(&self) -> fn(&str) -> bool {
        match self {
            Self::Simulation { .. } => is_violation,
            Self::Tests { .. } => |line| failed_test(line).is_some(),
        }
    }

    fn verdict(&self, looked: &Watched) -> Verdict {
        if looked.timed_out {
            return Verdict::Unclear(format!("no answer in {} minutes", LIMIT.as_secs() / 60));
        }
        let failed = match self {
            Self::Simulation { .. } => looked.code != Some(0),
            Self::Tests { .. } => looked.code == Some(NEXTEST_TEST_FAILED),
        };
        match (looked.code, looked.kept.first()) {
            (Some(0), _) => Verdict::Green,
            (_, Some(line)) if failed => Verdict::Caught(self.shortened(line)),
            _ => Verdict::Unclear(format!("it failed for another reason:\n{}", looked.tail())),
        }
    }

    fn shortened(&self, line: &str) -> String {
        let evidence = match self {
            Self::Simulation { .. } => line,
            Self::Tests { .. } => failed_test(line).unwrap_or(line),
        };
        evidence.chars().take(EVIDENCE_CHARACTERS).collect()
    }
}

fn watch(command: &mut Command, keep: fn(&str) -> bool) -> Result<Watched, Failure> {
    process::watch(command, &Watch { echo: false, limit: LIMIT, keep })
}

/// The simulator's line about a broken promise; `violations: 0` of its table is none.
fn is_violation(line: &str) -> bool {
    let after = |at: usize| line[at + "violation".len()..].chars().next();
    let ends = |at: usize| !after(at).is_some_and(char::is_alphanumeric);
    line.to_ascii_lowercase().match_indices("violation").any(|(at, _)| ends(at))
}

/// What follows the status in nextest's line about a test that failed, died or took too long.
fn failed_test(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let bad = ["FAIL [", "SIG", "ABORT [", "TIMEOUT [", "LEAK-FAIL ["];
    if !bad.iter().any(|status| line.starts_with(status)) {
        return None;
    }
    line.split_once("] ").map(|(_, test)| test.trim())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn looked(code: Option<i32>, kept: &[&str]) -> Watched {
        let kept = kept.iter().map(|line| (*line).to_owned()).collect();
        Watched { code, timed_out: code.is_none(), kept, tail: VecDeque::new() }
    }

    fn simulation() -> Catcher {
        "sim".parse().unwrap()
    }

    fn tests() -> Catcher {
        "test sprag-log test(recovery) & !test(slow)".parse().unwrap()
    }

    #[test]
    fn a_filter_expression_may_have_spaces() {
        let filter = "test(recovery) & !test(slow)".to_owned();
        assert_eq!(tests(), Catcher::Tests { package: "sprag-log".to_owned(), filter });
    }

    #[test]
    fn other_catchers_are_refused() {
        for text in ["", "sim --seeds", "sim --seeds few", "sim 40", "test", "test sprag-log"] {
            assert!(text.parse::<Catcher>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn together_they_are_one_sweep_and_one_run_a_package() {
        let texts = ["sim --seeds 40", "sim --seeds 30..90", "test a x(1)", "test b y", "test a z"];
        let catchers = texts.map(|text| text.parse::<Catcher>().unwrap());
        let shown = together(catchers.iter()).iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = ["simulation of seeds 1..90", "tests of a: (x(1)) | (z)", "tests of b: (y)"];
        assert_eq!(shown, all);
    }

    #[test]
    fn a_violation_named_by_the_simulator_is_a_catch() {
        let line = "violation: seed 17, judge order: key k3 got 5 before 4";
        let verdict = simulation().verdict(&looked(Some(1), &[line]));
        assert_eq!(verdict, Verdict::Caught(line.to_owned()));
    }

    #[test]
    fn a_simulator_that_fails_without_a_violation_has_caught_nothing() {
        assert!(is_violation("Violation of order") && !is_violation("violations: 0"));
        assert!(matches!(simulation().verdict(&looked(Some(1), &[])), Verdict::Unclear(_)));
        assert!(matches!(simulation().verdict(&looked(None, &["x"])), Verdict::Unclear(_)));
    }

    #[test]
    fn a_failed_test_is_a_catch_by_its_name() {
        let line = "    FAIL [   0.004s] (1/3) sprag-log recover::a_torn_frame_is_void";
        assert!((tests().evidence())(line));
        let verdict = tests().verdict(&looked(Some(100), &[line]));
        let name = "(1/3) sprag-log recover::a_torn_frame_is_void".to_owned();
        assert_eq!(verdict, Verdict::Caught(name));
    }

    #[test]
    fn no_test_to_run_is_no_catch() {
        let no_tests_to_run = looked(Some(4), &[]);
        assert!(matches!(tests().verdict(&no_tests_to_run), Verdict::Unclear(_)));
        assert_eq!(tests().verdict(&looked(Some(0), &[])), Verdict::Green);
    }
}
