//! Sources of contract `latest`: versions that jump, instants around the machine's clock.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::plan::PlannedSource;
use sprag_core::position::Position;
use sprag_core::settings::Contract;

use crate::causal::{self, Nodes};
use crate::dice::Dice;
use crate::links::{self, Branch};
use crate::merge::{self, Versions};
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::setting::HOLD_SPAN;
use crate::states::{self, Says, Walk};
use crate::world::CLOCK;

/// How far ahead of its receipt an instant may be.
pub(crate) const MAX_AHEAD: Duration = Duration::from_secs(20);
/// Further ahead than any step of the clock, in seconds.
const FAR_AHEAD: u64 = 30_000;
/// Nanoseconds in a microsecond.
const NANOSECONDS: u64 = 1_000;

/// What a source counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Versions,
    Instants,
    /// Not one number, but one of each field.
    Fields,
    /// … or one of each node.
    Clocks,
    /// States, and perhaps how new they are.
    States(Says),
    /// Links from one hash to the next.
    Links,
}

/// How far a provider's telling of one resource has come.
#[derive(Debug)]
pub(crate) struct Newest {
    counted: Counted,
    /// The position told last: a version, or microseconds of virtual time.
    last: u64,
    /// Instants are told in steps of this: a second, or less.
    step: Instant,
    fields: Versions,
    nodes: Nodes,
    states: Walk,
    branch: Branch,
}

/// Adds sources in half of all worlds.
pub(crate) fn draw_sources(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Vec<(Arc<str>, Counted)> {
    let Some(like) = sources.first().cloned().filter(|_| dice.chance(500)) else {
        return Vec::new();
    };
    let newest = if dice.chance(500) { Counted::Versions } else { Counted::Instants };
    let kinds = [
        ("version", Counted::Versions, false),
        ("instant", Counted::Instants, false),
        ("newest", newest, true),
    ];
    let chosen = kinds.into_iter().filter(|_| dice.chance(600));
    let mut latest = Vec::new();
    for (name, counted, coalesce) in chosen {
        let mut source = like.clone();
        source.settings.name = name.into();
        source.settings.contract = Contract::Latest { coalesce };
        source.identity = format!("{counted:?} {:?}", source.settings.contract).into();
        latest.push((source.settings.name.clone(), counted));
        sources.push(source);
    }
    latest
}

impl Counted {
    /// Begins to tell of a resource, or goes on at `base`.
    pub(crate) fn begin(self, dice: &mut Dice, base: u64, at: Instant) -> Newest {
        let last = match (self, base) {
            (Self::Versions, 0) => dice.between(0, 3_000),
            (Self::Versions, base) => base,
            (Self::Instants | Self::Fields | Self::Clocks | Self::States(_) | Self::Links, _) => at,
        };
        let fields = if self == Self::Fields { Versions::begin(dice) } else { Versions::default() };
        let nodes = if self == Self::Clocks { Nodes::begin(dice) } else { Nodes::default() };
        let states = match self {
            Self::States(says) => Walk::begin(dice, says),
            _ => Walk::default(),
        };
        let branch = if self == Self::Links { Branch::begin(dice) } else { Branch::default() };
        let step = dice.pick(&[MILLISECOND, 100 * MILLISECOND, 4 * SECOND]);
        Newest { counted: self, last, step, fields, nodes, states, branch }
    }
}

impl Newest {
    /// The position of what happens at `at`.
    pub(crate) fn next(&mut self, dice: &mut Dice, at: Instant) -> Position {
        match self.counted {
            Counted::Versions => {
                self.last += dice.pick(&[1, 1, 1, 2, 5, 20]);
                Position::Version(self.last)
            }
            Counted::Fields => self.fields.next(dice, at),
            Counted::Clocks => self.nodes.next(dice),
            Counted::States(_) => self.states.next(dice, at),
            Counted::Links => self.branch.next(dice),
            Counted::Instants => {
                if !dice.chance(250) {
                    self.last = self.last.max(at - at % self.step);
                }
                Position::Timestamp((CLOCK + self.last) * NANOSECONDS)
            }
        }
    }
}

/// A position that cannot be, or that spoils its key when nothing is known of it yet.
pub(crate) fn poison(dice: &mut Dice, position: Position) -> Position {
    let highest = [u64::MAX / 2 + 1, u64::MAX];
    match position {
        Position::Timestamp(at) => {
            let seconds = dice.between(FAR_AHEAD, 1_000 * FAR_AHEAD);
            let far = at + seconds * SECOND * NANOSECONDS;
            Position::Timestamp(dice.pick(&[far, far, far, highest[0], highest[1]]))
        }
        Position::Version(version) => {
            let far = version + dice.between(HOLD_SPAN + 50, 100_000);
            Position::Version(dice.pick(&[far, far, far, highest[0], highest[1]]))
        }
        Position::Fields(_) => merge::poison(dice),
        Position::Clock(clock) => causal::poison(dice, &clock),
        Position::State { .. } => states::poison(dice),
        Position::Link(link) => links::poison(dice, &link),
        position => position,
    }
}
