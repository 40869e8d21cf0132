//! Every key of the configuration, a file for each section: the one table behind the check for unknown keys and the page
//! docs/reference/configuration.md.
//!
//! `*` stands for a name, `[]` for the elements of an array. A key that is not here cannot be
//! read: `raw` refuses it, and a test compares this table with what the checks read.

mod destinations;
mod limits;
mod reconcile;
mod server;
mod sources;

/// What it means that a key is omitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted {
    /// Must be given.
    Required,
    /// May be given; absence means what the text says.
    Absent(&'static str),
    /// This TOML value.
    Value(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `sources.*.hold.wait`
    pub path: &'static str,
    /// What is written there.
    pub kind: &'static str,
    /// What applies without it.
    pub default: Omitted,
    /// What it does, in one or two sentences.
    pub meaning: &'static str,
}

const fn key(
    path: &'static str,
    kind: &'static str,
    default: Omitted,
    meaning: &'static str,
) -> Key {
    Key { path, kind, default, meaning }
}

pub use super::reference_page::reference_markdown;

/// The whole configuration, section by section.
pub const KEYS: &[Key] = &ALL;

const SECTIONS: [&[Key]; 5] =
    [server::KEYS, sources::KEYS, reconcile::KEYS, destinations::KEYS, limits::KEYS];

const ALL: [Key; length()] = {
    let mut all = [SECTIONS[0][0]; _];
    let (mut section, mut at) = (0, 0);
    while section < SECTIONS.len() {
        let mut of_section = 0;
        while of_section < SECTIONS[section].len() {
            all[at] = SECTIONS[section][of_section];
            (of_section, at) = (of_section + 1, at + 1);
        }
        section += 1;
    }
    all
};

const fn length() -> usize {
    let (mut length, mut section) = (0, 0);
    while section < SECTIONS.len() {
        length += SECTIONS[section].len();
        section += 1;
    }
    length
}

/// The keys that may stand directly in a table: the next word after its pattern.
pub(super) fn children(pattern: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| match pattern {
            "" => Some(key.path),
            _ => key.path.strip_prefix(pattern)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split(['.', '[']).next())
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_tables() {
        assert_eq!(
            children(""),
            ["server", "log", "admin", "sources", "destinations", "limits", "retention"]
        );
        assert_eq!(children("sources"), ["*"]);
        assert_eq!(children("sources.*.hold"), ["wait", "events", "span"]);
        assert_eq!(children("sources.*.key[]"), ["type", "at"]);
        assert_eq!(children("sources.*.key"), ["join"]);
        assert!(children("sources.*.hold.wait").is_empty());
    }

    #[test]
    fn the_page_has_a_row_for_every_key() {
        let page = reference_markdown();
        assert_eq!(page.matches("\n| `").count(), KEYS.len());
        assert!(page.contains("\n## `[sources.NAME]`\n"));
        assert!(page.contains("| `hold.wait` | duration 1ms–30d | `\"5s\"` |"), "{page}");
    }

    #[test]
    fn no_key_is_described_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[at + 1..].iter().all(|other| other.path != key.path), "{}", key.path);
        }
    }
}
