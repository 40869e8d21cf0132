//! `reconcile`: what goes together, and what is told of what does not.

use super::*;
use sprag_core::settings::Then;

const ASKED: &str =
    "sources.s.reconcile = { url = \"https://a.example/{key}\", version = \"body:/version\" }";

const VERSIONED: &str = "sources.s.position.version = \"body:/n\"\nsources.s.contract = \"latest\"";

#[test]
fn a_source_is_compared_as_its_positions_are() {
    let read = |text: &str| checked(text).config.sources["s"].reconcile.clone().unwrap();
    let usual = read(&fifo(ASKED));
    assert_eq!((usual.sample, usual.then, usual.grace.as_secs()), (1_000, Then::Note, 60));
    assert_eq!(usual.rules.position.to_string(), "sequence body:/version");
    let timed = "sources.s.position = { timestamp = \"body:/at\", unit = \"rfc3339\" }\n\
                 sources.s.contract = \"latest\"";
    let asked = |more: &str| {
        let at = "url = \"https://a.example/{key}\", timestamp = \"body:/updated\"";
        small(HMAC, timed, &format!("sources.s.reconcile = {{ {at}{more} }}"))
    };
    assert_eq!(read(&asked("")).rules.position.to_string(), "timestamp body:/updated rfc3339");
    let other = read(&asked(", unit = \"ms\"")).rules.position.to_string();
    assert_eq!(other, "timestamp body:/updated ms");
}

#[test]
fn what_cannot_be_compared_is_told() {
    let with = |more: &str| {
        fifo(&format!("sources.s.reconcile = {{ url = \"https://a.example/{{key}}\"{more} }}"))
    };
    for (text, why) in [
        (small(HMAC, ARRIVAL, ASKED), "without positions there is nothing to compare"),
        (with(""), "`version` is missing"),
        (with(", version = \"header:x\""), "only read as JSON"),
        (with(", version = \"const:7\""), "it is in an answer"),
        (with(", version = \"body:/v\", timestamp = \"body:/t\""), "no such position"),
        (with(", version = \"body:/v\", unit = \"s\""), "only a timestamp has a unit"),
        (with(", version = \"body:/v\", fields = \"body:/f\""), "fields"),
        (with(", version = \"body:/v\", sample = \"0%\""), "from 0.1% to 100%"),
        (with(", version = \"body:/v\", then = \"refill\""), "needs a `refill`"),
        (with(", version = \"body:/v\", then = \"event\""), "not counted"),
        (fifo("sources.s.reconcile = { version = \"body:/v\" }"), "url"),
        (
            fifo(
                "sources.s.reconcile = { url = \"https://a.example/{key}/{from}\", version = \"body:/v\" }",
            ),
            "belong to `refill`",
        ),
    ] {
        let told = reasons(&text);
        assert!(told.contains(why), "{why}: {told}");
    }
}

#[test]
fn what_follows_must_be_possible() {
    let refill = |url: &str| {
        let asked = ASKED.replace(" }", ", then = \"refill\" }");
        fifo(&format!("{asked}\nsources.s.refill.url = \"https://a.example/{{key}}{url}\""))
    };
    let checked_refill = checked(&refill("?from={from}"));
    let reconcile = checked_refill.config.sources["s"].reconcile.clone().unwrap();
    assert_eq!(reconcile.then, Then::Refill);
    assert!(reasons(&refill("?to={to}")).contains("names {from}"));
    let event = small(HMAC, VERSIONED, &ASKED.replace(" }", ", then = \"event\" }"));
    assert_eq!(checked(&event).config.sources["s"].reconcile.clone().unwrap().then, Then::Event);
}
