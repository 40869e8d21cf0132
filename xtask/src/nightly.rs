//! What takes too long for every run of the tests and is worth a night: fuzzers, coverage of the
//! core, and mutants of it. A finding fails the command and stays as a file.

mod coverage;
mod fuzz;
mod lines;
mod mutants;
mod survivors;

use clap::Args;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// What to run, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes of each fuzzer
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// Minutes of mutants
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    mutant_minutes: u64,
    /// Which part of all mutants, as K/N; without it another seventh each day
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only these: names of fuzzers, `coverage`, `mutants`
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// One line of the closing table.
struct Row {
    name: String,
    seconds: f64,
    /// What was done.
    note: String,
    /// What was found, if anything was.
    finding: Option<String>,
}

/// The command: everything runs, whatever was found before; then a finding is a failure.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String, Failure> {
    let fuzzers = fuzz::names(workspace)?;
    let known = || fuzzers.iter().map(String::as_str).chain(["coverage", "mutants"]);
    if let Some(unknown) = options.only.iter().find(|name| known().all(|one| one != *name)) {
        let known: Vec<&str> = known().collect();
        return Err(Failure::new(format!("there is no `{unknown}`, but {}", known.join(", "))));
    }
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|one| one == name);
    let mut rows = Vec::new();
    let chosen: Vec<&String> = fuzzers.iter().filter(|name| wanted(name)).collect();
    if !chosen.is_empty() {
        let built = fuzz::build(workspace)?;
        for name in chosen {
            rows.push(timed(name, || built.run(name, options.minutes))?);
        }
    }
    if wanted("coverage") {
        rows.push(timed("coverage", || coverage::measure(workspace))?);
    }
    if wanted("mutants") {
        let shard = options.shard.as_deref();
        rows.push(timed("mutants", || mutants::run(workspace, shard, options.mutant_minutes))?);
    }
    conclude(&rows)
}

/// Runs one of them: what was done, and what was found.
fn timed(
    name: &str,
    run: impl FnOnce() -> Result<(String, Option<String>), Failure>,
) -> Result<Row, Failure> {
    println!("{name}");
    let began = process::now();
    let (note, finding) = run().map_err(Failure::while_doing(name))?;
    Ok(Row { name: name.to_owned(), seconds: began.elapsed().as_secs_f64(), note, finding })
}

fn conclude(rows: &[Row]) -> Result<String, Failure> {
    println!("\n  {:<14} {:>8}  what", "nightly", "seconds");
    for Row { name, seconds, note, finding } in rows {
        println!("  {name:<14} {seconds:>8.1}  {note}");
        let found = finding.iter().flat_map(|finding| finding.lines());
        found.for_each(|line| println!("{:>27}FOUND: {line}", ""));
    }
    let found = rows.iter().filter(|row| row.finding.is_some()).count();
    match found {
        0 => Ok(format!("{} runs, nothing found", rows.len())),
        _ => Err(Failure::new(format!("{found} of {} runs found something", rows.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_fails_and_nothing_found_does_not() {
        let row = |finding: Option<&str>| Row {
            name: "frames".to_owned(),
            seconds: 1.0,
            note: String::new(),
            finding: finding.map(str::to_owned),
        };
        assert!(conclude(&[row(None), row(None)]).is_ok());
        let failure = conclude(&[row(None), row(Some("crash-1"))]).unwrap_err();
        assert_eq!(failure.to_string(), "1 of 2 runs found something");
    }
}
