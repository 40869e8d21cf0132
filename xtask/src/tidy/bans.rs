//! Words that must not stand in certain files, each with the reason. A new ban is a new line of
//! the table. The words are spelled in halves here so that this file is clean itself.

use super::source::{Source, Violation};

struct Ban {
    word: &'static str,
    files: fn(&Source) -> bool,
    what: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        word: concat!("to", "do!"),
        files: Source::is_rust,
        what: "write the code, or leave the function out",
    },
    Ban {
        word: concat!("unimple", "mented!"),
        files: Source::is_rust,
        what: "write the code, or leave the function out",
    },
    Ban {
        word: concat!("#[ig", "nore"),
        files: Source::is_rust,
        what: "a test that does not run proves nothing: repair it or remove it",
    },
    Ban {
        word: concat!("ret", "ries"),
        files: |source| source.path == ".config/nextest.toml",
        what: "a second try hides a flaky test: repair the test",
    },
    Ban {
        word: concat!("--ret", "ries"),
        files: |source| source.is_rust() || is_script(source),
        what: "a second try hides a flaky test: repair the test",
    },
    Ban {
        word: concat!("|| tr", "ue"),
        files: is_script,
        what: "a command whose failure is swallowed checks nothing: let it fail",
    },
    Ban {
        word: concat!("\"resol", "ved\""),
        files: |source| source.file_name() == "package-lock.json",
        what: "names a registry: write the lock file with `omit-lockfile-registry-resolved=true`",
    },
];

fn is_script(source: &Source) -> bool {
    source.path.starts_with(".ci/") || source.path.ends_with(".sh")
}

/// No line holds a word that is banned in its file.
pub(crate) fn bans(source: &Source) -> Vec<Violation> {
    let here: Vec<&Ban> = BANS.iter().filter(|ban| (ban.files)(source)).collect();
    let found = |line: &str| here.iter().find(|ban| line.contains(ban.word)).copied();
    source
        .lines()
        .filter_map(|(number, line)| {
            let ban = found(line)?;
            Some(source.violation(number, format!("`{}`: {}", ban.word, ban.what)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of each kind that a ban speaks of, and one none speaks of.
    const PATHS: &[&str] =
        &["a.rs", ".config/nextest.toml", ".ci/run", "interop/package-lock.json", "README.md"];

    #[test]
    fn each_ban_holds_in_its_files_and_only_there() {
        for ban in BANS {
            for path in PATHS {
                let source = Source::new(*path, format!("fine\nx {} y\n", ban.word));
                // A longer word may hold a shorter one that is banned in more files.
                let holds = |other: &Ban| ban.word.contains(other.word) && (other.files)(&source);
                let banned = BANS.iter().any(holds);
                assert_eq!(bans(&source).len(), usize::from(banned), "{} in {path}", ban.word);
            }
            assert!(!(ban.files)(&Source::new("README.md", "")), "{} is banned nowhere", ban.word);
        }
    }

    #[test]
    fn nextest_may_not_try_again() {
        let line = concat!("[profile.default]\nret", "ries = 2\n");
        let shown = bans(&Source::new(".config/nextest.toml", line))[0].to_string();
        assert!(shown.starts_with(".config/nextest.toml:2: "), "{shown}");
    }
}
