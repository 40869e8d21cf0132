//! `contract` and what goes with one of them: `first`, `strict_first`, `hold`, `on_gap`,
//! `coalesce`, `max_ahead`, `settle`, `ranks` (rules K4, K6, K7, G1, G2).

use super::check_rules::patterns;
use super::checked::{Contract, Fifo, First, Hold, Latest, Merge, OnGap, Settle};
use super::raw::{Entry, Section, or};
use crate::extract::PositionRule;
use crate::limits;
use std::time::Duration;

/// Keys that mean something only where positions are waited for.
const FIFO_ONLY: [&str; 3] = ["first", "strict_first", "on_gap"];

/// Of `hold`, what means something only where positions are waited for.
const HOLD_OF_FIFO: [&str; 2] = ["wait", "span"];

/// Keys that mean something only where what arrives settles.
const SETTLE_ONLY: [&str; 2] = ["settle", "ranks"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fifo,
    Latest,
    Arrival,
    Unordered,
    Settle,
    Merge,
}

const KINDS: [(&str, Kind); 6] = [
    ("fifo", Kind::Fifo),
    ("latest", Kind::Latest),
    ("arrival", Kind::Arrival),
    ("unordered", Kind::Unordered),
    ("settle", Kind::Settle),
    ("merge", Kind::Merge),
];

pub(super) fn contract(section: &Section<'_>, position: Option<&PositionRule>) -> Option<Contract> {
    let entry = section.get("contract");
    let kind = or(entry.clone(), Kind::Fifo, |entry| entry.choice(&KINDS))?;
    if let Some(reason) = position.and_then(|position| misfit(kind, position)) {
        match &entry {
            Some(entry) => entry.error(reason),
            None => section.error(reason),
        }
    }
    refuse_others(section, kind);
    match kind {
        Kind::Fifo => fifo(section).map(Contract::Fifo),
        Kind::Latest => latest(section, position).map(Contract::Latest),
        Kind::Arrival => Some(Contract::Arrival),
        Kind::Unordered => Some(Contract::Unordered),
        Kind::Settle => settle(section).map(Contract::Settle),
        Kind::Merge => merge(section, position).map(Contract::Merge),
    }
}

/// What belongs to other contracts.
fn refuse_others(section: &Section<'_>, kind: Kind) {
    let waits = "only contract \"fifo\" waits for positions";
    if kind != Kind::Fifo {
        refuse(section, &FIFO_ONLY, waits);
    }
    match kind {
        Kind::Fifo => {}
        Kind::Settle => refuse(&section.section("hold"), &HOLD_OF_FIFO, waits),
        _ => refuse(section, &["hold"], waits),
    }
    if kind != Kind::Latest {
        refuse(section, &["coalesce"], "only contract \"latest\" compares positions");
    }
    if !matches!(kind, Kind::Latest | Kind::Settle | Kind::Merge) {
        let reason = "only contracts \"latest\", \"settle\" and \"merge\" compare times";
        refuse(section, &["max_ahead"], reason);
    }
    if kind != Kind::Settle {
        refuse(section, &SETTLE_ONLY, "only contract \"settle\" waits for what may still come");
    }
}

/// Rule K6.
fn misfit(kind: Kind, position: &PositionRule) -> Option<&'static str> {
    match (kind, position) {
        (Kind::Fifo, PositionRule::Sequence(_))
        | (Kind::Settle, PositionRule::Timestamp { .. })
        | (Kind::Merge, PositionRule::Fields { .. })
        | (Kind::Arrival | Kind::Unordered, PositionRule::None) => None,
        (Kind::Merge, _) => Some(
            "contract \"merge\" needs position = { fields = \"body:/…\" }, an object of the version or time of each field",
        ),
        (Kind::Latest, PositionRule::None | PositionRule::Fields { .. }) => Some(
            "contract \"latest\" needs position = { version = LOCATION }, \
             { timestamp = LOCATION, unit = UNIT } or { sequence = LOCATION }",
        ),
        (Kind::Latest, _) => None,
        (Kind::Fifo, _) => Some(
            "contract \"fifo\" needs position = { sequence = LOCATION }; a version or timestamp \
             goes with \"latest\", and without a position the contract is \"arrival\"",
        ),
        (Kind::Arrival, _) => {
            Some("contract \"arrival\" takes no position; with a sequence the contract is \"fifo\"")
        }
        (Kind::Settle, _) => Some(
            "contract \"settle\" needs position = { timestamp = LOCATION, unit = UNIT }; a sequence goes \
             with \"fifo\", and a version with \"latest\"",
        ),
        (Kind::Unordered, _) => Some("contract \"unordered\" takes no position"),
    }
}

fn refuse(section: &Section<'_>, names: &[&str], reason: &str) {
    for entry in names.iter().filter_map(|name| section.get(name)) {
        entry.error(reason);
    }
}

fn latest(section: &Section<'_>, position: Option<&PositionRule>) -> Option<Latest> {
    let coalesce = or(section.get("coalesce"), false, Entry::boolean);
    let (entry, max_ahead) = (section.get("max_ahead"), max_ahead(section));
    let is_time = matches!(position, Some(PositionRule::Timestamp { .. }) | None);
    if let (Some(entry), false) = (entry, is_time) {
        entry.error("only a timestamp can be ahead of the clock");
    }
    Some(Latest { coalesce: coalesce?, max_ahead: max_ahead? })
}

fn max_ahead(section: &Section<'_>) -> Option<Duration> {
    or(section.get("max_ahead"), Duration::from_mins(5), |entry| {
        entry.duration(Duration::from_secs(1)..=Duration::from_hours(30 * 24))
    })
}

fn settle(section: &Section<'_>) -> Option<Settle> {
    let settle = or(section.get("settle"), Duration::from_secs(2), |entry| {
        entry.duration(Duration::from_millis(1)..=Duration::from_mins(10))
    });
    let ranks = section.get("ranks").map_or(Some(Vec::new()), |_| patterns(section, "ranks"));
    let events = hold_events(&section.section("hold"));
    Some(Settle { settle: settle?, ranks: ranks?, events: events?, max_ahead: max_ahead(section)? })
}

fn merge(section: &Section<'_>, position: Option<&PositionRule>) -> Option<Merge> {
    let is_time = matches!(position, Some(PositionRule::Fields { unit: Some(_), .. }) | None);
    if let (Some(entry), false) = (section.get("max_ahead"), is_time) {
        entry.error("only a time can be ahead of the clock");
    }
    Some(Merge { max_ahead: max_ahead(section)? })
}

fn fifo(section: &Section<'_>) -> Option<Fifo> {
    let first = first(section);
    // What is asked for takes longer than what is only shuffled.
    let wait = if section.get("refill").is_some() { 60 } else { 5 };
    let hold = hold(&section.section("hold"), Duration::from_secs(wait));
    let on_gap = or(section.get("on_gap"), OnGap::Skip, |entry| {
        entry.choice(&[("skip", OnGap::Skip), ("halt", OnGap::Halt)])
    });
    Some(Fifo { first: first?, hold: hold?, on_gap: on_gap? })
}

fn first(section: &Section<'_>) -> Option<First> {
    let at = or(section.get("first"), Some(1), |entry| {
        if entry.is_text() {
            entry.choice(&[("any", None)])
        } else {
            entry.integer(0..=u64::MAX / 2).map(Some)
        }
    });
    let entry = section.get("strict_first");
    let strict = or(entry.clone(), false, Entry::boolean);
    let is_refilled = entry.is_none() && section.get("refill").is_some();
    match (at?, strict?) {
        (Some(at), false) if is_refilled => Some(First::Refilled(at)),
        (Some(at), false) => Some(First::At(at)),
        (Some(at), true) => Some(First::Strictly(at)),
        (None, false) => Some(First::Any),
        (None, true) => {
            entry?.error("first = \"any\" has no position to be strict about");
            None
        }
    }
}

fn hold(section: &Section<'_>, wait: Duration) -> Option<Hold> {
    let wait = or(section.get("wait"), wait, |entry| {
        entry.duration(Duration::from_millis(1)..=Duration::from_hours(30 * 24))
    });
    let events = hold_events(section);
    let span = or(section.get("span"), 10_000, |entry| entry.integer(1..=1_000_000_000));
    Some(Hold { wait: wait?, events: events?, span: span? })
}

fn hold_events(section: &Section<'_>) -> Option<u64> {
    or(section.get("events"), 1_000, |entry| entry.integer(1..=limits::HELD_EVENTS))
}
