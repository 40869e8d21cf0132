//! `cargo xtask faults`: what is done to the real binary, and what comes of it, as a table.
//!
//! Tests do it (`crates/sprag/tests`), and each prints its row (`tests/support/fault.rs`). Must not know
//! how a fault is done, only which test does.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use clap::Args;

use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::setup;
use crate::workspace::Workspace;

/// The first word of a row.
const MARK: &str = "fault-row";
const BETWEEN: &str = " | ";
/// Longer than anybody asks for.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The faults: name, test file, part of the test's name.
const FAULTS: &[(&str, &str, &str)] = &[
    ("kill -9", "kill_rounds", ""),
    ("power loss", "faults", "the_power_goes_away"),
    ("torn frame", "faults", "the_last_frame_is_torn"),
    ("EIO and ENOSPC", "faults", "each_write_and_sync_fails"),
    ("read-only disk", "faults", "the_disk_becomes_read_only"),
    ("full disk", "disk_full", ""),
    ("bit flip", "faults", "a_bit_flips"),
    ("damaged facts", "faults", "facts_that_no_start_reads"),
    ("damaged state, in use", "faults", "the_state_is_damaged"),
    ("SIGSTOP", "faults", "the_process_stands_still"),
    ("clock jumps", "faults", "the_clock_jumps"),
    ("descriptor exhaustion", "hardship", "too_few_descriptors"),
    ("consumer never answers", "hardship", "two_hundred_hung_keys"),
    ("consumer with malice", "hardship", "hostile_answers"),
    ("wrong TLS", "faults", "tls_is_wrong"),
    ("DNS", "faults", "the_name_changes"),
    ("consumer down", "hardship", "an_outage"),
];

/// Which faults, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each fault that has rounds
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Goes on with each of these at least so long
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Other choices than usual
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only the faults with these names
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// A row as a test printed it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    /// Rounds, acknowledged, lost, out of order, repeats with another id.
    counts: [u64; 5],
    promised: String,
    seen: String,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.trim_start().split(BETWEEN);
        if fields.next() != Some(MARK) {
            return None;
        }
        let fields: Vec<&str> = fields.collect();
        let [name, counts @ .., promised, seen] = fields.as_slice() else { return None };
        let counts: Vec<u64> =
            counts.iter().map(|text| text.parse()).collect::<Result<_, _>>().ok()?;
        Some(Self {
            name: (*name).to_owned(),
            counts: counts.try_into().ok()?,
            promised: (*promised).to_owned(),
            seen: (*seen).to_owned(),
        })
    }

    fn is_broken(&self) -> bool {
        self.counts[2..].iter().any(|count| *count > 0)
    }
}

/// The command: does the faults, prints the table; fails when a promise was broken or a row is missing.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let chosen = chosen(&options.only)?;
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    let mut command = command(workspace, &chosen);
    let settings = [
        ("SPRAG_FAULTS_ROUNDS", options.rounds.map(|rounds| rounds.to_string())),
        ("SPRAG_FAULTS_SECONDS", options.seconds.map(|seconds| seconds.to_string())),
        ("SPRAG_FAULTS_SEED", options.seed.map(|seed| seed.to_string())),
    ];
    let set = settings.into_iter().filter_map(|(name, value)| Some((name, value?)));
    command.envs(set);
    let watch = Watch { echo: true, limit: LIMIT, keep: |line| Row::read(line).is_some() };
    let watched = process::watch(&mut command, &watch)?;
    let rows: Vec<Row> = watched.kept.iter().filter_map(|line| Row::read(line)).collect();
    print!("\n{}", table(&chosen, &rows));
    let wrong = wrong(&chosen, &rows, watched.code);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("; "))) }
}

fn chosen(
    only: &[String],
) -> Result<Vec<&'static (&'static str, &'static str, &'static str)>, Failure> {
    let unknown = only.iter().find(|name| FAULTS.iter().all(|fault| fault.0 != **name));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = FAULTS.iter().map(|fault| fault.0).collect();
        return Err(Failure::new(format!("no fault `{unknown}`; there are {}", known.join(", "))));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    Ok(FAULTS.iter().filter(|fault| wanted(fault.0)).collect())
}

fn command(workspace: &Workspace, chosen: &[&(&str, &str, &str)]) -> Command {
    let files: BTreeSet<&str> = chosen.iter().map(|fault| fault.1).collect();
    let tests = chosen.iter().map(|(_, file, test)| format!("(binary({file}) & test(/{test}/))"));
    let mut command = workspace.cargo(["nextest", "run", "--profile", "faults", "--workspace"]);
    command.args(files.iter().flat_map(|file| ["--test", file]));
    command.args(["--success-output", "immediate", "-E"]);
    command.arg(tests.collect::<Vec<_>>().join(" | "));
    command
}

/// What makes the command fail, in words.
fn wrong(chosen: &[&(&str, &str, &str)], rows: &[Row], code: Option<i32>) -> Vec<String> {
    let broken = rows.iter().filter(|row| row.is_broken());
    let mut wrong: Vec<String> =
        broken.map(|row| format!("{}: a promise is broken", row.name)).collect();
    let is_seen = |name: &str| rows.iter().any(|row| row.name == name);
    let missing = chosen.iter().filter(|fault| !is_seen(fault.0));
    wrong.extend(missing.map(|fault| format!("{}: no row", fault.0)));
    if code != Some(0) {
        wrong.push("a test failed, see above".to_owned());
    }
    wrong
}

/// The counts of all, then in words what is promised and what was seen of each.
fn table(chosen: &[&(&str, &str, &str)], rows: &[Row]) -> String {
    let heads = ["rounds", "acknowledged", "lost", "out of order", "other id"];
    let mut text = format!("{:<24}", "fault");
    heads.iter().for_each(|head| text.push_str(&format!("{head:>14}")));
    text.push('\n');
    let ordered = chosen.iter().filter_map(|fault| rows.iter().find(|row| row.name == fault.0));
    let ordered: Vec<&Row> = ordered.collect();
    for row in &ordered {
        text.push_str(&format!("{:<24}", row.name));
        row.counts.iter().for_each(|count| text.push_str(&format!("{count:>14}")));
        text.push('\n');
    }
    for Row { name, promised, seen, .. } in ordered {
        text.push_str(&format!("\n{name}\n  promised: {promised}\n  seen:     {seen}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "    fault-row | kill -9 | 50 | 900 | 0 | 0 | 0 | D1: kept | all of it";

    #[test]
    fn a_row_is_read_and_shown() {
        let row = Row::read(LINE).unwrap();
        assert_eq!(LINE.trim().split(BETWEEN).count(), 9);
        assert_eq!((row.name.as_str(), row.counts), ("kill -9", [50, 900, 0, 0, 0]));
        let shown = table(&[&FAULTS[0]], &[row]);
        assert!(shown.contains("50           900"), "{shown}");
        assert!(shown.contains("promised: D1: kept\n  seen:     all of it"), "{shown}");
        assert_eq!(Row::read("seed 7"), None);
        assert_eq!(Row::read("fault-row | kill -9 | many | 0 | 0 | 0 | 0 | a | b"), None);
    }

    #[test]
    fn a_loss_a_missing_row_and_a_failed_test_are_each_a_failure() {
        let fine = || Row::read(LINE).unwrap();
        let chosen = [&FAULTS[0]];
        assert!(wrong(&chosen, &[fine()], Some(0)).is_empty());
        let lost = Row { counts: [50, 900, 1, 0, 0], ..fine() };
        assert_eq!(wrong(&chosen, &[lost], Some(0)), ["kill -9: a promise is broken"]);
        assert_eq!(wrong(&chosen, &[], Some(0)), ["kill -9: no row"]);
        assert_eq!(wrong(&chosen, &[fine()], Some(100)), ["a test failed, see above"]);
    }

    #[test]
    fn faults_are_chosen_by_name_and_an_unknown_name_lists_the_known() {
        assert_eq!(chosen(&[]).unwrap().len(), FAULTS.len());
        assert_eq!(chosen(&["SIGSTOP".into()]).unwrap()[0].0, "SIGSTOP");
        assert!(chosen(&["nothing".into()]).unwrap_err().to_string().contains("power loss"));
    }
}
