//! What history has of a key beside what was released: positions given up, events that were not released, and
//! what operators decided. In sentences.

use serde_json::Value;

use crate::cli::Failure;
use crate::cli::admin::client::{Client, Refused};
use crate::cli::admin::key::KeyName;
use crate::cli::admin::page::query;
use crate::cli::admin::table::{member, moment};

/// Facts that are told; attempts and releases are told with their events.
const TOLD: &str = "conflict,invalid,stale,gap-abandoned,reconciled,rebased,key-paused,key-resumed,redriven,\
                    dropped,rewound,backlog-dropped";

/// Facts that are read at the most: more than anybody reads.
const READ: u64 = 10_000;

/// The newest of them, the oldest first; one more sentence where there are more.
pub(super) async fn of_key(
    client: &mut Client,
    key: &KeyName,
    most: usize,
) -> Result<Vec<String>, Failure> {
    let limit = READ.to_string();
    let parameters = [
        ("source", Some(key.source.as_str())),
        ("key", Some(&key.key)),
        ("fact", Some(TOLD)),
        ("limit", Some(&limit)),
    ];
    let lines = match client.text(&format!("/v1/facts{}", query(&parameters))).await {
        Err(Refused::Failed(why)) => {
            return Ok(vec![format!("- What else was cannot be told: {why}")]);
        }
        lines => lines?,
    };
    let facts = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: Vec<String> = facts.filter_map(|fact| sentence(&fact)).collect();
    let left_out = told.len().saturating_sub(most);
    let mut sentences = Vec::new();
    if left_out > 0 {
        sentences.push(format!("- {left_out} older ones are left out (more with --limit)."));
    }
    sentences.extend(told.into_iter().skip(left_out).map(|sentence| format!("- {sentence}")));
    Ok(sentences)
}

/// A fact as a sentence; none for another one, and for that history is kept no longer.
fn sentence(fact: &Value) -> Option<String> {
    let [event, to, sequence, position] =
        ["event", "destination", "sequence", "position"].map(|name| member(fact, name));
    let words = match fact["fact"].as_str()? {
        "conflict" => format!("event {event} is a conflict with event {}", member(fact, "other")),
        "invalid" => format!("event {event} is invalid: {}", member(fact, "reason")),
        "stale" => {
            format!("event {event} at {position} is stale: {} was newer", member(fact, "newest"))
        }
        "gap-abandoned" => {
            format!("{} given up ({})", positions(&fact["missing"]), member(fact, "reason"))
        }
        "reconciled" => format!(
            "compared with its source, which has {} where {} was released last",
            member(fact, "theirs"),
            member(fact, "ours")
        ),
        "rebased" => "its positions begin anew: an operator rebased it".to_owned(),
        "key-paused" => "an operator paused it".to_owned(),
        "key-resumed" => "an operator resumed it".to_owned(),
        "redriven" if sequence.is_empty() => format!("{to}: an operator resumed the lane"),
        "redriven" => format!("{to}: an operator sent {sequence} again, out of order"),
        "dropped" if event.is_empty() => format!("{to}: an operator dropped {sequence}"),
        "dropped" => format!("an operator dropped event {event}"),
        "rewound" => format!(
            "{to}: an operator had {} to {} sent again",
            member(fact, "from"),
            member(fact, "until")
        ),
        "backlog-dropped" => format!(
            "{to}: {} to {} given up at `limits.destination_backlog`",
            member(fact, "from"),
            member(fact, "to")
        ),
        _ => return None,
    };
    Some(format!("{} {words}.", moment(fact, "recorded")))
}

/// `position 5 was`, `positions 5 to 7 were`.
fn positions(missing: &Value) -> String {
    match (member(missing, "from"), member(missing, "to")) {
        (from, to) if from == to => format!("position {from} was"),
        (from, to) => format!("positions {from} to {to} were"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_decided_and_given_up_is_told() {
        let at = "2026-11-25T21:00:02Z";
        for (fact, told) in [
            (
                json!({"fact": "gap-abandoned", "missing": {"from": 2, "to": 3}, "reason": "waited"}),
                "positions 2 to 3 were given up (waited)",
            ),
            (
                json!({"fact": "redriven", "destination": "app", "sequence": 7}),
                "app: an operator sent 7 again, out of order",
            ),
            (
                json!({"fact": "redriven", "destination": "app"}),
                "app: an operator resumed the lane",
            ),
            (json!({"fact": "dropped", "event": "3-4-0"}), "an operator dropped event 3-4-0"),
        ] {
            let mut fact = fact;
            fact["recorded"] = json!(at);
            assert_eq!(sentence(&fact).unwrap(), format!("2026-11-25 21:00:02 {told}."));
        }
        assert_eq!(sentence(&json!({"trimmed": {"partition": 1, "oldest": 7}})), None);
    }
}
