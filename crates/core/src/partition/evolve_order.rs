//! How facts add up to the order of a key: what waits, what is missing, and what its positions came to.
//!
//! Part of `evolve`, with its rules: no configuration, no clock, no randomness.

use super::hot::{Arriving, Hot};
use crate::chain::Fingerprint;
use crate::fact::{
    AbandonReason, Fact, GapAbandoned, Held, HoldReason, Kind, Recognised, Released,
};
use crate::id::Place;
use crate::limits;
use crate::position::Position;
use crate::record::{Essence, HeldAt, HeldEvent, KeyRecord, Order, Reached};
use crate::time::UnixMicros;

/// Counts old positions with new ids in a row (DESIGN K9); a repeat by its id says nothing.
pub(super) fn count_old_positions(hot: &mut Hot, fact: &Fact) {
    let arriving = hot.arriving.as_ref().map(|arriving| &arriving.essence);
    let has_id = arriving.is_some_and(|essence| essence.id.is_some());
    // A held event that comes again, or is contradicted, lies ahead: nothing is counted anew.
    let lies_behind = |position: &Position| {
        if let (Position::Clock(clock), Reached::Clock(seen)) =
            (position, &hot.record.order.reached)
        {
            return seen.is_behind(clock);
        }
        let position = position.number().zip(hot.record.order.next);
        position.is_some_and(|(position, next)| position < next)
    };
    let is_old = match fact {
        Fact::Duplicate(fact) => {
            let is_new = fact.by == Recognised::Position && fact.id.is_some();
            is_new && lies_behind(&fact.position)
        }
        Fact::Stale(_) => has_id,
        Fact::Conflict(_) => {
            let goes_back = |position: &Position| matches!(position, Position::State { .. });
            let is_old =
                |essence: &Essence| lies_behind(&essence.position) || goes_back(&essence.position);
            has_id && arriving.is_some_and(is_old)
        }
        // An instant cannot begin anew, and links count nothing: late events say nothing of how a source counts.
        Fact::Released(Released {
            kind: Kind::Late,
            position: Position::Timestamp(_) | Position::Link(_),
            ..
        }) => return,
        Fact::Released(released) if released.earlier.is_some() => return,
        Fact::Released(released) if released.kind == Kind::Late => has_id,
        Fact::Released(_) | Fact::Held(_) => {
            hot.record.order.old = 0;
            return;
        }
        _ => return,
    };
    if is_old {
        hot.record.order.old = hot.record.order.old.saturating_add(1);
    }
}

/// One more event of the newest instant (DESIGN K3).
pub(super) fn remember_instant(order: &mut Order, identity: Fingerprint) {
    if order.instant.len() >= limits::INSTANT_EVENTS {
        order.instant.remove(0);
    }
    order.instant.push(identity);
}

/// Takes the event out of where it waits: just received, or held.
pub(super) fn take_event(
    hot: &mut Hot,
    event: Place,
    position: &Position,
    recorded: UnixMicros,
) -> Option<Arriving> {
    if hot.arriving.as_ref().is_some_and(|arriving| arriving.event == event) {
        return hot.arriving.take().map(|arriving| *arriving);
    }
    let at = match position {
        Position::Link(link) => HeldAt::linked(&link.before, event),
        _ => at_of(&hot.record.order, event, position.standing())?,
    };
    let HeldEvent { event, reason, essence, .. } = hot.record.order.held.remove(&at)?;
    let rank = match reason {
        HoldReason::Settle { rank } => Some(rank),
        HoldReason::Gap | HoldReason::Start => None,
    };
    Some(Arriving { event, recorded, essence, rank })
}

/// An event waits no more: those that leave together stand before the others, so it is found soon.
pub(super) fn leave(order: &mut Order, event: Place) {
    let at = order.held.iter().find(|(_, held)| held.event == event).map(|(at, _)| at.clone());
    at.map(|at| order.held.remove(&at));
}

/// Where an event of this number waits.
fn at_of(order: &Order, event: Place, number: u64) -> Option<HeldAt> {
    let of_number = order.held.range(HeldAt::numbered(number)..);
    let mut of_number = of_number.take_while(|(at, _)| at.number == number);
    of_number.find(|(_, held)| held.event == event).map(|(at, _)| at.clone())
}

pub(super) fn hold(hot: &mut Hot, held: &Held) {
    let Some(arriving) = hot.arriving.take_if(|arriving| arriving.event == held.event) else {
        return;
    };
    if arriving.essence.position == Position::None {
        return;
    }
    let event = HeldEvent {
        event: held.event,
        reason: held.reason,
        deadline: held.deadline,
        essence: arriving.essence,
    };
    hot.record.order.held.insert(HeldAt::of(&event), event);
}

pub(super) fn abandon(record: &mut KeyRecord, abandoned: &GapAbandoned) {
    let order = &mut record.order;
    order.abandoned.insert(abandoned.missing);
    order.abandoned.merge_oldest(limits::ABANDONED_RANGES);
    if abandoned.reason != AbandonReason::Start {
        order.missing.insert(abandoned.missing);
        order.missing.merge_oldest(limits::HEADER_RANGES);
    }
    order.next = Some(abandoned.missing.to + 1);
    order.gap = None;
}
