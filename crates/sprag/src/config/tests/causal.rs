//! Contract `causal`: what it needs.

use super::*;

/// A clock is an object of the body, its node anywhere; it waits as a sequence does.
#[test]
fn causal_needs_a_clock_and_its_node() {
    let causal = |position: &str, more: &str| {
        let lines =
            format!("sources.s.contract = \"causal\"\nsources.s.position = {position}\n{more}");
        small(HMAC, &lines, "")
    };
    let clock = "{ clock = \"body:/clock\", node = \"header:x-node\" }";
    let of = |more: &str| {
        let source = checked(&causal(clock, more)).config.sources["s"].clone();
        let Contract::Causal(causal) = source.contract else { panic!("{:?}", source.contract) };
        assert_eq!(source.rules.position.to_string(), "clock body:/clock node header:x-node");
        causal
    };
    let usual = of("");
    assert_eq!((usual.hold.wait, usual.hold.events), (Duration::from_secs(5), 1_000));
    assert_eq!((usual.hold.span, usual.on_gap), (10_000, OnGap::Skip));
    let halts = of("sources.s.on_gap = \"halt\"\nsources.s.hold = { wait = \"1s\", span = 5 }");
    assert_eq!((halts.hold.wait, halts.hold.span), (Duration::from_secs(1), 5));
    assert_eq!(halts.on_gap, OnGap::Halt);
    for (position, more, reason) in [
        ("{ clock = \"body:/clock\" }", "", "`node` is missing"),
        ("{ version = \"body:/v\", node = \"body:/n\" }", "", "only a clock has a node"),
        (
            "{ clock = \"header:x\", node = \"body:/n\" }",
            "",
            "body:/pointer of an object is needed",
        ),
        ("{ version = \"body:/v\" }", "", "\"causal\" needs position = { clock"),
        (clock, "sources.s.hold.events = 10001", "at most 10000"),
        (clock, "sources.s.first = 3", "only contract \"fifo\" has a first position"),
        (clock, "sources.s.max_ahead = \"1s\"", "compare times"),
        (clock, "sources.s.settle = \"1s\"", "only contract \"settle\""),
    ] {
        let told = reasons(&causal(position, more));
        assert!(told.contains(reason), "{position} {more}: {told}");
    }
    let latest = format!("sources.s.contract = \"latest\"\nsources.s.position = {clock}");
    let latest = reasons(&small(HMAC, &latest, ""));
    assert!(latest.contains("\"latest\" needs position"), "{latest}");
}
