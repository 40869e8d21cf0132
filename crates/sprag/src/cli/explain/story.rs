//! Sentences from what the admin API tells of an event and a key.

use serde_json::Value;

use crate::cli::admin::selector::duration;
use crate::cli::admin::table::{member, moment};
use crate::cli::events::outcome;

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a key is.
pub(super) fn opening(key: &str, shown: &Value) -> String {
    let (released, held) = (member(shown, "sequence"), member(shown, "held_events"));
    let events = if released == "1" { "event" } else { "events" };
    format!("{key} (partition {}): {released} {events} released, {held} held.", shown["partition"])
}

/// Where a key goes on that was forgotten, and what it passes over.
pub(super) fn begins(shown: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    let sequence = shown["sequence"].as_u64().unwrap_or_default();
    if shown["forgotten"] == Value::Bool(true) {
        sentences.push(format!(
            "It is forgotten since it was idle for `forget_after`: its tombstone is kept, and its next \
             event goes on as if it had not been, with sequence {} (last heard of {}).",
            sequence + 1,
            moment(shown, "active"),
        ));
    }
    if let Some(boundary) = shown["boundary"].as_u64() {
        sentences.push(format!(
            "It begins behind sequence {boundary}: it, or another key that shares its bucket, was \
             forgotten for good beyond `limits.forgotten`, and no sequence is given twice."
        ));
    }
    if let Some(jumped) = shown["jumped"].as_u64() {
        sentences.push(format!("It passed over {jumped} sequences: its log was restored."));
    }
    sentences
}

/// That an event's key is forgotten.
pub(super) fn forgotten(key: &str, event: &Value, shown: &Value) -> Option<String> {
    let is_forgotten = event["key_forgotten"] == Value::Bool(true);
    is_forgotten.then(|| match shown {
        Value::Null => format!(
            "- {key} is forgotten for good: it was idle for `forget_after`, and more keys were than \
             `limits.forgotten` keeps. Nothing of it waits; should it come again, its positions begin \
             anew behind every sequence it had."
        ),
        _ => format!(
            "- {key} is forgotten: it was idle for `forget_after`. Nothing of it waits, and it goes on \
             where it was when it comes again."
        ),
    })
}

/// What happened to an event, the oldest first; `contract` is that of its source.
pub(super) fn of_event(event: &Value, contract: &str) -> Vec<String> {
    let mut sentences = vec![received(event)];
    sentences.extend(held(event, contract));
    sentences.extend(judged(event, contract));
    let release = event.get("release");
    let is_late = release.is_some_and(|release| release["kind"] == "late");
    sentences.extend(release.into_iter().flat_map(released));
    for fate in list(&event["fates"], "destinations") {
        sentences.extend(in_lane(fate, is_late));
    }
    sentences.into_iter().map(|sentence| format!("- {sentence}")).collect()
}

fn received(event: &Value) -> String {
    let mut text = format!("{} received", moment(event, "received_at"));
    for (name, before) in [("type", ", type "), ("position", ", position ")] {
        let value = member(event, name);
        if !value.is_empty() {
            text.push_str(&format!("{before}{value}"));
        }
    }
    if let Some(id) = event["source_id"].as_str() {
        text.push_str(&format!(", the source calls it {id}"));
    }
    text + match event["origin"].as_str() {
        Some("refilled") => ": its source was asked for it, because its position was missing.",
        Some("reconciled") => ": brought in as what its source has, which was compared.",
        Some("again") => ": it came before, and is undone or repeated because of a late one.",
        _ => ".",
    }
}

fn held(event: &Value, contract: &str) -> Option<String> {
    let hold = event.get("hold")?;
    let why = match hold["reason"].as_str() {
        Some("start") => "its key was new, and where it begins was not settled",
        Some("settle") => "what sorts before it could still come",
        _ => match contract {
            "causal" => "what its clock knows had not come",
            "states" => "states between were missing",
            "fifo by links" => "what leads to the hash it begins with had not come",
            _ => "positions before it were missing",
        },
    };
    Some(match hold["seconds"].as_f64() {
        Some(seconds) => format!("It was held for {}: {why}.", duration(seconds)),
        None => format!("It was held: {why}."),
    })
}

/// What became of it at ingress, when it was not released.
fn judged(event: &Value, contract: &str) -> Option<String> {
    let reason = &event["reason"];
    let because = match reason["is"].as_str() {
        Some("conflict") => {
            let other = member(reason, "other");
            match contract {
                "states" => {
                    format!("no way leads from the state that event {other} told to its own")
                }
                "fifo by links" => format!("event {other} leads on from the same hash"),
                _ => format!("event {other} has its position and another body"),
            }
        }
        Some("stale") => {
            format!("its key had released a newer one, sequence {}", member(reason, "newest"))
        }
        Some("beyond-span") if ["fifo", "causal"].contains(&contract) => {
            "its position is further ahead than `hold.span`".to_owned()
        }
        Some("beyond-span") => "its position is above 2^63-1".to_owned(),
        Some("before-first") => "its position lies before `first`".to_owned(),
        Some("ahead-of-time") => "its timestamp lies ahead of its receipt".to_owned(),
        Some("shrinking-clock") => {
            "its clock knows less than that of an event before it of the same node".to_owned()
        }
        Some("too-many-nodes") => "its key would have more than 64 nodes".to_owned(),
        Some("unknown-state") => "the `states` of its source do not have its state".to_owned(),
        Some("too-many-fields") => "its key would have more than 64 fields".to_owned(),
        Some("unreadable") => "its key, type or position cannot be read".to_owned(),
        _ => String::new(),
    };
    match event["status"].as_str()? {
        "conflict" | "invalid" => Some(format!("It is a dead letter of ingress: {because}.")),
        "stale" => Some(format!("It is stale: {because}.")),
        "unknown" => Some("What became of it at ingress is no longer in history.".to_owned()),
        _ => None,
    }
}

fn released(release: &Value) -> Vec<String> {
    let texts = |name| {
        let texts: Vec<&str> = list(release, name).iter().filter_map(Value::as_str).collect();
        texts.join(", ")
    };
    let mut sentences = Vec::new();
    let (missing, passed) = (texts("missing"), texts("passed"));
    if !missing.is_empty() {
        sentences.push(format!("What was missing before it was given up: {missing}."));
    }
    if let Some(from) = release["broken_from"].as_str() {
        sentences.push(format!("What leads from {from} to it was given up."));
    }
    if !passed.is_empty() {
        sentences.push(format!("The states before it that never came: {passed}."));
    }
    let of = member(release, "of");
    let kind = match release["kind"].as_str() {
        Some("late") => ", late: what comes behind it had been released".to_owned(),
        Some("compensation") => format!(", to undo {of}: a late event belongs before it"),
        _ if !of.is_empty() => format!(", to repeat {of}, which was undone"),
        _ => String::new(),
    };
    let (at, sequence) = (moment(release, "at"), member(release, "sequence"));
    sentences.push(format!("{at} released as {sequence}{kind}."));
    sentences
}

fn in_lane(fate: &Value, is_late: bool) -> Vec<String> {
    let to = member(fate, "destination");
    let attempts = list(fate, "attempts");
    let mut sentences: Vec<String> =
        attempts.iter().map(|attempt| attempted(&to, attempt)).collect();
    if let Some(queued) = fate["queued_seconds"].as_f64()
        && queued >= 1.0
    {
        sentences.insert(0, format!("{to}: it waited {} for its turn.", duration(queued)));
    }
    sentences.push(match fate["status"].as_str() {
        Some("delivered") => format!("{to}: delivered."),
        Some("dead") => format!("{to}: a dead letter."),
        Some("filtered") if is_late => format!("{to}: filtered, this late event is not for it."),
        Some("filtered") => format!("{to}: filtered, it does not take this type."),
        Some("skipped") => format!("{to}: skipped, a newer event took its place."),
        Some("abandoned") => format!("{to}: abandoned, the destination was retired."),
        Some("in-flight") => format!("{to}: under way."),
        Some("settled") => format!("{to}: settled; history no longer tells how."),
        Some("pending") => format!("{to}: pending."),
        other => format!("{to}: {}.", other.unwrap_or("unknown")),
    });
    sentences
}

fn attempted(to: &str, attempt: &Value) -> String {
    let (at, number) = (moment(attempt, "started_at"), member(attempt, "number"));
    let took = attempt["took_seconds"].as_f64().map(duration).unwrap_or_default();
    let came = match outcome(attempt).as_str() {
        "unreachable" => "it could not be reached".to_owned(),
        "address-not-allowed" => "its address is not allowed".to_owned(),
        "unknown" => "no answer came, whether it was applied is unknown".to_owned(),
        "unreadable" => "its body could not be read from the log".to_owned(),
        "not-acknowledged-in-time" => "no acknowledgement came in its time".to_owned(),
        status => format!("answered {status}"),
    };
    let then = match attempt["consequence"].as_str() {
        Some("delivered") => String::new(),
        Some("retry") => match moment(attempt, "due") {
            due if due.is_empty() => "; to be tried again".to_owned(),
            due => format!("; to be tried again at {due}"),
        },
        Some("halted") => "; given up, the lane halted".to_owned(),
        Some("parked") => "; given up, the lane parked with all that follows".to_owned(),
        Some("waits-for-acknowledgement") => "; it acknowledges by a request of its own".to_owned(),
        Some("dead") => match attempt["dropped"].as_str() {
            Some(why) => format!("; its consumer dropped it: {why}"),
            None => "; given up, the lane went on".to_owned(),
        },
        other => format!("; {}", other.unwrap_or_default()),
    };
    let order = if attempt["out_of_order"] == Value::Bool(true) { ", out of order" } else { "" };
    format!("{at} {to}, attempt {number}{order}: {came} after {took}{then}.")
}

/// What an event still waits for; empty when its fate is settled everywhere.
pub(super) fn event_now(event: &Value, key: &Value) -> Vec<String> {
    let name = format!("{}:{}", member(event, "source"), member(event, "key"));
    if event["status"] == "held" {
        let why = list(key, "why").first().and_then(Value::as_str).unwrap_or_default();
        let mut now = vec![format!("Now: {why}")];
        now.extend(remedies(&name, key));
        return now;
    }
    let mut now = Vec::new();
    for fate in list(&event["fates"], "destinations") {
        let to = member(fate, "destination");
        let lane =
            list(key, "lanes").iter().find(|lane| lane["destination"] == fate["destination"]);
        match fate["status"].as_str() {
            Some("pending" | "in-flight") => {
                let why = lane.map(|lane| member(lane, "why")).unwrap_or_default();
                now.push(format!("Now, in the lane to {to}: {why}"));
                now.extend(lane.and_then(|lane| lane_remedy(&name, lane)));
            }
            Some("dead") => {
                let sequence = member(&event["release"], "sequence");
                now.extend(dead_remedy(&name, &to, &sequence, lane));
            }
            _ => {}
        }
    }
    if ["conflict", "invalid"].contains(&event["status"].as_str().unwrap_or_default()) {
        now.push(format!("You can give it up: sprag dead drop {}", member(event, "id")));
    }
    now
}

fn dead_remedy(name: &str, to: &str, sequence: &str, lane: Option<&Value>) -> Vec<String> {
    if let Some(remedy) = lane.and_then(|lane| lane_remedy(name, lane)) {
        return vec![remedy];
    }
    vec![format!(
        "You can send it again, after later ones: sprag dead redrive {name}:{sequence} \
         --destination {to} --out-of-order"
    )]
}

/// What an operator can do about a lane that stopped.
fn lane_remedy(name: &str, lane: &Value) -> Option<String> {
    let (to, head) = (member(lane, "destination"), member(lane, "head"));
    ["halted", "parked"].contains(&lane["mode"].as_str()?).then(|| {
        format!(
            "You can redrive the lane in order: sprag dead redrive {name} --destination {to}; or \
             give event {head} up: sprag dead drop {name}:{head} --destination {to}"
        )
    })
}

/// What an operator can do about a key.
pub(super) fn remedies(name: &str, key: &Value) -> Vec<String> {
    let mut remedies: Vec<String> =
        list(key, "lanes").iter().filter_map(|lane| lane_remedy(name, lane)).collect();
    if key["paused"] == Value::Bool(true) {
        remedies.push(format!("You can resume the key: sprag override resume-key {name}"));
    }
    // What settles misses nothing.
    let settles = key["held"][0]["instant"].is_string();
    if key["held_events"].as_u64().unwrap_or_default() > 0 && !settles {
        let give_up = if key["gap"].is_object() { "give-up-gap" } else { "rebase" };
        remedies.push(format!(
            "You can have the source send what is missing, or give that up and go on with what is \
             held: sprag override {give_up} {name}"
        ));
    }
    remedies
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_story_has_its_sentences_in_order() {
        let attempt = json!({"number": 1, "started_at": "2026-11-25T21:00:02Z", "took_seconds": 0.25,
            "answered": 503, "outcome": "refused-by-consumer", "consequence": "halted"});
        let event = json!({
            "id": "3-4-0", "source": "s", "key": "k", "status": "released", "position": "7",
            "type": "a.b", "received_at": "2026-11-25T20:59:00Z",
            "hold": {"reason": "gap", "seconds": 61.0},
            "release": {"sequence": 5, "kind": "event", "at": "2026-11-25T21:00:01Z"},
            "fates": {"destinations": [
                {"destination": "app", "status": "pending", "queued_seconds": 1.0,
                 "attempts": [attempt]}]},
        });
        assert_eq!(
            of_event(&event, "fifo"),
            [
                "- 2026-11-25 20:59:00 received, type a.b, position 7.",
                "- It was held for 1 min 1 s: positions before it were missing.",
                "- 2026-11-25 21:00:01 released as 5.",
                "- app: it waited 1.0 s for its turn.",
                "- 2026-11-25 21:00:02 app, attempt 1: answered 503 after 0.2 s; given up, the \
                 lane halted.",
                "- app: pending.",
            ]
        );
        let key = json!({"lanes": [{"destination": "app", "mode": "halted", "head": 5,
            "why": "The lane is halted at event 5; redrive it, or drop event 5."}]});
        assert_eq!(
            event_now(&event, &key),
            [
                "Now, in the lane to app: The lane is halted at event 5; redrive it, or drop event 5.",
                "You can redrive the lane in order: sprag dead redrive s:k --destination app; or \
                 give event 5 up: sprag dead drop s:k:5 --destination app",
            ]
        );
    }

    #[test]
    fn what_brought_it_and_what_is_missing_before_it_are_told() {
        let event = json!({"status": "released", "origin": "refilled", "hold": {"reason": "gap"},
            "release": {"sequence": 9, "kind": "compensation", "of": 7, "missing": ["4", "6-8"]},
            "fates": {"destinations": [{"destination": "app", "status": "filtered"}]}});
        let story = of_event(&event, "fifo by links").join("\n");
        for told in [
            "its source was asked for it",
            "what leads to the hash it begins with had not come",
            "What was missing before it was given up: 4, 6-8.",
            "released as 9, to undo 7:",
            "app: filtered, it does not take this type.",
        ] {
            assert!(story.contains(told), "{story}");
        }
    }

    #[test]
    fn what_was_never_released_says_why() {
        let event = json!({"id": "3-4-0", "status": "conflict", "received_at": "2026-11-25T20:59:00Z",
            "position": "7", "reason": {"is": "conflict", "other": "3-1-0"}, "source": "s", "key": "k"});
        let story = of_event(&event, "fifo");
        assert_eq!(
            story[1],
            "- It is a dead letter of ingress: event 3-1-0 has its position and another body."
        );
        let story = of_event(&event, "states");
        assert!(story[1].contains("the state that event 3-1-0 told"), "{story:?}");
        let now = event_now(&event, &json!({}));
        assert_eq!(now, ["You can give it up: sprag dead drop 3-4-0"]);
    }

    #[test]
    fn a_forgotten_key_says_where_it_goes_on() {
        let shown = json!({"sequence": 7, "forgotten": true, "active": "2026-11-25T20:59:00Z"});
        let story = begins(&shown).concat();
        assert!(story.contains("with sequence 8 (last heard of 2026-11-25 20:59:00)"), "{story}");
        let story = begins(&json!({"sequence": 9, "boundary": 6, "jumped": 10})).join(" ");
        assert!(story.contains("behind sequence 6") && story.contains("over 10"), "{story}");
        assert!(begins(&json!({"sequence": 9, "forgotten": false})).is_empty());
        let event = json!({"key_forgotten": true});
        let gone = forgotten("s:k", &event, &Value::Null).unwrap();
        assert!(gone.contains("s:k is forgotten for good"), "{gone}");
        let kept = forgotten("s:k", &event, &shown).unwrap();
        assert!(kept.contains("goes on where it was"), "{kept}");
        assert_eq!(forgotten("s:k", &json!({"key_forgotten": false}), &shown), None);
    }
}
