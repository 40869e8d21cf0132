//! Contract `settle`: what it needs.

use super::*;

/// An instant names no event, so repeats need an id; types are ranked only where there are any.
#[test]
fn settling_needs_instants_and_ids() {
    let order = "sources.s.contract = \"settle\"\nsources.s.position = { timestamp = \"body:/t\", unit = \"s\" }";
    let settle = |more: &str| small(HMAC, &format!("{order}\n{more}"), "");
    let of = |more: &str| match checked(&settle(more)).config.sources["s"].contract.clone() {
        Contract::Settle(settle) => settle,
        other => panic!("{other:?}"),
    };
    let usual = of("");
    assert_eq!((usual.settle, usual.events), (Duration::from_secs(2), 1_000));
    assert_eq!((usual.ranks, usual.max_ahead), (Vec::new(), Duration::from_mins(5)));
    let ranked = "sources.s.type = \"body:/type\"\nsources.s.ranks = [\"*.created\", \"b\"]";
    assert_eq!(of(ranked).ranks.len(), 2);
    assert_eq!(of("sources.s.hold.events = 7\nsources.s.max_ahead = \"1s\"").events, 7);
    for (more, reason) in [
        ("sources.s.ranks = [\"a\"]", "`type` must say where the type is"),
        (
            "sources.s.hold.wait = \"1s\"",
            "only contracts \"fifo\", \"causal\" and \"states\" wait for what is missing",
        ),
        (
            "sources.s.hold.span = 5",
            "only contracts \"fifo\", \"causal\" and \"states\" wait for what is missing",
        ),
        ("sources.s.on_gap = \"halt\"", "\"causal\" and \"states\" wait for what is missing"),
        ("sources.s.settle = \"11m\"", "must be 1ms to 10m"),
    ] {
        let told = reasons(&settle(more));
        assert!(told.contains(reason), "{more}: {told}");
    }
    let position = reasons(&fifo("sources.s.contract = \"settle\""));
    assert!(position.contains("\"settle\" needs position = { timestamp"), "{position}");
    let others = reasons(&fifo("sources.s.settle = \"1s\""));
    assert!(others.contains("only contract \"settle\" waits for what may still come"), "{others}");
}
