//! `states` of a source: the table of contract `states`, and what it leaves to be desired.
//!
//! Every state that is named anywhere is one of the table, so a typing error makes a state of its own: one that
//! nothing leads to is warned of.

use std::sync::Arc;

use sprag_core::limits::{STATE_BYTES, STATES};
use sprag_core::states::{StateTable, TableProblem};

use super::raw::{Entry, Section};
use crate::extract::PositionRule;

pub(super) fn table(
    section: &Section<'_>,
    position: Option<&PositionRule>,
) -> Option<Arc<StateTable>> {
    let entry = section.required("states")?;
    let states = entry.section()?;
    let initial = states.required("initial").and_then(|entry| {
        if entry.is_array() && entry.elements().is_empty() {
            entry.error("a table needs a state that resources begin with");
            return None;
        }
        names(&entry)
    });
    let allow: Vec<_> =
        states.values("allow").into_iter().map(|(from, to)| step(from, &to)).collect();
    let allow: Option<Vec<_>> = allow.into_iter().collect();
    match StateTable::new(&initial?, &allow?) {
        Ok(table) => {
            warn(&entry, &table, position);
            Some(Arc::new(table))
        }
        Err(problem) => {
            entry.error(told(&problem));
            None
        }
    }
}

/// One line of `allow`: a state, and those it may be followed by.
fn step(from: &str, to: &Entry<'_>) -> Option<(Arc<str>, Vec<Arc<str>>)> {
    if !is_name(from) {
        to.error(told(&TableProblem::Name(from.into())));
        return None;
    }
    Some((from.into(), names(to)?))
}

/// A list of states, each once; perhaps none.
fn names(entry: &Entry<'_>) -> Option<Vec<Arc<str>>> {
    if entry.is_array() && entry.elements().is_empty() {
        return Some(Vec::new());
    }
    let mut names: Vec<Arc<str>> = Vec::new();
    for element in entry.list(STATES)? {
        let name: Arc<str> = element.text()?.into();
        if !is_name(&name) {
            element.error(told(&TableProblem::Name(name)));
            return None;
        }
        if names.contains(&name) {
            element.error(format!("\"{name}\" is here twice"));
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn is_name(name: &str) -> bool {
    (1..=STATE_BYTES).contains(&name.len())
}

fn told(problem: &TableProblem) -> String {
    match problem {
        TableProblem::NoInitial => "a table needs a state that resources begin with".to_owned(),
        TableProblem::TooMany => format!("a table has at most {STATES} states"),
        TableProblem::Name(_) => format!("a state's name has 1 to {STATE_BYTES} bytes"),
    }
}

fn warn(entry: &Entry<'_>, table: &StateTable, position: Option<&PositionRule>) {
    for state in table.unreachable() {
        entry.warn(format!("no resource comes to \"{state}\": nothing leads there from `initial`"));
    }
    let says_how_new = matches!(position, Some(PositionRule::State { at: Some(_), .. }) | None);
    if table.has_cycle() && !says_how_new {
        entry.warn(
            "resources may come back to a state, and their events do not say how new they are: an old event under \
             another id, or one whose id is older than `dedupe`, would be a step of its own; `version` or `timestamp` in \
             `position` tells them apart",
        );
    }
}
