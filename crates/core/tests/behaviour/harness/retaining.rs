//! Retention as the driver carries it: a page of history is looked at, and what was said anew of it
//! lets it go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::fact::{Consequence, DeadLetter, Fact};
use sprag_core::id::{FrameNumber, Key, Sequence};
use sprag_core::partition::{Frame, Known, Page};
use sprag_core::retention::Looked;
use sprag_core::time::{UnixMicros, micros};

use super::store::{FrameLog, StateStore};
use super::world::{Node, World};

/// What was looked at, until it is acted upon.
#[derive(Debug)]
pub(crate) struct Retaining {
    through: FrameNumber,
    deletes: bool,
    looked: Looked,
}

impl World {
    /// A partition looks at its history up to a frame; what is dead of it goes once what that rests on is
    /// durable, unless it becomes void before.
    pub(crate) fn retain(
        &mut self,
        at: usize,
        through: FrameNumber,
        age: Duration,
        deletes: bool,
    ) -> Option<Looked> {
        // What it says anew stands behind what there is now.
        let through = through.min(FrameNumber(self.nodes[at].log.frames.len() as u64));
        let looked = self.look(at, through, age, deletes)?;
        let retaining = Retaining { through, deletes, looked: looked.clone() };
        self.nodes[at].retaining = Some(retaining);
        self.act(at);
        Some(looked)
    }

    /// What is dead goes, if what that rests on is durable. Nothing may wait for it then.
    pub(crate) fn act(&mut self, at: usize) {
        let Node { partition, log, retaining, .. } = &mut self.nodes[at];
        let rests = |it: &mut Retaining| it.looked.rests_on <= partition.committed();
        let Some(Retaining { through, deletes, looked }) = retaining.take_if(rests) else { return };
        for (frame, body, _) in &looked.dead {
            let event = self.judge.event_of(log.partition, *frame, *body);
            assert!(!self.judge.is_waited_for(event), "{event} goes and is waited for");
        }
        if deletes && !looked.is_pinned && !looked.is_incomplete {
            log.trimmed = through;
            log.deleted = log.deleted.max(through);
        }
    }

    /// A partition looks at its history up to this frame. Bodies and dead letters of within `age` are
    /// live; keys are said anew where it `deletes`. None while it cannot decide.
    pub(crate) fn look(
        &mut self,
        at: usize,
        through: FrameNumber,
        age: Duration,
        deletes: bool,
    ) -> Option<Looked> {
        let now = self.now;
        let Node { partition, log, state, .. } = &mut self.nodes[at];
        let kept = log.frames.iter();
        let kept = kept.filter(|draft| draft.number > log.trimmed && draft.number <= through);
        let frames: Vec<_> = kept
            .map(|draft| Frame {
                number: draft.number,
                recorded: draft.recorded,
                open: draft.open,
                facts: &draft.facts,
            })
            .collect();
        let page = Page {
            frames: &frames,
            known: &known(log, state, &frames),
            tombstones: &state.tombstones,
            expired: UnixMicros(now.clock.0.saturating_sub(micros(age))),
            deletes_through: deletes.then_some(through),
        };
        let looked = partition.look_at(now, &page);
        partition.check_invariants();
        self.drain(at);
        looked
    }
}

/// What the state store has of the keys that frames name.
fn known(log: &FrameLog, state: &StateStore, frames: &[Frame<'_>]) -> BTreeMap<Key, Known> {
    let facts = frames.iter().flat_map(|frame| frame.facts);
    let keys: BTreeSet<&Key> = facts.filter_map(Fact::key).collect();
    let known = keys
        .into_iter()
        .map(|key| (key.clone(), Known { record: state.find(key), letters: letters(log, key) }));
    known.collect()
}

/// The dead letters of a key in its lanes that nobody sent again or dropped, and when they became that.
fn letters(log: &FrameLog, key: &Key) -> Vec<(Sequence, UnixMicros)> {
    let mut letters = BTreeMap::new();
    for (_, frame, fact) in log.facts().filter(|(_, _, fact)| fact.key() == Some(key)) {
        match fact {
            Fact::Attempted(fact) if fact.consequence == Consequence::Dead => {
                letters.insert((fact.destination, fact.sequence), frame.recorded);
            }
            Fact::Redriven(fact) => {
                letters.retain(|(to, sequence), _| {
                    *to != fact.destination || fact.passed.is_some_and(|passed| passed != *sequence)
                });
            }
            Fact::Rewound(fact) => {
                letters.retain(|(to, sequence), _| {
                    *to != fact.destination || !(fact.from..=fact.until).contains(sequence)
                });
            }
            Fact::Dropped(fact) => {
                if let DeadLetter::InLane { destination, sequence } = fact.letter {
                    letters.remove(&(destination, sequence));
                }
            }
            _ => {}
        }
    }
    letters.into_iter().map(|((_, sequence), recorded)| (sequence, recorded)).collect()
}
