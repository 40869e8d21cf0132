//! `on_late` and `late_to`: what becomes of events that come after their place was given up (rules G4, C5).

use std::collections::BTreeSet;

use super::Named;
use super::checked::{Contract, Destination, OnLate, Source};
use super::raw::{Section, or};

/// What becomes of late events; of a contract under which nothing is late, that they are delivered.
pub(super) fn on_late(section: &Section<'_>, contract: Option<&Contract>) -> Option<OnLate> {
    let (on_late, late_to) = (section.get("on_late"), section.get("late_to"));
    // Of a contract with faults it is unknown.
    if !contract.is_none_or(Contract::is_ever_late) {
        for entry in [on_late, late_to].into_iter().flatten() {
            entry.error(
                "only with contracts \"fifo\", \"settle\", \"causal\" and hash links can an event be late; elsewhere what is \
                 old is stale, or nothing is",
            );
        }
        return Some(OnLate::Deliver);
    }
    let way = or(on_late.clone(), OnLate::Deliver, |entry| {
        let deliver = ("deliver", &OnLate::Deliver);
        let dead = ("dead-letter", &OnLate::DeadLetter);
        entry.choice(&[deliver, dead, ("compensate", &OnLate::Compensate)]).cloned()
    });
    if let Some(entry) = &on_late
        && way == Some(OnLate::Compensate)
        && !contract.is_none_or(Contract::places_late)
    {
        entry.error(
            "only with contracts \"fifo\", by numbers, and \"settle\" has a late event a place among those that were released",
        );
    }
    let Some(entry) = late_to else { return way };
    if on_late.is_some() {
        entry.error("late events go there, so `on_late` beside it says something else");
    }
    entry.text().map(|name| OnLate::To(name.to_owned()))
}

/// Where late events go exists, and a destination takes from something.
pub(super) fn joined(
    root: &Section<'_>,
    sources: &Named<Source>,
    destinations: &Named<Destination>,
) {
    for (_, section) in root.named("sources") {
        let Some(entry) = section.get("late_to") else { continue };
        let Some(name) = entry.text() else { continue };
        match destinations.get(name) {
            None => entry.error(format!("there is no destination `{name}`")),
            Some(Some(to)) if to.retired => {
                entry.error(format!("destination `{name}` is retired: it takes nothing"));
            }
            Some(_) => {}
        }
    }
    for (name, section) in root.named("destinations") {
        let Some(to) = destinations.get(name).and_then(Option::as_ref) else { continue };
        // Of a source that has faults nobody knows where its late events go.
        let is_known = sources.values().all(Option::is_some);
        let Some(entry) = section.get("from").filter(|_| is_known) else { continue };
        if feeding(name, to, sources).is_empty() {
            entry.error("it takes from no source, and no `late_to` names it");
        }
    }
}

/// The sources of which anything goes to a destination: all it takes from, and those whose late events it gets.
pub(super) fn feeding<'a>(
    name: &str,
    to: &'a Destination,
    sources: &'a Named<Source>,
) -> BTreeSet<&'a str> {
    let late = sources.iter().filter(|(_, source)| {
        source.as_ref().is_some_and(|source| source.on_late == OnLate::To(name.to_owned()))
    });
    to.from.iter().chain(late.map(|(source, _)| source)).map(String::as_str).collect()
}
