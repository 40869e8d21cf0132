//! Facts as the API tells them: where, when, about what, and what is particular.
//!
//! Whoever adds a fact adds its line here; numbers become names, nothing is left out but headers.

use serde_json::{Map, Value, json};
use sprag_core::clocks::Causes;
use sprag_core::fact::{
    AbandonReason, Attempted, DeadLetter, Dropped, Fact, HoldReason, Late, Origin, PauseReason,
    Received, Recognised, RefillOutcome, Released, Visit,
};
use sprag_core::id::{DestinationId, Epoch, Key, Place, Sequence};
use sprag_core::ranges::Range;
use sprag_core::record::KeyRecord;
use sprag_core::time::UnixMicros;

use super::answer::time;
use super::names::Names;
use super::{event, fates};

/// What facts are called.
pub(super) const NAMES: &[&str] = &[
    "claimed",
    "source-declared",
    "destination-declared",
    "destination-paused",
    "destination-resumed",
    "received",
    "held",
    "released",
    "duplicate",
    "conflict",
    "invalid",
    "stale",
    "refused",
    "sequence-reset",
    "rebased",
    "restored",
    "jumped",
    "superseded",
    "filtered",
    "late-dead",
    "unmet",
    "lane-opened",
    "lane-ended",
    "backlog-dropped",
    "rewound",
    "keys-visited",
    "destination-retired",
    "ignored",
    "gap-opened",
    "gap-filled",
    "gap-abandoned",
    "refill-ended",
    "reconciled",
    "attempted",
    "acknowledged",
    "batched",
    "strands-taken",
    "redriven",
    "dropped",
    "key-paused",
    "key-resumed",
    "carried",
    "forgotten",
    "returned",
    "tombstone",
    "boundary",
];

/// A fact as one JSON object.
pub(super) fn shown(
    names: &Names,
    place: Place,
    epoch: Epoch,
    recorded: UnixMicros,
    fact: &Fact,
) -> Value {
    let mut object = Map::new();
    object.insert("place".into(), place.to_string().into());
    object.insert("recorded".into(), time(recorded).into());
    object.insert("epoch".into(), epoch.0.into());
    object.insert("fact".into(), fact.name().into());
    if let Some(key) = fact.key() {
        object.insert("source".into(), json!(*names.source(key.source)));
        object.insert("key".into(), json!(*key.name));
    }
    if let Value::Object(particulars) = particulars(names, fact) {
        object.extend(particulars);
    }
    Value::Object(object)
}

/// What is said anew of a key: where it stands.
fn carried(names: &Names, record: &KeyRecord) -> Value {
    let lanes = record.lanes.iter().map(|lane| {
        json!({
            "destination": names.destination(lane.destination).to_string(),
            "strand": lane.strand.map(|event| event.0),
            "head": lane.head.0, "tail": lane.tail.0, "delivered": lane.delivered.0,
        })
    });
    json!({
        "sequence": record.sequence.0, "hash": record.hash.to_string(),
        "next_position": record.order.next, "held": record.order.held.len(),
        "paused": record.paused, "lanes": lanes.collect::<Vec<_>>(),
    })
}

fn particulars(names: &Names, fact: &Fact) -> Value {
    let to = |id: DestinationId| names.destination(id).to_string();
    match fact {
        Fact::Claimed(_)
        | Fact::Rebased(_)
        | Fact::GapFilled(_)
        | Fact::KeyPaused(_)
        | Fact::KeyResumed(_) => Value::Null,
        Fact::SourceDeclared(fact) => json!({"source": *fact.name, "identity": *fact.identity}),
        Fact::DestinationDeclared(_)
        | Fact::DestinationPaused(_)
        | Fact::DestinationRetired(_)
        | Fact::DestinationResumed(_) => of_destination(names, fact),
        Fact::Received(fact) => received(names, fact),
        Fact::Held(fact) => json!({"event": fact.event.to_string(), "reason": hold(fact.reason)}),
        Fact::Released(fact) => released(names, fact),
        Fact::Duplicate(fact) => json!({
            "source_id": fact.id.as_deref(), "position": fact.position.text(),
            "digest": fact.digest.to_string(), "altered": fact.altered,
            "original": fact.original.map(|place| place.to_string()),
            "by": match fact.by { Recognised::Id => "id", Recognised::Position => "position" },
        }),
        Fact::Conflict(fact) => json!({
            "event": fact.event.to_string(), "other": fact.other.to_string(),
            "other_digest": fact.other_digest.to_string(),
        }),
        Fact::Invalid(fact) => json!({
            "event": fact.event.to_string(), "position": fact.position.text(),
            "reason": event::invalid_name(fact.reason),
        }),
        Fact::Stale(fact) => json!({
            "event": fact.event.to_string(), "position": fact.position.text(),
            "newest": fact.newest.0,
        }),
        Fact::Ignored(fact) => json!({
            "source": *names.source(fact.source), "source_id": fact.id.as_deref(),
            "type": *fact.event_type, "digest": fact.digest.to_string(),
        }),
        Fact::Refused(fact) => json!({
            "source": *names.source(fact.source), "code": *fact.code, "peer": *fact.peer,
            "digest": fact.digest.map(|digest| digest.to_string()), "counted": fact.counted,
        }),
        Fact::SequenceReset(_)
        | Fact::GapOpened(_)
        | Fact::GapAbandoned(_)
        | Fact::RefillEnded(_)
        | Fact::Reconciled(_) => of_gap(fact),
        Fact::Attempted(fact) => attempted(names, fact),
        Fact::Acknowledged(_)
        | Fact::Batched(_)
        | Fact::StrandsTaken(_)
        | Fact::Superseded(_)
        | Fact::Filtered(_)
        | Fact::LateDead(_)
        | Fact::Unmet(_)
        | Fact::LaneOpened(_)
        | Fact::LaneEnded(_)
        | Fact::BacklogDropped(_)
        | Fact::Rewound(_)
        | Fact::KeysVisited(_) => of_lane(names, fact),
        Fact::Carried(fact) => carried(names, &fact.record),
        Fact::Forgotten(_) | Fact::Returned(_) | Fact::Tombstone(_) | Fact::Boundary(_) => {
            buried(fact)
        }
        Fact::Restored(_) | Fact::Jumped(_) => jumps(fact),
        Fact::Redriven(fact) => json!({
            "destination": to(fact.destination),
            "sequence": fact.passed.map(|sequence| sequence.0),
        }),
        Fact::Dropped(fact) => dropped(names, fact),
    }
}

/// What is decided about a destination as a whole.
fn of_destination(names: &Names, fact: &Fact) -> Value {
    let to = |id: DestinationId| names.destination(id).to_string();
    match fact {
        Fact::DestinationDeclared(fact) => json!({"destination": *fact.name}),
        Fact::DestinationPaused(fact) => {
            json!({"destination": to(fact.destination), "reason": paused(fact.reason)})
        }
        Fact::DestinationRetired(fact) => json!({"destination": to(fact.destination)}),
        Fact::DestinationResumed(fact) => json!({"destination": to(fact.destination)}),
        _ => Value::Null,
    }
}

/// What is missing, and what was done about it.
fn of_gap(fact: &Fact) -> Value {
    match fact {
        Fact::SequenceReset(fact) => json!({"position": fact.position.text()}),
        Fact::GapOpened(fact) => json!({"missing": range(fact.missing)}),
        Fact::GapAbandoned(fact) => {
            json!({"missing": range(fact.missing), "reason": abandoned(fact.reason)})
        }
        Fact::RefillEnded(fact) => json!({
            "asked": range(fact.asked), "attempt": fact.attempt, "events": fact.events,
            "outcome": fact.outcome.as_str(),
            "status": match fact.outcome {
                RefillOutcome::Answered { status } => Some(status),
                _ => None,
            },
        }),
        Fact::Reconciled(fact) => {
            json!({"ours": fact.ours.text(), "theirs": fact.theirs.text()})
        }
        _ => Value::Null,
    }
}

/// What a key that is forgotten goes on with, or that it goes on no more.
fn buried(fact: &Fact) -> Value {
    let record = match fact {
        Fact::Forgotten(fact) => &fact.record,
        Fact::Returned(fact) => &fact.record,
        Fact::Tombstone(fact) => &fact.record,
        Fact::Boundary(fact) => {
            let highest = fact.floors.iter().map(|floor| floor.sequence.0).max().unwrap_or(0);
            return json!({"dropped": fact.dropped.len(), "highest": highest});
        }
        _ => return Value::Null,
    };
    json!({
        "sequence": record.sequence.0, "hash": record.hash.to_string(),
        "next_position": record.order.next, "boundary": record.boundary.0,
    })
}

/// What a restore has sequences pass over.
fn jumps(fact: &Fact) -> Value {
    match fact {
        Fact::Restored(fact) => json!({
            "restore": format!("{:016x}", fact.restore), "jump": fact.jump, "total": fact.total,
        }),
        Fact::Jumped(fact) => json!({
            "from": fact.from.0, "to": fact.through.0, "total": fact.total,
        }),
        _ => Value::Null,
    }
}

fn dropped(names: &Names, fact: &Dropped) -> Value {
    match fact.letter {
        DeadLetter::InLane { destination, sequence } => {
            let destination = names.destination(destination).to_string();
            json!({"destination": destination, "sequence": sequence.0})
        }
        DeadLetter::AtIngress { event } => json!({"event": event.to_string()}),
    }
}

/// What became of a range of events in a lane, or of lanes as such.
fn of_lane(names: &Names, fact: &Fact) -> Value {
    let to = |id: DestinationId| names.destination(id).to_string();
    match fact {
        Fact::Acknowledged(fact) => json!({
            "destination": to(fact.destination), "from": fact.from.0, "to": fact.to.0,
            "out_of_order": fact.out_of_order,
        }),
        Fact::Batched(fact) => in_lane(&to(fact.destination), fact.from, fact.to),
        Fact::StrandsTaken(fact) => in_lane(&to(fact.destination), fact.from, fact.to),
        Fact::Superseded(fact) => json!({
            "destination": to(fact.destination), "from": fact.from.0, "by": fact.by.0,
        }),
        Fact::Filtered(fact) => in_lane(&to(fact.destination), fact.from, fact.to),
        Fact::LateDead(fact) => in_lane(&to(fact.destination), fact.sequence, fact.sequence),
        Fact::Unmet(fact) => json!({
            "destination": to(fact.destination), "sequence": fact.sequence.0,
            "of": resource(names, &fact.of),
        }),
        Fact::LaneOpened(fact) => json!({
            "destination": to(fact.destination), "through": fact.through.0,
        }),
        Fact::BacklogDropped(fact) => in_lane(&to(fact.destination), fact.from, fact.to),
        Fact::Rewound(fact) => json!({
            "destination": to(fact.destination), "from": fact.from.0, "until": fact.until.0,
        }),
        Fact::LaneEnded(fact) => json!({
            "destination": to(fact.destination), "from": fact.from.0, "to": fact.to.0,
            "strands": fact.strands.iter().map(|event| event.0).collect::<Vec<_>>(),
        }),
        Fact::KeysVisited(fact) => json!({
            "destination": to(fact.destination),
            "visit": match fact.visit { Visit::Opens => "opens", Visit::Ends => "ends" },
        }),
        _ => Value::Null,
    }
}

/// A resource of any source.
fn resource(names: &Names, key: &Key) -> Value {
    json!({"source": *names.source(key.source), "key": *key.name})
}

fn received(names: &Names, fact: &Received) -> Value {
    let mut shown = json!({
        "source_id": fact.id.as_deref(), "position": fact.position.text(),
        "type": *fact.event_type, "content_type": *fact.content_type,
        "digest": fact.digest.to_string(), "size": fact.size,
    });
    match fact.origin {
        Origin::Posted => {}
        Origin::Refilled => shown["origin"] = "refilled".into(),
        Origin::Again => shown["origin"] = "again".into(),
        Origin::Reconciled => shown["origin"] = "reconciled".into(),
    }
    if let Some(of) = &fact.depends_on {
        shown["depends_on"] = resource(names, of);
    }
    shown
}

fn released(names: &Names, fact: &Released) -> Value {
    let destinations = |ids: &[DestinationId]| {
        ids.iter().map(|id| names.destination(*id).to_string()).collect::<Vec<_>>()
    };
    let mut shown = json!({
        "event": fact.event.to_string(), "position": fact.position.text(),
        "sequence": fact.sequence.0, "kind": fact.kind.as_str(),
        "previous_hash": fact.previous_hash.to_string(), "hash": fact.hash.to_string(),
        "destinations": destinations(&fact.lanes), "filtered": destinations(&fact.filtered),
        "revision": fact.revision.0, "unordered": fact.unordered,
    });
    match fact.late {
        Late::Delivered => {}
        Late::Dead => shown["late"] = json!("dead-letter"),
        Late::Aside => shown["late"] = json!("aside"),
        Late::InPlace => shown["late"] = json!("in-place"),
    }
    if let Some(earlier) = fact.earlier {
        shown["of"] = earlier.0.into();
    }
    for (member, names) in [("fresh", &fact.fresh), ("passed", &fact.passed)] {
        if !names.is_empty() {
            shown[member] = names.iter().map(|name| json!(**name)).collect();
        }
    }
    if fact.concurrent {
        shown["concurrent"] = true.into();
    }
    if !fact.causes.is_empty() {
        let of = |causes: &Causes| json!({"node": *causes.node, "from": causes.range.from, "to": causes.range.to});
        shown["missing_causes"] = fact.causes.iter().map(of).collect();
    }
    if let Some(from) = &fact.broken_from {
        shown["broken_from"] = json!(**from);
    }
    if let Some(depends_on) = &fact.depends_on {
        shown["depends_on"] = resource(names, &depends_on.of);
    }
    shown
}

fn attempted(names: &Names, fact: &Attempted) -> Value {
    let mut shown = serde_json::to_value(fates::shown(fact)).unwrap_or_default();
    shown["destination"] = json!(*names.destination(fact.destination));
    shown["sequence"] = json!(fact.sequence.0);
    if let Some(batch) = fact.batch {
        shown["last"] = json!(batch.last.0);
        shown["acknowledged"] = json!(batch.acknowledged);
    }
    if let Some(turn) = fact.turn {
        shown["turn"] = time(turn).into();
    }
    shown
}

/// Events of a lane that follow one another.
fn in_lane(destination: &str, from: Sequence, to: Sequence) -> Value {
    json!({"destination": destination, "from": from.0, "to": to.0})
}

fn range(range: Range) -> Value {
    json!({"from": range.from, "to": range.to})
}

/// Why an event waits.
pub(super) fn hold(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::Gap => "gap",
        HoldReason::Start => "start",
        HoldReason::Settle { .. } => "settle",
    }
}

fn paused(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Operator => "operator",
        PauseReason::Gone => "gone",
    }
}

fn abandoned(reason: AbandonReason) -> &'static str {
    match reason {
        AbandonReason::Waited => "waited",
        AbandonReason::Full => "full",
        AbandonReason::Start => "start",
        AbandonReason::Rebased => "rebased",
        AbandonReason::Gone => "gone",
        AbandonReason::Operator => "operator",
    }
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn every_fact_can_be_asked_for_by_its_name() {
        let core = include_str!("../../../core/src/fact/about.rs");
        let (_, names) = core.split_once("pub fn name(").unwrap();
        let (names, _) = names.split_once("\n    }\n").unwrap();
        let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
        assert_eq!(names, NAMES);
    }
}
