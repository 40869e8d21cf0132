//! A deliberate bug as a file: header lines, then a unified diff. The format is described in
//! bugs/README.md. Must not know how a patch is applied or a bug is caught.

use super::catcher::Catcher;
use crate::failure::Failure;

/// A patch of bugs/.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The file name without `.patch`.
    pub(crate) name: String,
    /// What the bug does, in the words of DESIGN.
    pub(crate) title: String,
    /// The rule or foundation of DESIGN it breaks.
    pub(crate) rule: String,
    /// What has to catch it.
    pub(crate) catcher: Catcher,
}

impl Patch {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        if !text.contains("\n--- ") || !text.contains("\n+++ ") {
            return Err(Failure::new("no unified diff below the header"));
        }
        Ok(Self {
            name: name.to_owned(),
            title: field(text, "bug")?.to_owned(),
            rule: field(text, "rule")?.to_owned(),
            catcher: field(text, "caught-by")?.parse()?,
        })
    }
}

/// The value of the header line `# name: value`, which stands exactly once.
fn field<'a>(text: &'a str, name: &str) -> Result<&'a str, Failure> {
    let header = text.lines().take_while(|line| line.starts_with('#') || line.trim().is_empty());
    let mut values = header.filter_map(|line| {
        let line = line.strip_prefix("# ")?;
        line.strip_prefix(name)?.strip_prefix(':').map(str::trim)
    });
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value),
        (None, _) => Err(Failure::new(format!("no header line `# {name}: …`"))),
        _ => Err(Failure::new(format!("`# {name}: …` must have one value and stand once"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\n--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-a\n+b\n";

    fn parse(header: &str) -> Result<Patch, Failure> {
        Patch::parse("early", &format!("{header}{DIFF}"))
    }

    #[test]
    fn a_header_says_what_breaks_and_what_catches_it() {
        let header =
            "# bug: acknowledges before the commit\n# rule: D1\n# caught-by: sim --seeds 1..40\n";
        let patch = parse(header).unwrap();
        assert_eq!((patch.name.as_str(), patch.rule.as_str()), ("early", "D1"));
        assert_eq!(patch.title, "acknowledges before the commit");
        assert_eq!(patch.catcher, Catcher::Simulation { seeds: "1..40".to_owned() });
    }

    #[test]
    fn lines_beyond_the_three_explain() {
        let header = "# bug: x\n# rule: L1\n# Why: note this.\n# caught-by: sim\n";
        assert!(parse(header).is_ok());
    }

    #[test]
    fn what_is_missing_or_doubled_is_named() {
        for (header, words) in [
            ("# rule: D1\n# caught-by: sim\n", "no header line `# bug: …`"),
            ("# bug: x\n# caught-by: sim\n", "no header line `# rule: …`"),
            ("# bug: x\n# rule: D1\n", "no header line `# caught-by: …`"),
            ("# bug: x\n# bug: y\n# rule: D1\n# caught-by: sim\n", "stand once"),
            ("# bug:\n# rule: D1\n# caught-by: sim\n", "one value"),
            ("# bug: x\n# rule: D1\n# caught-by: luck\n", "`sim"),
        ] {
            let shown = parse(header).unwrap_err().to_string();
            assert!(shown.contains(words), "{header:?}: {shown}");
        }
    }

    #[test]
    fn a_header_without_a_diff_is_no_patch() {
        let header = "# bug: x\n# rule: D1\n# caught-by: sim\n";
        assert!(Patch::parse("x", header).is_err());
    }
}
