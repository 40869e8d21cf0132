//! Hash links: what they need, and their guide.

use super::*;

/// Two hashes, and perhaps whether one does not build on the other; nothing that goes with numbers.
#[test]
fn links_need_both_ends() {
    let fifo = |position: &str, more: &str| {
        small(HMAC, &format!("sources.s.position = {position}\n{more}"), "")
    };
    let link = "{ link = { before = \"body:/before\", after = \"header:x-after\" } }";
    let of = |position: &str, more: &str| {
        let source = checked(&fifo(position, more)).config.sources["s"].clone();
        let Contract::Links(links) = source.contract else { panic!("{:?}", source.contract) };
        assert_eq!(source.rules.position.to_string(), "link body:/before header:x-after");
        links
    };
    let usual = of(link, "");
    assert_eq!((usual.wait.as_secs(), usual.events, usual.on_gap), (5, 1_000, OnGap::Skip));
    let forced = link.replace(" } }", ", forced = \"body:/forced\" } }");
    let halts = of(&forced, "sources.s.on_gap = \"halt\"\nsources.s.hold = { wait = \"7s\" }");
    assert_eq!((halts.wait.as_secs(), halts.on_gap), (7, OnGap::Halt));
    for (position, more, reason) in [
        ("{ link = { before = \"body:/b\" } }", "", "`after` is missing"),
        ("{ link = { after = \"body:/b\" } }", "", "`before` is missing"),
        ("{ link = \"body:/b\" }", "", "a table is needed"),
        (
            "{ link = { before = \"body:/b\", after = \"body:/a\", fored = \"body:/f\" } }",
            "",
            "`forced`",
        ),
        (
            "{ link = { before = \"body:/b\", after = \"body:/a\", forced = \"header:f\" } }",
            "",
            "pointer of a boolean",
        ),
        (
            "{ link = { before = \"body:/b\", after = \"body:/a\" }, sequence = \"body:/n\" }",
            "",
            "nothing else",
        ),
        (
            "{ link = { before = \"body:/b\", after = \"body:/a\" }, state = \"body:/n\" }",
            "",
            "beside a state",
        ),
        (link, "sources.s.first = 3", "a link has no number"),
        (link, "sources.s.strict_first = true", "a link has no number"),
        (link, "sources.s.hold.span = 3", "no number that could lie too far ahead"),
        (link, "sources.s.hold.events = 1001", "at most 1000 events"),
        (link, "sources.s.refill = { url = \"https://a.example/{key}\" }", "with a sequence knows"),
        (link, "sources.s.contract = \"latest\"", "\"latest\" needs position"),
        (link, "sources.s.contract = \"states\"", "\"states\" needs position"),
    ] {
        let told = reasons(&fifo(position, more));
        assert!(told.contains(reason), "{position} {more}: {told}");
    }
    let nameless = fifo(link, "").replace("s.id = \"sha256\"", "s.id = \"none\"");
    let nameless = reasons(&nameless);
    assert!(nameless.contains("a link names no event"), "{nameless}");
}

/// What the guide shows is a configuration.
#[test]
fn the_guide_of_links_is_sound() {
    let guide = include_str!("../../../../../docs/guides/contracts/link.md");
    let shown = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rest = small(HMAC, ARRIVAL, "");
    let checked = checked(&format!("{rest}\n{}", shown.replace("env:GITHUB_SECRET", "env:PLAIN")));
    assert!(matches!(checked.config.sources["pushes"].contract, Contract::Links(_)));
}
