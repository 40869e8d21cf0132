//! `fifo`: contiguous numbers per key; a missing one is a gap, and what follows waits.
//!
//! Rules K4 (poison), K5 (same position), K7 (where a key begins), G4 (late).

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Evidence, Judgement, repeats};
use crate::fact::{HoldReason, InvalidReason, Kind, Recognised};
use crate::held::HeldAt;
use crate::limits;
use crate::position::Position;
use crate::ranges::Range;
use crate::record::Order;
use crate::settings::{First, OnGap, SourceSettings};

/// Judges an event that is no repeat by its id.
pub(super) fn judge(
    source: &SourceSettings,
    first: First,
    key_backlog: usize,
    order: &Order,
    evidence: &Evidence<'_>,
) -> Judgement {
    let Position::Sequence(position) = *evidence.position else {
        return Judgement::Release(Kind::Event);
    };
    if lowest(first).is_some_and(|lowest| position < lowest) {
        return Judgement::Invalid(InvalidReason::BeforeFirst);
    }
    if position > limits::POSITION_MAX {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    if let Some(held) = order.held.get(&HeldAt::numbered(position)) {
        return same_position(held.event, held.essence.digest, evidence);
    }
    let Some(next) = next_position(first, order) else {
        return judge_unknown(source, first, key_backlog, order, position);
    };
    match position.cmp(&next) {
        Ordering::Equal => Judgement::Release(Kind::Event),
        Ordering::Greater => judge_ahead(source, key_backlog, order, next, position),
        Ordering::Less => judge_behind(order, position, evidence),
    }
}

/// The number before which no position of the source can lie.
fn lowest(first: First) -> Option<u64> {
    match first {
        First::At(number) | First::Strictly(number) => Some(number),
        First::Any => None,
    }
}

/// The next position in order; none while the key's base is not settled.
#[must_use]
pub fn next_position(first: First, order: &Order) -> Option<u64> {
    match (order.next, first) {
        (Some(next), _) => Some(next),
        (None, First::Strictly(number)) => Some(number),
        (None, First::At(_) | First::Any) => None,
    }
}

/// A key whose base is not settled: only `first` itself is released at once (DESIGN K7).
fn judge_unknown(
    source: &SourceSettings,
    first: First,
    key_backlog: usize,
    order: &Order,
    position: u64,
) -> Judgement {
    if first == First::At(position) {
        return Judgement::Release(Kind::Event);
    }
    hold_if_room(source, key_backlog, order, HoldReason::Start)
}

fn judge_ahead(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    next: u64,
    position: u64,
) -> Judgement {
    let held = order.held.last_key_value().map(|(at, _)| at.number);
    let highest = held.unwrap_or_default().max(order.highest).max(next.saturating_sub(1));
    if position > highest.saturating_add(source.hold_span) {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    hold_if_room(source, key_backlog, order, HoldReason::Gap)
}

/// Under `skip`, `hold.events` ends waits before there are too many; under `halt`, what waits is
/// bounded by `limits.key_backlog` (DESIGN G2).
fn hold_if_room(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    reason: HoldReason,
) -> Judgement {
    if source.on_gap == OnGap::Halt && order.held.len() >= key_backlog {
        return Judgement::Full;
    }
    Judgement::Hold(reason)
}

/// A position that the key has gone past: known, given up, or forgotten (DESIGN K5, G4).
fn judge_behind(order: &Order, position: u64, evidence: &Evidence<'_>) -> Judgement {
    if let Some(prior) = evidence.by_position {
        if prior.digest == evidence.digest {
            return repeats(prior, Recognised::Position, evidence.digest);
        }
        return Judgement::Conflict { other: prior.event, other_digest: prior.digest };
    }
    if order.abandoned.contains(position) {
        return Judgement::Release(Kind::Late);
    }
    Judgement::Duplicate {
        original: None,
        sequence: None,
        by: Recognised::Position,
        altered: false,
    }
}

fn same_position(
    event: crate::id::Place,
    digest: crate::id::Hash,
    evidence: &Evidence<'_>,
) -> Judgement {
    if digest != evidence.digest {
        return Judgement::Conflict { other: event, other_digest: digest };
    }
    Judgement::Duplicate {
        original: Some(event),
        sequence: None,
        by: Recognised::Position,
        altered: false,
    }
}

/// The positions a key waits for: from the next in order to below the lowest that waits.
/// None while nothing waits or the base is not settled.
#[must_use]
pub fn head_gap(first: First, order: &Order) -> Option<Range> {
    let next = next_position(first, order)?;
    let (lowest, _) = order.held.first_key_value()?;
    (next < lowest.number).then(|| Range { from: next, to: lowest.number - 1 })
}

/// The held positions that are impossible now that the base of a waiting key is released, judged
/// in ascending order (DESIGN K4).
#[must_use]
pub fn base_poison(span: u64, order: &Order) -> Vec<HeldAt> {
    let mut highest = order.highest;
    let mut poison = Vec::new();
    for at in order.held.keys() {
        if at.number > highest.saturating_add(span) {
            poison.push(at.clone());
        } else {
            highest = at.number;
        }
    }
    poison
}
