//! `causal`: each event brings a vector clock. It is released behind everything its clock knows; what knows nothing of
//! one another is released in some order and marked as concurrent.
//!
//! What waits stands by the sum of its counters, which grows from cause to effect, then by node. So of those that are
//! ready at the same moment the lowest goes first, and one walk over them meets each behind its causes. A clock that is
//! not true (it shrinks, or knows of itself what it cannot) harms only its own event. Decision 031.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use super::fifo::{hold_if_room, judge_behind, same_position};
use super::{Evidence, Judgement};
use crate::clocks::{Causes, Clock, Seen};
use crate::fact::{HoldReason, InvalidReason, Kind};
use crate::held::{HeldAt, HeldEvent};
use crate::limits;
use crate::position::Position;
use crate::ranges::Ranges;
use crate::record::{Order, Reached};
use crate::settings::SourceSettings;

/// What a key has come to before its first event.
static NOTHING: Seen = Seen::nothing();

/// Judges an event that is no repeat by its id.
pub(super) fn judge(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    evidence: &Evidence<'_>,
) -> Judgement {
    let Position::Clock(clock) = evidence.position else {
        return Judgement::Release(Kind::Event);
    };
    if clock.counters().iter().any(|counter| counter.count > limits::COUNTER_MAX) {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    let seen = seen(order);
    if let Some(held) = held_with(order, clock) {
        return same_position(held.event, held.essence.digest, evidence);
    }
    if seen.is_behind(clock) {
        return judge_behind(seen.was_given_up(clock), evidence);
    }
    if let Some(reason) = impossible(seen, clock) {
        return Judgement::Invalid(reason);
    }
    if seen.is_ready(clock) {
        return Judgement::Release(Kind::Event);
    }
    if is_beyond(source.hold_span, order, clock) {
        return Judgement::Invalid(InvalidReason::BeyondSpan);
    }
    let reason = if seen.lacks(clock).is_empty() { HoldReason::Start } else { HoldReason::Gap };
    hold_if_room(source, key_backlog.min(limits::CLOCKS_HELD), order, reason)
}

fn seen(order: &Order) -> &Seen {
    match &order.reached {
        Reached::Clock(seen) => seen,
        _ => &NOTHING,
    }
}

fn clock_of(held: &HeldEvent) -> Option<&Clock> {
    match &held.essence.position {
        Position::Clock(clock) => Some(clock),
        _ => None,
    }
}

fn clocks(order: &Order) -> impl Iterator<Item = &Clock> {
    order.held.values().filter_map(clock_of)
}

/// The waiting event that claims to be the same of the same node.
fn held_with<'a>(order: &'a Order, clock: &Clock) -> Option<&'a HeldEvent> {
    let is_same = |held: &&HeldEvent| {
        let other = clock_of(held);
        other.is_some_and(|other| (other.count(), other.node()) == (clock.count(), clock.node()))
    };
    order.held.values().find(is_same)
}

/// What a clock cannot be, behind what was released.
fn impossible(seen: &Seen, clock: &Clock) -> Option<InvalidReason> {
    if seen.shrinks(clock) {
        return Some(InvalidReason::ShrinkingClock);
    }
    (seen.nodes_with(clock) > limits::CLOCK_NODES).then_some(InvalidReason::TooManyNodes)
}

/// Whether one of its counters lies further ahead than `span` of all that is known of its node, once that has begun (DESIGN
/// K4).
fn is_beyond(span: u64, order: &Order, clock: &Clock) -> bool {
    let seen = seen(order);
    clock.counters().iter().filter(|counter| seen.has_begun(&counter.node)).any(|counter| {
        let is_beyond = |known: u64| counter.count > known.saturating_add(span);
        is_beyond(seen.count(&counter.node))
            && clocks(order).all(|held| is_beyond(held.of(&counter.node)))
    })
}

/// What becomes of an event that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is released.
    Release(Kind),
    /// It turned out to be impossible.
    Invalid(InvalidReason),
}

/// The first event behind a place among those that wait which need not wait any more.
#[must_use]
pub fn next_turn<'a>(order: &'a Order, behind: Option<&HeldAt>) -> Option<(&'a HeldAt, Turn)> {
    let seen = seen(order);
    let begin = behind.map_or(Bound::Unbounded, Bound::Excluded);
    order.held.range((begin, Bound::Unbounded)).find_map(|(at, held)| {
        let clock = clock_of(held)?;
        let (count, passed) = (clock.count(), seen.count(clock.node()));
        if count > passed.saturating_add(1) {
            return None;
        }
        let turn = if count <= passed {
            // Only a clock that is not true can be passed while it waits.
            Turn::Release(Kind::Late)
        } else if let Some(reason) = impossible(seen, clock) {
            Turn::Invalid(reason)
        } else if seen.is_ready(clock) {
            Turn::Release(Kind::Event)
        } else {
            return None;
        };
        Some((at, turn))
    })
}

/// What becomes of an event that goes although what it knows did not come.
#[must_use]
pub fn turn_in_vain(order: &Order, position: &Position) -> Turn {
    let reason = match position {
        Position::Clock(clock) => impossible(seen(order), clock),
        _ => None,
    };
    reason.map_or(Turn::Release(Kind::Event), Turn::Invalid)
}

/// Whether something that waits lacks events of a node that has begun: a gap, and not only where nodes begin.
#[must_use]
pub fn lacks_any(order: &Order) -> bool {
    clocks(order).any(|clock| !seen(order).lacks(clock).is_empty())
}

/// Whether this is the first event of its node, or of its key where positions are numbers.
#[must_use]
pub fn begins(order: &Order, position: &Position) -> bool {
    match position {
        Position::Clock(clock) => !seen(order).has_begun(clock.node()),
        _ => order.next.is_none(),
    }
}

/// The waiting event that goes when waiting ends in vain: of the one that waited longest and what it knows, the first.
#[must_use]
pub fn first_to_go(order: &Order) -> Option<&HeldEvent> {
    let longest = order.held.iter().min_by_key(|(at, held)| (held.deadline, *at))?.1;
    let knows = |held: &&HeldEvent| {
        let both = clock_of(held).zip(clock_of(longest));
        held.event == longest.event || both.is_some_and(|(held, other)| held.is_known_to(other))
    };
    order.held.values().find(knows)
}

/// The waiting events that are impossible now that a node has begun, in ascending order (DESIGN K4).
#[must_use]
pub fn clock_poison(span: u64, order: &Order) -> Vec<HeldAt> {
    let seen = seen(order);
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut poison = Vec::new();
    for (at, held) in &order.held {
        let Some(clock) = clock_of(held) else { continue };
        let of = |node: &str| highest.get(node).copied().unwrap_or_default().max(seen.count(node));
        let mut counters = clock.counters().iter().filter(|one| seen.has_begun(&one.node));
        if counters.any(|counter| counter.count > of(&counter.node).saturating_add(span)) {
            poison.push(at.clone());
            continue;
        }
        for counter in clock.counters() {
            let known = highest.entry(&counter.node).or_default();
            *known = counter.count.max(*known);
        }
    }
    poison
}

/// What an event's clock knows and is given up by its release, of nodes that have begun.
#[must_use]
pub fn causes(order: &Order, position: &Position, kind: Kind) -> Vec<Causes> {
    match position {
        Position::Clock(clock) if kind == Kind::Event => seen(order).lacks(clock),
        _ => Vec::new(),
    }
}

/// Whether an event is concurrent with one that was released before it. Of one that is late nothing is said.
#[must_use]
pub fn is_concurrent(order: &Order, position: &Position, kind: Kind) -> bool {
    match position {
        Position::Clock(clock) => kind == Kind::Event && seen(order).has_concurrent(clock),
        _ => false,
    }
}

/// The event was released.
pub fn take_clock(order: &mut Order, clock: &Clock, kind: Kind) {
    let mut seen = match core::mem::take(&mut order.reached) {
        Reached::Clock(seen) => seen,
        _ => Seen::default(),
    };
    match kind {
        Kind::Event => seen.pass(clock),
        Kind::Late => seen.came_late(clock),
        // Nothing of this contract is undone.
        Kind::Compensation => {}
    }
    order.reached = Reached::Clock(seen);
}

/// What the events that wait know and did not come, by node.
#[must_use]
pub fn missing_causes(order: &Order) -> BTreeMap<Arc<str>, Ranges> {
    let mut missing: BTreeMap<Arc<str>, Ranges> = BTreeMap::new();
    for clock in clocks(order) {
        for Causes { node, range } in seen(order).missing(clock) {
            missing.entry(node).or_default().insert(range);
        }
    }
    for clock in clocks(order) {
        if let Some(ranges) = missing.get_mut(clock.node()) {
            ranges.remove(clock.count());
        }
    }
    missing.retain(|_, ranges| !ranges.is_empty());
    missing
}
