//! Mutants that no test noticed, beside those that docs/internals/mutants.md argues.
//! Must not know how mutants are made.

/// The page that argues for those that may survive, each in a line that begins with `` - `NAME` ``.
pub(super) const PAGE: &str = "docs/internals/mutants.md";

/// A mutant's name as the page has it: without line and column, which move.
pub(super) fn name(line: &str) -> Option<String> {
    let (place, what) = line.trim().split_once(": ")?;
    let file = place.split(':').next()?;
    file.ends_with(".rs").then(|| format!("{file}: {what}"))
}

/// The names of a list of mutants that the page does not argue.
pub(super) fn unargued(missed: &str, page: &str) -> Vec<String> {
    let argued = |name: &String| page.lines().any(|line| line.starts_with(&format!("- `{name}`")));
    let mut names: Vec<String> =
        missed.lines().filter_map(name).filter(|name| !argued(name)).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_is_argued_whatever_its_line() {
        let missed = "crates/core/src/a.rs:64:61: replace += with *= in A<D>::f\n\
                      crates/core/src/a.rs:70:1: replace f -> bool with true\n";
        let page =
            "# Mutants\n\n- `crates/core/src/a.rs: replace += with *= in A<D>::f`: the same.\n";
        assert_eq!(unargued(missed, page), ["crates/core/src/a.rs: replace f -> bool with true"]);
        assert_eq!(unargued("", page), Vec::<String>::new());
    }
}
