//! `depends_on`: whose resources the events of a source refer to (decision 042). Where their keys are is `check_rules`'.

use std::time::Duration;

use super::Named;
use super::checked::{Contract, DependsOn, Source};
use super::raw::{Section, or};

/// How long an event waits unless told otherwise, where its contract holds nothing by itself.
const WAIT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(24 * 30);

pub(super) fn depends_on(
    section: &Section<'_>,
    contract: Option<&Contract>,
) -> Option<Option<DependsOn>> {
    let Some(entry) = section.get("depends_on") else { return Some(None) };
    if contract.is_some_and(|contract| *contract == Contract::Unordered) {
        entry.error(
            "with contract \"unordered\" no event waits for another, also not for one of another resource; contract \"arrival\" keeps the order of arrival",
        );
    }
    if super::check_rules::total(section).is_some() {
        entry.warn("with `total = true` an event that waits for another resource keeps all behind it waiting");
    }
    let table = entry.section()?;
    let source = table.required("source").and_then(|entry| entry.text().map(str::to_owned));
    let wait = or(table.get("wait"), contract.map_or(WAIT, hold), |entry| {
        entry.duration(Duration::from_millis(1)..=LONGEST)
    });
    Some(Some(DependsOn { source: source?, wait: wait? }))
}

/// `hold.wait`, where the contract has one.
fn hold(contract: &Contract) -> Duration {
    match contract {
        Contract::Fifo(fifo) => fifo.hold.wait,
        Contract::Causal(causal) => causal.hold.wait,
        Contract::States(states) => states.wait,
        Contract::Links(links) => links.wait,
        _ => WAIT,
    }
}

/// What events refer to exists, and has an order.
pub(super) fn joined(root: &Section<'_>, sources: &Named<Source>) {
    for (_, section) in root.named("sources") {
        let Some(entry) = section.get("depends_on") else { continue };
        let Some(named) = entry.section().and_then(|table| table.get("source")) else { continue };
        let Some(name) = named.text() else { continue };
        match sources.get(name) {
            None => named.error(format!("there is no source `{name}`")),
            Some(Some(other)) if other.contract == Contract::Unordered => named.error(format!(
                "source `{name}` has contract \"unordered\": none of its events is the first of its resource"
            )),
            Some(_) => {}
        }
    }
}
