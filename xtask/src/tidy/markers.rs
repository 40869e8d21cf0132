//! Words that must not be committed in any file: promises to finish later, and paths that exist
//! on one machine only. The words are spelled in halves here so that this file is clean itself.

use super::source::{Source, Violation, has_word};

const LEFTOVERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Compared without case.
const PROVISIONAL: &str = concat!("for", " now");
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// No marker of work left undone, no provisional behaviour.
pub(crate) fn leftovers(source: &Source) -> Vec<Violation> {
    let found = |line: &str| {
        let marker = LEFTOVERS.iter().find(|marker| has_word(line, marker)).copied();
        let provisional = || has_word(&line.to_lowercase(), PROVISIONAL).then_some(PROVISIONAL);
        marker.or_else(provisional)
    };
    source
        .lines()
        .filter_map(|(number, line)| {
            let what = format!("`{}`: finish it, or write an issue and remove it", found(line)?);
            Some(source.violation(number, what))
        })
        .collect()
}

/// No absolute path into someone's machine.
pub(crate) fn machine_paths(source: &Source) -> Vec<Violation> {
    source
        .lines()
        .filter_map(|(number, line)| {
            let path = MACHINE_PATHS.iter().find(|path| begins_with(line, path))?;
            let what = format!("`{path}…` exists on one machine: use a path relative to the root");
            Some(source.violation(number, what))
        })
        .collect()
}

/// Whether an absolute path in the line begins so: nothing of a longer path stands before it.
fn begins_with(line: &str, path: &str) -> bool {
    let joins = |character: char| character.is_alphanumeric() || "._-~*})]".contains(character);
    line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(joins))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(check: fn(&Source) -> Vec<Violation>, line: &str) -> usize {
        check(&Source::new("any.toml", format!("fine\n{line}\n"))).len()
    }

    #[test]
    fn markers_of_unfinished_work_are_found() {
        for marker in LEFTOVERS {
            assert_eq!(count(leftovers, &format!("// {marker}: later")), 1, "{marker}");
        }
        assert_eq!(count(leftovers, concat!("# Fo", "r now, nothing is kept")), 1);
        assert_eq!(count(leftovers, "whsec_AXXXB, for nowhere, todos"), 0);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        assert_eq!(count(machine_paths, concat!("path = \"/ho", "me/a/b\"")), 1);
        assert_eq!(count(machine_paths, concat!("see /ro", "ot/.cargo")), 1);
        assert_eq!(count(machine_paths, concat!("https://example.org/ho", "me/a, ./wo", "rk/")), 0);
    }

    #[test]
    fn a_violation_names_its_line_and_the_remedy() {
        let source = Source::new("a.rs", concat!("//! A.\n// TO", "DO\n"));
        let shown = leftovers(&source)[0].to_string();
        assert!(shown.starts_with("a.rs:2: ") && shown.contains("finish it"), "{shown}");
    }
}
