//! The audit: what providers and consumers hold against what history says (promises 1, 4, 5).

use std::collections::BTreeMap;

use sprag_core::fact::Kind;
use sprag_core::id::{DestinationId, Hash};
use sprag_core::output::Status;
use sprag_core::position::Position;
use sprag_core::record::OmitReason;
use sprag_core::settings::{Contract, OnGap};

use super::answers::{Acknowledged, Answers};
use super::causal::causes_come_first;
use super::commands::Commands;
use super::deliveries::{Deliveries, Seen};
use super::event_history::IngressFate;
use super::history::{Context, History};
use super::key_history::KeyHistory;
use super::lane_history::{Fate, LaneHistory};
use super::{Verdict, must};

/// Whether every acknowledgement is true, by history (D1, D2).
pub(crate) fn acknowledgements(history: &History, answers: &Answers) -> Verdict {
    let mut repeats: BTreeMap<(usize, Hash), u64> = BTreeMap::new();
    let mut ignored = 0;
    for acknowledged in &answers.acknowledged {
        let name = || {
            let Acknowledged { resource, position, digest, status, event, at, .. } = acknowledged;
            format!(
                "resource {resource} {position:?} {digest} answered {status:?} {event:?} at {at}"
            )
        };
        if acknowledged.status == Status::Ignored {
            ignored += 1;
            continue;
        }
        let Some(key) = history.keys.get(&acknowledged.resource) else {
            return Err(format!("{}: history has nothing of it", name()));
        };
        if acknowledged.status == Status::Duplicate {
            *repeats.entry((acknowledged.resource, acknowledged.digest)).or_default() += 1;
        }
        acknowledged_by(key, acknowledged).map_err(|what| format!("{}: {what}", name()))?;
    }
    for ((resource, digest), count) in repeats {
        let known = history.keys[&resource].duplicates.get(&digest).copied().unwrap_or(0);
        must(known >= count, || format!("{count} repeats of {digest}, history has {known}"))?;
    }
    must(history.ignored >= ignored, || format!("{ignored} ignored, fewer in history"))
}

fn acknowledged_by(key: &KeyHistory, acknowledged: &Acknowledged) -> Verdict {
    let Some(place) = acknowledged.event else {
        return must(acknowledged.status == Status::Duplicate, || "no id".to_owned());
    };
    let Some(event) = key.events.get(&place) else {
        return Err("lost: history has no such event".to_owned());
    };
    let is_same = event.digest == acknowledged.digest
        && event.id == acknowledged.id
        && event.position == acknowledged.position;
    let fits = match (acknowledged.status, event.fate) {
        (Status::Duplicate, _) => {
            let by_id = acknowledged.id.is_some() && event.id == acknowledged.id;
            let by_position =
                event.position == acknowledged.position && event.digest == acknowledged.digest;
            by_id || by_position
        }
        (Status::Released, IngressFate::Released(sequence, Kind::Event))
        | (Status::Late, IngressFate::Released(sequence, Kind::Late)) => {
            is_same && acknowledged.sequence == Some(sequence)
        }
        (Status::Held, IngressFate::Conflict) if matches!(event.position, Position::Link(_)) => {
            is_same
        }
        (Status::Held, IngressFate::Stale | IngressFate::Conflict) => {
            is_same && matches!(event.position, Position::State { .. })
        }
        (Status::Held, IngressFate::Held | IngressFate::Released(..) | IngressFate::Invalid)
        | (Status::Conflict, IngressFate::Conflict)
        | (Status::Invalid, IngressFate::Invalid)
        | (Status::Stale, IngressFate::Stale) => is_same,
        _ => false,
    };
    must(fits, || format!("history has {event:?}"))
}

/// Whether positions began anew wherever an operator was told so, and an operator was told of a
/// sequence reset only where history has one (D1, K9).
pub(crate) fn rebases(
    history: &History,
    commands: &Commands,
    alerts: &BTreeMap<usize, u64>,
) -> Verdict {
    for (resource, count) in commands.rebased() {
        let rebases = history.keys.get(resource).map_or(0, |key| key.rebases);
        must(rebases >= *count, || {
            format!("resource {resource} was rebased {count} times, by history {rebases}")
        })?;
    }
    for (resource, count) in alerts {
        let resets = history.keys.get(resource).map_or(0, |key| key.resets);
        must(resets >= *count, || {
            format!("resource {resource}: {count} alerts, {resets} sequence resets in history")
        })?;
    }
    Ok(())
}

/// Whether consumers were told what history says, and history says what consumers answered.
pub(crate) fn deliveries(history: &History, deliveries: &Deliveries) -> Verdict {
    causes_come_first(history, deliveries)?;
    for ((resource, sequence), told) in &deliveries.told {
        let key = history.keys.get(resource);
        let released = key.and_then(|key| key.released.get(sequence));
        let is_same = released.is_some_and(|released| {
            released.event == told.place
                && released.hash == told.hash
                && released.kind == told.kind
                && released.position == told.position
        });
        must(is_same, || {
            format!("resource {resource} sequence {sequence} was {told:?}, is {released:?}")
        })?;
    }
    for (resource, key) in &history.keys {
        for ((destination, apart), lane) in &key.lanes {
            let seen = deliveries.lanes.get(&(*destination, *resource, *apart));
            let name = || format!("destination {} resource {resource} ({apart})", destination.0);
            let fine = delivered(lane, seen).and_then(|()| superseded(lane, seen, key.boundary));
            fine.map_err(|what| format!("{}: {what}", name()))?;
        }
    }
    Ok(())
}

/// What history calls delivered was acknowledged; what was acknowledged has a fate, or its lane
/// stands there still because the outcome was lost with a process.
fn delivered(lane: &LaneHistory, seen: Option<&Seen>) -> Verdict {
    for (sequence, fate) in &lane.fates {
        let acknowledged = seen.is_some_and(|seen| {
            seen.ever_had(*sequence) || seen.acknowledged_again.contains(sequence)
        });
        must(*fate != Fate::Delivered || acknowledged, || {
            format!("{sequence} is called delivered, its consumer never acknowledged it")
        })?;
    }
    // What a consumer was told is durable has that fate, and not another.
    for sequence in seen.into_iter().flat_map(|seen| seen.settled.keys()) {
        if lane.was_set_back(*sequence) {
            continue;
        }
        let fate = lane.fates.get(sequence);
        must(fate == Some(&Fate::Delivered), || {
            format!("{sequence} is acknowledged for sure and {fate:?}")
        })?;
    }
    let acknowledged = seen.into_iter().flat_map(|seen| seen.acknowledged.keys());
    for sequence in acknowledged {
        let heads = [lane.head(), lane.stands_or_stood()];
        let is_at_head =
            heads.iter().any(|head| seen.is_some_and(|seen| seen.is_carried_at(*head, *sequence)));
        let waits_again = lane.was_set_back(*sequence) && lane.knows(*sequence);
        must(lane.fates.contains_key(sequence) || is_at_head || waits_again, || {
            format!("{sequence} was acknowledged and has no fate")
        })?;
    }
    Ok(())
}

/// What a newer event took the place of is never sent again in its turn, and deliveries name exactly
/// that as skipped (C2, C5).
fn superseded(lane: &LaneHistory, seen: Option<&Seen>, boundary: u64) -> Verdict {
    let Some(seen) = seen else { return Ok(()) };
    for (sequence, uptime) in &lane.superseded {
        let sent = seen.sent.get(sequence).zip(uptime.as_ref());
        must(sent.is_none_or(|(sent, superseded)| sent <= superseded), || {
            format!("{sequence} was sent after a newer event had taken its place")
        })?;
    }
    for (sequence, reason) in &seen.omitted {
        // Once for this, then for that.
        if lane.was_set_back(*sequence) {
            continue;
        }
        let skipped = lane.superseded.contains_key(sequence);
        // What did not enter, or came before the lane, was never the lane's own.
        let is_own = lane.entered.contains(sequence);
        let is_so = match reason {
            OmitReason::Skipped => skipped,
            OmitReason::Filtered => !is_own && !skipped,
            // A range that was given up names those between too that did not enter.
            OmitReason::Dead => (is_own || lane.given_up.contains(sequence)) && !skipped,
            // Only a second life, judged by itself, is restored.
            OmitReason::Restored => false,
            OmitReason::Boundary => *sequence <= boundary,
        };
        must(is_so, || format!("{sequence} is named as {reason:?}, by history it is not so"))?;
    }
    Ok(())
}

/// Which lanes may have something left when all others are through.
pub(crate) type MayWait<'a> = &'a dyn Fn(DestinationId, usize) -> bool;

/// Whether every event has its fate: at ingress, and in every lane (promise 4).
pub(crate) fn nothing_is_left(
    history: &History,
    context: &Context<'_>,
    may_wait: MayWait<'_>,
) -> Verdict {
    for (key, resource) in context.resources {
        let Some(known) = history.keys.get(resource) else { continue };
        let source = context.policies.sources.get(&key.source);
        let halts = source.is_some_and(|source| {
            // Where a resource begins is not waited for without end.
            let begins = match source.contract {
                Contract::States => !known.machine.stands(),
                Contract::Link => !known.links.stands(),
                _ => false,
            };
            source.on_gap == OnGap::Halt && !begins
        });
        must(halts || known.holds().is_empty(), || {
            format!("resource {resource} holds {:?} still", known.holds())
        })?;
        must(
            known.held.first_key_value().is_none_or(|(held, _)| known.next != Some(*held)),
            || format!("resource {resource} holds {:?} though nothing is missing", known.held),
        )?;
        let open = known.events.iter().find(|(_, event)| event.fate == IngressFate::Open);
        must(open.is_none(), || format!("resource {resource}: {open:?} has no fate"))?;
        for destination in context.policies.takers_from_the_first(key.source) {
            let lane = |sequence| known.lanes.get(&(destination, known.apart(sequence)));
            let retired = history.retired.contains(&destination);
            // Of what a key released before it was forgotten, a destination that came later gets
            // nothing: its bodies were gone by then.
            let mut released = known.released.range(known.forgotten_through + 1..);
            let unknown = released
                .find(|(sequence, _)| lane(**sequence).is_none_or(|lane| !lane.knows(**sequence)));
            must(retired || unknown.is_none(), || {
                format!("resource {resource}: {unknown:?} has no fate at {destination:?}")
            })?;
        }
        for ((destination, _), lane) in &known.lanes {
            let retired = history.retired.contains(destination);
            let excused = known.paused
                || history.paused.contains(destination)
                || may_wait(*destination, *resource);
            must(!retired || excused || !lane.has_backlog(), || {
                format!("resource {resource}: something waits for {destination:?}, retired")
            })?;
            let waits = (lane.has_backlog() && !lane.is_stopped()) || lane.is_redriving();
            must(excused || !waits, || {
                format!(
                    "destination {} resource {resource} stands at {} of {}",
                    destination.0,
                    lane.head(),
                    lane.tail
                )
            })?;
        }
    }
    Ok(())
}
