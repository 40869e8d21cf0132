//! Links between the files of the project. Links to other places are not followed: a check must
//! not depend on the network.

use std::collections::BTreeMap;

use super::markdown::{anchors, prose};
use super::source::{Source, Violation};

/// Every relative link of a markdown page leads to a file or directory of the project, and every
/// anchor to a title of the page it names.
pub(crate) fn resolve(sources: &[Source]) -> Vec<Violation> {
    let known: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let pages = sources.iter().filter(|source| source.is_markdown());
    pages.flat_map(|page| broken(page, &known)).collect()
}

/// The list of decision records, and where they are.
const DECISIONS: &str = "docs/decisions/";

/// Every decision record is named in their list: nobody reads all to find one.
pub(crate) fn listed(sources: &[Source]) -> Vec<Violation> {
    let list = format!("{DECISIONS}README.md");
    let Some(list) = sources.iter().find(|source| source.path == list) else { return Vec::new() };
    let named: Vec<String> =
        prose(list).flat_map(|(_, line)| targets(&without_code(line))).collect();
    let records = sources.iter().filter_map(|source| source.path.strip_prefix(DECISIONS));
    let records = records.filter(|name| *name != "README.md");
    let missing = records.filter(|name| !named.iter().any(|target| target == name));
    missing.map(|name| list.violation(1, format!("`{name}` is missing: name it here"))).collect()
}

fn broken(page: &Source, known: &BTreeMap<&str, &Source>) -> Vec<Violation> {
    let links = prose(page).flat_map(|(number, line)| {
        targets(&without_code(line)).into_iter().map(move |target| (number, target))
    });
    links
        .filter_map(|(number, target)| {
            let what = fault(page, &target, known)?;
            Some(page.violation(number, format!("link `{target}`: {what}")))
        })
        .collect()
}

/// What is wrong with a link, if anything.
fn fault(page: &Source, target: &str, known: &BTreeMap<&str, &Source>) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(place) = join(&page.path, path) else {
        return Some("leaves the project: name a file inside it");
    };
    let Some(file) = known.get(place.as_str()) else {
        let below = format!("{place}/");
        let is_directory = place.is_empty() || known.keys().any(|path| path.starts_with(&below));
        return (!is_directory).then_some("no such file: correct the path or remove the link");
    };
    let leads = anchor.is_empty() || !file.is_markdown();
    let missing = !leads && !anchors(file).iter().any(|known| known == anchor);
    missing.then_some("no such title on that page: correct the anchor")
}

/// The path a link means, seen from the page it stands on; none above the root.
fn join(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let directory = page.rsplit_once('/').map_or("", |(directory, _)| directory);
    let start = if link.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The line with every span of inline code cut out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The targets of `[text](target)` and of a definition `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let definition = defined.and_then(|(_, target)| target.split_whitespace().next());
    let all = inline.chain(definition).map(|target| target.trim_matches(['<', '>']));
    all.filter(|target| !target.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let sources = [
            Source::new("docs/guides/start.md", format!("# Start\n## First key\n{text}\n")),
            Source::new("docs/words.md", "# Words\n## Lane\n"),
            Source::new("README.md", "# Sprag\n"),
            Source::new("crates/core/src/lib.rs", "//! Core.\n"),
        ];
        resolve(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "[a](../words.md#lane) [b](#first-key) [c](../../crates/core) [d](../../README.md)\n\
            [e](https://example.org/gone.md) [f](mailto:a@example.org) ![g](../words.md \"title\")\n\
            [h](/README.md) [i](../..)\n[name]: ../words.md\n";
        assert_eq!(faults(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_line() {
        let text = "[a](words.md)\n[b](../words.md#gap)\n[c](../../../x.md)\n[name]: gone.md";
        let expected = ["3: link `words.md`", "4: link `../words.md#gap`", "5: link", "6: link"];
        let found = faults(text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (line, start) in found.iter().zip(expected) {
            assert!(line.starts_with(&format!("docs/guides/start.md:{start}")), "{line}");
        }
    }

    #[test]
    fn a_decision_that_is_not_in_the_list_is_named() {
        let sources = [
            Source::new("docs/decisions/README.md", "# Decisions\n- [one](001-one.md)\n"),
            Source::new("docs/decisions/001-one.md", "# One\n"),
            Source::new("docs/decisions/002-two.md", "# Two\n"),
        ];
        let found: Vec<_> = listed(&sources).iter().map(ToString::to_string).collect();
        assert!(matches!(&found[..], [one] if one.contains("002-two.md")), "{found:?}");
    }

    #[test]
    fn code_holds_no_links() {
        assert!(faults("`[a](gone.md)` and\n```\n[b](gone.md)\n```\n").is_empty());
    }
}
