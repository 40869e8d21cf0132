//! `settle`: instants only. What came is kept until nothing is expected before it any more, then released in
//! the order of instants, ranks of types, and ids.
//!
//! Each event settles for as long as its source says. When the first of them has, it is released together
//! with everything that sorts before it, so that none waits longer than that, and what came within that time
//! of an event never comes after it merely because it arrived later. An event that sorts before what was
//! released is late. Nothing is known to be missing, so there are no gaps. Rules K3, K4, decision 030.

use super::latest::is_ahead_of_time;
use super::{Evidence, Judgement, repeats};
use crate::fact::{HoldReason, InvalidReason, Kind, Recognised};
use crate::held::HeldAt;
use crate::limits;
use crate::record::{Order, Reached};
use crate::settings::SourceSettings;
use crate::time::{OpenMicros, UnixMicros, micros};

/// Judges an event that is no repeat by its id, as far as ids are remembered.
pub(super) fn judge(source: &SourceSettings, order: &Order, evidence: &Evidence<'_>) -> Judgement {
    let Some(instant) = evidence.position.number() else {
        return Judgement::Release(Kind::Event);
    };
    if instant > limits::POSITION_MAX {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    if is_ahead_of_time(evidence, source) {
        return Judgement::Invalid(InvalidReason::AheadOfTime);
    }
    let rank = rank(source, evidence.event_type);
    if is_behind(order, instant, rank) {
        judge_behind(source, order, instant, evidence)
    } else if is_of_newest(order, instant, evidence) || is_known_still(order, instant, evidence) {
        known(evidence)
    } else {
        Judgement::Hold(HoldReason::Settle { rank })
    }
}

/// The place of a type among those of one instant: that of the first pattern it fits.
#[must_use]
pub fn rank(source: &SourceSettings, event_type: &str) -> u32 {
    let first = source.ranks.iter().position(|pattern| pattern.matches(event_type));
    u32::try_from(first.unwrap_or(source.ranks.len())).unwrap_or(u32::MAX)
}

/// Whether something that sorts behind it was released.
fn is_behind(order: &Order, instant: u64, rank: u32) -> bool {
    newest(order).is_some_and(|newest| (instant, rank) < newest)
}

/// The newest instant of which events were released, and the highest of their ranks.
#[must_use]
pub fn newest(order: &Order) -> Option<(u64, u32)> {
    let rank = match order.reached {
        Reached::Settled { rank } => rank,
        Reached::Nothing
        | Reached::Fields(_)
        | Reached::Clock(_)
        | Reached::State(_)
        | Reached::Link(_) => 0,
    };
    order.newest().map(|instant| (instant, rank))
}

/// Whether it is among the events that were released at the newest instant.
fn is_of_newest(order: &Order, instant: u64, evidence: &Evidence<'_>) -> bool {
    let is_newest = order.newest() == Some(instant);
    is_newest && evidence.identity.is_some_and(|identity| order.instant.contains(&identity))
}

/// Whether its id is that of an event that settles, or was released at the newest instant: known however long ago it
/// came, and however many there were.
fn is_known_still(order: &Order, instant: u64, evidence: &Evidence<'_>) -> bool {
    let Some(prior) = evidence.by_id else { return false };
    let settles = || order.held.values().any(|held| held.event == prior.event);
    order.newest() == Some(instant) || settles()
}

/// Something behind it is released: its own event again, or one that is late. An instant names no event, so
/// what may have come before facts were deleted cannot be told from a repeat.
fn judge_behind(
    source: &SourceSettings,
    order: &Order,
    instant: u64,
    evidence: &Evidence<'_>,
) -> Judgement {
    if evidence.by_id.is_some() || is_of_newest(order, instant, evidence) {
        return known(evidence);
    }
    let UnixMicros(recorded) = evidence.recorded;
    let deleted = (instant / 1_000).saturating_add(micros(source.facts));
    if deleted < recorded.saturating_add(micros(source.max_ahead)) {
        return Judgement::Stale;
    }
    Judgement::Release(Kind::Late)
}

fn known(evidence: &Evidence<'_>) -> Judgement {
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

/// Up to where events are settled by now: the last one that waited long enough, and all before it.
#[must_use]
pub fn settled(order: &Order, open: OpenMicros) -> Option<&HeldAt> {
    let waited = order.held.iter().filter(|(_, held)| held.deadline <= open);
    waited.map(|(at, _)| at).next_back()
}
