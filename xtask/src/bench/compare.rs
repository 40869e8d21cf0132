//! This work tree and an earlier revision in turn under the same load: what a change costs or
//! gains, as ratios of runs that follow one another on the same machine.
//! Must not know what either of them is made of.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Spread;
use super::load::LoadFile;
use super::pairs::{self, Run};
use super::report::ROWS;
use super::{Bench, consumer};
use crate::failure::Failure;
use crate::process;
use crate::workspace::{Workspace, cargo_program};

/// One run of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    before: Run,
    after: Run,
}

/// All rounds.
pub(crate) struct Comparison {
    revision: String,
    rounds: Vec<Round>,
}

/// Builds `sprag` as it was at a revision, outside of the work tree.
pub(crate) fn build(workspace: &Workspace, revision: &str) -> Result<PathBuf, Failure> {
    let mut parse = Command::new("git");
    let commit = format!("{revision}^{{commit}}");
    parse.args(["rev-parse", "--verify", "--short=12", &commit]).current_dir(workspace.root());
    let commit = process::output_of(&mut parse)?.trim().to_owned();
    let base = workspace.target().join("compare");
    let tree = base.join(&commit);
    if !tree.is_dir() {
        export(workspace.root(), &commit, &tree)?;
    }
    let mut cargo = Command::new(cargo_program());
    cargo.args(["build", "--release", "-p", "sprag", "--bin", "sprag"]).current_dir(&tree);
    process::run(cargo.env("CARGO_TARGET_DIR", base.join("target")))?;
    // The next revision is built to the same place.
    let program = tree.join("sprag");
    std::fs::copy(base.join("target/release/sprag"), &program)
        .map_err(Failure::while_doing(program.display().to_string()))?;
    Ok(program)
}

/// The files of a commit, in a directory of their own.
fn export(root: &Path, commit: &str, tree: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(tree).map_err(Failure::while_doing(tree.display().to_string()))?;
    let archive = tree.join("files.tar");
    let mut git = Command::new("git");
    git.args(["archive", "--format=tar", "--output"]).arg(&archive).arg(commit);
    process::output_of(git.current_dir(root))?;
    let mut tar = Command::new("tar");
    process::output_of(tar.arg("-xf").arg(&archive).arg("-C").arg(tree)).map(|_| ())
}

/// Measures the rounds; who goes first changes with each.
pub(crate) fn measure(
    bench: &Bench,
    before: PathBuf,
    revision: &str,
    load: &LoadFile,
    rounds: u32,
) -> Result<Comparison, Failure> {
    let consumer = consumer::consumer(bench, false)?;
    let earlier = Bench { sprag: before, ..bench.clone() };
    let mut measured = Vec::new();
    for number in 1..=rounds {
        let run = |bench: &Bench| pairs::through_sprag(bench, &consumer, load);
        let round = if number.is_multiple_of(2) {
            let after = run(bench)?;
            Round { before: run(&earlier)?, after }
        } else {
            let before = run(&earlier)?;
            Round { before, after: run(bench)? }
        };
        println!("  round {number} of {rounds}: {round}");
        measured.push(round);
    }
    Ok(Comparison { revision: revision.to_owned(), rounds: measured })
}

impl Round {
    fn throughput_ratio(&self) -> f64 {
        self.after.per_second() / self.before.per_second()
    }

    fn cpu_ratio(&self) -> f64 {
        self.after.per_event_us(self.after.cpu) / self.before.per_event_us(self.before.cpu)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (&self.before, &self.after);
        write!(
            formatter,
            "{:.0} and {:.0} events/s, now ÷ then {:.3}; CPU per event {:.1} and {:.1} µs, {:.3}",
            before.per_second(),
            after.per_second(),
            self.throughput_ratio(),
            before.per_event_us(before.cpu),
            after.per_event_us(after.cpu),
            self.cpu_ratio()
        )
    }
}

impl Comparison {
    fn of(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rounds, revision) = (self.rounds.len(), &self.revision);
        writeln!(formatter, "{rounds} rounds beside {revision}; median (min–max)\n")?;
        writeln!(formatter, "{:<24}{revision:>28}{:>28}", "", "this work tree")?;
        for row in ROWS {
            let precision = row.precision;
            let before = self.of(|round| (row.figure)(&round.before));
            let after = self.of(|round| (row.figure)(&round.after));
            let title = row.title;
            writeln!(formatter, "{title:<24}{before:>28.precision$}{after:>28.precision$}")?;
        }
        let (throughput, cpu) = (self.of(Round::throughput_ratio), self.of(Round::cpu_ratio));
        writeln!(formatter, "\nthroughput, now ÷ then  {throughput:.3}")?;
        write!(formatter, "CPU per event, now ÷ then  {cpu:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Sent;

    fn run(seconds: f64, cpu: f64) -> Run {
        let sent = Sent { began: 0.0, ended: seconds, cpu: 0.0, p50_ms: 1.0, p99_ms: 2.0 };
        Run { events: 1_000, seconds, sent, cpu, consumer_cpu: 0.0, other_cpu: 0.0 }
    }

    #[test]
    fn ratios_are_of_now_to_then() {
        let rounds = vec![
            Round { before: run(2.0, 1.0), after: run(1.0, 3.0) },
            Round { before: run(2.0, 1.0), after: run(2.0, 1.0) },
            Round { before: run(2.0, 1.0), after: run(4.0, 1.0) },
        ];
        let comparison = Comparison { revision: "abc".to_owned(), rounds };
        let text = comparison.to_string();
        assert!(text.contains("throughput, now ÷ then  1.000 (0.500–2.000)"), "{text}");
        assert!(text.contains("CPU per event, now ÷ then  1.000 (1.000–3.000)"), "{text}");
    }
}
