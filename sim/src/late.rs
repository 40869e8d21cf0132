//! What sources want done with events that come late: in half of the seeds of some anything but to deliver them, and an
//! operator may change that.

use std::sync::Arc;

use sprag_core::plan::PlannedSource;
use sprag_core::settings::{Contract, OnLate};

use crate::dice::Dice;

/// Draws it for every source under which an event can be late.
pub(crate) fn draw(dice: &mut Dice, sources: &mut [PlannedSource], names: &[Arc<str>]) {
    if dice.chance(500) {
        sources.iter_mut().for_each(|source| draw_one(dice, source, names));
    }
}

/// An operator thinks otherwise about one of them.
pub(crate) fn revise(dice: &mut Dice, sources: &mut [PlannedSource], names: &[Arc<str>]) {
    if !dice.chance(300) || sources.is_empty() {
        return;
    }
    let at = dice.index(sources.len());
    draw_one(dice, &mut sources[at], names);
}

fn draw_one(dice: &mut Dice, source: &mut PlannedSource, names: &[Arc<str>]) {
    if !matches!(
        source.settings.contract,
        Contract::Fifo { .. } | Contract::Settle | Contract::Causal | Contract::Link
    ) {
        return;
    }
    (source.late_to, source.settings.on_late) = match dice.below(4) {
        0 | 1 => (None, OnLate::DeadLetter),
        2 if !names.is_empty() => (Some(names[dice.index(names.len())].clone()), OnLate::Deliver),
        _ => (None, OnLate::Deliver),
    };
}

/// In a third of the seeds, sources want late events in their place, and often; says whether any may.
pub(crate) fn draw_compensation(dice: &mut Dice, sources: &mut [PlannedSource]) -> bool {
    if !dice.chance(333) {
        return false;
    }
    for source in placed(sources) {
        if dice.chance(700) {
            (source.late_to, source.settings.on_late) = (None, OnLate::Compensate);
        }
    }
    true
}

/// An operator begins to want them there, of a source of which something else was wanted until now.
pub(crate) fn revise_compensation(dice: &mut Dice, sources: &mut [PlannedSource]) {
    for source in placed(sources) {
        if dice.chance(250) {
            (source.late_to, source.settings.on_late) = (None, OnLate::Compensate);
        }
    }
}

/// The sources whose late events have a place.
fn placed(sources: &mut [PlannedSource]) -> impl Iterator<Item = &mut PlannedSource> {
    let is_placed = |source: &&mut PlannedSource| {
        matches!(source.settings.contract, Contract::Fifo { .. } | Contract::Settle)
    };
    sources.iter_mut().filter(is_placed)
}
