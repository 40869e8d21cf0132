//! Lines that no test reached, beside those that docs/internals/coverage.md argues.
//! Must not know how lines are counted.

use std::fmt;

/// The page that argues for stretches that may stay, each in a line that begins with `` - `NAME` ``.
pub(super) const PAGE: &str = "docs/internals/coverage.md";

/// Lines one after another of which none was reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    file: String,
    from: usize,
    /// The first of them; with the file it is the stretch's name, for numbers move.
    first: String,
    pub(super) count: usize,
}

impl Stretch {
    fn name(&self) -> String {
        format!("{}: {}", self.file, self.first)
    }

    /// Whether a page argues for it.
    pub(super) fn is_argued(&self, page: &str) -> bool {
        let beginning = format!("- `{}`", self.name());
        page.lines().any(|line| line.starts_with(&beginning))
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, from, first, count } = self;
        write!(formatter, "{file}:{from}: {first}")?;
        match count - 1 {
            0 => Ok(()),
            more => write!(formatter, " (and {more} more)"),
        }
    }
}

/// The stretches of a listing of llvm-cov: names of files, and below each `number|count|text` of its
/// lines; lines without code have no count.
pub(super) fn stretches(listing: &str, root: &str) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut file = String::new();
    let mut goes_on = false;
    for line in listing.lines() {
        if let Some(path) = line.strip_suffix(".rs:").filter(|path| path.starts_with(root)) {
            let path = path[root.len()..].trim_start_matches('/');
            (file, goes_on) = (format!("{path}.rs"), false);
        }
        let mut columns = line.splitn(3, '|').map(str::trim);
        let (Some(number), Some(count), Some(text)) =
            (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let Ok(from) = number.parse() else { continue };
        match count {
            "" => {}
            "0" if goes_on => found.last_mut().into_iter().for_each(|last| last.count += 1),
            "0" => {
                goes_on = true;
                let (file, first) = (file.clone(), text.to_owned());
                found.push(Stretch { file, from, first, count: 1 });
            }
            _ => goes_on = false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
/any/place/crates/core/src/a.rs:
    1|       |//! What.
    2|     14|fn f() {
    3|      0|    return g(|x| x);
    4|       |    // Why.
    5|      0|    }
    6|  1.20k|}
    7|      0|fn h() {}

/any/place/crates/core/src/b.rs:
    1|      0|fn i() {}
  ------------------
  | core::i::<u8>:
  |    1|      0|fn i() {}
  ------------------
";

    #[test]
    fn lines_that_no_test_reached_are_found_as_stretches() {
        let found = stretches(LISTING, "/any/place");
        let shown: Vec<String> = found.iter().map(Stretch::to_string).collect();
        assert_eq!(
            shown,
            [
                "crates/core/src/a.rs:3: return g(|x| x); (and 1 more)",
                "crates/core/src/a.rs:7: fn h() {}",
                "crates/core/src/b.rs:1: fn i() {}",
            ]
        );
    }

    #[test]
    fn a_stretch_is_argued_by_its_first_line_wherever_it_stands() {
        let page = "# Coverage\n\n- `crates/core/src/a.rs: fn h() {}`: nobody calls it yet.\n";
        let found = stretches(LISTING, "/any/place");
        let argued: Vec<bool> = found.iter().map(|stretch| stretch.is_argued(page)).collect();
        assert_eq!(argued, [false, true, false]);
    }
}
