//! Markdown as far as the checks need it: prose lines, titles, and the anchors titles become.

use super::source::{Source, Violation};

/// A page has one title, and it comes before everything else that is prose.
pub(crate) fn one_title(source: &Source) -> Vec<Violation> {
    if !source.is_markdown() {
        return Vec::new();
    }
    let titles: Vec<usize> = prose(source)
        .filter(|(_, line)| line.starts_with("# "))
        .map(|(number, _)| number)
        .collect();
    if titles.is_empty() {
        return vec![source.violation(1, "no `# Title`: give the page one")];
    }
    let more = titles.iter().skip(1);
    more.map(|number| source.violation(*number, "a second `# Title`: make it `##`")).collect()
}

/// The lines outside fenced code, with their numbers.
pub(crate) fn prose(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    source.lines().filter(move |(_, line)| {
        let opens = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, opens) {
            (None, None) => true,
            (None, Some(mark)) => {
                fence = Some(mark);
                false
            }
            (Some(open), mark) => {
                if mark == Some(open) {
                    fence = None;
                }
                false
            }
        }
    })
}

/// The anchors of a page, as the common renderers make them from titles: lower case, words joined
/// by `-`, punctuation dropped.
pub(crate) fn anchors(source: &Source) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(source).filter(|(_, line)| line.starts_with('#')) {
        let anchor = anchor(line.trim_start_matches('#').trim());
        let repeated = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if repeated == 0 { anchor } else { format!("{anchor}-{repeated}") });
    }
    anchors
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<String> {
        one_title(&Source::new("a.md", text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_page_has_exactly_one_title() {
        assert!(titles("# Keys\n\n## Parts\n").is_empty());
        assert!(titles("## Parts\n")[0].starts_with("a.md:1: no `# Title`"));
        assert!(titles("# Keys\n\n# Parts\n")[0].starts_with("a.md:3: a second"));
    }

    #[test]
    fn comments_in_code_are_no_titles() {
        assert!(titles("# Keys\n```sh\n# a comment\n```\n~~~\n# b\n```\n# c\n~~~\n").is_empty());
    }

    #[test]
    fn titles_become_anchors() {
        let page =
            Source::new("a.md", "# Life of an event!\n## `key` & lane\n## Life of an event\n");
        assert_eq!(anchors(&page), ["life-of-an-event", "key--lane", "life-of-an-event-1"]);
    }
}
