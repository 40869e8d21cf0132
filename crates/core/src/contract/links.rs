//! `fifo` by hash links: each event says from where to where it leads, and is released when its key stands where it
//! begins.
//!
//! What waits is found by where it begins. When waiting ends, the first of the chain that waited longest goes over what
//! never came, and says so; what still comes of that is late. Decision 041.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::fifo::{hold_if_room, same_position};
use super::{Evidence, Judgement};
use crate::fact::{HoldReason, Kind};
use crate::held::{HeldAt, HeldEvent};
use crate::id::{Hash, Place};
use crate::limits;
use crate::links::{self, Link, Tip};
use crate::position::Position;
use crate::record::{Order, Reached};
use crate::settings::SourceSettings;

/// Judges an event that is no repeat by its id.
pub(super) fn judge(
    source: &SourceSettings,
    key_backlog: usize,
    order: &Order,
    evidence: &Evidence<'_>,
) -> Judgement {
    let Position::Link(link) = evidence.position else {
        return Judgement::Release(Kind::Event);
    };
    let tip = tip(order);
    if follows(tip, link) {
        return Judgement::Release(Kind::Event);
    }
    if let Some((event, digest)) = known(order, link, evidence.digest) {
        return same_position(event, digest, evidence);
    }
    if tip.is_some_and(|tip| tip.gave_up(link)) {
        return Judgement::Release(Kind::Late);
    }
    let reason = if tip.is_some() { HoldReason::Gap } else { HoldReason::Start };
    hold_if_room(source, key_backlog.min(limits::LINKS_HELD), order, reason)
}

/// Where the links of a key have come to; none before the first.
#[must_use]
pub fn tip(order: &Order) -> Option<&Tip> {
    match &order.reached {
        Reached::Link(tip) => Some(tip),
        _ => None,
    }
}

/// Whether an event of this link is next.
fn follows(tip: Option<&Tip>, link: &Link) -> bool {
    match tip {
        Some(tip) => *tip.at() == link.before,
        None => link.begins(),
    }
}

/// The event that tells this link with this body: the newest released, or one that waits. Of older ones a link says
/// nothing, for hashes come back.
fn known(order: &Order, link: &Link, digest: Hash) -> Option<(Place, Hash)> {
    let newest = tip(order).filter(|tip| tip.link.leads_as(link) && tip.digest == digest);
    if let Some(tip) = newest {
        return Some((tip.event, digest));
    }
    let mut waiting = beginning_at(order, &link.before);
    let same =
        waiting.find(|(_, held, other)| other.leads_as(link) && held.essence.digest == digest);
    same.map(|(_, held, _)| (held.event, digest))
}

/// What waits, with its link.
type Waiting<'a> = (&'a HeldAt, &'a HeldEvent, &'a Link);

fn linked<'a>((at, held): (&'a HeldAt, &'a HeldEvent)) -> Option<Waiting<'a>> {
    match &held.essence.position {
        Position::Link(link) => Some((at, held, link)),
        _ => None,
    }
}

/// The events that wait for their key to stand here, in the order of arrival.
fn beginning_at<'a>(order: &'a Order, hash: &'a Arc<str>) -> impl Iterator<Item = Waiting<'a>> {
    let waiting = order.held.range(HeldAt::linked(hash, Place::default())..);
    waiting.map_while(linked).take_while(move |(_, _, link)| link.before == *hash)
}

/// The waiting event that is next, or late by now.
#[must_use]
pub fn next_link(order: &Order) -> Option<(&HeldEvent, Kind)> {
    let tip = tip(order)?;
    let next: Vec<Waiting<'_>> = beginning_at(order, tip.at()).collect();
    if let Some(next) = of_several(order, tip.at(), &next) {
        return Some((next, Kind::Event));
    }
    if tip.breaks.is_empty() {
        return None;
    }
    let late = order.held.iter().filter_map(linked).filter(|(_, _, link)| tip.gave_up(link));
    late.map(|(_, held, _)| held).min_by_key(|held| held.event).map(|held| (held, Kind::Late))
}

/// Of several that begin where a key stands, the first from which others that wait lead back there: were another taken
/// before it, it would be left behind. Where none leads back, the first that came.
fn of_several<'a>(order: &'a Order, hash: &Arc<str>, all: &[Waiting<'a>]) -> Option<&'a HeldEvent> {
    let (_, first, _) = all.first()?;
    if all.len() == 1 {
        return Some(*first);
    }
    let mut in_vain = BTreeSet::new();
    let back = all.iter().find(|(_, _, link)| leads_to(order, &link.after, hash, &mut in_vain));
    Some(back.map_or(*first, |(_, held, _)| *held))
}

/// Whether what waits leads from one hash to another. What was looked at in vain is not looked at again.
fn leads_to<'a>(
    order: &'a Order,
    from: &'a Arc<str>,
    to: &Arc<str>,
    in_vain: &mut BTreeSet<&'a Arc<str>>,
) -> bool {
    let mut ahead = Vec::from([from]);
    while let Some(hash) = ahead.pop() {
        if hash == to {
            return true;
        }
        if in_vain.insert(hash) {
            ahead.extend(beginning_at(order, hash).map(|(_, _, link)| &link.after));
        }
    }
    false
}

/// What becomes of the waiting event that goes when waiting ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// It is released over what never came.
    Goes,
    /// It tells what the newest event told, with another body: this one (DESIGN K5).
    Contradicts(Place, Hash),
}

/// The waiting event that goes when waiting ends: of the chain of the one that waited longest the first.
#[must_use]
pub fn first_of_chain(order: &Order) -> Option<(&HeldEvent, Unlinked)> {
    let mut into: BTreeMap<&str, Waiting<'_>> = BTreeMap::new();
    for waiting in order.held.iter().filter_map(linked) {
        let first = into.entry(&waiting.2.after).or_insert(waiting);
        if waiting.1.event < first.1.event {
            *first = waiting;
        }
    }
    let longest = order.held.iter().filter_map(linked);
    let longest = longest.min_by_key(|(_, held, _)| (held.deadline, held.event))?;
    let mut first = longest;
    for _ in 0..order.held.len() {
        match into.get(&*first.2.before) {
            Some(before) => first = *before,
            None => return Some((first.1, becomes(order, first))),
        }
    }
    let earliest = earliest_around(&into, first);
    Some((earliest.1, becomes(order, earliest)))
}

/// What leads back to itself has no first: of all on the way around, the one that came first.
fn earliest_around<'a>(into: &BTreeMap<&str, Waiting<'a>>, on_it: Waiting<'a>) -> Waiting<'a> {
    let mut earliest = on_it;
    let mut at = on_it;
    while let Some(before) =
        into.get(&*at.2.before).filter(|before| before.1.event != on_it.1.event)
    {
        at = *before;
        if at.1.event < earliest.1.event {
            earliest = at;
        }
    }
    earliest
}

fn becomes(order: &Order, (_, held, link): Waiting<'_>) -> Unlinked {
    match tip(order).filter(|tip| tip.link.leads_as(link)) {
        Some(tip) if tip.digest != held.essence.digest => {
            Unlinked::Contradicts(tip.event, tip.digest)
        }
        _ => Unlinked::Goes,
    }
}

/// Where a key stands when an event goes over what never came; none where it follows, is late, or begins its key.
#[must_use]
pub fn broken_from(order: &Order, position: &Position, kind: Kind) -> Option<Arc<str>> {
    let Position::Link(link) = position else { return None };
    let at = tip(order).filter(|_| kind == Kind::Event)?.at();
    (*at != link.before).then(|| at.clone())
}

/// The event was released.
pub fn take_link(order: &mut Order, link: &Link, kind: Kind, event: (Place, Hash)) {
    let tip = match core::mem::take(&mut order.reached) {
        Reached::Link(tip) => Some(*tip),
        _ => None,
    };
    if let Some(tip) = links::advance(tip, link, kind, event) {
        order.reached = Reached::Link(alloc::boxed::Box::new(tip));
    }
}
