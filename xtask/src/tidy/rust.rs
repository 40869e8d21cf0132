//! Shape of Rust files: what opens them and how long they are. The length of functions is
//! clippy's (clippy.toml).

use super::source::{Source, Violation};

/// A file a reader cannot hold in mind holds more than one thing (style: aim below 400).
const LINES: usize = 600;

/// The first line says what the file is for.
pub(crate) fn header(source: &Source) -> Vec<Violation> {
    if !source.is_rust() || source.text.starts_with("//! ") {
        return Vec::new();
    }
    let what = "open the file with `//!`: what it is for and what it must not know";
    vec![source.violation(1, what)]
}

/// Not counted: tests at the end, and files of tests.
pub(crate) fn length(source: &Source) -> Vec<Violation> {
    let lines = source.production_lines();
    if !source.is_rust() || lines <= LINES {
        return Vec::new();
    }
    let what = format!("{lines} lines without tests, at most {LINES}: split it, one noun per file");
    vec![source.violation(LINES + 1, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: usize) -> String {
        "//! Long.\n".repeat(lines)
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert!(header(&Source::new("a.rs", "//! Keys.\n")).is_empty());
        assert!(header(&Source::new("a.md", "# Keys\n")).is_empty());
        for text in ["", "use x;\n", "// Keys.\n", "\n//! Keys.\n"] {
            assert_eq!(header(&Source::new("a.rs", text)).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn six_hundred_lines_are_the_end() {
        assert!(length(&Source::new("a.rs", of(600))).is_empty());
        assert_eq!(length(&Source::new("a.rs", of(601))).len(), 1);
        assert!(length(&Source::new("a.md", of(601))).is_empty());
    }

    #[test]
    fn tests_may_be_long() {
        let tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", of(600), of(600));
        assert!(length(&Source::new("a.rs", tests)).is_empty());
        assert!(length(&Source::new("crates/a/tests/b.rs", of(601))).is_empty());
    }
}
