//! What a consumer was promised (DESIGN section 1), judged on what it saw and nothing else.
//!
//! It must not know how the gateway works: only events, attempts and their headers.

use std::collections::HashMap;

use crate::support::consumer::{Arrival, Reaction};
use crate::support::event::Event;

/// The chain before a key's first event.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is known of a lane after each arrival.
#[derive(Default)]
struct Lane {
    /// The newest event that arrived; 0 before the first.
    sequence: u64,
    acknowledged: bool,
    hash: String,
    epoch: String,
}

/// The verdict.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Events that arrived and were acknowledged.
    pub(crate) delivered: usize,
    /// Attempts beyond the first of their event.
    pub(crate) repeats: usize,
    /// Those of a later start of the gateway.
    pub(crate) repeats_after_crash: usize,
    /// Those of an event the consumer had acknowledged: the crash came before the outcome was
    /// durable.
    pub(crate) repeats_after_acknowledgement: usize,
    /// Every broken promise about order, in words.
    pub(crate) violations: Vec<String>,
    /// Ids of events that never arrived.
    pub(crate) lost: Vec<String>,
}

/// Follows all arrivals in their order.
pub(crate) fn judge<'a>(events: impl Iterator<Item = &'a Event>, arrivals: &[Arrival]) -> Verdict {
    let events: HashMap<String, &Event> = events.map(|event| (event.webhook_id(), event)).collect();
    let mut verdict = Verdict::default();
    let mut lanes: HashMap<String, Lane> = HashMap::new();
    for arrival in arrivals {
        let id = header(arrival, "webhook-id");
        let Some(event) = events.get(id) else {
            verdict.violations.push(format!("{id}: nobody sent it"));
            continue;
        };
        let (name, _) = id.rsplit_once(':').unwrap_or_default();
        let lane = lanes.entry(name.to_owned()).or_default();
        let wrong = verdict.follow(lane, event, arrival);
        verdict.violations.extend(wrong.iter().map(|what| format!("{id}: {what}")));
    }
    verdict.lost = events
        .into_iter()
        .filter(|(id, event)| {
            let (name, _) = id.rsplit_once(':').unwrap_or_default();
            lanes.get(name).is_none_or(|lane| lane.settled() < event.position)
        })
        .map(|(id, _)| id)
        .collect();
    verdict
}

impl Lane {
    /// The last event the consumer acknowledged: nothing before it is open.
    fn settled(&self) -> u64 {
        self.sequence - u64::from(!self.acknowledged)
    }
}

impl Verdict {
    /// What is wrong with an arrival in its lane.
    fn follow(&mut self, lane: &mut Lane, event: &Event, arrival: &Arrival) -> Vec<String> {
        let mut wrong = content(event, arrival);
        let (hash, previous) =
            (header(arrival, "sprag-hash"), header(arrival, "sprag-previous-hash"));
        if event.position == lane.sequence {
            wrong.extend(self.repeat(lane, arrival));
        } else {
            wrong.extend(first(lane, event.position));
            let before = if lane.hash.is_empty() { NO_HASH } else { &lane.hash };
            if previous != before {
                wrong.push("sprag-previous-hash is not the hash of the event before".to_owned());
            }
            (lane.sequence, lane.acknowledged) = (event.position, false);
            hash.clone_into(&mut lane.hash);
        }
        if hash != lane.hash {
            wrong.push("sprag-hash changed between attempts".to_owned());
        }
        header(arrival, "sprag-epoch").clone_into(&mut lane.epoch);
        let acknowledges = arrival.reaction == Reaction::Acknowledge;
        self.delivered += usize::from(acknowledges && !lane.acknowledged);
        lane.acknowledged |= acknowledges;
        wrong
    }

    /// The newest event of its lane again.
    fn repeat(&mut self, lane: &Lane, arrival: &Arrival) -> Option<String> {
        self.repeats += 1;
        self.repeats_after_crash += usize::from(header(arrival, "sprag-epoch") != lane.epoch);
        self.repeats_after_acknowledgement += usize::from(lane.acknowledged);
        let marked = header(arrival, "sprag-redelivery") == "true";
        (!marked).then(|| "a repeat without sprag-redelivery".to_owned())
    }
}

/// May this event arrive for the first time now?
fn first(lane: &Lane, sequence: u64) -> Option<String> {
    if sequence != lane.sequence + 1 {
        return Some(format!("came after {} of its key", lane.sequence));
    }
    let open = lane.sequence > 0 && !lane.acknowledged;
    open.then(|| "came before its predecessor was acknowledged".to_owned())
}

/// The same id is always the same event: its bytes, its place.
fn content(event: &Event, arrival: &Arrival) -> Vec<String> {
    let place = event.position.to_string();
    let before = (event.position - 1).to_string();
    let headers = [
        ("sprag-sequence", &place),
        ("sprag-position", &place),
        ("sprag-previous-sequence", &before),
        ("sprag-source-id", &event.id()),
    ];
    let mut wrong: Vec<String> = headers
        .iter()
        .filter(|(name, expected)| header(arrival, name) != expected.as_str())
        .map(|(name, expected)| format!("{name} is not {expected}"))
        .collect();
    if arrival.body != event.body {
        wrong.push("its body is not the one that was sent".to_owned());
    }
    wrong
}

fn header<'a>(arrival: &'a Arrival, name: &str) -> &'a str {
    arrival.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
