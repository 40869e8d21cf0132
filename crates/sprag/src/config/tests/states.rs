//! Contract `states`: its table, and its guide.

use super::*;

/// A table, a state, and what goes with both.
#[test]
fn states_need_a_table() {
    let states = |position: &str, more: &str| {
        small(
            HMAC,
            &format!("sources.s.contract = \"states\"\nsources.s.position = {position}\n{more}"),
            "",
        )
    };
    let table =
        "sources.s.states = { initial = [\"a\"], allow = { a = [\"b\", \"c\"], b = [\"c\"] } }";
    let of = |position: &str, more: &str| {
        let config = checked(&states(position, &format!("{table}\n{more}"))).config;
        let source = &config.sources["s"];
        let Contract::States(states) = &source.contract else { panic!("{:?}", source.contract) };
        (source.rules.position.to_string(), states.clone())
    };
    let state = "{ state = \"body:/s\" }";
    let (rule, plain) = of(state, "");
    assert_eq!((rule.as_str(), plain.table.len(), plain.on_gap), ("state body:/s", 3, OnGap::Skip));
    let (rule, halts) = of(
        "{ state = \"body:/s\", version = \"header:x-v\" }",
        "sources.s.on_gap = \"halt\"\nsources.s.hold = { wait = \"7s\", events = 9 }",
    );
    assert_eq!(rule, "state body:/s header:x-v version");
    assert_eq!((halts.on_gap, halts.wait.as_secs(), halts.events), (OnGap::Halt, 7, 9));
    let timed = "{ state = \"body:/s\", timestamp = \"body:/t\", unit = \"ms\" }";
    let (rule, ahead) = of(timed, "sources.s.max_ahead = \"1s\"");
    assert_eq!((rule.as_str(), ahead.max_ahead.as_secs()), ("state body:/s body:/t ms", 1));
    let given = |table: &str| format!("sources.s.states = {table}");
    let many: Vec<String> = (0..64).map(|number| format!("\"s{number}\"")).collect();
    let many = given(&format!("{{ initial = [\"a\"], allow = {{ a = [{}] }} }}", many.join(", ")));
    let long = given(&format!("{{ initial = [\"{}\"] }}", "n".repeat(65)));
    for (position, more, reason) in [
        (state, "", "`states` is missing"),
        (state, &*given("{ allow = { a = [\"b\"] } }"), "`initial` is missing"),
        (state, &*given("{ initial = [] }"), "needs a state that resources begin with"),
        (state, &*given("{ initial = \"a\" }"), "an array is needed"),
        (state, &*given("{ initial = [\"a\", \"a\"] }"), "\"a\" is here twice"),
        (state, &*given("{ initial = [\"\"] }"), "a state's name has 1 to 64 bytes"),
        (state, &*long, "a state's name has 1 to 64 bytes"),
        (state, &*many, "a table has at most 64 states"),
        (state, &*given("{ initial = [\"a\"], allow = [\"b\"] }"), "a table is needed"),
        (state, &*given("{ initial = [\"a\"], allow = { a = \"b\" } }"), "an array is needed"),
        (state, &*given("{ initial = [\"a\"], allow = { \"\" = [\"b\"] } }"), "1 to 64 bytes"),
        (state, &*given("{ initial = [\"a\"], alow = {} }"), "the nearest known one is `allow`"),
        (state, "sources.s.max_ahead = \"1s\"", "only a timestamp can be ahead"),
        (state, "sources.s.first = 3", "only contract \"fifo\" has a first position"),
        (
            state,
            "sources.s.hold.span = 3",
            "only contracts \"fifo\" and \"causal\" count how far ahead",
        ),
        (state, "sources.s.coalesce = true", "only contract \"latest\" compares"),
        ("{ version = \"body:/v\" }", table, "\"states\" needs position = { state"),
        ("{ state = \"body:/s\", sequence = \"body:/n\" }", table, "beside a state"),
        ("{ state = \"body:/s\", unit = \"s\" }", table, "only a timestamp"),
        ("{ state = \"body:/s\", timestamp = \"body:/t\" }", table, "`unit` is missing"),
        (
            "{ state = \"body:/s\", version = \"body:/v\", timestamp = \"body:/t\", unit = \"s\" }",
            table,
            "not both",
        ),
    ] {
        let told = reasons(&states(position, more));
        assert!(told.contains(reason), "{position} {more}: {told}");
    }
    let fifo = reasons(&fifo(table));
    assert!(fifo.contains("only contract \"states\" goes by a table"), "{fifo}");
}

/// What the guide shows is a configuration, and leaves nothing to be desired.
#[test]
fn the_guide_of_states_has_a_sound_table() {
    let guide = include_str!("../../../../../docs/guides/contracts/states.md");
    let shown = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rest = small(HMAC, ARRIVAL, "");
    let checked = checked(&format!("{rest}\n{}", shown.replace("env:TWILIO_TOKEN", "env:PLAIN")));
    let Contract::States(states) = &checked.config.sources["sms"].contract else { panic!() };
    assert_eq!(states.table.len(), 10);
    assert!(checked.warnings.iter().all(|warning| !warning.key.contains("states")));
}

/// What a table leaves to be desired is warned of.
#[test]
fn a_table_that_is_odd_is_warned_of() {
    let warned = |position: &str, table: &str| {
        let lines = format!(
            "sources.s.contract = \"states\"\nsources.s.position = {position}\nsources.s.states = {table}"
        );
        let warnings = checked(&small(HMAC, &lines, "")).warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let state = "{ state = \"body:/s\" }";
    let typo = warned(state, "{ initial = [\"a\"], allow = { a = [\"bb\"], b = [\"c\"] } }");
    assert!(typo.contains("no resource comes to \"b\""), "{typo}");
    let again = "{ initial = [\"a\"], allow = { a = [\"b\"], b = [\"a\"] } }";
    assert!(
        warned(state, again).contains("do not say how new they are"),
        "{}",
        warned(state, again)
    );
    let versions = "{ state = \"body:/s\", version = \"body:/v\" }";
    assert_eq!(warned(versions, again), "");
}
