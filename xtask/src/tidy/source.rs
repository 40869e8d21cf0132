//! A file as the checks see it, and what they report. Must not know any rule.

use std::fmt;

/// A text file of the project.
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// All of it; empty for a binary file.
    pub(crate) text: String,
}

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: String,
    /// From 1.
    line: usize,
    /// What is wrong and what to do about it.
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    pub(crate) fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, what: what.into() }
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// A file of tests: in a directory `tests`, or a module `tests` in a file of its own.
    pub(crate) fn is_test(&self) -> bool {
        self.file_name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// How many lines stand before the tests at the end of the file: all of them in a file
    /// without `#[cfg(test)] mod tests {`, none in a file of tests.
    pub(crate) fn production_lines(&self) -> usize {
        if self.is_test() {
            return 0;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let begins = |index: usize| {
            let after = lines[index + 1..].iter().find(|line| !line.starts_with("#["));
            lines[index] == "#[cfg(test)]"
                && after.is_some_and(|line| line.starts_with("mod tests {"))
        };
        (0..lines.len()).find(|index| begins(*index)).unwrap_or(lines.len())
    }
}

/// Whether `word` stands in the line with no letter, digit or `_` on either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let joins = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_are_not_production() {
        let inline = "//! A.\nfn a() {}\n\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n";
        assert_eq!(Source::new("a.rs", inline).production_lines(), 3);
        assert_eq!(Source::new("crates/a/tests/b.rs", inline).production_lines(), 0);
        assert_eq!(Source::new("crates/a/src/b/tests.rs", inline).production_lines(), 0);
    }

    #[test]
    fn a_test_module_in_another_file_hides_nothing() {
        let declared = "//! A.\n#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(Source::new("a.rs", declared).production_lines(), 4);
        let helper = "//! A.\n#[cfg(test)]\nfn helper() {}\nfn a() {}\n";
        assert_eq!(Source::new("a.rs", helper).production_lines(), 4);
    }

    #[test]
    fn words_end_where_letters_end() {
        assert!(has_word("see gap.", "gap") && has_word("gap", "gap"));
        assert!(!has_word("gaps", "gap") && !has_word("on_gap", "gap"));
    }
}
