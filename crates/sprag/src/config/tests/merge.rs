//! Contract `merge`: what it needs.

use super::*;

/// Fields are an object of the body, and nothing else goes with them.
#[test]
fn merging_needs_fields() {
    let merge = |position: &str, more: &str| {
        small(
            HMAC,
            &format!("sources.s.contract = \"merge\"\nsources.s.position = {position}\n{more}"),
            "",
        )
    };
    let rule = |position: &str| {
        let source = checked(&merge(position, "")).config.sources["s"].clone();
        assert!(matches!(source.contract, Contract::Merge(_)));
        source.rules.position.to_string()
    };
    assert_eq!(rule("{ fields = \"body:/versions\" }"), "fields body:/versions version");
    assert_eq!(rule("{ fields = \"body:/at\", unit = \"ms\" }"), "fields body:/at ms");
    let fields = "{ fields = \"body:/versions\" }";
    for (position, more, reason) in [
        ("{ fields = \"header:x-versions\" }", "", "body:/pointer of an object is needed"),
        ("{ version = \"body:/v\" }", "", "\"merge\" needs position = { fields"),
        (fields, "sources.s.max_ahead = \"1s\"", "only a time can be ahead"),
        (fields, "sources.s.hold.events = 3", "\"causal\" and \"states\" wait for what is missing"),
        (fields, "sources.s.coalesce = true", "only contract \"latest\" compares"),
    ] {
        let told = reasons(&merge(position, more));
        assert!(told.contains(reason), "{position} {more}: {told}");
    }
    let latest = reasons(&small(
        HMAC,
        &format!("sources.s.contract = \"latest\"\nsources.s.position = {fields}"),
        "",
    ));
    assert!(latest.contains("\"latest\" needs position"), "{latest}");
}
