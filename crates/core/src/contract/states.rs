//! `states`: a table says how a resource may go from state to state. A step that it allows is released; what skips
//! ahead waits for what lies between; what goes back is stale where it says that it is older, else a conflict.
//!
//! What waits is looked at again after each release: it may be next now, or out of the question. When waiting ends,
//! what is nearest goes, and says which states were passed over. Decision 032.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Evidence, Judgement};
use crate::fact::{HoldReason, InvalidReason, Kind};
use crate::fields::At;
use crate::held::{HeldAt, HeldEvent};
use crate::limits;
use crate::position::Position;
use crate::record::{Machine, Order, Reached};
use crate::settings::{OnGap, SourceSettings};
use crate::states::Where;
use crate::time::{UnixMicros, micros};

/// Judges an event that is no repeat by its id.
pub(super) fn judge(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    evidence: &Evidence<'_>,
) -> Judgement {
    let Position::State { at, .. } = evidence.position else {
        return Judgement::Release(Kind::Event);
    };
    if let Some(reason) = at.and_then(|at| impossible(source, at, evidence.recorded)) {
        return Judgement::Invalid(reason);
    }
    match step(source, order, evidence.position) {
        Step::Next => Judgement::Release(Kind::Event),
        Step::Ahead if source.on_gap == OnGap::Halt && order.held.len() >= key_backlog => {
            Judgement::Full
        }
        Step::Ahead if machine(order).is_some() => Judgement::Hold(HoldReason::Gap),
        Step::Ahead => Judgement::Hold(HoldReason::Start),
        Step::Old => Judgement::Stale,
        Step::Unknown => Judgement::Invalid(InvalidReason::UnknownState),
        Step::Wrong => match machine(order) {
            Some(Machine { event, digest, .. }) => {
                Judgement::Conflict { other: *event, other_digest: *digest }
            }
            None => Judgement::Hold(HoldReason::Start),
        },
    }
}

fn impossible(
    source: &SourceSettings,
    at: At,
    UnixMicros(recorded): UnixMicros,
) -> Option<InvalidReason> {
    let (At::Version(number) | At::Instant(number)) = at;
    if number > limits::POSITION_MAX {
        return Some(InvalidReason::BeyondSpan);
    }
    let latest = recorded.saturating_add(micros(source.max_ahead));
    (at > At::Instant(latest.saturating_mul(1_000))).then_some(InvalidReason::AheadOfTime)
}

/// What a state is for a resource as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The table allows it.
    Next,
    /// The table leads there, over others.
    Ahead,
    /// It says that it is older, or it is the state the resource has.
    Old,
    /// The table does not lead there.
    Wrong,
    /// The table does not have it.
    Unknown,
}

/// What the state of a position is for a resource as it is.
#[must_use]
pub fn step(source: &SourceSettings, order: &Order, position: &Position) -> Step {
    let Position::State { state, at } = position else { return Step::Next };
    let Some(to) = source.states.index(state) else { return Step::Unknown };
    let is_older = machine(order).is_some_and(|machine| *at < machine.at && at.is_some());
    if is_older {
        return Step::Old;
    }
    let from = whereabouts(source, order);
    if source.states.allows(from, to) {
        Step::Next
    } else if from == Some(to) {
        Step::Old
    } else if source.states.reaches(from, to) || from.is_none() {
        Step::Ahead
    } else {
        Step::Wrong
    }
}

fn machine(order: &Order) -> Option<&Machine> {
    match &order.reached {
        Reached::State(machine) => Some(machine),
        _ => None,
    }
}

/// A state that the table does not have any more is none.
fn whereabouts(source: &SourceSettings, order: &Order) -> Where {
    machine(order).and_then(|machine| source.states.index(&machine.state))
}

/// The first of those that wait whose turn it is.
#[must_use]
pub fn next_state<'a>(source: &SourceSettings, order: &'a Order) -> Option<&'a HeldEvent> {
    order.held.values().find(|held| step(source, order, &held.essence.position) == Step::Next)
}

/// One of those that wait which never will be next, and what it is.
#[must_use]
pub fn left_behind<'a>(source: &SourceSettings, order: &'a Order) -> Option<(&'a HeldEvent, Step)> {
    let of = |held: &'a HeldEvent| (held, step(source, order, &held.essence.position));
    order.held.values().map(of).find(|(_, step)| !matches!(step, Step::Next | Step::Ahead))
}

/// Of those that wait the one with the fewest states between.
#[must_use]
pub fn nearest_state<'a>(source: &SourceSettings, order: &'a Order) -> Option<&'a HeldEvent> {
    let far = |(_, held): &(&HeldAt, &HeldEvent)| {
        passed(source, order, &held.essence.position).map_or(usize::MAX, |passed| passed.len())
    };
    order.held.iter().min_by_key(far).map(|(_, held)| held)
}

/// The states that are passed over when this is released; none where there is no way.
#[must_use]
pub fn passed(
    source: &SourceSettings,
    order: &Order,
    position: &Position,
) -> Option<Vec<Arc<str>>> {
    let Position::State { state, .. } = position else { return None };
    source.states.between(whereabouts(source, order), source.states.index(state)?)
}
