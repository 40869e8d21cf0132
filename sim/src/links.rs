//! Sources of contract `fifo` by hash links: branches that are pushed to, set back, deleted and made again.

use std::sync::Arc;

use sprag_core::links::Link;
use sprag_core::plan::PlannedSource;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap};

use crate::dice::Dice;
use crate::latest::Counted;

/// What was before a branch was made, and is after it was deleted.
pub(crate) const NOTHING: &str = "0000000000";

/// What a branch was and is, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    stood: Vec<Arc<str>>,
}

/// Adds one in a third of all worlds.
pub(crate) fn draw_source(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Option<(Arc<str>, Counted)> {
    let mut source = sources.first().cloned().filter(|_| dice.chance(350))?;
    source.settings.name = "pushes".into();
    source.settings.contract = Contract::Link;
    source.settings.on_gap = dice.pick(&[OnGap::Skip, OnGap::Skip, OnGap::Halt]);
    source.identity = format!("{:?}", source.settings.contract).into();
    let name = source.settings.name.clone();
    sources.push(source);
    Some((name, Counted::Links))
}

fn new_hash(dice: &mut Dice) -> Arc<str> {
    format!("{:010x}", 1 + dice.below(u64::MAX >> 25)).into()
}

impl Branch {
    /// One that is made, or was there before Sprag.
    pub(crate) fn begin(dice: &mut Dice) -> Self {
        let first = if dice.chance(600) { NOTHING.into() } else { new_hash(dice) };
        Self { stood: vec![first] }
    }

    /// Mostly a commit on top; now and then it is set back to what it was, to something else, or deleted.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> Position {
        let before = self.stood.last().cloned().unwrap_or_else(|| NOTHING.into());
        let is_there = *before != *NOTHING;
        let (after, forced) = match dice.below(1_000) {
            0..120 if is_there && self.stood.len() > 1 => {
                let back = self.stood[dice.index(self.stood.len() - 1)].clone();
                let forced = *back != *NOTHING;
                (back, forced)
            }
            120..180 if is_there => (NOTHING.into(), false),
            180..240 => (new_hash(dice), is_there),
            _ => (new_hash(dice), false),
        };
        self.stood.push(after.clone());
        Position::Link(Link { before, after, forced })
    }
}

/// A step that joins nothing, one of the others the wrong way round, one that leads elsewhere, or the same once more with
/// another body.
pub(crate) fn poison(dice: &mut Dice, of: &Link) -> Position {
    let (before, after) = match dice.below(5) {
        0 => (new_hash(dice), new_hash(dice)),
        1 => (of.after.clone(), of.before.clone()),
        2 => (of.before.clone(), new_hash(dice)),
        _ => (of.before.clone(), of.after.clone()),
    };
    Position::Link(Link { before, after, forced: false })
}
