//! Sources of contract `merge`: events that bring some fields of a resource, each with a version of its own.

use std::sync::Arc;

use sprag_core::fields::{At, Field, Fields};
use sprag_core::plan::PlannedSource;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap};

use crate::dice::Dice;
use crate::latest::Counted;
use crate::schedule::{Instant, SECOND};
use crate::world::CLOCK;

/// The fields of a resource.
const NAMES: [&str; 5] = ["name", "mail", "phone", "plan", "seats"];

/// How far the fields of one resource have come.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    of: [u64; NAMES.len()],
    /// Whether they are times.
    are_times: bool,
}

/// Adds one in a third of all worlds.
pub(crate) fn draw_source(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Option<(Arc<str>, Counted)> {
    let mut source = sources.first().cloned().filter(|_| dice.chance(350))?;
    source.settings.name = "merges".into();
    source.settings.contract = Contract::Merge;
    source.settings.on_gap = OnGap::Skip;
    source.identity = format!("{:?}", source.settings.contract).into();
    let name = source.settings.name.clone();
    sources.push(source);
    Some((name, Counted::Fields))
}

impl Versions {
    /// Of a resource that is told of for the first time, or anew.
    pub(crate) fn begin(dice: &mut Dice) -> Self {
        Self { of: Default::default(), are_times: dice.chance(400) }
    }

    /// Some fields change; others are told as they are.
    pub(crate) fn next(&mut self, dice: &mut Dice, now: Instant) -> Position {
        let first = dice.index(NAMES.len());
        let mut fields = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            let changes = at == first || dice.chance(250);
            if changes {
                self.of[at] = if self.are_times { (CLOCK + now) * 1_000 } else { self.of[at] + 1 };
            }
            if changes || dice.chance(200) {
                let at = self.of[at];
                let at = if self.are_times { At::Instant(at) } else { At::Version(at) };
                fields.push(Field { name: (*name).into(), at });
            }
        }
        Position::Fields(Fields::new(fields).expect("at least one of a few names"))
    }
}

/// Fields that cannot be, or that are more than a resource may have together with those it has.
pub(crate) fn poison(dice: &mut Dice) -> Position {
    let fields = if dice.chance(300) {
        let far = (CLOCK + 100_000 * SECOND) * 1_000;
        vec![Field { name: "name".into(), at: At::Instant(far) }]
    } else if dice.chance(500) {
        vec![Field { name: "name".into(), at: At::Version(u64::MAX / 2 + 1) }]
    } else {
        let other = |number| Field { name: format!("other-{number}").into(), at: At::Version(1) };
        (0..64).map(other).collect()
    };
    Position::Fields(Fields::new(fields).expect("as many as there may be"))
}
