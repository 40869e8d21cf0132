//! Sources of contract `states`: resources that go through the states of an order, sometimes astray.

use std::sync::Arc;

use sprag_core::fields::At;
use sprag_core::plan::PlannedSource;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap};
use sprag_core::states::StateTable;

use crate::dice::Dice;
use crate::latest::Counted;
use crate::schedule::{Instant, SECOND};
use crate::world::CLOCK;

/// The states a resource may begin with.
pub(crate) const INITIAL: &[&str] = &["new", "imported"];

/// By state, those that may follow it. Two are terminal, one leads back, and to one nothing leads.
pub(crate) const ALLOW: &[(&str, &[&str])] = &[
    ("new", &["paid", "off"]),
    ("imported", &["paid"]),
    ("paid", &["packed", "off"]),
    ("packed", &["packed", "sent", "off"]),
    ("sent", &["back", "done"]),
    ("back", &["sent", "paid"]),
    ("done", &[]),
    ("off", &[]),
    ("legacy", &["paid"]),
];

/// What a resource tells of itself.
#[derive(Debug)]
pub(crate) struct Walk {
    state: &'static str,
    says: Says,
    begins: bool,
}

/// How a source says how new a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Nothing,
    Version,
    Instant,
}

impl Default for Walk {
    fn default() -> Self {
        Self { state: "new", says: Says::Nothing, begins: true }
    }
}

/// Adds one in a third of all worlds.
pub(crate) fn draw_source(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Option<(Arc<str>, Counted)> {
    let mut source = sources.first().cloned().filter(|_| dice.chance(350))?;
    source.settings.name = "states".into();
    source.settings.contract = Contract::States;
    source.settings.on_gap = dice.pick(&[OnGap::Skip, OnGap::Skip, OnGap::Halt]);
    source.settings.states = Arc::new(table());
    source.identity = format!("{:?}", source.settings.contract).into();
    let name = source.settings.name.clone();
    sources.push(source);
    let says = dice.pick(&[Says::Nothing, Says::Version, Says::Version, Says::Instant]);
    Some((name, Counted::States(says)))
}

pub(crate) fn table() -> StateTable {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
    let allow: Vec<_> = ALLOW.iter().map(|(from, to)| (Arc::from(*from), names(to))).collect();
    StateTable::new(&names(INITIAL), &allow).expect("a few states")
}

impl Walk {
    /// Of a resource that is told of for the first time, or was there before Sprag.
    pub(crate) fn begin(dice: &mut Dice, says: Says) -> Self {
        let state = if dice.chance(700) { dice.pick(INITIAL) } else { any(dice) };
        Self { state, says, begins: true }
    }

    /// Mostly a step that is allowed; seldom one that is not.
    pub(crate) fn next(&mut self, dice: &mut Dice, now: Instant) -> Position {
        let allowed = ALLOW.iter().find(|(state, _)| *state == self.state).map_or(&[][..], |a| a.1);
        let goes_on =
            |state: &&&str| ALLOW.iter().any(|(from, to)| from == *state && !to.is_empty());
        let rather: Vec<&str> = allowed.iter().filter(goes_on).copied().collect();
        self.state = match (std::mem::take(&mut self.begins), allowed, rather.as_slice()) {
            (true, ..) => self.state,
            _ if dice.chance(30) => any(dice),
            // Behind a terminal state it says the same again, or what cannot be.
            (_, [], _) if dice.chance(700) => self.state,
            (_, [], _) => any(dice),
            (_, _, []) => dice.pick(allowed),
            (_, _, rather) if dice.chance(930) => dice.pick(rather),
            _ => dice.pick(allowed),
        };
        let at = match self.says {
            Says::Nothing => None,
            Says::Version => Some(At::Version(now)),
            // Of one second there are several.
            Says::Instant => Some(At::Instant((CLOCK + now - now % SECOND) * 1_000)),
        };
        Position::State { state: self.state.into(), at }
    }
}

fn any(dice: &mut Dice) -> &'static str {
    ALLOW[dice.index(ALLOW.len())].0
}

/// A state of no table, or one whose version or time cannot be.
pub(crate) fn poison(dice: &mut Dice) -> Position {
    let state: Arc<str> = any(dice).into();
    let far = (CLOCK + 100_000 * SECOND) * 1_000;
    match dice.below(3) {
        0 => Position::State { state: "elsewhere".into(), at: None },
        1 => Position::State { state, at: Some(At::Version(u64::MAX / 2 + 1)) },
        _ => Position::State { state, at: Some(At::Instant(far)) },
    }
}
