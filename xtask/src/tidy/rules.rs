//! Rules of the design that are cited by letter and number. Must not know what a rule says.

use std::collections::BTreeSet;

use super::source::{Source, Violation};

/// Where the rules stand.
const PAGE: &str = "docs/internals/design.md";
/// How they are cited, with the number, or the letter and the number, behind it.
const CITED: &str = concat!("DESIGN", " ");

/// Every rule that is cited stands on the page of the rules.
pub(crate) fn cited(sources: &[Source]) -> Vec<Violation> {
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else { return Vec::new() };
    let known: BTreeSet<&str> = page.lines().filter_map(|(_, line)| defined(line)).collect();
    sources.iter().flat_map(|source| unknown(source, &known)).collect()
}

/// The rule that a line of the page begins: `- **K7.** …`.
fn defined(line: &str) -> Option<&str> {
    line.strip_prefix("- **")?.split_once(".**").map(|(rule, _)| rule)
}

fn unknown(source: &Source, known: &BTreeSet<&str>) -> Vec<Violation> {
    let rules = source.lines().flat_map(|(number, line)| {
        let behind = line.split(CITED).skip(1);
        behind.filter_map(rule).map(move |rule| (number, rule))
    });
    let rules = rules.filter(|(_, rule)| !known.contains(rule));
    let what =
        |rule| format!("{CITED}{rule}: {PAGE} has no such rule: correct the letter or the number");
    rules.map(|(number, rule)| source.violation(number, what(rule))).collect()
}

/// A letter and a number at the beginning of a text; none where something else is cited.
fn rule(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(|letter: char| letter.is_ascii_uppercase())?;
    let rest = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
    (rest.len() < digits.len()).then(|| &text[..text.len() - rest.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cited_stands_on_the_page() {
        let page = Source::new(PAGE, "# Rules\n\n- **K7.** First.\n- **F13.** Identity.\n");
        let code = [
            format!("//! One ({CITED}K7), another ({CITED}F13, F1)."),
            format!("//! {CITED}section 5, and {CITED}K8."),
        ];
        let code = Source::new("sim/src/main.rs", code.join("\n"));
        let found = cited(&[page, code]);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("sim/src/main.rs:2: "), "{found:?}");
        assert!(found[0].contains("K8"), "{found:?}");
    }
}
