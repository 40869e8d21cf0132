//! `/v1/alerts`: what an operator should look at now, each with what to do.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sprag_core::id::{Key, SourceId};
use sprag_core::partition::ReconcileTally;
use sprag_core::time::{UnixMicros, micros};
use sprag_log::Corruption;
use utoipa::ToSchema;

use super::answer::{Answered, Page};
use super::limits;
use super::names::Names;
use super::problems::ReadProblems;
use super::selector;
use super::state::AdminState;
use crate::node::DestinationStatistics;
use crate::problem::Problem;
use crate::state::{KeyFilter, KeyQuery, StoppedCounts, outcome_name};

/// Something to look at.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Alert {
    /// `sequence-reset`, `gap-halted`, `lanes-stopped`, `breaker-open`, `backlog-high`, `destination-paused`,
    /// `destination-gone`, `source-silent`, `differs`, `state-store` or `log-damaged`
    alert: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// Since when, where that is known
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    since: Option<String>,
    /// What is the matter, in a sentence
    text: String,
    /// What can be done, in a sentence
    remedy: String,
}

/// Lists open alerts
///
/// Of each kind that is about keys the first 100 are named. They are no older than the request.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts",
    responses((status = 200, body = Page<Alert>), ReadProblems))]
pub(super) async fn list(State(state): State<AdminState>) -> Answered<Page<Alert>> {
    state.store().await?;
    let names = state.names().await;
    let mut items = Vec::new();
    if let Some(fault) = state.parts().health.fault() {
        items.push(Alert {
            alert: "state-store",
            text: format!("The state store does not take what is decided: {fault}"),
            remedy: "See to its disk. Nothing is lost: the log has it all.".to_owned(),
            ..Alert::default()
        });
    }
    items.extend(state.parts().queries.unreadable().iter().map(damaged));
    items.extend(silent(&state));
    items.extend(differing(&state).await);
    destinations(&state, &names, &mut items).await?;
    halted_gaps(&state, &names, &mut items).await?;
    resets(&state, &names, &mut items).await?;
    Ok(Json(Page { items, next: None }))
}

/// A place of the log that is not what was written there.
fn damaged(damage: &Corruption) -> Alert {
    Alert {
        alert: "log-damaged",
        text: format!("What stands there cannot be read, and what waits for it waits: {damage}"),
        remedy: "Check the disk, then restore a backup: sprag restore".to_owned(),
        ..Alert::default()
    }
}

/// Sources that posted nothing for longer than is expected of them.
fn silent(state: &AdminState) -> Vec<Alert> {
    let in_force = state.current();
    let now = state.parts().clock.now().clock;
    let silent = |(id, expected): (&SourceId, &Duration)| {
        let name = in_force.0.sources.get(id)?;
        let silence = state.parts().metrics.silence(name);
        let since = UnixMicros(now.0.saturating_sub(micros(silence)));
        (silence > *expected).then(|| Alert {
            alert: "source-silent",
            source: Some(name.to_string()),
            since: selector::shown(Some(since)),
            text: format!(
                "It posted nothing for {} s; something is expected every {} s.",
                silence.as_secs(),
                expected.as_secs()
            ),
            remedy: "See at the provider whether the webhook is enabled and what it is answered; `sprag_refused_total` counts what was refused."
                .to_owned(),
            ..Alert::default()
        })
    };
    in_force.0.expected.iter().filter_map(silent).collect()
}

/// Sources that had another position of some keys when those were compared last.
async fn differing(state: &AdminState) -> Vec<Alert> {
    let in_force = state.current();
    let statistics = state.node().statistics().await;
    let differing = |(id, tally): (&SourceId, &ReconcileTally)| {
        let name = in_force.0.sources.get(id).filter(|_| tally.last > 0)?;
        Some(Alert {
            alert: "differs",
            source: Some(name.to_string()),
            text: format!(
                "{} key(s) that were compared last are not as the source has them.",
                tally.last
            ),
            remedy: "See which, and who is ahead: GET /v1/facts?fact=reconciled. Where the source is, events \
                     did not come."
                .to_owned(),
            ..Alert::default()
        })
    };
    statistics.reconciling.iter().filter_map(differing).collect()
}

async fn destinations(
    state: &AdminState,
    names: &Names,
    items: &mut Vec<Alert>,
) -> Result<(), Problem> {
    let stopped = state.read(crate::state::StateReader::stopped).await?;
    let statistics = state.node().statistics().await;
    let directory = names.directory();
    for (id, destination) in &directory.destinations {
        let name = destination.name.to_string();
        let about = |alert, text, remedy| Alert {
            alert,
            text,
            remedy,
            destination: Some(name.clone()),
            ..Alert::default()
        };
        let resume = format!("Resume it: sprag destinations resume {name}");
        if directory.gone.contains(id) {
            let text = "It answered 410 to several keys and is paused as gone.".to_owned();
            items.push(about("destination-gone", text, resume));
        } else if directory.paused.contains(id) {
            let text = "An operator paused it; its events wait.".to_owned();
            items.push(about("destination-paused", text, resume));
        }
        if let Some(counts) = statistics.destinations.get(id).filter(|counts| counts.breaker_open) {
            let last = counts.newest_outcome.map(outcome_name);
            let last = last.map_or_else(String::new, |last| format!(" (last: {last})"));
            let text =
                format!("Most of what it got failed{last}; it is tried one event at a time.");
            let remedy = "See to the consumer; deliveries go on by themselves.".to_owned();
            let since = selector::shown(counts.breaker_since);
            items.push(Alert { since, ..about("breaker-open", text, remedy) });
        }
        if let Some(text) = statistics.destinations.get(id).and_then(backlog) {
            let remedy = "See to the consumer, or raise `limits.destination_backlog`: at the limit \
                          what made no progress for longest becomes dead letters.";
            items.push(about("backlog-high", text, remedy.to_owned()));
        }
        let counts = stopped.iter().filter(|((of, _), _)| of == id).map(|(_, counts)| *counts);
        let counts = counts.fold(StoppedCounts::default(), StoppedCounts::and);
        if counts.lanes > 0 {
            let (lanes, events) = (counts.lanes, counts.events);
            let text = format!("{lanes} lane(s) stopped with {events} event(s) in them.");
            let remedy = format!(
                "See why: sprag lanes --destination {name}; then sprag lanes resume --destination {name}"
            );
            let since = selector::shown(counts.since);
            items.push(Alert { since, ..about("lanes-stopped", text, remedy) });
        }
    }
    Ok(())
}

/// What to say of a backlog that is half of what it may be, or more.
fn backlog(counts: &DestinationStatistics) -> Option<String> {
    let percent = Some(counts.backlog_level.percent()).filter(|percent| *percent > 0)?;
    let (events, bytes) = (counts.backlog.events, counts.backlog.bytes);
    Some(format!(
        "{events} event(s) with {bytes} bytes wait for it: at least {percent} % of \
         `limits.destination_backlog`."
    ))
}

/// Keys of sources with `on_gap = "halt"` that wait longer than `hold.wait`, by the clock: no timer
/// runs for them.
async fn halted_gaps(
    state: &AdminState,
    names: &Names,
    items: &mut Vec<Alert>,
) -> Result<(), Problem> {
    let in_force = state.current();
    let gaps = &in_force.0.gaps;
    if !gaps.values().any(|gap| gap.halts) {
        return Ok(());
    }
    let now = state.parts().clock.now().clock;
    let holds = state.read(|reader| reader.oldest_holds(limits::ALERT_KEYS)).await?;
    let mut left = limits::ALERT_KEYS;
    for (key, event) in holds {
        let Some(gap) = gaps.get(&key.source).filter(|gap| gap.halts) else { continue };
        let Some(since) = state.recorded(event).await? else { continue };
        if now.since(since) < gap.wait {
            continue;
        }
        let (source, name) = named(names, &key);
        let give_up = if gap.first.is_some() { "give-up-gap" } else { "rebase" };
        let remedy = format!(
            "Have the source send what is missing; it goes on by itself then. Or give it up: \
             sprag override {give_up} {source}:{name}"
        );
        items.push(Alert {
            alert: "gap-halted",
            text: "What comes before is missing, and its source halts until it comes.".to_owned(),
            remedy,
            since: selector::shown(Some(since)),
            source: Some(source),
            key: Some(name),
            ..Alert::default()
        });
        left -= 1;
        if left == 0 {
            break;
        }
    }
    Ok(())
}

async fn resets(state: &AdminState, names: &Names, items: &mut Vec<Alert>) -> Result<(), Problem> {
    let mut left = limits::ALERT_KEYS;
    for source in names.directory().sources.keys() {
        let query = KeyQuery {
            source: *source,
            prefix: String::new(),
            filter: KeyFilter::Reset,
            after: None,
            most: left,
        };
        let page = state.read(move |reader| reader.keys(&query)).await?;
        left -= page.keys.len();
        for row in page.keys {
            let (source, name) = named(names, &row.key);
            items.push(Alert {
                alert: "sequence-reset",
                text: format!(
                    "{} old positions came in a row, with new ids: the source seems to count anew.",
                    row.record.order.old
                ),
                remedy: format!("If it does: sprag override rebase {source}:{name}"),
                source: Some(source),
                key: Some(name),
                ..Alert::default()
            });
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

fn named(names: &Names, key: &Key) -> (String, String) {
    (names.source(key.source).to_string(), key.name.to_string())
}
