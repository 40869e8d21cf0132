//! `states`: a table says how a resource may go from state to state. A step that it allows is released; what skips
//! ahead waits for what lies between; what goes back is stale where it says that it is older, else a conflict.
//!
//! What waits is looked at again after each release, and when the table is another: it may be next now, or out of the
//! question. When waiting ends, what is oldest goes, and of what does not say how old it is the nearest; it says which
//! states were passed over. Decision 032.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Evidence, Judgement};
use crate::fact::{HoldReason, InvalidReason, Kind};
use crate::fields::At;
use crate::held::{HeldAt, HeldEvent};
use crate::id::Hash;
use crate::limits;
use crate::position::Position;
use crate::record::{Machine, Order, Reached};
use crate::settings::{OnGap, SourceSettings};
use crate::states::{StateTable, Where};
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
    let standing = Standing::of(source, order);
    let step = standing.step_to(&source.states, evidence.position, evidence.digest);
    match (step, machine(order)) {
        (Step::Next, _) => Judgement::Release(Kind::Event),
        (Step::Old, _) => Judgement::Stale,
        (Step::Unknown, _) => Judgement::Invalid(InvalidReason::UnknownState),
        (Step::Wrong, Some(Machine { event, digest, .. })) => {
            Judgement::Conflict { other: *event, other_digest: *digest }
        }
        _ if source.on_gap == OnGap::Halt && order.held.len() >= key_backlog => Judgement::Full,
        _ if standing.state.is_some() => Judgement::Hold(HoldReason::Gap),
        _ => Judgement::Hold(HoldReason::Start),
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
    /// The table leads there, over others; or nothing is known of the resource.
    Ahead,
    /// It says that it is older, or it is the state the resource has.
    Old,
    /// The table does not lead there, or it has the version of another state.
    Wrong,
    /// The table does not have it.
    Unknown,
}

/// Whether a resource is somewhere by its table: else what comes may be its beginning.
#[must_use]
pub fn stands(source: &SourceSettings, order: &Order) -> bool {
    Standing::of(source, order).state.is_some()
}

/// Where a resource is, and how new that is.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// A state that the table does not have any more is none.
    state: Where,
    at: Option<At>,
    /// SHA-256 of the body that told it.
    digest: Option<Hash>,
}

impl Standing {
    fn of(source: &SourceSettings, order: &Order) -> Self {
        let machine = machine(order);
        Self {
            state: machine.and_then(|machine| source.states.index(&machine.state)),
            at: machine.and_then(|machine| machine.at),
            digest: machine.map(|machine| machine.digest),
        }
    }

    fn step_to(self, table: &StateTable, position: &Position, digest: Hash) -> Step {
        // What tells no state is of no order.
        let Position::State { state, at } = position else { return Step::Ahead };
        table.index(state).map_or(Step::Unknown, |to| self.step(table, to, *at, digest))
    }

    fn step_of(self, table: &StateTable, held: &HeldEvent) -> Step {
        self.step_to(table, &held.essence.position, held.essence.digest)
    }

    /// Whether something this new is older than what it stands at.
    fn is_behind(self, at: Option<At>) -> bool {
        self.at.zip(at).is_some_and(|(newest, at)| at < newest)
    }

    /// A version is that of one change; an instant may be that of several.
    fn is_same_change(self, at: Option<At>) -> bool {
        matches!(at, Some(At::Version(_))) && at == self.at
    }

    fn step(self, table: &StateTable, to: usize, at: Option<At>, digest: Hash) -> Step {
        let is_told_again = self.state == Some(to);
        if self.is_behind(at) {
            Step::Old
        } else if self.is_same_change(at) {
            // The same position with another body (DESIGN K5).
            let is_same = is_told_again && self.digest == Some(digest);
            if is_same { Step::Old } else { Step::Wrong }
        } else if table.allows(self.state, to) {
            Step::Next
        } else if is_told_again {
            Step::Old
        } else if self.state.is_none() || table.reaches(self.state, to) {
            Step::Ahead
        } else {
            Step::Wrong
        }
    }
}

fn machine(order: &Order) -> Option<&Machine> {
    match &order.reached {
        Reached::State(machine) => Some(machine),
        _ => None,
    }
}

/// Whether anything that waits would not wait if it came now.
#[must_use]
pub fn is_out_of_place(source: &SourceSettings, order: &Order) -> bool {
    let standing = Standing::of(source, order);
    order.held.values().any(|held| standing.step_of(&source.states, held) != Step::Ahead)
}

/// Where one that waits stands, and how new it is.
type Told<'a> = (&'a HeldAt, &'a HeldEvent, Option<At>);

/// Of those that wait the ones that are next, one after another as each is released in its turn.
#[must_use]
pub fn in_turn<'a>(source: &SourceSettings, order: &'a Order) -> Vec<&'a HeldEvent> {
    let table = &source.states;
    let mut waiting: Vec<VecDeque<Told<'_>>> = Vec::new();
    waiting.resize_with(table.len(), VecDeque::new);
    for (place, held) in &order.held {
        if let Some((state, at)) = told(table, held) {
            waiting[state].push_back((place, held, at));
        }
    }
    let mut standing = Standing::of(source, order);
    let mut turns = Vec::new();
    loop {
        let mut next: Option<(&HeldAt, usize)> = None;
        for (state, waiting) in waiting.iter_mut().enumerate() {
            // Of one state the older ones stand before the newer.
            let passed = |at| standing.is_behind(at) || standing.is_same_change(at);
            while waiting.front().is_some_and(|(_, _, at)| passed(*at)) {
                waiting.pop_front();
            }
            let Some((place, held, _)) = waiting.front() else { continue };
            let is_first = next.is_none_or(|(first, _)| *place < first);
            if is_first && standing.step_of(table, held) == Step::Next {
                next = Some((place, state));
            }
        }
        let Some((_, state)) = next else { return turns };
        let Some((_, held, at)) = waiting[state].pop_front() else { return turns };
        turns.push(held);
        standing = Standing { state: Some(state), at, digest: Some(held.essence.digest) };
    }
}

fn told(table: &StateTable, held: &HeldEvent) -> Option<(usize, Option<At>)> {
    match &held.essence.position {
        Position::State { state, at } => Some((table.index(state)?, *at)),
        _ => None,
    }
}

/// Those that wait and never will be next, and what each is.
#[must_use]
pub fn left_behind<'a>(source: &SourceSettings, order: &'a Order) -> Vec<(&'a HeldEvent, Step)> {
    let standing = Standing::of(source, order);
    let of = |held: &'a HeldEvent| (held, standing.step_of(&source.states, held));
    let all = order.held.values().map(of);
    all.filter(|(_, step)| !matches!(step, Step::Next | Step::Ahead)).collect()
}

/// Of those that wait the one that goes first when waiting ends: the oldest, then the one with the fewest states
/// between.
#[must_use]
pub fn nearest<'a>(source: &SourceSettings, order: &'a Order) -> Option<&'a HeldEvent> {
    let far = source.states.distances(Standing::of(source, order).state);
    let distance = |held: &HeldEvent| {
        told(&source.states, held).and_then(|(state, _)| far[state]).unwrap_or(usize::MAX)
    };
    let all = order.held.iter();
    all.min_by_key(|(at, held)| (at.number, distance(held))).map(|(_, held)| held)
}

/// The states that are passed over when this is released; none where there is no way, and where it tells no state.
/// What a resource that does not begin went through before nothing was known of it is not known.
#[must_use]
pub fn passed(
    source: &SourceSettings,
    order: &Order,
    position: &Position,
    begins: bool,
) -> Vec<Arc<str>> {
    let Position::State { state, .. } = position else { return Vec::new() };
    let Some(to) = source.states.index(state) else { return Vec::new() };
    let from = Standing::of(source, order).state;
    if source.states.allows(from, to) || (from.is_none() && !begins) {
        return Vec::new();
    }
    source.states.between(from, to).unwrap_or_default()
}
