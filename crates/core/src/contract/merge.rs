//! `merge`: each field of an event has a version of its own. An event that brings anything newer is released and
//! says which of its fields are; one that does not is stale.
//!
//! Nothing waits, so whatever the order of arrival, a consumer that takes only what is fresh ends with the newest
//! value of every field. Equal versions of one field: what came first stays. Decision 033.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Evidence, Judgement};
use crate::fact::{InvalidReason, Kind};
use crate::fields::{At, Field, Fields, KnownField};
use crate::id::Place;
use crate::limits;
use crate::position::Position;
use crate::record::{Order, Reached};
use crate::settings::SourceSettings;
use crate::time::{UnixMicros, micros};

/// Judges an event that is no repeat by its id.
pub(super) fn judge(source: &SourceSettings, order: &Order, evidence: &Evidence<'_>) -> Judgement {
    let Position::Fields(fields) = evidence.position else {
        return Judgement::Release(Kind::Event);
    };
    if let Some(reason) = impossible(source, order, fields, evidence.recorded) {
        return Judgement::Invalid(reason);
    }
    match fresh(order, evidence.position).is_empty() {
        true => Judgement::Stale,
        false => Judgement::Release(Kind::Event),
    }
}

fn impossible(
    source: &SourceSettings,
    order: &Order,
    fields: &Fields,
    UnixMicros(recorded): UnixMicros,
) -> Option<InvalidReason> {
    let latest = recorded.saturating_add(micros(source.max_ahead));
    for field in fields.as_slice() {
        let (At::Version(number) | At::Instant(number)) = field.at;
        if number > limits::POSITION_MAX {
            return Some(InvalidReason::BeyondSpan);
        }
        if field.at > At::Instant(latest.saturating_mul(1_000)) {
            return Some(InvalidReason::AheadOfTime);
        }
    }
    let known = known(order);
    let new = fields.as_slice().iter().filter(|field| find(known, &field.name).is_err()).count();
    (known.len() + new > limits::FIELDS).then_some(InvalidReason::TooManyFields)
}

/// The names of the fields of an event that are newer than all before, ascending.
#[must_use]
pub fn fresh(order: &Order, position: &Position) -> Vec<Arc<str>> {
    let Position::Fields(fields) = position else { return Vec::new() };
    let known = known(order);
    let is_fresh = |field: &&Field| match find(known, &field.name) {
        Ok(at) => known[at].at < field.at,
        Err(_) => true,
    };
    fields.as_slice().iter().filter(is_fresh).map(|field| field.name.clone()).collect()
}

/// The event was released: of these fields its versions are the newest.
pub fn take_in(order: &mut Order, fields: &Fields, fresh: &[Arc<str>], event: Place) {
    let mut all = match core::mem::take(&mut order.reached) {
        Reached::Fields(known) => known,
        _ => Vec::new(),
    };
    for field in fields.as_slice().iter().filter(|field| fresh.contains(&field.name)) {
        let known = KnownField { name: field.name.clone(), at: field.at, event };
        match find(&all, &field.name) {
            Ok(at) => all[at] = known,
            Err(at) => all.insert(at, known),
        }
    }
    order.reached = Reached::Fields(all);
}

fn known(order: &Order) -> &[KnownField] {
    match &order.reached {
        Reached::Fields(known) => known,
        _ => &[],
    }
}

fn find(known: &[KnownField], name: &str) -> Result<usize, usize> {
    known.binary_search_by(|field| (*field.name).cmp(name))
}
