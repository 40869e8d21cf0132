//! What no compiler and no linter checks. Every check is a pure function of a path and a text
//! (links also need the other texts) that returns one violation per line of output.

mod bans;
mod core;
mod links;
mod markdown;
mod markers;
mod rules;
mod rust;
mod source;

use std::fs;

use source::{Source, Violation};

use crate::failure::Failure;
use crate::workspace::Workspace;

const CHECKS: &[fn(&Source) -> Vec<Violation>] = &[
    rust::header,
    rust::length,
    markers::leftovers,
    markers::machine_paths,
    bans::bans,
    core::pure,
    markdown::one_title,
];

/// The command and the first step of `cargo xtask test`.
pub(crate) fn run(workspace: &Workspace) -> Result<String, Failure> {
    let sources = read(workspace)?;
    let violations = check(&sources);
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        return Ok(format!("{} files", sources.len()));
    }
    Err(Failure::new(format!("{} untidy lines", violations.len())))
}

fn check(sources: &[Source]) -> Vec<Violation> {
    let single = sources.iter().flat_map(|source| CHECKS.iter().flat_map(|check| check(source)));
    let across = links::resolve(sources).into_iter().chain(links::listed(sources));
    single.chain(across).chain(rules::cited(sources)).collect()
}

/// Every text file of the project; a file that is not UTF-8 has no lines to check.
fn read(workspace: &Workspace) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in workspace.files()? {
        let bytes = fs::read(workspace.root().join(&path))
            .map_err(Failure::while_doing(format!("reading {path}")))?;
        sources.push(Source::new(path, String::from_utf8(bytes).unwrap_or_default()));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_takes_part() {
        let title = "# One\n# Two\n[gone](gone.md)\n";
        let core = concat!("use st", "d::fs;\n// TO", "DO\n// /ro", "ot/x\nto", "do!();\n");
        let long = "//! Long.\n".repeat(601);
        let found = check(&[
            Source::new("README.md", title),
            Source::new("crates/core/src/key.rs", core),
            Source::new("sim/src/main.rs", long),
        ]);
        let places: Vec<String> =
            found.iter().map(|violation| place(&violation.to_string())).collect();
        let expected = [
            "README.md:2",
            "crates/core/src/key.rs:1",
            "crates/core/src/key.rs:2",
            "crates/core/src/key.rs:3",
            "crates/core/src/key.rs:4",
            "crates/core/src/key.rs:1",
            "sim/src/main.rs:601",
            "README.md:3",
        ];
        assert_eq!(places, expected);
    }

    fn place(line: &str) -> String {
        line.split(": ").next().unwrap_or_default().to_owned()
    }
}
