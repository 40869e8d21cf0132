//! The simulator's command line.

use std::fs;
use std::io::{Write, stdout};
use std::ops::Range;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use sim::run;
use sim::scenario::{self, Scenario};
use sim::sweep::{FULL, sweep};
use sim::{Case, LEGEND};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const HELP: &str = "\
Simulates Sprag on virtual time; the same seed gives the same bytes.

  sim --seed N [--trace]                       one seed, with its trace
  sim sweep [--seeds N|A..B] [--stop-at-first] many seeds (2000), with a table of what happened
  sim replay FILE                              a case that failed once
  sim scenarios [--update] [NAME…]             the golden scenarios, killed at every step

Exits 0 when no promise was broken; else it names each broken one in a line `violation: …`.
";

/// Seeds of a sweep that names none (DESIGN section 8).
const SEEDS: Range<u64> = 1..2_001;
/// Scenarios are killed before each of their steps.
const EVERY_STEP: u64 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["--seed", seed] => one(seed, false),
        ["--seed", seed, "--trace"] => one(seed, true),
        ["replay", file] => replay(file, false),
        ["replay", file, "--trace"] => replay(file, true),
        ["sweep", options @ ..] => sweep_with(options),
        ["scenarios", "--update", names @ ..] => scenarios(names, true),
        ["scenarios", names @ ..] => scenarios(names, false),
        ["--help" | "-h"] => print(&format!("{HELP}\n{LEGEND}")).map(|()| true),
        _ => Err(format!("`{}` is no command\n\n{HELP}", arguments.join(" "))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            // Nowhere is left to report that standard error is gone.
            let _ = writeln!(std::io::stderr(), "{what}");
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> Result<(), String> {
    writeln!(stdout(), "{text}").map_err(|error| format!("standard output: {error}"))
}

fn one(seed: &str, trace: bool) -> Result<bool, String> {
    let seed = seed.parse().map_err(|_| format!("{seed} is no seed"))?;
    show(&Case { seed, set: Vec::new() }, trace)
}

fn show(case: &Case, trace: bool) -> Result<bool, String> {
    let sink = trace.then(|| Box::new(std::io::BufWriter::new(stdout())) as Box<dyn Write>);
    let report = run::replay(case, sink);
    print(&report.to_string())?;
    Ok(report.violation.is_none())
}

fn replay(file: &str, trace: bool) -> Result<bool, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let case = Case::parse(&text).map_err(|what| format!("{file}: {what}"))?;
    show(&case, trace)
}

fn sweep_with(options: &[&str]) -> Result<bool, String> {
    let (mut seeds, mut stop_at_first) = (SEEDS, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match (*option, options.as_slice().first()) {
            ("--stop-at-first", _) => stop_at_first = true,
            ("--seeds", Some(range)) => {
                seeds = range_of(range)?;
                options.next();
            }
            _ => return Err(format!("`{option}` is no option of a sweep")),
        }
    }
    let summary = sweep(seeds, stop_at_first, |report| drop(print(&report.to_string())));
    print(&format!("how often everything happened:\n{}", summary.counts.table()))?;
    for missing in summary.missing() {
        print(&format!(
            "never happened in {} seeds (of {FULL} or more): {missing}",
            summary.seeds
        ))?;
    }
    let green = summary.is_green();
    print(&format!(
        "{} seeds, {} posts, {} happenings, {} violations: {}",
        summary.seeds,
        summary.posts,
        summary.happenings,
        summary.violations.len(),
        if green { "green" } else { "red" }
    ))?;
    Ok(green)
}

/// All scenarios, or those of these names; `--update` or `UPDATE_SCENARIOS=1` writes down what comes of them.
fn scenarios(names: &[&str], update: bool) -> Result<bool, String> {
    let update = update || std::env::var_os("UPDATE_SCENARIOS").is_some();
    let mut all = Scenario::all()?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|one| one.name() != **name)) {
        return Err(format!("there is no scenario `{unknown}`"));
    }
    all.retain(|one| names.is_empty() || names.contains(&one.name()));
    let outcomes = scenario::check(&all, EVERY_STEP, update);
    let (mut deaths, mut red) = (0, 0);
    for outcome in &outcomes {
        match outcome {
            Ok(played) => deaths += played.deaths,
            Err(what) => {
                red += 1;
                print(what)?;
            }
        }
    }
    let colour = if red == 0 { "green" } else { "red" };
    print(&format!("{} scenarios, killed {deaths} times, {red} broken: {colour}", all.len()))?;
    Ok(red == 0)
}

/// `N` is the seeds 1 to N, `A..B` the seeds from A to below B.
fn range_of(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no seed"));
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => Ok(1..number(text)? + 1),
    }
}
