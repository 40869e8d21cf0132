//! Whether everything the product lists was seen at the real binary: answers, statuses, problem
//! codes, fates, configuration keys.
//!
//! The lists come from the product (`crates/sprag/examples/observable.rs`), the observations from
//! the assertions of tests, a file for each process. Must not know what any of them means.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Error;
use std::path::Path;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Where tests write down what they see: `crates/sprag/tests/observed/record.rs`.
pub(crate) const VARIABLE: &str = "SPRAG_OBSERVED";

/// What is listed and not seen, with the reason. One that is seen after all fails, and so does one
/// that is not listed any more.
const NOT_SEEN: &[(&str, &str)] = &[
    ("answer 500", "nothing is known that brings about a fault of Sprag itself"),
    ("code backup-under-way", "needs a reader that stops reading; crates/sprag/tests/backup.rs"),
    ("code internal", "nothing is known that brings about a fault of Sprag itself"),
    ("code too-many-reads", "needs readers that stop reading; crates/sprag/tests/out_events.rs"),
    (
        "key sources.*.reconcile.ca",
        "read and used by the same code as destinations.*.ca, which is seen",
    ),
    (
        "key sources.*.refill.ca",
        "read and used by the same code as destinations.*.ca, which is seen",
    ),
    ("fate settled", "needs 32 MiB of history behind an event; crates/sprag/src/admin/fates.rs"),
];

/// An empty directory for observations.
pub(crate) fn begin(workspace: &Workspace) -> Result<std::path::PathBuf, Failure> {
    let directory = workspace.target().join("observed");
    let emptied = match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => fs::create_dir_all(&directory),
    };
    emptied.map_err(Failure::while_doing(directory.display().to_string()))?;
    Ok(directory)
}

/// Compares what is listed with what was written down; sums it up.
pub(crate) fn conclude(workspace: &Workspace, directory: &Path) -> Result<String, Failure> {
    let listed = lines(&process::output_of(&mut workspace.example("observable")?)?);
    let seen = read(directory).map_err(Failure::while_doing(directory.display().to_string()))?;
    let wrong = differences(&listed, &seen, NOT_SEEN);
    if !wrong.is_empty() {
        return Err(Failure::new(format!("at the real binary:\n  {}", wrong.join("\n  "))));
    }
    Ok(summary(&listed, &seen))
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

fn read(directory: &Path) -> Result<BTreeSet<String>, Error> {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        seen.extend(lines(&fs::read_to_string(entry?.path())?));
    }
    Ok(seen)
}

/// A line for everything that is not as it should be.
fn differences(
    listed: &BTreeSet<String>,
    seen: &BTreeSet<String>,
    not_seen: &[(&str, &str)],
) -> Vec<String> {
    let excused = |row: &String| not_seen.iter().any(|(name, _)| name == row);
    let missing = listed.difference(seen).filter(|row| !excused(row));
    let mut wrong: Vec<String> = missing.map(|row| format!("{row}: not observed")).collect();
    wrong.extend(seen.difference(listed).map(|row| format!("{row}: observed and not listed")));
    for (row, _) in not_seen {
        if seen.contains(*row) {
            wrong.push(format!("{row}: observed; it needs no excuse in xtask/src/observed.rs"));
        } else if !listed.contains(*row) {
            wrong.push(format!("{row}: excused in xtask/src/observed.rs and not listed"));
        }
    }
    wrong
}

/// `12 of 14 answers, …`, by the first word of the rows.
fn summary(listed: &BTreeSet<String>, seen: &BTreeSet<String>) -> String {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in listed {
        let kind = row.split(' ').next().unwrap_or_default();
        let (all, found) = counts.entry(kind).or_default();
        *all += 1;
        *found += usize::from(seen.contains(row));
    }
    let one = |(kind, (all, found)): (&&str, &(usize, usize))| format!("{kind} {found}/{all}");
    format!("observed: {}", counts.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&str]) -> BTreeSet<String> {
        rows.iter().map(|row| (*row).to_owned()).collect()
    }

    #[test]
    fn what_is_listed_must_be_seen_or_excused_and_nothing_else() {
        let listed = rows(&["code a", "code b", "code c"]);
        let seen = rows(&["code a", "code c", "code d"]);
        let excused = [("code c", "why"), ("code e", "why")];
        let expected = [
            "code b: not observed",
            "code d: observed and not listed",
            "code c: observed; it needs no excuse in xtask/src/observed.rs",
            "code e: excused in xtask/src/observed.rs and not listed",
        ];
        assert_eq!(differences(&listed, &seen, &excused), expected);
        assert!(differences(&listed, &listed, &[]).is_empty());
    }

    #[test]
    fn the_summary_counts_by_kind() {
        let listed = rows(&["code a", "code b", "status held"]);
        let seen = rows(&["code a", "status held"]);
        assert_eq!(summary(&listed, &seen), "observed: code 1/2, status 1/1");
    }
}
