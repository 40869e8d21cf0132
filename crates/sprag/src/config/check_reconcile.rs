//! `reconcile` of a source: how its keys are compared with what it has.

use std::time::Duration;

use sprag_core::rate::Rate;
use sprag_core::settings::Then;

use super::checked::{Contract, Reconcile, Refill};
use super::raw::{Entry, Section, or};
use super::{check_destination, check_headers, check_rate};
use crate::extract::{INSTANT_UNITS, IdRule, KeyRule, Location, Pattern, PositionRule, Rules};
use crate::refill::Template;

/// The type of an event that is what the authority has.
const TYPE: &str = "reconciled";

const DAY: Duration = Duration::from_hours(24);

const THEN: [(&str, Then); 3] =
    [("note", Then::Note), ("refill", Then::Refill), ("event", Then::Event)];

/// What a source is compared with, where it is; position, contract and refill are its own.
pub(super) fn reconcile(
    source: &Section<'_>,
    position: Option<&PositionRule>,
    contract: Option<&Contract>,
    refill: Option<&Refill>,
) -> Option<Option<Reconcile>> {
    let Some(entry) = source.get("reconcile") else { return Some(None) };
    let section = &entry.section()?;
    let template = section.required("url").and_then(|entry| entry.parsed(Template::parse));
    if template.as_ref().is_some_and(Template::names_positions) {
        section.error("`url` is that of one resource: {from} and {to} belong to `refill`");
    }
    let headers = check_headers::headers(section);
    let position = read_position(section, position);
    let event_type = or(section.get("type_at"), Location::Const(TYPE.to_owned()), of_answer);
    let every = or(section.get("every"), Duration::from_hours(1), |entry| {
        entry.duration(Duration::from_secs(1)..=DAY * 400)
    });
    let grace = or(section.get("grace"), Duration::from_mins(1), |entry| {
        entry.duration(Duration::from_millis(100)..=DAY * 30)
    });
    let sample = or(section.get("sample"), 1_000, |entry| entry.parsed(thousandths));
    let usual = Rate { count: 1, period: Duration::from_secs(1) };
    let rate = check_rate::rate(section, "rate").map(|rate| rate.unwrap_or(usual));
    let then = or(section.get("then"), Then::Note, |entry| entry.choice(&THEN));
    let (allow, ca) = (check_destination::allow(section), check_destination::ca(section));
    if let Some(contract) = contract {
        fits(&entry, contract);
    }
    if let Some((then, contract)) = then.zip(contract) {
        follows(section, then, contract, refill);
    }
    let rules = Rules {
        id: IdRule::None,
        // Which key it is was asked.
        key: KeyRule::Parts(vec![Location::Const("-".to_owned())]),
        event_type: Some(event_type?),
        accept: vec![Pattern::any()],
        position: position?,
        split: None,
        depends_on: None,
    };
    Some(Some(Reconcile {
        template: template?,
        headers: headers?,
        rules,
        every: every?,
        grace: grace?,
        sample: sample?,
        rate: rate?,
        then: then?,
        allow: allow?,
        ca: ca?,
    }))
}

/// Only what is kept of a key can be compared: its newest position.
fn fits(entry: &Entry<'_>, contract: &Contract) {
    let why = match contract {
        Contract::Fifo(_) | Contract::Latest(_) | Contract::Settle(_) => return,
        Contract::Merge(_) => {
            "contract \"merge\" has a version for each field, not one for the resource"
        }
        Contract::Causal(_) => {
            "contract \"causal\" has a clock of many nodes, of which none is the newest"
        }
        Contract::States(_) => "a state may come again: that it is another says not which is newer",
        Contract::Links(_) => "hashes are the same or they are not: none is newer",
        Contract::Arrival | Contract::Unordered => {
            "without positions there is nothing to compare with what the source has"
        }
    };
    entry.error(format!(
        "{why}; `reconcile` goes with \"fifo\" by sequence, \"latest\" and \"settle\""
    ));
}

/// What follows must be possible.
fn follows(section: &Section<'_>, then: Then, contract: &Contract, refill: Option<&Refill>) {
    let asks = refill.is_some_and(|refill| refill.template.names_from());
    if then == Then::Refill && !asks {
        section.error(
            "`then = \"refill\"` asks for what follows a position, so the source needs a `refill` whose url names {from}",
        );
    }
    if then == Then::Event && matches!(contract, Contract::Fifo(_)) {
        section.error(
            "`then = \"event\"` would put an event among counted ones that their source has not counted; \
             `then = \"refill\"` asks for those that are missing",
        );
    }
}

/// Where the position is in an answer; of the kind that the source's own is.
fn read_position(section: &Section<'_>, own: Option<&PositionRule>) -> Option<PositionRule> {
    let (version, timestamp) = (section.get("version"), section.get("timestamp"));
    let unit = or(section.get("unit"), None, |entry| entry.choice(&INSTANT_UNITS).map(Some))?;
    let place = |wanted: &str, found: Option<Entry<'_>>, other: Option<Entry<'_>>| {
        if let Some(other) = other {
            other.error(format!(
                "its events have no such position: it is `{wanted}` that is compared"
            ));
        }
        let Some(found) = found else {
            section.error(&format!("`{wanted}` is missing: where the position is in an answer"));
            return None;
        };
        match of_answer(&found)? {
            Location::Const(_) => {
                found.error("body:/pointer is needed: it is in an answer");
                None
            }
            at => Some(at),
        }
    };
    match own? {
        PositionRule::Timestamp { unit: own, .. } => {
            let at = place("timestamp", timestamp, version)?;
            Some(PositionRule::Timestamp { at, unit: unit.unwrap_or(*own) })
        }
        PositionRule::Sequence(_) | PositionRule::Version(_) => {
            if let (Some(_), Some(entry)) = (unit, section.get("unit")) {
                entry.error("only a timestamp has a unit");
            }
            let at = place("version", version, timestamp)?;
            Some(match own? {
                PositionRule::Sequence(_) => PositionRule::Sequence(at),
                _ => PositionRule::Version(at),
            })
        }
        // The contract is refused.
        _ => None,
    }
}

/// An answer is a body.
fn of_answer(entry: &Entry<'_>) -> Option<Location> {
    match entry.parsed(Location::parse)? {
        location @ (Location::Body(_) | Location::Const(_)) => Some(location),
        _ => {
            entry.error("body:/pointer is needed: an answer is only read as JSON");
            None
        }
    }
}

/// `10%`, `0.5%`
fn thousandths(text: &str) -> Result<u16, &'static str> {
    const WHY: &str = "a share is written as `10%` or `0.5%`, from 0.1% to 100%";
    let number = text.strip_suffix('%').ok_or(WHY)?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(tenths) || tenths.len() != 1 || whole.len() > 3 {
        return Err(WHY);
    }
    let read = |text: &str| text.parse::<u16>().map_err(|_| WHY);
    let share = read(whole)? * 10 + read(tenths)?;
    if (1..=1_000).contains(&share) { Ok(share) } else { Err(WHY) }
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn a_share_has_a_tenth_of_a_percent() {
        let read = |text| thousandths(text).ok();
        assert_eq!(
            ["100%", "10%", "0.1%", "12.5%"].map(read),
            [Some(1000), Some(100), Some(1), Some(125)]
        );
        let none = [
            "0%", "0.0%", "100.1%", "101%", "10", "%", ".5%", "1.%", "1.25%", "-1%", "1e1%",
            "9999%",
        ];
        assert!(none.iter().all(|text| read(text).is_none()));
    }
}
