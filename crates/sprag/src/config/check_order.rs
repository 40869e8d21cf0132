//! `contract` and what goes with one of them: `first`, `strict_first`, `hold`, `on_gap`,
//! `coalesce`, `max_ahead`, `settle`, `ranks`, `states` (rules K4, K6, K7, G1, G2).

use super::check_rules::patterns;
use super::check_states;
use super::checked::{
    Causal, Contract, Fifo, First, Hold, Latest, Links, Merge, OnGap, Settle, States,
};
use super::raw::{Entry, Section, or};
use crate::extract::PositionRule;
use crate::limits;
use std::time::Duration;

/// Keys that mean something only where positions are numbers that are waited for.
const FIFO_ONLY: [&str; 2] = ["first", "strict_first"];

/// Of `hold`, what means something only where what is missing is waited for.
const HOLD_OF_GAPS: [&str; 2] = ["wait", "span"];

/// How long what is missing is waited for.
const WAIT: Duration = Duration::from_secs(5);

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
    Causal,
    States,
}

const KINDS: [(&str, Kind); 8] = [
    ("fifo", Kind::Fifo),
    ("latest", Kind::Latest),
    ("arrival", Kind::Arrival),
    ("unordered", Kind::Unordered),
    ("settle", Kind::Settle),
    ("merge", Kind::Merge),
    ("causal", Kind::Causal),
    ("states", Kind::States),
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
        Kind::Fifo if matches!(position, Some(PositionRule::Link { .. })) => {
            links(section).map(Contract::Links)
        }
        Kind::Fifo => fifo(section).map(Contract::Fifo),
        Kind::Latest => latest(section, position).map(Contract::Latest),
        Kind::Arrival => Some(Contract::Arrival),
        Kind::Unordered => Some(Contract::Unordered),
        Kind::Settle => settle(section).map(Contract::Settle),
        Kind::Merge => merge(section, position).map(Contract::Merge),
        Kind::Causal => causal(section).map(Contract::Causal),
        Kind::States => states(section, position).map(Contract::States),
    }
}

/// What belongs to other contracts.
fn refuse_others(section: &Section<'_>, kind: Kind) {
    let waits = "only contracts \"fifo\", \"causal\" and \"states\" wait for what is missing";
    if kind != Kind::Fifo {
        refuse(section, &FIFO_ONLY, "only contract \"fifo\" has a first position");
    }
    if !matches!(kind, Kind::Fifo | Kind::Causal | Kind::States) {
        refuse(section, &["on_gap"], waits);
    }
    match kind {
        Kind::Fifo | Kind::Causal => {}
        Kind::Settle => refuse(&section.section("hold"), &HOLD_OF_GAPS, waits),
        Kind::States => {
            let reason = "only contracts \"fifo\" and \"causal\" count how far ahead a position is";
            refuse(&section.section("hold"), &["span"], reason);
        }
        _ => refuse(section, &["hold"], waits),
    }
    if kind != Kind::Latest {
        refuse(section, &["coalesce"], "only contract \"latest\" compares positions");
    }
    if !matches!(kind, Kind::Latest | Kind::Settle | Kind::Merge | Kind::States) {
        let reason =
            "only contracts \"latest\", \"settle\", \"merge\" and \"states\" compare times";
        refuse(section, &["max_ahead"], reason);
    }
    if kind != Kind::Settle {
        refuse(section, &SETTLE_ONLY, "only contract \"settle\" waits for what may still come");
    }
    if kind != Kind::States {
        refuse(section, &["states"], "only contract \"states\" goes by a table");
    }
}

/// Rule K6.
fn misfit(kind: Kind, position: &PositionRule) -> Option<&'static str> {
    match (kind, position) {
        (Kind::Fifo, PositionRule::Sequence(_) | PositionRule::Link { .. })
        | (Kind::Settle, PositionRule::Timestamp { .. })
        | (Kind::Merge, PositionRule::Fields { .. })
        | (Kind::Causal, PositionRule::Clock { .. })
        | (Kind::States, PositionRule::State { .. })
        | (Kind::Arrival | Kind::Unordered, PositionRule::None) => None,
        (Kind::Merge, _) => Some(
            "contract \"merge\" needs position = { fields = \"body:/…\" }, an object of the version or time of each field",
        ),
        (Kind::Causal, _) => Some(
            "contract \"causal\" needs position = { clock = \"body:/…\", node = LOCATION }, an object of how many events of each node are known, and the node",
        ),
        (Kind::States, _) => Some(
            "contract \"states\" needs position = { state = LOCATION }, and with it `version` or `timestamp` where the \
             source says how new it is",
        ),
        (
            Kind::Latest,
            PositionRule::None
            | PositionRule::Fields { .. }
            | PositionRule::Clock { .. }
            | PositionRule::State { .. }
            | PositionRule::Link { .. },
        ) => Some(
            "contract \"latest\" needs position = { version = LOCATION }, \
             { timestamp = LOCATION, unit = UNIT } or { sequence = LOCATION }",
        ),
        (Kind::Latest, _) => None,
        (Kind::Fifo, _) => Some(
            "contract \"fifo\" needs position = { sequence = LOCATION } or { link = { before = LOCATION, \
             after = LOCATION } }; a version or timestamp \
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

fn causal(section: &Section<'_>) -> Option<Causal> {
    let hold = hold(&section.section("hold"), WAIT);
    let most = sprag_core::limits::CLOCKS_HELD;
    if let (Some(entry), Some(hold)) = (section.section("hold").get("events"), hold)
        && hold.events > most as u64
    {
        entry.error(format!(
            "contract \"causal\" holds at most {most} events of a key: clocks are long"
        ));
    }
    Some(Causal { hold: hold?, on_gap: on_gap(section)? })
}

/// `fifo` where positions lead from one hash to the next.
fn links(section: &Section<'_>) -> Option<Links> {
    let hold = section.section("hold");
    refuse(
        section,
        &FIFO_ONLY,
        "a link has no number: an unknown key begins where a link leads out of zeros, or waits",
    );
    refuse(&hold, &["span"], "a link has no number that could lie too far ahead");
    let most = sprag_core::limits::LINKS_HELD;
    let (wait, events, on_gap) = (hold_wait(&hold, WAIT), hold_events(&hold), on_gap(section));
    if let (Some(entry), Some(events)) = (hold.get("events"), events)
        && events > most as u64
    {
        entry.error(format!("of a key whose positions are links at most {most} events are held"));
    }
    Some(Links { wait: wait?, events: events?, on_gap: on_gap? })
}

fn states(section: &Section<'_>, position: Option<&PositionRule>) -> Option<States> {
    let is_time = match position {
        Some(PositionRule::State { at, .. }) => at.as_ref().is_some_and(|at| at.unit.is_some()),
        _ => true,
    };
    if let (Some(entry), false) = (section.get("max_ahead"), is_time) {
        entry.error("only a timestamp can be ahead of the clock");
    }
    let table = check_states::table(section, position);
    let hold = section.section("hold");
    let (wait, events, on_gap) = (hold_wait(&hold, WAIT), hold_events(&hold), on_gap(section));
    let max_ahead = max_ahead(section)?;
    Some(States { table: table?, wait: wait?, events: events?, on_gap: on_gap?, max_ahead })
}

fn fifo(section: &Section<'_>) -> Option<Fifo> {
    let first = first(section);
    // What is asked for takes longer than what is only shuffled.
    let is_asked = section.get("refill").is_some();
    let wait = if is_asked { Duration::from_mins(1) } else { WAIT };
    let hold = hold(&section.section("hold"), wait);
    let on_gap = on_gap(section);
    Some(Fifo { first: first?, hold: hold?, on_gap: on_gap? })
}

fn on_gap(section: &Section<'_>) -> Option<OnGap> {
    or(section.get("on_gap"), OnGap::Skip, |entry| {
        entry.choice(&[("skip", OnGap::Skip), ("halt", OnGap::Halt)])
    })
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
    let wait = hold_wait(section, wait);
    let events = hold_events(section);
    let span = or(section.get("span"), 10_000, |entry| entry.integer(1..=1_000_000_000));
    Some(Hold { wait: wait?, events: events?, span: span? })
}

fn hold_wait(section: &Section<'_>, wait: Duration) -> Option<Duration> {
    or(section.get("wait"), wait, |entry| {
        entry.duration(Duration::from_millis(1)..=Duration::from_hours(30 * 24))
    })
}

fn hold_events(section: &Section<'_>) -> Option<u64> {
    or(section.get("events"), 1_000, |entry| entry.integer(1..=limits::HELD_EVENTS))
}
