//! Requests that a gateway refuses: wrong signatures and worse, one by one and in floods
//! (DESIGN D7).

use std::sync::Arc;

use sprag_core::id::{Hash, SourceId};
use sprag_log::digest::sha256;

use crate::dice::Dice;
use crate::happening::Happening;
use crate::judge::refusals::Made;
use crate::schedule::{MILLISECOND, SECOND};
use crate::world::{Phase, World};

/// A source nobody configured.
const NOWHERE: SourceId = SourceId(9_999);
/// Codes of the problems that a gateway answers with.
const CODES: [&str; 3] = ["signature-mismatch", "too-large", "malformed-timestamp"];

/// Who sends what is refused.
#[derive(Debug)]
pub(crate) struct Refuser {
    dice: Dice,
    /// How many come at once.
    most: u64,
}

impl Refuser {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let most = dice.pick(&[0, 2, 15, 60]);
        Self { dice, most }
    }

    /// Whether anything is refused in this world.
    pub(crate) fn is_active(&self) -> bool {
        self.most > 0
    }

    fn source(&mut self, known: &[SourceId]) -> SourceId {
        if self.dice.chance(30) { NOWHERE } else { self.dice.pick(known) }
    }
}

impl World {
    /// Some requests are refused, and later others.
    pub(crate) fn refuse(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        let known: Vec<_> = self.watching.policies.sources.keys().copied().collect();
        let count = self.refuser.dice.between(1, self.refuser.most);
        for _ in 0..if known.is_empty() { 0 } else { count } {
            let source = self.refuser.source(&known);
            self.refuse_one(source);
        }
        self.turn();
        let at = self.now + self.refuser.dice.between(20 * MILLISECOND, 3 * SECOND);
        self.schedule.plan(at, Happening::Refuse);
    }

    fn refuse_one(&mut self, source: SourceId) {
        let (now, life) = (self.clock(), self.life);
        let takes =
            |process: &&mut crate::world::Process| process.is_named && process.stopping.is_none();
        let Some(process) = self.process.as_mut().filter(takes) else { return };
        let dice = &mut self.refuser.dice;
        let code: Arc<str> = dice.pick(&CODES).into();
        let digest: Option<Hash> = dice.chance(700).then(|| sha256(&[&dice.draw().to_be_bytes()]));
        let made = Made { at: self.now, life, source, code: code.clone(), digest };
        let peer = self.watching.refusals.made(made);
        self.counts.hit("provider", "refused");
        self.trace.note(self.now, '-', &[u64::from(source.0)], || format!("{peer} is refused"));
        process.node.refuse(now, source, code, peer, digest);
    }
}
