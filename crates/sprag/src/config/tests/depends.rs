//! `depends_on`: events that refer to another resource.

use super::*;

/// Events refer to resources of a source that exists and has an order, for as long as they would be held.
#[test]
fn events_depend_on_resources_of_another_source() {
    let depends = |more: &str| format!("sources.s.depends_on.source = \"s\"\n{more}");
    let key = "sources.s.depends_on.key = \"body:/customer\"";
    let of = |lines: &str| checked(&fifo(lines)).config.sources["s"].depends_on.clone().unwrap();
    let usual = of(&depends(key));
    assert_eq!((usual.source.as_str(), usual.wait), ("s", Duration::from_secs(5)));
    let held = of(&depends(&format!("{key}\nsources.s.hold.wait = \"7s\"")));
    assert_eq!(held.wait, Duration::from_secs(7));
    let own = of(&depends(&format!("{key}\nsources.s.depends_on.wait = \"1h\"")));
    assert_eq!(own.wait, Duration::from_hours(1));
    let arrival = checked(&small(HMAC, &format!("{ARRIVAL}\n{}", depends(key)), ""));
    let arrival = arrival.config.sources["s"].depends_on.clone().unwrap();
    assert_eq!(arrival.wait, Duration::from_secs(5));
    let nobody = depends(key).replace("\"s\"", "\"nobody\"");
    for (lines, reason) in [
        (depends(""), "sources.s.depends_on: `key` is missing"),
        (key.to_owned(), "sources.s.depends_on: `source` is missing"),
        (nobody, "there is no source `nobody`"),
        (
            depends("sources.s.depends_on.key = \"body:/a\"\nsources.s.depends_on.wait = \"0s\""),
            "wait",
        ),
        (depends("sources.s.depends_on.key = \"form:a\""), "either as JSON"),
    ] {
        let told = reasons(&fifo(&lines));
        assert!(told.contains(reason), "{lines}: {told}");
    }
    let unordered = format!("sources.s.contract = \"unordered\"\n{}", depends(key));
    let told = reasons(&small(HMAC, &unordered, ""));
    assert!(told.contains("no event waits for another"), "{told}");
    assert!(told.contains("none of its events is the first of its resource"), "{told}");
    let headers = depends("sources.s.depends_on.key = \"header:x-customer\"");
    let warned = lines(&checked(&fifo(&headers)).warnings);
    assert!(
        warned.contains("does not cover the key it depends on at header:x-customer"),
        "{warned}"
    );
}
