//! `total = true`: one order over everything in place of a key.

use super::*;

/// `total = true` instead of the key of [`small`].
fn one_order(order: &str) -> String {
    small(HMAC, order, "").replace(r#"sources.s.key = "body:/key""#, "sources.s.total = true")
}

#[test]
fn one_order_over_everything_takes_the_place_of_a_key() {
    let all = KeyRule::Parts(vec![Location::Const("all".into())]);
    let found = checked(&one_order(FIFO));
    assert_eq!(found.config.sources["s"].rules.key, all);
    assert!(lines(&found.warnings).contains("sources.s.total: one order over everything"));
    let beside = reasons(&fifo("sources.s.total = true"));
    assert!(beside.contains("makes the whole source one resource"), "{beside}");
    assert_eq!(checked(&fifo("sources.s.total = false")).config, checked(&fifo("")).config);
    let neither = reasons(&one_order(FIFO).replace("= true", "= false"));
    assert!(neither.contains("`key` is missing"), "{neither}");
    let unordered = reasons(&one_order(r#"sources.s.contract = "unordered""#));
    assert!(unordered.contains("has no order, so there is none for `total = true`"), "{unordered}");
    let merged = reasons(&one_order(
        "sources.s.contract = \"merge\"\nsources.s.position = { fields = \"body:/versions\" }",
    ));
    assert!(merged.contains("knows fields of one resource"), "{merged}");
    let coalesced = reasons(&one_order(&format!("{LATEST}\nsources.s.coalesce = true")));
    assert!(coalesced.contains("take the place of those of other resources"), "{coalesced}");
    let stale = lines(&checked(&one_order(LATEST)).warnings);
    assert!(stale.contains("as soon as a newer one of any resource was released"), "{stale}");
    assert!(reasons(&fifo("sources.s.total = 1")).contains("true or false is needed"));
}

#[test]
fn one_order_takes_the_place_of_a_presets_key() {
    let preset = |more: &str| {
        let text = format!(
            "sources.s.preset = \"commercetools\"\n{more}\ndestinations.d.from = [\"s\"]\n\
             destinations.d.url = \"http://app.example/\"\n\
             destinations.d.secrets = [\"env:WHSEC\"]"
        );
        checked(&text).config.sources["s"].rules.key.clone()
    };
    let all = KeyRule::Parts(vec![Location::Const("all".into())]);
    let verify = "sources.s.verify = { scheme = \"none\" }";
    assert_eq!(preset(&format!("{verify}\nsources.s.total = true")), all);
    assert_ne!(preset(verify), all);
}
