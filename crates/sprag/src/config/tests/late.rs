//! `on_late` and `late_to`: where late events go.

use super::*;

/// Late events are delivered, are dead letters, or go to a destination that exists.
#[test]
fn late_events_go_somewhere() {
    let of = |more: &str| checked(&fifo(more)).config.sources["s"].on_late.clone();
    assert_eq!(of(""), OnLate::Deliver);
    assert_eq!(of("sources.s.on_late = \"dead-letter\""), OnLate::DeadLetter);
    assert_eq!(of("sources.s.on_late = \"compensate\""), OnLate::Compensate);
    assert_eq!(of("sources.s.late_to = \"d\""), OnLate::To("d".to_owned()));
    let aside = "destinations.aside.from = []\ndestinations.aside.url = \"https://example.com/\"\n\
                 destinations.aside.secrets = [\"env:WHSEC\"]";
    let named = format!("sources.s.late_to = \"aside\"\n{aside}");
    assert_eq!(of(&named), OnLate::To("aside".to_owned()));
    for (more, reason) in [
        ("sources.s.on_late = \"drop\"", "on_late"),
        ("sources.s.late_to = \"nobody\"", "there is no destination `nobody`"),
        ("sources.s.late_to = \"d\"\nsources.s.on_late = \"deliver\"", "says something else"),
        (aside, "it takes from no source, and no `late_to` names it"),
    ] {
        let told = reasons(&fifo(more));
        assert!(told.contains(reason), "{more}: {told}");
    }
    for contract in ["arrival", "unordered"] {
        let lines = format!("sources.s.contract = \"{contract}\"\nsources.s.on_late = \"deliver\"");
        let told = reasons(&small(HMAC, &lines, ""));
        assert!(told.contains("can an event be late"), "{told}");
    }
}
