//! `latest`: versions or instants; an event is released when it is newer than all before it.
//!
//! Nothing waits, so there is no gap; what is older than the newest released is stale. Rules K3
//! (instants), K4 (poison), K5 (same position), decision 007.

use core::cmp::Ordering;

use super::{Evidence, Judgement, repeats};
use crate::fact::{InvalidReason, Kind, Recognised};
use crate::limits;
use crate::position::Position;
use crate::record::Order;
use crate::settings::SourceSettings;
use crate::time::{UnixMicros, micros};

/// Judges an event that is no repeat by its id.
pub(super) fn judge(source: &SourceSettings, order: &Order, evidence: &Evidence<'_>) -> Judgement {
    let Some(number) = evidence.position.number() else {
        return Judgement::Release(Kind::Event);
    };
    if number > limits::POSITION_MAX {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    if is_ahead_of_time(evidence, source) {
        return Judgement::Invalid(InvalidReason::AheadOfTime);
    }
    let Some(newest) = order.newest() else { return Judgement::Release(Kind::Event) };
    let is_instant = matches!(evidence.position, Position::Timestamp(_));
    if !is_instant && number > newest.saturating_add(source.hold_span) {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    match number.cmp(&newest) {
        Ordering::Greater => Judgement::Release(Kind::Event),
        Ordering::Equal if is_instant => judge_same_instant(order, evidence),
        Ordering::Equal | Ordering::Less => judge_old(evidence),
    }
}

/// An instant is judged for unknown keys too: taken, it would make everything after it stale.
pub(super) fn is_ahead_of_time(evidence: &Evidence<'_>, source: &SourceSettings) -> bool {
    let Position::Timestamp(nanoseconds) = *evidence.position else { return false };
    let UnixMicros(received) = evidence.recorded;
    nanoseconds / 1_000 > received.saturating_add(micros(source.max_ahead))
}

/// Events of one instant are released in the order they came, each once.
fn judge_same_instant(order: &Order, evidence: &Evidence<'_>) -> Judgement {
    let known = evidence.identity.is_some_and(|identity| order.instant.contains(&identity));
    if !known {
        return Judgement::Release(Kind::Event);
    }
    match evidence.by_id {
        Some(prior) => repeats(prior, Recognised::Id, evidence.digest),
        None => Judgement::Duplicate {
            original: None,
            sequence: None,
            by: Recognised::Position,
            altered: false,
        },
    }
}

/// A position the key has gone past: its own event again, another that claims it, or one that
/// never came.
fn judge_old(evidence: &Evidence<'_>) -> Judgement {
    match evidence.by_position {
        Some(prior) if prior.digest == evidence.digest => {
            repeats(prior, Recognised::Position, evidence.digest)
        }
        Some(prior) => Judgement::Conflict { other: prior.event, other_digest: prior.digest },
        None => Judgement::Stale,
    }
}
