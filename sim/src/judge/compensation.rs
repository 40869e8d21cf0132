//! Late events that go to their place (decision 040), by the plainest model there is: a consumer that applies and undoes.
//!
//! What it has applied is a stack. A compensation takes the topmost off, anything else puts itself on it. Behind
//! every frame that put a late event in its place, the stack stands in the order of positions, and all that was undone stands
//! on it again.

use sprag_core::fact::{Kind, Late, Received, Released};
use sprag_core::id::{DestinationId, Hash, Place};
use sprag_core::position::Position;

use super::event_history::{EventHistory, IngressFate};
use super::key_history::KeyHistory;
use super::{Verdict, must};

/// The most that may be undone for a late event.
const MOST: usize = 100;

/// The recorded time of a frame is that of its first fact: what is deleted is judged by a clock that may be this much ahead.
const SLACK: u64 = 3_000_000;

/// For how long things are kept, in microseconds, and what the time is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) bodies: u64,
    pub(crate) facts: u64,
    pub(crate) now: u64,
}

impl Kept {
    fn may_be_gone(self, recorded: u64, age: u64) -> bool {
        recorded.saturating_add(age) <= self.now.saturating_add(SLACK)
    }
}

/// What a consumer of everything has applied of one key.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    standing: Vec<One>,
    /// What the frame undid and has not repeated, newest first.
    undone: Vec<One>,
    /// How many events were undone, ever, and the most for one.
    pub(crate) compensated: u64,
    pub(crate) most: u64,
    /// Compensations that undid what had been undone before.
    pub(crate) of_repeated: u64,
}

#[derive(Debug, Clone)]
struct One {
    sequence: u64,
    position: Position,
    digest: Hash,
    kind: Kind,
    /// When it was received, or its copy was.
    recorded: u64,
    /// Whether its position says where it stands: not of a late event that came at the tail.
    is_placed: bool,
    is_repeated: bool,
}

impl Applied {
    /// Positions of the key begin anew: what came before is never undone.
    pub(crate) fn begin_anew(&mut self) {
        self.standing.clear();
    }

    pub(crate) fn released(&mut self, fact: &Released, event: &EventHistory) -> Verdict {
        let is_placed = fact.kind == Kind::Event || fact.late == Late::InPlace;
        let one = One {
            sequence: fact.sequence.0,
            position: event.position.clone(),
            digest: event.digest,
            kind: fact.kind,
            recorded: event.recorded,
            is_placed,
            is_repeated: fact.earlier.is_some(),
        };
        match (fact.kind, fact.earlier) {
            (Kind::Compensation, Some(earlier)) => self.undo(fact, &one, earlier.0),
            (Kind::Compensation, None) => Err(format!("undoes nothing: {fact:?}")),
            (_, Some(earlier)) => self.repeat(fact, one, earlier.0),
            (_, None) if fact.late == Late::InPlace => self.place(one),
            (_, None) => {
                must(self.undone.is_empty(), || format!("{fact:?} between what is undone"))?;
                if !matches!(fact.late, Late::Dead | Late::Aside) {
                    self.standing.push(one);
                }
                Ok(())
            }
        }
    }

    /// Whether for a late event of this position more is to be undone than may be, or a body of it may be gone; and up to what
    /// history must be read, if it has a place above anything.
    fn place_of(&self, position: &Position, kept: Kept) -> (bool, Option<u64>) {
        let is_above = |one: &&One| !one.is_placed || one.position >= *position;
        let above = self.standing.iter().rev().take_while(is_above);
        let is_gone = above.clone().any(|one| kept.may_be_gone(one.recorded, kept.bodies));
        let count = above.count();
        let below = self.standing.len().checked_sub(count + 1);
        (is_gone || count > MOST, below.map(|at| self.standing[at].recorded))
    }

    fn undo(&mut self, fact: &Released, one: &One, earlier: u64) -> Verdict {
        let Some(top) = self.standing.pop() else { return Err(format!("{fact:?} of nothing")) };
        must(top.sequence == earlier && top.is_same(one), || {
            format!("{fact:?}, on top stands {top:?}")
        })?;
        self.compensated += 1;
        self.of_repeated += u64::from(top.is_repeated);
        self.undone.push(top);
        must(self.undone.len() <= MOST, || format!("too much is undone: {fact:?}"))?;
        self.most = self.most.max(self.undone.len() as u64);
        Ok(())
    }

    /// What stands is before it, and what was undone behind it.
    fn place(&mut self, one: One) -> Verdict {
        let counts = |other: &&One| other.is_placed;
        let mut before = self.standing.iter().filter(counts);
        let mut behind = self.undone.iter().filter(counts);
        let is_in_place = before.all(|other| other.position <= one.position)
            && behind.all(|other| one.position <= other.position);
        must(is_in_place, || format!("{one:?} between {:?} and {:?}", self.standing, self.undone))?;
        // Nothing is undone for nothing: the last of it sorts behind.
        must(self.undone.last().is_none_or(|last| last.is_placed), || {
            format!("{one:?}: {:?} need not be undone", self.undone)
        })?;
        self.standing.push(one);
        Ok(())
    }

    fn repeat(&mut self, fact: &Released, one: One, earlier: u64) -> Verdict {
        let Some(next) = self.undone.pop() else { return Err(format!("{fact:?} for nothing")) };
        must(next.sequence == earlier && next.is_same(&one) && next.kind == one.kind, || {
            format!("{fact:?}, {next:?} is due")
        })?;
        self.standing.push(one);
        Ok(())
    }

    /// All that was undone is repeated.
    pub(crate) fn frame_ends(&self) -> Verdict {
        must(self.undone.is_empty(), || format!("undone and not repeated: {:?}", self.undone))
    }
}

impl One {
    fn is_same(&self, other: &Self) -> bool {
        (&self.position, self.digest) == (&other.position, other.digest)
    }
}

impl KeyHistory {
    /// An event of history is kept once more, because it is undone or repeated: it is no other.
    pub(crate) fn received_again(
        &mut self,
        place: Place,
        fact: &Received,
        recorded: u64,
    ) -> Verdict {
        let is_it = |event: &&EventHistory| {
            (&event.id, &event.position, event.digest) == (&fact.id, &fact.position, fact.digest)
                && matches!(event.fate, IngressFate::Released(..))
        };
        let Some(event) = self.events.values().find(is_it).cloned() else {
            return Err(format!("{place} is called known and was never released"));
        };
        self.events.insert(place, EventHistory { fate: IngressFate::Open, recorded, ..event });
        Ok(())
    }

    /// Whether a late event may be a dead letter although its source wants it in its place: what is to be undone is too
    /// much, or some of what must be read of history may be gone.
    pub(crate) fn may_find_no_place(&self, position: &Position, kept: Kept) -> bool {
        let (is_none, below) = self.applied.place_of(position, kept);
        let oldest = self.released_at.values().next().copied();
        is_none || below.or(oldest).is_some_and(|oldest| kept.may_be_gone(oldest, kept.facts))
    }

    /// It goes where its earlier release went, as far as its source still leads there.
    pub(super) fn is_again(&self, fact: &Released, earlier: u64) -> Verdict {
        let known = self.released.get(&earlier);
        let Some(known) = known else { return Err(format!("{fact:?} of what was not released")) };
        let goes = |to: &DestinationId| {
            let was_opened = self.lanes.get(&(*to, 0)).is_some_and(|lane| lane.knows(earlier));
            known.lanes.contains(to) || (was_opened && !known.filtered.contains(to))
        };
        must(fact.lanes.iter().all(goes), || format!("{fact:?} goes elsewhere than {known:?}"))?;
        let is_kept_away = fact.filtered.iter().any(|to| known.lanes.contains(to));
        must(!is_kept_away, || format!("{fact:?} is kept from those that {known:?} went to"))?;
        Ok(())
    }
}
