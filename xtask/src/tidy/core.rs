//! The core is pure: no standard library, no dependency. The compiler refuses the first only
//! while the crate says `no_std`, so that is checked too.

use super::source::{Source, Violation};

const DIRECTORY: &str = "crates/core/";

/// `no_std`, no `std` outside tests, no table of dependencies but those of tests.
pub(crate) fn pure(source: &Source) -> Vec<Violation> {
    match source.path.strip_prefix(DIRECTORY) {
        Some("Cargo.toml") => dependencies(source),
        Some("src/lib.rs") => no_std(source).into_iter().chain(standard_library(source)).collect(),
        Some(path) if path.starts_with("src/") => standard_library(source),
        _ => Vec::new(),
    }
}

fn dependencies(source: &Source) -> Vec<Violation> {
    let is_table = |line: &str| {
        let name = line.trim().trim_start_matches('[').trim_end_matches(']');
        line.starts_with('[') && name.split('.').any(|part| part == "dependencies")
    };
    let what = "the core has no dependency: pass what it needs as an input";
    let tables = source.lines().filter(|(_, line)| is_table(line));
    tables.map(|(number, _)| source.violation(number, what)).collect()
}

fn no_std(source: &Source) -> Option<Violation> {
    let says = ["#![no_std]", "#![cfg_attr(not(test), no_std)]"];
    let missing = !source.lines().any(|(_, line)| says.contains(&line.trim()));
    missing.then(|| source.violation(1, "say `#![no_std]`: it keeps clock, chance and IO out"))
}

fn standard_library(source: &Source) -> Vec<Violation> {
    let names = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains(concat!("st", "d::"))
    };
    let what = "the core knows no `std`: use `core` or `alloc`, or make it an input";
    let production = source.lines().take(source.production_lines());
    let found = production.filter(|(_, line)| names(line));
    found.map(|(number, _)| source.violation(number, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USE: &str = concat!("use st", "d::collections::HashMap;\n");

    fn lines(path: &str, text: &str) -> usize {
        pure(&Source::new(path, text)).len()
    }

    #[test]
    fn the_standard_library_is_found_in_the_core_only() {
        assert_eq!(lines("crates/core/src/gap.rs", USE), 1);
        assert_eq!(lines("crates/core/src/contract/fifo.rs", USE), 1);
        assert_eq!(lines("crates/log/src/gap.rs", USE), 0);
        assert_eq!(lines("crates/core/tests/gap.rs", USE), 0);
    }

    #[test]
    fn comments_and_tests_may_name_it() {
        assert_eq!(lines("crates/core/src/gap.rs", &format!("//! Not {USE}")), 0);
        let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{USE}}}\n");
        assert_eq!(lines("crates/core/src/gap.rs", &tests), 0);
    }

    #[test]
    fn the_crate_says_no_std_and_has_no_dependency() {
        assert_eq!(lines("crates/core/src/lib.rs", "//! Core.\n"), 1);
        assert_eq!(lines("crates/core/src/lib.rs", "//! Core.\n#![no_std]\n"), 0);
        let manifest = "[package]\n[dev-dependencies]\nproptest = \"1\"\n[lints]\n";
        assert_eq!(lines("crates/core/Cargo.toml", manifest), 0);
        assert_eq!(lines("crates/core/Cargo.toml", "[dependencies]\n"), 1);
        assert_eq!(lines("crates/core/Cargo.toml", "[target.x.dependencies.serde]\n"), 1);
    }
}
