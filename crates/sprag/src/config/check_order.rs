//! `contract` and what goes with one of them: `first`, `strict_first`, `hold`, `on_gap`,
//! `coalesce`, `max_ahead` (rules K4, K6, K7, G1, G2).

use super::checked::{Contract, Fifo, First, Hold, Latest, OnGap};
use super::raw::{Entry, Section, or};
use crate::extract::PositionRule;
use std::time::Duration;

/// Keys that mean something only where positions are waited for.
const FIFO_ONLY: [&str; 4] = ["first", "strict_first", "hold", "on_gap"];

/// Keys that mean something only where the newest state counts.
const LATEST_ONLY: [&str; 2] = ["coalesce", "max_ahead"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fifo,
    Latest,
    Arrival,
    Unordered,
}

const KINDS: [(&str, Kind); 4] = [
    ("fifo", Kind::Fifo),
    ("latest", Kind::Latest),
    ("arrival", Kind::Arrival),
    ("unordered", Kind::Unordered),
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
    if kind != Kind::Fifo {
        refuse(section, &FIFO_ONLY, "only contract \"fifo\" waits for positions");
    }
    if kind != Kind::Latest {
        refuse(section, &LATEST_ONLY, "only contract \"latest\" compares positions");
    }
    match kind {
        Kind::Fifo => fifo(section).map(Contract::Fifo),
        Kind::Latest => latest(section, position).map(Contract::Latest),
        Kind::Arrival => Some(Contract::Arrival),
        Kind::Unordered => Some(Contract::Unordered),
    }
}

/// Rule K6.
fn misfit(kind: Kind, position: &PositionRule) -> Option<&'static str> {
    match (kind, position) {
        (Kind::Fifo, PositionRule::Sequence(_))
        | (Kind::Arrival | Kind::Unordered, PositionRule::None) => None,
        (Kind::Latest, PositionRule::None) => Some(
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
    let entry = section.get("max_ahead");
    let max_ahead = or(entry.clone(), Duration::from_mins(5), |entry| {
        entry.duration(Duration::from_secs(1)..=Duration::from_hours(30 * 24))
    });
    let is_time = matches!(position, Some(PositionRule::Timestamp { .. }) | None);
    if let (Some(entry), false) = (entry, is_time) {
        entry.error("only a timestamp can be ahead of the clock");
    }
    Some(Latest { coalesce: coalesce?, max_ahead: max_ahead? })
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
    let events = or(section.get("events"), 1_000, |entry| entry.integer(1..=1_000_000));
    let span = or(section.get("span"), 10_000, |entry| entry.integer(1..=1_000_000_000));
    Some(Hold { wait: wait?, events: events?, span: span? })
}
