//! `contract`, `first`, `strict_first`, `hold` and `on_gap` (rules K6, K7, G1, G2).

use super::checked::{Contract, Fifo, First, Hold, OnGap};
use super::raw::{Entry, Section, or};
use crate::extract::PositionRule;
use std::time::Duration;

/// Keys that mean something only where positions are waited for.
const FIFO_ONLY: [&str; 4] = ["first", "strict_first", "hold", "on_gap"];

pub(super) fn contract(section: &Section<'_>, position: Option<&PositionRule>) -> Option<Contract> {
    let entry = section.get("contract");
    let fifo =
        or(entry.clone(), true, |entry| entry.choice(&[("fifo", true), ("arrival", false)]))?;
    match (fifo, position) {
        (true, Some(PositionRule::None)) => refuse(
            section,
            entry.as_ref(),
            "contract \"fifo\" needs position = { sequence = LOCATION }; \
             without a position the contract is \"arrival\"",
        ),
        (false, Some(PositionRule::Sequence(_))) => refuse(
            section,
            entry.as_ref(),
            "contract \"arrival\" takes no position; with a sequence the contract is \"fifo\"",
        ),
        _ => {}
    }
    if fifo { self::fifo(section).map(Contract::Fifo) } else { arrival(section) }
}

fn refuse(section: &Section<'_>, entry: Option<&Entry<'_>>, reason: &str) {
    match entry {
        Some(entry) => entry.error(reason),
        None => section.error(reason),
    }
}

fn arrival(section: &Section<'_>) -> Option<Contract> {
    for entry in FIFO_ONLY.into_iter().filter_map(|name| section.get(name)) {
        entry.error("only contract \"fifo\" waits for positions");
    }
    Some(Contract::Arrival)
}

fn fifo(section: &Section<'_>) -> Option<Fifo> {
    let first = first(section);
    let hold = hold(&section.section("hold"));
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
    match (at?, strict?) {
        (Some(at), false) => Some(First::At(at)),
        (Some(at), true) => Some(First::Strictly(at)),
        (None, false) => Some(First::Any),
        (None, true) => {
            entry?.error("first = \"any\" has no position to be strict about");
            None
        }
    }
}

fn hold(section: &Section<'_>) -> Option<Hold> {
    let wait = or(section.get("wait"), Duration::from_secs(5), |entry| {
        entry.duration(Duration::from_millis(1)..=Duration::from_hours(30 * 24))
    });
    let events = or(section.get("events"), 1_000, |entry| entry.integer(1..=1_000_000));
    let span = or(section.get("span"), 10_000, |entry| entry.integer(1..=1_000_000_000));
    Some(Hold { wait: wait?, events: events?, span: span? })
}
